// SPDX-License-Identifier: Apache-2.0
/*
 * An immutable TLS configuration ready for handshakes (a BoringSSL SSL_CTX with our verification), one
 * per downstream or upstream transport socket and secret version. Built on the control thread,
 * reference counted atomically, used by all workers. src/tls is the only includer of <openssl/>.
 * Keys never leave it: no accessor gives private bytes.
 */
#ifndef SRC_TLS_TLS_CONTEXT_H
#define SRC_TLS_TLS_CONTEXT_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/arena.h"
#include "src/base/error.h"
#include "src/base/slice.h"

struct tls_context;
struct string_matcher;

enum tls_version {
    TLS_VERSION_AUTO,
    TLS_VERSION_1_0,
    TLS_VERSION_1_1,
    TLS_VERSION_1_2,
    TLS_VERSION_1_3
};

struct tls_certificate_source {
    struct slice chain_pem;
    struct slice private_key_pem;
    struct slice password;    /* empty: none */
    struct slice ocsp_staple; /* DER; empty: none */
    struct slice name;        /* for messages */
};

/* Matches one subject alternative name of the peer's certificate; pure. */
enum tls_san_type {
    TLS_SAN_ANY,
    TLS_SAN_EMAIL,
    TLS_SAN_DNS,
    TLS_SAN_URI,
    TLS_SAN_IP,
    TLS_SAN_OTHER
};
struct tls_san_matcher {
    enum tls_san_type type;
    bool (*matches)(const void *matcher, struct slice value); /* value never holds NUL */
    const void *matcher; /* a matcher of src/matcher; lives as long as the context */
    bool is_exact_dns;   /* exact matcher on DNS names: wildcard labels of the certificate count */
    struct slice exact;  /* set with is_exact_dns */
};

struct tls_validation_source {
    struct slice trusted_ca_pem;  /* empty: none (no verification unless pins are given) */
    struct slice trusted_ca_name; /* its file, for messages; empty: given inline */
    struct slice crl_pem;
    const struct tls_san_matcher *san_matchers;
    uint32_t san_matcher_count;
    const struct slice *certificate_hashes; /* 32 bytes each, SHA-256 of the DER certificate */
    uint32_t certificate_hash_count;
    const struct slice *spki_pins; /* 32 bytes each */
    uint32_t spki_pin_count;
    bool allow_expired;
    bool accept_untrusted; /* trust_chain_verification: ACCEPT_UNTRUSTED */
    bool only_leaf_crl;
    uint32_t max_verify_depth; /* 0: library's */
};

struct tls_context_options {
    bool is_server;
    enum tls_version min_version, max_version; /* AUTO: 1.2 to 1.3 */
    const char *cipher_suites;                 /* OpenSSL syntax; NULL: the secure default */
    const char *curves;                        /* NULL: default */
    const char *signature_algorithms;          /* NULL: default */
    const struct slice *alpn; /* in order of preference; a server picks its first that is offered */
    uint32_t alpn_count;
    const struct tls_certificate_source *certificates;
    uint32_t certificate_count;
    const struct tls_validation_source *validation; /* NULL: peer not verified */
    bool require_client_certificate;
    bool disable_session_tickets;
    bool disable_stateful_resumption;
    const struct slice *ticket_keys; /* 80 bytes each, the first encrypts */
    uint32_t ticket_key_count;
    uint32_t session_timeout_s; /* 0: library's */
    uint32_t max_session_keys;  /* client side session cache; 0: none */
    struct slice
        session_id_context; /* server: configuration identity; resumption never crosses it */
    struct slice sni;       /* client default */
    bool auto_host_sni;     /* client: SNI from the host or stream, given per transport */
    bool auto_sni_san_validation;
    bool allow_renegotiation;
    bool enforce_rsa_key_usage;
    bool prefer_client_ciphers;
    const char *keylog_path; /* NULL: none */
    /* Called when the context that was made is freed, on the thread that let go last: for what the
     * matchers of `validation` lie in. Not called where tls_context_new fails. NULL: none. */
    void (*on_free)(void *arg);
    void *on_free_arg;
};

/* Errors name what is wrong with which certificate or key ("key values mismatch"); never key bytes. */
struct tls_context *tls_context_new(const struct tls_context_options *options, struct error *err);
struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context); /* NULL allowed */

/* Facts for /certs and expiry gauges. */
struct tls_certificate_facts {
    struct slice path_or_name;
    struct slice serial;
    struct slice subject;
    struct slice dns_sans, uri_sans, ip_sans; /* comma separated */
    int64_t valid_from_s, valid_until_s;      /* Unix time */
    bool is_ca;
    bool is_trusted; /* a CA of the validation context, not a certificate of ours */
};
/* Calls `fn` for each own certificate and each trusted CA. */
typedef void tls_certificate_visit_fn(void *arg, const struct tls_certificate_facts *facts);
void tls_context_visit_certificates(const struct tls_context *context, tls_certificate_visit_fn *fn,
                                    void *arg);
/* Parses and checks a pair without building a context: for secrets that nothing uses yet. */
enum status tls_check_certificate(const struct tls_certificate_source *source,
                                  struct error *err) MUST_USE;
enum status tls_check_ca(struct slice pem, struct error *err) MUST_USE;

#endif
