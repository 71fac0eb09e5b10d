// SPDX-License-Identifier: Apache-2.0
/*
 * Small readers over the library's certificates: PEM bundles, keys, names of a certificate, times,
 * fingerprints. Pure; texts go to an arena of the caller.
 */
#ifndef SRC_TLS_TLS_X509_H
#define SRC_TLS_TLS_X509_H

#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "src/base/arena.h"
#include "src/base/error.h"
#include "src/tls/tls_context.h"

/* The library's oldest queued reason as text ("KEY_VALUES_MISMATCH"); clears the queue. */
const char *tls_library_error(void);

/* All certificates of a PEM text, in order; at least one. Release with sk_X509_pop_free. */
enum status tls_read_certificates(struct slice pem, STACK_OF(X509) * *certificates,
                                  struct error *err) MUST_USE;
enum status tls_read_crls(struct slice pem, STACK_OF(X509_CRL) * *crls, struct error *err) MUST_USE;
enum status tls_read_private_key(struct slice pem, struct slice password, EVP_PKEY **key,
                                 struct error *err) MUST_USE;

/* The subject alternative names of a certificate, one after another. Slices point into the
 * certificate (IP addresses: into the iterator) and may hold any byte, NUL included. */
struct tls_san_iterator {
    GENERAL_NAMES *names;
    size_t next;
    char ip_text[64];
};
void tls_san_iterator_init(struct tls_san_iterator *at, X509 *certificate);
bool tls_san_next(struct tls_san_iterator *at, enum tls_san_type *type, struct slice *value);
void tls_san_iterator_deinit(struct tls_san_iterator *at);

/* The values of the type (TLS_SAN_ANY: all), separated by `separator`. */
struct slice tls_san_list(struct arena *arena, X509 *certificate, enum tls_san_type type,
                          const char *separator);
struct slice tls_join(struct arena *arena, const struct slice *texts, size_t count,
                      const char *separator);
struct slice tls_name_text(struct arena *arena, const X509_NAME *name);     /* RFC 2253 */
struct slice tls_serial_text(struct arena *arena, const X509 *certificate); /* lower-case hex */
struct slice tls_hex(struct arena *arena, const uint8_t *bytes, size_t len);
int64_t tls_time_seconds(const ASN1_TIME *time); /* Unix time; 0 when malformed */
struct slice tls_time_text(struct arena *arena, const ASN1_TIME *time); /* RFC 3339 */
/* PEM of a DER certificate with every byte outside RFC 3986's unreserved set percent-encoded. */
struct slice tls_pem_urlencoded(struct arena *arena, const CRYPTO_BUFFER *certificate);

#endif
