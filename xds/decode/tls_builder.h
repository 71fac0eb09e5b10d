// SPDX-License-Identifier: Apache-2.0
/*
 * Makes a CONFIG_TLS part, ready to hand-shake, of a transport socket's configuration and the secrets
 * that are in the store. Whoever puts a listener or cluster calls it for each struct tls_need, and again
 * when a secret changes that tls_builder_uses says it is made of. Control thread.
 */
#ifndef XDS_DECODE_TLS_BUILDER_H
#define XDS_DECODE_TLS_BUILDER_H

#include "src/base/error.h"
#include "src/config/config_store.h"
#include "src/config/secret_config.h"

/* A part with one reference. While a secret is missing its context is NULL and the status is OK: such a
 * socket refuses connections. STATUS_INVALID with a reason where the secrets do not fit. */
enum status tls_builder_make(const struct config_store *store, struct slice name,
                             const struct tls_config *config, struct tls_part **part,
                             struct error *err) MUST_USE;
/* The same, put into `slot`; on a failure what is there stays. */
enum status tls_builder_put(struct config_store *store, uint32_t slot,
                            const struct tls_config *config, struct error *err) MUST_USE;
bool tls_builder_uses(const struct tls_config *config, uint32_t secret_slot);

#endif
