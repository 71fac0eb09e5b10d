// SPDX-License-Identifier: Apache-2.0
#include "filters/http/jwt_authn/jwks.h"

#include <stdatomic.h>

#include "src/base/check.h"

/* Each costs a verification where a token names no key. */
enum { MAX_KEYS = 256, ED25519_SIGNATURE_BYTES = 64 };

struct jwk {
    struct signature_key *key;
    struct slice id, algorithm; /* empty: not given */
    bool is_ed25519;
};

struct jwks {
    atomic_uint refs;
    struct arena arena;
    struct slice text;
    struct jwk *keys;
    uint32_t count;
};

struct key_reader {
    const json_t *object;
    struct arena *arena;
    struct jwk *out;
};

static struct slice member(const struct key_reader *reader, const char *name) {
    return jwt_json_text(json_object_get(reader->object, name));
}

static bool decode(const struct key_reader *reader, const char *name, struct slice *bytes) {
    struct slice text = member(reader, name);
    return text.len > 0 && jwt_base64url(text, reader->arena, bytes) == STATUS_OK;
}

static bool is_family(struct slice algorithm, struct slice prefix) {
    return signature_algorithm_of(algorithm) != SIGNATURE_ALGORITHM_COUNT &&
           slice_starts_with(algorithm, prefix);
}

static enum jwt_status read_rsa(struct key_reader *reader) {
    struct slice n, e, algorithm = reader->out->algorithm;
    if (algorithm.len > 0 && !is_family(algorithm, SLICE("RS")) &&
        !is_family(algorithm, SLICE("PS"))) {
        return JWKS_RSA_BAD_ALG;
    }
    if (!decode(reader, "n", &n) || !decode(reader, "e", &e) ||
        signature_key_new_rsa(n, e, &reader->out->key, NULL) != STATUS_OK) {
        return JWKS_BAD_RSA;
    }
    return JWT_OK;
}

static const struct {
    struct slice curve, algorithm;
} curves[] = {
    [SIGNATURE_P256] = {SLICE_INIT("P-256"), SLICE_INIT("ES256")},
    [SIGNATURE_P384] = {SLICE_INIT("P-384"), SLICE_INIT("ES384")},
    [SIGNATURE_P521] = {SLICE_INIT("P-521"), SLICE_INIT("ES512")},
};

/* One of curve and algorithm is enough, and both must agree; neither means P-256. */
static enum jwt_status choose_curve(const struct key_reader *reader, enum signature_curve *chosen) {
    struct slice algorithm = reader->out->algorithm, curve = member(reader, "crv");
    if (algorithm.len > 0 && !is_family(algorithm, SLICE("ES"))) {
        return JWKS_EC_BAD_ALG;
    }
    *chosen = SIGNATURE_P256;
    if (algorithm.len == 0 && curve.len == 0) {
        return JWT_OK;
    }
    for (size_t i = 0; i < ARRAY_LEN(curves); i++) {
        bool fits_curve = slice_equal(curves[i].curve, curve);
        bool fits_algorithm = slice_equal(curves[i].algorithm, algorithm);
        if (fits_curve || (curve.len == 0 && fits_algorithm)) {
            *chosen = (enum signature_curve)i;
            return algorithm.len == 0 || fits_algorithm ? JWT_OK : JWKS_EC_ALG_AND_CURVE;
        }
    }
    return JWKS_EC_UNKNOWN_CURVE;
}

static enum jwt_status read_ec(struct key_reader *reader) {
    enum signature_curve curve;
    struct slice x, y;
    enum jwt_status status = choose_curve(reader, &curve);
    if (status != JWT_OK) {
        return status;
    }
    if (!decode(reader, "x", &x) || !decode(reader, "y", &y)) {
        return JWKS_EC_BASE64;
    }
    return signature_key_new_ec(curve, x, y, &reader->out->key, NULL) == STATUS_OK ? JWT_OK
                                                                                   : JWKS_EC_PARSE;
}

static enum jwt_status read_okp(struct key_reader *reader) {
    struct slice x, algorithm = reader->out->algorithm;
    if (algorithm.len > 0 && !slice_equal(algorithm, SLICE("EdDSA"))) {
        return JWKS_OKP_BAD_ALG;
    }
    if (!slice_equal(member(reader, "crv"), SLICE("Ed25519"))) {
        return JWKS_OKP_UNKNOWN_CURVE;
    }
    if (!decode(reader, "x", &x)) {
        return JWKS_OKP_BASE64;
    }
    reader->out->is_ed25519 = true;
    return signature_key_new_ed25519(x, &reader->out->key, NULL) == STATUS_OK ? JWT_OK
                                                                              : JWKS_OKP_LENGTH;
}

static enum jwt_status read_oct(struct key_reader *reader) {
    struct slice secret, algorithm = reader->out->algorithm;
    if (algorithm.len > 0 && !is_family(algorithm, SLICE("HS"))) {
        return JWKS_HMAC_BAD_ALG;
    }
    return decode(reader, "k", &secret) &&
                   signature_key_new_hmac(secret, &reader->out->key, NULL) == STATUS_OK
               ? JWT_OK
               : JWKS_OCT_BASE64;
}

static enum jwt_status read_key(struct key_reader *reader) {
    const json_t *type = json_object_get(reader->object, "kty");
    if (type == NULL) {
        return JWKS_NO_KTY;
    }
    if (!json_is_string(type)) {
        return JWKS_BAD_KTY;
    }
    struct slice use = member(reader, "use"), kind = jwt_json_text(type);
    if (use.len > 0 && !slice_equal(use, SLICE("sig"))) {
        return JWKS_NO_VALID_KEYS; // RFC 7517 §4.2: a key for encryption verifies nothing
    }
    reader->out->id = arena_dup_slice(reader->arena, member(reader, "kid"));
    reader->out->algorithm = arena_dup_slice(reader->arena, member(reader, "alg"));
    if (slice_equal(kind, SLICE("RSA"))) {
        return read_rsa(reader);
    }
    if (slice_equal(kind, SLICE("EC"))) {
        return read_ec(reader);
    }
    if (slice_equal(kind, SLICE("OKP"))) {
        return read_okp(reader);
    }
    return slice_equal(kind, SLICE("oct")) ? read_oct(reader) : JWKS_UNKNOWN_KTY;
}

static enum jwt_status read_keys(struct jwks *jwks, const json_t *list) {
    enum jwt_status first = JWKS_NO_VALID_KEYS;
    bool has_failed = false;
    size_t count = json_array_size(list) < MAX_KEYS ? json_array_size(list) : MAX_KEYS;
    jwks->keys = ARENA_NEW_ARRAY(&jwks->arena, count + 1, struct jwk);
    for (size_t i = 0; i < count; i++) {
        struct key_reader reader = {.object = json_array_get(list, i),
                                    .arena = &jwks->arena,
                                    .out = &jwks->keys[jwks->count]};
        *reader.out = (struct jwk){0};
        if (!json_is_object(reader.object)) {
            continue;
        }
        enum jwt_status status = read_key(&reader);
        if (status == JWT_OK) {
            jwks->count++;
        } else if (!has_failed) {
            has_failed = true;
            first = status;
        }
    }
    return jwks->count > 0 ? JWT_OK : first;
}

enum jwt_status jwks_parse(struct slice text, struct jwks **out) {
    json_t *root = jwt_json_object(text, JWKS_MAX_BYTES);
    if (root == NULL) {
        return JWKS_BAD_JSON;
    }
    const json_t *list = json_object_get(root, "keys");
    if (!json_is_array(list)) {
        enum jwt_status status = list == NULL ? JWKS_NO_KEYS : JWKS_BAD_KEYS;
        json_decref(root);
        return status;
    }
    struct jwks *jwks = mem_calloc(1, sizeof(*jwks));
    atomic_init(&jwks->refs, 1);
    arena_init_heap(&jwks->arena, 0);
    jwks->text = arena_dup_slice(&jwks->arena, text);
    enum jwt_status status = read_keys(jwks, list);
    json_decref(root);
    if (status != JWT_OK) {
        jwks_unref(jwks);
        return status;
    }
    *out = jwks;
    return JWT_OK;
}

struct jwks *jwks_ref(struct jwks *jwks) {
    atomic_fetch_add_explicit(&jwks->refs, 1, memory_order_relaxed);
    return jwks;
}

void jwks_unref(struct jwks *jwks) {
    if (jwks == NULL || atomic_fetch_sub_explicit(&jwks->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (uint32_t i = 0; i < jwks->count; i++) {
        signature_key_free(jwks->keys[i].key);
    }
    arena_wipe(&jwks->arena); // an HMAC secret may be in it
    arena_deinit(&jwks->arena);
    mem_free(jwks);
}

struct slice jwks_text(const struct jwks *jwks) {
    return jwks->text;
}

enum jwt_status jwks_verify(const struct jwks *jwks, const struct jwt_token *token) {
    bool has_match = false;
    for (uint32_t i = 0; i < jwks->count; i++) {
        const struct jwk *key = &jwks->keys[i];
        if (token->key_id.len > 0 && key->id.len > 0 && !slice_equal(token->key_id, key->id)) {
            continue;
        }
        if (key->algorithm.len > 0 && !slice_equal(key->algorithm, token->algorithm_name)) {
            continue;
        }
        has_match = true;
        if (key->is_ed25519 && token->algorithm == SIGNATURE_EDDSA &&
            token->signature.len != ED25519_SIGNATURE_BYTES) {
            return JWT_ED25519_LENGTH;
        }
        if (signature_verify(key->key, token->algorithm, token->signed_text, token->signature)) {
            return JWT_OK;
        }
    }
    return has_match ? JWT_VERIFICATION_FAILED : JWKS_NO_MATCH;
}
