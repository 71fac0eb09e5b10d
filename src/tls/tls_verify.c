// SPDX-License-Identifier: Apache-2.0
#include "src/tls/tls_verify.h"

#include <openssl/err.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdarg.h>
#include <stdio.h>

#include "src/base/arena.h"
#include "src/base/check.h"
#include "src/net/address.h"
#include "src/stats/stats.h"
#include "src/tls/tls_internal.h"
#include "src/tls/tls_transport.h"
#include "src/tls/tls_x509.h"

enum {
    DEFAULT_VERIFY_DEPTH = 100, /* Envoy's */
    MAX_SAN_TEXT_BYTES = 2048,  /* of a failure reason */
};

struct tls_verifier {
    X509_STORE *store; /* NULL: no trusted CA */
    char *store_name;
    struct tls_san_matcher *matchers;
    uint32_t matcher_count;
    uint8_t (*hashes)[SHA256_DIGEST_LENGTH];
    uint32_t hash_count;
    uint8_t (*spkis)[SHA256_DIGEST_LENGTH];
    uint32_t spki_count;
    uint32_t max_depth;
    bool accept_untrusted;
};

static int ignore_expiry(int ok, X509_STORE_CTX *ctx) {
    int code = X509_STORE_CTX_get_error(ctx);
    return ok || code == X509_V_ERR_CERT_HAS_EXPIRED || code == X509_V_ERR_CERT_NOT_YET_VALID;
}

static enum status add_crls(X509_STORE *store, const struct tls_validation_source *source,
                            struct error *err) {
    STACK_OF(X509_CRL) *crls = NULL;
    unsigned long flags = X509_V_FLAG_CRL_CHECK;

    TRY(tls_read_crls(source->crl_pem, &crls, err));
    for (size_t i = 0; i < sk_X509_CRL_num(crls); i++) {
        CHECK(X509_STORE_add_crl(store, sk_X509_CRL_value(crls, i)));
    }
    sk_X509_CRL_pop_free(crls, X509_CRL_free);
    if (!source->only_leaf_crl) {
        flags |= X509_V_FLAG_CRL_CHECK_ALL;
    }
    (void)X509_STORE_set_flags(store, flags);
    return STATUS_OK;
}

static enum status fill_store(X509_STORE *store, const struct tls_validation_source *source,
                              struct error *err) {
    STACK_OF(X509) *cas = NULL;

    TRY(tls_read_certificates(source->trusted_ca_pem, &cas, err));
    for (size_t i = 0; i < sk_X509_num(cas); i++) {
        CHECK(X509_STORE_add_cert(store, sk_X509_value(cas, i)));
    }
    sk_X509_pop_free(cas, X509_free);
    // An intermediate CA in the list is a trust anchor, as in Envoy.
    (void)X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN);
    if (source->allow_expired) {
        X509_STORE_set_verify_cb(store, ignore_expiry);
    }
    return source->crl_pem.len == 0 ? STATUS_OK : add_crls(store, source, err);
}

static enum status copy_pins(const struct slice *pins, uint32_t count,
                             uint8_t (**copies)[SHA256_DIGEST_LENGTH], struct error *err) {
    if (count == 0) {
        return STATUS_OK;
    }
    *copies = mem_calloc(count, sizeof(**copies));
    for (uint32_t i = 0; i < count; i++) {
        if (pins[i].len != SHA256_DIGEST_LENGTH) {
            return error_set(err, STATUS_INVALID, "pin %u is not a SHA-256 hash", i);
        }
        memcpy((*copies)[i], pins[i].ptr, SHA256_DIGEST_LENGTH);
    }
    return STATUS_OK;
}

static void copy_matchers(struct tls_verifier *verifier,
                          const struct tls_validation_source *source) {
    uint32_t count = source->san_matcher_count;
    if (count == 0) {
        return;
    }
    verifier->matchers = mem_calloc(count, sizeof(*verifier->matchers));
    verifier->matcher_count = count;
    for (uint32_t i = 0; i < count; i++) {
        struct tls_san_matcher *copy = &verifier->matchers[i];
        *copy = source->san_matchers[i];
        copy->exact.ptr = (uint8_t *)mem_dup_string((const char *)copy->exact.ptr, copy->exact.len);
    }
}

static enum status fill_verifier(struct tls_verifier *verifier,
                                 const struct tls_validation_source *source, struct error *err) {
    if (source->trusted_ca_pem.len > 0) {
        verifier->store_name =
            mem_dup_string((const char *)source->trusted_ca_name.ptr, source->trusted_ca_name.len);
        verifier->store = X509_STORE_new();
        CHECK(verifier->store != NULL);
        if (fill_store(verifier->store, source, err) != STATUS_OK) {
            (void)error_prefix(err, "Failed to load trusted CA certificates");
            return STATUS_INVALID;
        }
    } else if (source->crl_pem.len > 0) {
        return error_set(err, STATUS_INVALID, "CRL without trusted CA");
    }
    TRY(copy_pins(source->certificate_hashes, source->certificate_hash_count, &verifier->hashes,
                  err));
    verifier->hash_count = source->certificate_hash_count;
    TRY(copy_pins(source->spki_pins, source->spki_pin_count, &verifier->spkis, err));
    verifier->spki_count = source->spki_pin_count;
    copy_matchers(verifier, source);
    verifier->accept_untrusted = source->accept_untrusted;
    verifier->max_depth =
        source->max_verify_depth == 0 ? DEFAULT_VERIFY_DEPTH : source->max_verify_depth;
    return STATUS_OK;
}

enum status tls_verifier_new(const struct tls_validation_source *source,
                             struct tls_verifier **verifier, struct error *err) {
    struct tls_verifier *result = mem_calloc(1, sizeof(*result));
    enum status status = fill_verifier(result, source, err);
    if (status != STATUS_OK) {
        tls_verifier_free(result);
        return status;
    }
    *verifier = result;
    return STATUS_OK;
}

void tls_verifier_free(struct tls_verifier *verifier) {
    if (verifier == NULL) {
        return;
    }
    for (uint32_t i = 0; i < verifier->matcher_count; i++) {
        mem_free((void *)(uintptr_t)verifier->matchers[i].exact.ptr);
    }
    X509_STORE_free(verifier->store);
    mem_free(verifier->store_name);
    mem_free(verifier->matchers);
    mem_free(verifier->hashes);
    mem_free(verifier->spkis);
    mem_free(verifier);
}

bool tls_verifier_checks(const struct tls_verifier *verifier) {
    return verifier != NULL && (verifier->store != NULL || verifier->matcher_count > 0 ||
                                verifier->hash_count > 0 || verifier->spki_count > 0);
}

void tls_verifier_visit_cas(const struct tls_verifier *verifier,
                            void (*fn)(void *arg, X509 *certificate), void *arg) {
    if (verifier == NULL || verifier->store == NULL) {
        return;
    }
    STACK_OF(X509_OBJECT) *objects = X509_STORE_get1_objects(verifier->store);
    for (size_t i = 0; i < sk_X509_OBJECT_num(objects); i++) {
        X509 *certificate = X509_OBJECT_get0_X509(sk_X509_OBJECT_value(objects, i));
        if (certificate != NULL) {
            fn(arg, certificate);
        }
    }
    sk_X509_OBJECT_pop_free(objects, X509_OBJECT_free);
}

const char *tls_verifier_ca_name(const struct tls_verifier *verifier) {
    return verifier == NULL || verifier->store_name == NULL ? "" : verifier->store_name;
}

static void add_ca_name(void *arg, X509 *certificate) {
    STACK_OF(CRYPTO_BUFFER) *names = arg;
    uint8_t *der = NULL;
    int len = i2d_X509_NAME(X509_get_subject_name(certificate), &der);
    if (len <= 0) {
        return;
    }
    CRYPTO_BUFFER *name = CRYPTO_BUFFER_new(der, (size_t)len, NULL);
    OPENSSL_free(der);
    CHECK(name != NULL && sk_CRYPTO_BUFFER_push(names, name) != 0);
}

STACK_OF(CRYPTO_BUFFER) * tls_verifier_ca_names(const struct tls_verifier *verifier) {
    if (verifier == NULL || verifier->store == NULL) {
        return NULL;
    }
    STACK_OF(CRYPTO_BUFFER) *names = sk_CRYPTO_BUFFER_new_null();
    CHECK(names != NULL);
    tls_verifier_visit_cas(verifier, add_ca_name, names);
    return names;
}

bool tls_dns_name_matches(struct slice presented, struct slice wanted) {
    if (wanted.len == 0 || presented.len == 0) {
        return false;
    }
    if (slice_equal_nocase(presented, wanted)) {
        return slice_find_byte(presented, '*') == SIZE_MAX;
    }
    if (presented.len < 3 || presented.ptr[0] != '*' || presented.ptr[1] != '.') {
        return false;
    }
    struct slice suffix = slice_sub(presented, 1, presented.len);
    size_t dot = slice_find_byte(wanted, '.');
    struct address literal;
    // A wildcard stands for one whole label, and an IP address has no labels.
    return dot != SIZE_MAX && dot > 0 && slice_find_byte(suffix, '*') == SIZE_MAX &&
           address_from_ip(&literal, wanted, 0, NULL) != STATUS_OK &&
           slice_equal_nocase(slice_sub(wanted, dot, wanted.len), suffix);
}

static void fail(struct tls_handshake *handshake, enum tls_stat stat, const char *format, ...)
    PRINTF_LIKE(3, 4);
static void fail(struct tls_handshake *handshake, enum tls_stat stat, const char *format, ...) {
    char text[MAX_SAN_TEXT_BYTES + 256];
    va_list args;

    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    size_t kept = (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1;
    stats_inc(handshake->stats, handshake->thread, stat);
    mem_free(handshake->verify_failure);
    handshake->verify_failure = mem_dup_string(text, kept);
}

static bool has_nul_san(X509 *leaf) {
    struct tls_san_iterator at;
    enum tls_san_type type;
    struct slice value;
    bool found = false;

    tls_san_iterator_init(&at, leaf);
    while (!found && tls_san_next(&at, &type, &value)) {
        found = slice_find_byte(value, 0) != SIZE_MAX;
    }
    tls_san_iterator_deinit(&at);
    return found;
}

static bool matcher_accepts(const struct tls_san_matcher *matcher, enum tls_san_type type,
                            struct slice value) {
    if (value.len == 0 || (matcher->type != TLS_SAN_ANY && matcher->type != type)) {
        return false;
    }
    if (type == TLS_SAN_DNS && matcher->is_exact_dns) {
        return tls_dns_name_matches(value, matcher->exact);
    }
    return matcher->matches != NULL && matcher->matches(matcher->matcher, value);
}

static bool any_matcher_accepts(const struct tls_verifier *verifier, enum tls_san_type type,
                                struct slice value) {
    for (uint32_t i = 0; i < verifier->matcher_count; i++) {
        if (matcher_accepts(&verifier->matchers[i], type, value)) {
            return true;
        }
    }
    return false;
}

static bool has_accepted_san(const struct tls_verifier *verifier, X509 *leaf) {
    struct tls_san_iterator at;
    enum tls_san_type type;
    struct slice value;
    bool found = false;

    tls_san_iterator_init(&at, leaf);
    while (!found && tls_san_next(&at, &type, &value)) {
        found = any_matcher_accepts(verifier, type, value);
    }
    tls_san_iterator_deinit(&at);
    return found;
}

static bool ip_text_equals(struct slice value, const struct address *wanted) {
    struct address address;
    return address_from_ip(&address, value, 0, NULL) == STATUS_OK &&
           address_equal_ip(&address, wanted);
}

/* The name that the connection itself must have reached: a DNS name or an IP address. */
static bool has_required_name(X509 *leaf, struct slice wanted) {
    struct tls_san_iterator at;
    enum tls_san_type type;
    struct slice value;
    struct address ip;
    bool is_ip = address_from_ip(&ip, wanted, 0, NULL) == STATUS_OK;
    bool found = false;

    tls_san_iterator_init(&at, leaf);
    while (!found && tls_san_next(&at, &type, &value)) {
        found = is_ip ? type == TLS_SAN_IP && ip_text_equals(value, &ip)
                      : type == TLS_SAN_DNS && tls_dns_name_matches(value, wanted);
    }
    tls_san_iterator_deinit(&at);
    return found;
}

static bool is_pinned(uint8_t (*pins)[SHA256_DIGEST_LENGTH], uint32_t count, const uint8_t *data,
                      size_t len) {
    uint8_t digest[SHA256_DIGEST_LENGTH];
    if (count == 0) {
        return false;
    }
    SHA256(data, len, digest);
    for (uint32_t i = 0; i < count; i++) {
        if (memcmp(pins[i], digest, sizeof(digest)) == 0) {
            return true;
        }
    }
    return false;
}

static bool matches_pins(const struct tls_verifier *verifier, const CRYPTO_BUFFER *der,
                         X509 *leaf) {
    uint8_t *spki = NULL;

    if (is_pinned(verifier->hashes, verifier->hash_count, CRYPTO_BUFFER_data(der),
                  CRYPTO_BUFFER_len(der))) {
        return true;
    }
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &spki);
    if (len <= 0) {
        return false;
    }
    bool is_match = is_pinned(verifier->spkis, verifier->spki_count, spki, (size_t)len);
    OPENSSL_free(spki);
    return is_match;
}

/* The library's verification; *is_good says how it ended. Release with X509_STORE_CTX_free. */
static X509_STORE_CTX *build_chain(const struct tls_verifier *verifier, bool is_server,
                                   STACK_OF(X509) * presented, bool *is_good) {
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();

    CHECK(ctx != NULL);
    *is_good = false;
    if (X509_STORE_CTX_init(ctx, verifier->store, sk_X509_value(presented, 0), presented) &&
        X509_STORE_CTX_set_default(ctx, is_server ? "ssl_client" : "ssl_server")) {
        X509_VERIFY_PARAM_set_depth(X509_STORE_CTX_get0_param(ctx),
                                    (int)(verifier->max_depth & INT32_MAX));
        *is_good = X509_verify_cert(ctx) == 1;
    }
    ERR_clear_error();
    return ctx;
}

static bool check_chain(const struct tls_verifier *verifier, struct tls_handshake *handshake,
                        STACK_OF(X509) * presented) {
    bool is_good;
    X509_STORE_CTX *ctx = build_chain(verifier, handshake->context->is_server, presented, &is_good);
    if (!is_good) {
        fail(handshake, TLS_STAT_FAIL_VERIFY_ERROR,
             "verify cert failed: X509_verify_cert: certificate verification error at depth %d: %s",
             X509_STORE_CTX_get_error_depth(ctx),
             X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
    }
    X509_STORE_CTX_free(ctx);
    return is_good;
}

static void fail_names(struct tls_handshake *handshake, X509 *leaf, bool is_required) {
    struct arena arena;
    arena_init_heap(&arena, 0);
    struct slice list = tls_san_list(&arena, leaf, TLS_SAN_ANY, ", ");
    list = slice_sub(list, 0, MAX_SAN_TEXT_BYTES);
    if (is_required) {
        fail(handshake, TLS_STAT_FAIL_VERIFY_SAN,
             "verify cert failed: verify SAN list, expected SANs: [%.*s], certificate SANs: [%.*s]",
             SLICE_ARG(handshake->verify_san), SLICE_ARG(list));
    } else {
        fail(handshake, TLS_STAT_FAIL_VERIFY_SAN,
             "verify cert failed: SAN matcher, certificate SANs are [%.*s]", SLICE_ARG(list));
    }
    arena_deinit(&arena);
}

static bool check_leaf(const struct tls_verifier *verifier, struct tls_handshake *handshake,
                       const CRYPTO_BUFFER *der, X509 *leaf) {
    // A NUL cuts a name in two for whoever takes it for C text: nothing of such a one is believed.
    if (has_nul_san(leaf)) {
        fail(handshake, TLS_STAT_FAIL_VERIFY_SAN,
             "verify cert failed: a subject alternative name holds a NUL byte");
        return false;
    }
    if (handshake->verify_san.len > 0 && !has_required_name(leaf, handshake->verify_san)) {
        fail_names(handshake, leaf, true);
        return false;
    }
    if (verifier->matcher_count > 0 && !has_accepted_san(verifier, leaf)) {
        fail_names(handshake, leaf, false);
        return false;
    }
    if ((verifier->hash_count > 0 || verifier->spki_count > 0) &&
        !matches_pins(verifier, der, leaf)) {
        fail(handshake, TLS_STAT_FAIL_VERIFY_CERT_HASH, "verify cert failed: cert hash and spki");
        return false;
    }
    return true;
}

static STACK_OF(X509) * parse_chain(const STACK_OF(CRYPTO_BUFFER) * buffers) {
    STACK_OF(X509) *chain = sk_X509_new_null();
    CHECK(chain != NULL);
    for (size_t i = 0; i < sk_CRYPTO_BUFFER_num(buffers); i++) {
        X509 *certificate = X509_parse_from_buffer(sk_CRYPTO_BUFFER_value(buffers, i));
        if (certificate == NULL) {
            ERR_clear_error();
            sk_X509_pop_free(chain, X509_free);
            return NULL;
        }
        CHECK(sk_X509_push(chain, certificate) != 0);
    }
    return chain;
}

static bool check_peer(const struct tls_verifier *verifier, struct tls_handshake *handshake,
                       const STACK_OF(CRYPTO_BUFFER) * buffers) {
    STACK_OF(X509) *chain = parse_chain(buffers);
    if (chain == NULL || sk_X509_num(chain) == 0) {
        sk_X509_pop_free(chain, X509_free);
        fail(handshake, TLS_STAT_FAIL_VERIFY_ERROR, "verify cert failed: malformed certificate");
        return false;
    }
    bool is_good = (verifier->store == NULL || check_chain(verifier, handshake, chain)) &&
                   check_leaf(verifier, handshake, sk_CRYPTO_BUFFER_value(buffers, 0),
                              sk_X509_value(chain, 0));
    sk_X509_pop_free(chain, X509_free);
    return is_good;
}

enum ssl_verify_result_t tls_verify_peer(SSL *ssl, uint8_t *out_alert) {
    struct tls_handshake *handshake = tls_handshake_of(ssl);
    const struct tls_verifier *verifier = handshake->context->verifier;
    const STACK_OF(CRYPTO_BUFFER) *buffers = SSL_get0_peer_certificates(ssl);

    // A certificate was asked for but there is nothing to hold it against: taken, not validated.
    if (verifier == NULL || (!tls_verifier_checks(verifier) && handshake->verify_san.len == 0)) {
        return ssl_verify_ok;
    }
    if (check_peer(verifier, handshake, buffers)) {
        handshake->is_validated = true;
        return ssl_verify_ok;
    }
    if (verifier->accept_untrusted) {
        return ssl_verify_ok;
    }
    *out_alert = SSL_AD_CERTIFICATE_UNKNOWN;
    return ssl_verify_invalid;
}

static CRYPTO_BUFFER *to_buffer(X509 *certificate) {
    uint8_t *der = NULL;
    int len = certificate == NULL ? 0 : i2d_X509(certificate, &der);
    if (len <= 0) {
        return NULL;
    }
    CRYPTO_BUFFER *buffer = CRYPTO_BUFFER_new(der, (size_t)len, NULL);
    CHECK(buffer != NULL);
    OPENSSL_free(der);
    return buffer;
}

CRYPTO_BUFFER *tls_verifier_issuer(const struct tls_verifier *verifier, bool is_server,
                                   const STACK_OF(CRYPTO_BUFFER) * presented) {
    bool is_good;
    if (verifier == NULL || verifier->store == NULL) {
        return NULL;
    }
    STACK_OF(X509) *chain = parse_chain(presented);
    if (chain == NULL || sk_X509_num(chain) == 0) {
        sk_X509_pop_free(chain, X509_free);
        return NULL;
    }
    X509_STORE_CTX *ctx = build_chain(verifier, is_server, chain, &is_good);
    const STACK_OF(X509) *built = X509_STORE_CTX_get0_chain(ctx);
    CRYPTO_BUFFER *issuer =
        is_good && sk_X509_num(built) > 1 ? to_buffer(sk_X509_value(built, 1)) : NULL;
    X509_STORE_CTX_free(ctx);
    sk_X509_pop_free(chain, X509_free);
    return issuer;
}
