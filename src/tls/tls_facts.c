// SPDX-License-Identifier: Apache-2.0
#include "src/tls/tls_facts.h"

#include <openssl/sha.h>
#include <openssl/x509.h>

#include "src/base/arena.h"
#include "src/base/check.h"
#include "src/tls/tls_x509.h"

enum { FIRST_TEXT_BYTES = 192, MAX_TEXT_BYTES = 4096 };

struct tls_facts {
    uint32_t refs;
    struct tls_context *context; /* has the texts of our own certificate */
    struct transport_peer peer;
    struct arena arena;
};

static void read_session(struct tls_facts *facts, SSL *ssl) {
    struct transport_peer *peer = &facts->peer;
    const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
    const SSL_SESSION *session = SSL_get_session(ssl);
    const uint8_t *alpn = NULL;
    unsigned alpn_len = 0, id_len = 0;

    SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
    peer->alpn = arena_dup_slice(&facts->arena, slice_make(alpn, alpn_len));
    peer->tls_version = slice_from_string(SSL_get_version(ssl));
    if (cipher != NULL) {
        peer->cipher = slice_from_string(SSL_CIPHER_get_name(cipher));
    }
    if (session != NULL) {
        const uint8_t *id = SSL_SESSION_get_id(session, &id_len);
        peer->session_id = tls_hex(&facts->arena, id, id_len);
    }
    struct slice sni = slice_from_string(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    uint8_t *lower = arena_alloc_bytes(&facts->arena, sni.len + 1);
    for (size_t i = 0; i < sni.len; i++) {
        lower[i] = ascii_lower(sni.ptr[i]);
    }
    peer->sni = slice_make(lower, sni.len);
}

static struct slice join(struct arena *arena, struct slice a, struct slice b) {
    uint8_t *text = arena_alloc_bytes(arena, a.len + b.len + 1);
    if (a.len > 0) {
        memcpy(text, a.ptr, a.len);
    }
    if (b.len > 0) {
        memcpy(text + a.len, b.ptr, b.len);
    }
    return slice_make(text, a.len + b.len);
}

static void read_chain(struct tls_facts *facts, const STACK_OF(CRYPTO_BUFFER) * chain) {
    struct slice all = slice_make(NULL, 0);
    for (size_t i = 0; i < sk_CRYPTO_BUFFER_num(chain); i++) {
        struct slice pem = tls_pem_urlencoded(&facts->arena, sk_CRYPTO_BUFFER_value(chain, i));
        if (i == 0) {
            facts->peer.peer_certificate_pem_urlencoded = pem;
        }
        all = join(&facts->arena, all, pem);
    }
    facts->peer.peer_chain_pem_urlencoded = all;
}

/* Both kinds of names one by one; names that stand for others must not be cut out of joined text. */
static void read_names(struct tls_facts *facts, X509 *leaf) {
    static const enum tls_san_type kinds[] = {TLS_SAN_URI, TLS_SAN_DNS};
    struct tls_san_iterator at;
    enum tls_san_type type;
    struct slice value;
    uint32_t total = 0, used = 0;

    tls_san_iterator_init(&at, leaf);
    while (tls_san_next(&at, &type, &value)) {
        total++;
    }
    struct slice *names = ARENA_NEW_ARRAY(&facts->arena, total, struct slice);
    for (size_t kind = 0; kind < ARRAY_LEN(kinds); kind++) {
        at.next = 0;
        while (tls_san_next(&at, &type, &value)) {
            if (type == kinds[kind] && value.len > 0) {
                names[used++] = arena_dup_slice(&facts->arena, value);
            }
        }
    }
    tls_san_iterator_deinit(&at);
    facts->peer.peer_names = names;
    facts->peer.peer_name_count = used;
}

static void read_peer(struct tls_facts *facts, const STACK_OF(CRYPTO_BUFFER) * chain) {
    struct transport_peer *peer = &facts->peer;
    struct arena *arena = &facts->arena;
    CRYPTO_BUFFER *der = sk_CRYPTO_BUFFER_value(chain, 0);
    X509 *leaf = X509_parse_from_buffer(der);
    uint8_t digest[SHA256_DIGEST_LENGTH];

    if (leaf == NULL) {
        return;
    }
    SHA256(CRYPTO_BUFFER_data(der), CRYPTO_BUFFER_len(der), digest);
    peer->peer_fingerprint_sha256 = tls_hex(arena, digest, sizeof(digest));
    peer->peer_subject = tls_name_text(arena, X509_get_subject_name(leaf));
    peer->peer_issuer = tls_name_text(arena, X509_get_issuer_name(leaf));
    peer->peer_serial = tls_serial_text(arena, leaf);
    peer->peer_uri_sans = tls_san_list(arena, leaf, TLS_SAN_URI, ",");
    peer->peer_dns_sans = tls_san_list(arena, leaf, TLS_SAN_DNS, ",");
    read_names(facts, leaf);
    peer->peer_valid_from = tls_time_text(arena, X509_get0_notBefore(leaf));
    peer->peer_valid_until = tls_time_text(arena, X509_get0_notAfter(leaf));
    X509_free(leaf);
    read_chain(facts, chain);
}

/* The context has them ready. */
static void read_local(struct tls_facts *facts, const struct tls_credential *local) {
    if (local != NULL) {
        facts->peer.local_subject = local->subject;
        facts->peer.local_uri_sans = local->uri_sans;
        facts->peer.local_dns_sans = local->dns_sans;
    }
}

struct tls_facts *tls_facts_new(SSL *ssl, const struct tls_handshake *handshake) {
    struct tls_facts *facts = mem_calloc(1, sizeof(*facts));
    const STACK_OF(CRYPTO_BUFFER) *chain = SSL_get0_peer_certificates(ssl);

    // A session's facts are a few words, a client certificate's some KiB.
    facts->refs = 1;
    facts->context = tls_context_ref(handshake->context);
    arena_init_growing(&facts->arena, FIRST_TEXT_BYTES, MAX_TEXT_BYTES);
    facts->peer.is_tls = true;
    facts->peer.peer_certificate_presented = chain != NULL && sk_CRYPTO_BUFFER_num(chain) > 0;
    facts->peer.peer_certificate_validated =
        facts->peer.peer_certificate_presented && handshake->is_validated;
    read_session(facts, ssl);
    if (facts->peer.peer_certificate_presented) {
        read_peer(facts, chain);
    }
    read_local(facts, handshake->local);
    return facts;
}

void tls_facts_unref(struct tls_facts *facts) {
    if (facts == NULL || --facts->refs > 0) {
        return;
    }
    arena_deinit(&facts->arena);
    tls_context_unref(facts->context);
    mem_free(facts);
}

static void release(void *facts) {
    tls_facts_unref(facts);
}

void tls_facts_hold(struct tls_facts *facts, struct arena *arena) {
    facts->refs++;
    arena_at_reset(arena, release, facts);
}

const struct transport_peer *tls_facts_peer(const struct tls_facts *facts) {
    return &facts->peer;
}
