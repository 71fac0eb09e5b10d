// SPDX-License-Identifier: Apache-2.0
/*
 * Turning a configured certificate source into a chain with its key that fit together. Key bytes are
 * held by the TLS library only, which wipes them when freed.
 */
#ifndef SRC_TLS_TLS_CREDENTIAL_H
#define SRC_TLS_TLS_CREDENTIAL_H

#include "src/tls/tls_internal.h"

/* `pool` may be NULL. Fills `credential`; release with tls_credential_deinit. */
enum status tls_credential_init(struct tls_credential *credential,
                                const struct tls_certificate_source *source,
                                CRYPTO_BUFFER_POOL *pool, struct error *err) MUST_USE;
void tls_credential_deinit(struct tls_credential *credential);

#endif
