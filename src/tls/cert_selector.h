// SPDX-License-Identifier: Apache-2.0
/*
 * Which of a server's certificates answers a client hello: by server name (exact, then wildcard of one
 * label, else the first certificate), then by key type (ECDSA for a client that can use it). The names
 * are the certificate's DNS SANs, or its common name where it has none. Immutable after building.
 */
#ifndef SRC_TLS_CERT_SELECTOR_H
#define SRC_TLS_CERT_SELECTOR_H

#include <openssl/ssl.h>

#include "src/base/arena.h"
#include "src/base/hash_map.h"

struct tls_credential;

struct cert_selector {
    const struct tls_credential *credentials; /* borrowed */
    uint32_t count;
    struct hash_map names; /* lower-case name -> struct cert_selector_name */
    struct arena arena;
};

void cert_selector_init(struct cert_selector *selector, const struct tls_credential *credentials,
                        uint32_t count);
void cert_selector_deinit(struct cert_selector *selector);
/* NULL only where there are no certificates. */
const struct tls_credential *cert_selector_choose(const struct cert_selector *selector,
                                                  const SSL_CLIENT_HELLO *hello);
/* True when the client can verify an ECDSA signature of a key on the group. */
bool cert_selector_is_ecdsa_capable(const SSL_CLIENT_HELLO *hello, uint16_t group_id);

#endif
