// SPDX-License-Identifier: Apache-2.0
/*
 * What the files of src/tls share: the layout of a context and the state a handshake carries from one
 * callback of the TLS library to the next. Contexts are immutable after creation but for the client's
 * session cache, which has a lock of its own; handshakes belong to one transport and one thread.
 */
#ifndef SRC_TLS_TLS_INTERNAL_H
#define SRC_TLS_TLS_INTERNAL_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "src/base/arena.h"
#include "src/tls/cert_selector.h"
#include "src/tls/tls_context.h"
#include "src/tls/tls_session_cache.h"
#include "src/tls/tls_verify.h"

enum { TLS_CONTEXT_MAGIC = 0x544c5343, TLS_TICKET_KEY_BYTES = 80, TLS_SESSION_KEY_BYTES = 512 };

struct stats_scope;

/* A certificate chain with its key. */
struct tls_credential {
    SSL_CREDENTIAL *ssl;
    CRYPTO_BUFFER *leaf;
    char *name;
    bool is_ecdsa;
    uint16_t group_id; /* of an ECDSA key */
    bool has_staple;
    /* What connections tell of the leaf. */
    struct arena texts;
    struct slice subject;  /* RFC 2253 */
    struct slice uri_sans; /* comma separated */
    struct slice dns_sans;
};

struct tls_context {
    uint32_t magic;
    atomic_uint references;
    SSL_CTX *ssl_ctx;
    BIO_METHOD *bio_method;
    CRYPTO_BUFFER_POOL *pool; /* equal certificates of many peers are kept once */
    struct tls_credential *credentials;
    uint32_t credential_count;
    struct cert_selector selector;
    struct tls_verifier *verifier; /* NULL: peers are not verified */
    struct tls_session_cache sessions;
    uint8_t *alpn; /* wire form */
    size_t alpn_len;
    uint8_t *ticket_keys; /* TLS_TICKET_KEY_BYTES each */
    uint32_t ticket_key_count;
    char *sni;
    int keylog_fd; /* -1: none */
    bool is_server;
    bool allow_renegotiation;
    bool enforce_rsa_key_usage;
    void (*on_free)(void *arg); /* NULL: none */
    void *on_free_arg;
};

/* Of one connection; SSL_get_app_data. Callbacks of the library fill it. */
struct tls_handshake {
    struct tls_context *context;
    struct stats_scope *stats;
    uint32_t thread;
    struct slice verify_san;            /* heap copy; empty: none */
    const struct tls_credential *local; /* what we present; NULL: nothing */
    char *verify_failure;               /* heap */
    bool is_validated;
    bool wants_staple;
};

static inline struct tls_handshake *tls_handshake_of(const SSL *ssl) {
    return (struct tls_handshake *)SSL_get_app_data(ssl);
}

/* Length-prefixed protocol names as the library takes them; heap (NULL where there are none). False
 * for a name that does not fit. */
bool tls_alpn_wire(const struct slice *protocols, uint32_t count, uint8_t **wire, size_t *len);
/* Under which name a client's session is kept; in `key`. */
struct slice tls_session_key(const SSL *ssl, const struct tls_handshake *handshake,
                             uint8_t key[TLS_SESSION_KEY_BYTES]);

#endif
