// SPDX-License-Identifier: Apache-2.0
#include "src/tls/tls_facts.h"

#include <openssl/sha.h>
#include <openssl/x509.h>

#include "src/base/arena.h"
#include "src/base/check.h"
#include "src/tls/tls_late_facts.h"
#include "src/tls/tls_x509.h"

enum { FIRST_TEXT_BYTES = 192, MAX_TEXT_BYTES = 4096 };

/* A fact that was asked for. */
struct tls_late_fact {
    struct tls_late_fact *next;
    enum transport_fact fact;
    struct slice text;
};

struct tls_facts {
    uint32_t refs;
    struct tls_context *context; /* has the texts of our own certificate */
    SSL_SESSION *session;        /* has the peer's certificates */
    const struct tls_credential *local;
    struct tls_late_fact *late;
    struct transport_peer peer;
    struct arena arena;
};

static void read_session(struct tls_facts *facts, SSL *ssl) {
    struct transport_peer *peer = &facts->peer;
    const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
    const uint8_t *alpn = NULL;
    unsigned alpn_len = 0;

    SSL_get0_alpn_selected(ssl, &alpn, &alpn_len);
    peer->alpn = arena_dup_slice(&facts->arena, slice_make(alpn, alpn_len));
    peer->tls_group_id = SSL_get_group_id(ssl);
    peer->tls_version = slice_from_string(SSL_get_version(ssl));
    if (cipher != NULL) {
        peer->cipher = slice_from_string(SSL_CIPHER_get_name(cipher));
    }
    struct slice sni = slice_from_string(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
    uint8_t *lower = arena_alloc_bytes(&facts->arena, sni.len + 1);
    for (size_t i = 0; i < sni.len; i++) {
        lower[i] = ascii_lower(sni.ptr[i]);
    }
    peer->sni = slice_make(lower, sni.len);
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
    peer->peer_uri_sans = tls_san_list(arena, leaf, TLS_SAN_URI, ",");
    peer->peer_dns_sans = tls_san_list(arena, leaf, TLS_SAN_DNS, ",");
    read_names(facts, leaf);
    X509_free(leaf);
}

/* The context has them ready. */
static void read_local(struct tls_facts *facts, const struct tls_credential *local) {
    if (local != NULL) {
        facts->peer.local_subject = local->subject;
        facts->peer.local_uri_sans = local->uri_sans;
        facts->peer.local_dns_sans = local->dns_sans;
    }
}

static struct slice late_fact(const struct transport_peer *peer, enum transport_fact fact) {
    struct tls_facts *facts = CONTAINER_OF((void *)(uintptr_t)peer, struct tls_facts, peer);
    for (const struct tls_late_fact *known = facts->late; known != NULL; known = known->next) {
        if (known->fact == fact) {
            return known->text;
        }
    }
    const struct tls_fact_source source = {
        .peer = peer,
        .context = facts->context,
        .session = facts->session,
        .local = facts->local,
    };
    struct tls_late_fact *late = ARENA_NEW(&facts->arena, struct tls_late_fact);
    *late =
        (struct tls_late_fact){facts->late, fact, tls_late_fact_text(&source, fact, &facts->arena)};
    facts->late = late;
    return late->text;
}

struct tls_facts *tls_facts_new(SSL *ssl, const struct tls_handshake *handshake) {
    struct tls_facts *facts = mem_calloc(1, sizeof(*facts));
    const STACK_OF(CRYPTO_BUFFER) *chain = SSL_get0_peer_certificates(ssl);

    // What most connections are asked for is a few words; the certificates stay where they are.
    facts->refs = 1;
    facts->context = tls_context_ref(handshake->context);
    facts->session = SSL_get1_session(ssl);
    facts->local = handshake->local;
    arena_init_growing(&facts->arena, FIRST_TEXT_BYTES, MAX_TEXT_BYTES);
    facts->peer.is_tls = true;
    facts->peer.fact = late_fact;
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
    SSL_SESSION_free(facts->session);
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
