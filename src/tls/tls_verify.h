// SPDX-License-Identifier: Apache-2.0
/*
 * Verification of the peer's certificate: chain and revocation by the library's X.509 code, purpose,
 * subject alternative names, pins. A verifier is immutable and shared by all workers.
 */
#ifndef SRC_TLS_TLS_VERIFY_H
#define SRC_TLS_TLS_VERIFY_H

#include <openssl/ssl.h>

#include "src/tls/tls_context.h"

struct tls_verifier;

/* Copies pins and exact names; the matchers themselves are borrowed (tls_context.h). */
enum status tls_verifier_new(const struct tls_validation_source *source,
                             struct tls_verifier **verifier, struct error *err) MUST_USE;
void tls_verifier_free(struct tls_verifier *verifier);
/* Whether anything of it can refuse a certificate. */
bool tls_verifier_checks(const struct tls_verifier *verifier);
/* Names of the trusted CAs for a certificate request; the caller's. NULL: none. */
STACK_OF(CRYPTO_BUFFER) * tls_verifier_ca_names(const struct tls_verifier *verifier);
/* Calls `fn` with each trusted CA. */
void tls_verifier_visit_cas(const struct tls_verifier *verifier,
                            void (*fn)(void *arg, X509 *certificate), void *arg);
/* The file that the trusted CAs came from; "" for none. */
const char *tls_verifier_ca_name(const struct tls_verifier *verifier);

/* The SSL_CTX custom verification callback; state in tls_handshake. */
enum ssl_verify_result_t tls_verify_peer(SSL *ssl, uint8_t *out_alert);

/* The certificate that signed the first of `presented`, as verifying them finds it; the caller's. NULL:
 * none is known. */
CRYPTO_BUFFER *tls_verifier_issuer(const struct tls_verifier *verifier, bool is_server,
                                   const STACK_OF(CRYPTO_BUFFER) * presented);

/* RFC 9525 §6.3 without partial wildcards: `presented` is a certificate's DNS name, whose left-most
 * label may be "*" for exactly one label. */
bool tls_dns_name_matches(struct slice presented, struct slice wanted);

#endif
