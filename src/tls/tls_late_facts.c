// SPDX-License-Identifier: Apache-2.0
#include "src/tls/tls_late_facts.h"

#include <openssl/sha.h>
#include <openssl/x509.h>

#include "src/base/check.h"
#include "src/tls/tls_other_name.h"
#include "src/tls/tls_x509.h"

typedef struct slice certificate_text_fn(struct arena *arena, const CRYPTO_BUFFER *der);

static const struct slice nothing;

/* ---- of one certificate as it came ---- */

static struct slice sha1_of(struct arena *arena, const CRYPTO_BUFFER *der) {
    uint8_t digest[SHA_DIGEST_LENGTH];
    SHA1(CRYPTO_BUFFER_data(der), CRYPTO_BUFFER_len(der), digest);
    return tls_hex(arena, digest, sizeof(digest));
}

static struct slice sha256_of(struct arena *arena, const CRYPTO_BUFFER *der) {
    uint8_t digest[SHA256_DIGEST_LENGTH];
    SHA256(CRYPTO_BUFFER_data(der), CRYPTO_BUFFER_len(der), digest);
    return tls_hex(arena, digest, sizeof(digest));
}

static X509 *parse(const CRYPTO_BUFFER *der) {
    return der == NULL ? NULL : X509_parse_from_buffer((CRYPTO_BUFFER *)(uintptr_t)der);
}

static struct slice serial_of(struct arena *arena, const CRYPTO_BUFFER *der) {
    X509 *certificate = parse(der);
    struct slice text = certificate == NULL ? nothing : tls_serial_text(arena, certificate);
    X509_free(certificate);
    return text;
}

/* ---- of the peer's chain ---- */

static const STACK_OF(CRYPTO_BUFFER) * chain_of(const struct tls_fact_source *source) {
    bool is_there = source->peer->peer_certificate_presented && source->session != NULL;
    return is_there ? SSL_SESSION_get0_peer_certificates(source->session) : NULL;
}

static const CRYPTO_BUFFER *leaf_of(const struct tls_fact_source *source) {
    const STACK_OF(CRYPTO_BUFFER) *chain = chain_of(source);
    return chain == NULL ? NULL : sk_CRYPTO_BUFFER_value(chain, 0);
}

static struct slice of_leaf(const struct tls_fact_source *source, certificate_text_fn *text,
                            struct arena *arena) {
    const CRYPTO_BUFFER *leaf = leaf_of(source);
    return leaf == NULL ? nothing : text(arena, leaf);
}

static struct slice of_chain(const struct tls_fact_source *source, certificate_text_fn *text,
                             const char *separator, struct arena *arena) {
    const STACK_OF(CRYPTO_BUFFER) *chain = chain_of(source);
    size_t count = chain == NULL ? 0 : sk_CRYPTO_BUFFER_num(chain);
    struct slice *texts = ARENA_NEW_ARRAY(arena, count, struct slice);
    for (size_t i = 0; i < count; i++) {
        texts[i] = text(arena, sk_CRYPTO_BUFFER_value(chain, i));
    }
    return tls_join(arena, texts, count, separator);
}

static struct slice issuer_of(const struct tls_fact_source *source, certificate_text_fn *text,
                              struct arena *arena) {
    const STACK_OF(CRYPTO_BUFFER) *chain = chain_of(source);
    if (chain == NULL || !source->peer->peer_certificate_validated) {
        return nothing;
    }
    const struct tls_context *context = source->context;
    CRYPTO_BUFFER *issuer = tls_verifier_issuer(context->verifier, context->is_server, chain);
    struct slice result = issuer == NULL ? nothing : text(arena, issuer);
    CRYPTO_BUFFER_free(issuer);
    return result;
}

/* ---- of a certificate's fields ---- */

static struct slice san_texts(X509 *certificate, enum tls_san_type type, struct arena *arena) {
    return type == TLS_SAN_OTHER ? tls_other_names(arena, certificate)
                                 : tls_san_list(arena, certificate, type, ",");
}

static struct slice sans_of(const CRYPTO_BUFFER *der, enum tls_san_type type, struct arena *arena) {
    X509 *certificate = parse(der);
    struct slice text = certificate == NULL ? nothing : san_texts(certificate, type, arena);
    X509_free(certificate);
    return text;
}

static struct slice field_of(const CRYPTO_BUFFER *der, enum transport_fact fact,
                             struct arena *arena) {
    X509 *certificate = parse(der);
    if (certificate == NULL) {
        return nothing;
    }
    struct slice text = fact == TRANSPORT_FACT_PEER_ISSUER
                            ? tls_name_text(arena, X509_get_issuer_name(certificate))
                            : tls_time_text(arena, fact == TRANSPORT_FACT_PEER_VALID_FROM
                                                       ? X509_get0_notBefore(certificate)
                                                       : X509_get0_notAfter(certificate));
    X509_free(certificate);
    return text;
}

static struct slice session_id(const struct tls_fact_source *source, struct arena *arena) {
    unsigned len = 0;
    if (source->session == NULL) {
        return nothing;
    }
    const uint8_t *id = SSL_SESSION_get_id(source->session, &len);
    return tls_hex(arena, id, len);
}

struct slice tls_late_fact_text(const struct tls_fact_source *source, enum transport_fact fact,
                                struct arena *arena) {
    const CRYPTO_BUFFER *local = source->local == NULL ? NULL : source->local->leaf;
    switch (fact) {
    case TRANSPORT_FACT_SESSION_ID:
        return session_id(source, arena);
    case TRANSPORT_FACT_TLS_GROUP:
        return slice_from_string(SSL_get_group_name(source->peer->tls_group_id));
    case TRANSPORT_FACT_PEER_SERIAL:
        return of_leaf(source, serial_of, arena);
    case TRANSPORT_FACT_PEER_SHA1:
        return of_leaf(source, sha1_of, arena);
    case TRANSPORT_FACT_PEER_PEM:
        return of_leaf(source, tls_pem_urlencoded, arena);
    case TRANSPORT_FACT_PEER_CHAIN_PEM:
        return of_chain(source, tls_pem_urlencoded, "", arena);
    case TRANSPORT_FACT_PEER_CHAIN_SHA1:
        return of_chain(source, sha1_of, ",", arena);
    case TRANSPORT_FACT_PEER_CHAIN_SHA256:
        return of_chain(source, sha256_of, ",", arena);
    case TRANSPORT_FACT_PEER_CHAIN_SERIALS:
        return of_chain(source, serial_of, ",", arena);
    case TRANSPORT_FACT_PEER_ISSUER_SHA256:
        return issuer_of(source, sha256_of, arena);
    case TRANSPORT_FACT_PEER_ISSUER_SERIAL:
        return issuer_of(source, serial_of, arena);
    case TRANSPORT_FACT_PEER_EMAIL_SANS:
        return sans_of(leaf_of(source), TLS_SAN_EMAIL, arena);
    case TRANSPORT_FACT_PEER_IP_SANS:
        return sans_of(leaf_of(source), TLS_SAN_IP, arena);
    case TRANSPORT_FACT_PEER_OTHER_SANS:
        return sans_of(leaf_of(source), TLS_SAN_OTHER, arena);
    case TRANSPORT_FACT_PEER_ISSUER:
    case TRANSPORT_FACT_PEER_VALID_FROM:
    case TRANSPORT_FACT_PEER_VALID_UNTIL:
        return field_of(leaf_of(source), fact, arena);
    case TRANSPORT_FACT_LOCAL_EMAIL_SANS:
        return sans_of(local, TLS_SAN_EMAIL, arena);
    case TRANSPORT_FACT_LOCAL_IP_SANS:
        return sans_of(local, TLS_SAN_IP, arena);
    case TRANSPORT_FACT_LOCAL_OTHER_SANS:
        return sans_of(local, TLS_SAN_OTHER, arena);
    }
    return nothing;
}
