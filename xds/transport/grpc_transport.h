// SPDX-License-Identifier: Apache-2.0
/*
 * xDS streams over gRPC core. One completion-queue thread takes finished operations off the queue and
 * posts them to the control thread's mailbox; everything else, the calls into gRPC included, is done on
 * the control thread. The handshake's check of subject names runs on gRPC's own threads, over immutable
 * matchers.
 */
#ifndef XDS_TRANSPORT_GRPC_TRANSPORT_H
#define XDS_TRANSPORT_GRPC_TRANSPORT_H

#include "xds/xds_transport.h"

struct mailbox;

/* NULL where the thread cannot be made. */
struct xds_transport *grpc_transport_new(struct mailbox *control, struct error *err);
/* All channels are freed. Ends the thread; what is on its way in the mailbox is delivered as no-ops, so
 * the mailbox lives longer. */
void grpc_transport_free(struct xds_transport *transport);

#endif
