// SPDX-License-Identifier: Apache-2.0
/*
 * Makes gRPC channels and their credentials out of the neutral configuration of xds_transport.h, and
 * checks the subject names of servers' certificates.
 */
#ifndef XDS_TRANSPORT_GRPC_CHANNEL_H
#define XDS_TRANSPORT_GRPC_CHANNEL_H

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

#include "xds/xds_transport.h"

struct mailbox;

/* The checks of subject names under way. gRPC drops them on threads and at times of its own, perhaps
 * after the transport is gone. */
struct grpc_verifiers;
/* `control` gets the mail that releases matchers. */
struct grpc_verifiers *grpc_verifiers_new(struct mailbox *control);
/* Releases all matchers; handshakes that still run are refused. */
void grpc_verifiers_close(struct grpc_verifiers *verifiers);

enum status grpc_channel_make(const struct xds_channel_config *config,
                              struct grpc_verifiers *verifiers, grpc_channel **channel,
                              struct error *err) MUST_USE;

/* Whether the names of a certificate satisfy any of the matchers. Pure. */
bool grpc_peer_matches(const struct tls_san_matcher *matchers, uint32_t count,
                       const grpc_tls_custom_verification_check_request *request);

#endif
