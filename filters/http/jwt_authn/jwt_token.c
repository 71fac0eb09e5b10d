// SPDX-License-Identifier: Apache-2.0
#include "filters/http/jwt_authn/jwt_token.h"

#include "src/base/check.h"

static const struct slice status_texts[] = {
#define JWT_STATUS_TEXT(id, text) [id] = SLICE_INIT(text),
    JWT_STATUSES(JWT_STATUS_TEXT)
#undef JWT_STATUS_TEXT
};

struct slice jwt_status_text(enum jwt_status status) {
    CHECK(status < JWT_PENDING);
    return status_texts[status];
}

/* Exactly three parts, none of them empty. */
static bool split(struct slice text, struct slice parts[3]) {
    struct slice rest = text;
    for (int i = 0; i < 3; i++) {
        if (!slice_split(&rest, '.', &parts[i]) || parts[i].len == 0) {
            return false;
        }
    }
    return (size_t)(parts[2].ptr - text.ptr) + parts[2].len == text.len;
}

static enum jwt_status read_header(struct jwt_token *token, struct slice encoded,
                                   struct arena *arena) {
    struct slice bytes;
    if (jwt_base64url(encoded, arena, &bytes) != STATUS_OK) {
        return JWT_HEADER_BAD_BASE64;
    }
    token->header = jwt_json_object(bytes, JWT_MAX_TOKEN_BYTES);
    if (token->header == NULL) {
        return JWT_HEADER_BAD_JSON;
    }
    const json_t *alg = json_object_get(token->header, "alg");
    if (!json_is_string(alg)) {
        return JWT_HEADER_BAD_ALG;
    }
    token->algorithm_name = jwt_json_text(alg);
    token->algorithm = signature_algorithm_of(token->algorithm_name);
    if (token->algorithm == SIGNATURE_ALGORITHM_COUNT) {
        return JWT_HEADER_UNKNOWN_ALG;
    }
    const json_t *kid = json_object_get(token->header, "kid");
    if (kid != NULL && !json_is_string(kid)) {
        return JWT_HEADER_BAD_KID;
    }
    // RFC 7515 §4.1.11: whoever does not know a critical extension must refuse.
    if (json_object_get(token->header, "crit") != NULL) {
        return JWT_VERIFICATION_FAILED;
    }
    token->key_id = jwt_json_text(kid);
    return JWT_OK;
}

static enum jwt_status read_text(const json_t *payload, const char *name, enum jwt_status wrong,
                                 struct slice *out) {
    const json_t *value = json_object_get(payload, name);
    if (value != NULL && !json_is_string(value)) {
        return wrong;
    }
    *out = jwt_json_text(value);
    return JWT_OK;
}

/* The status after `wrong` is that of a number out of range. */
static enum jwt_status read_time(const json_t *payload, const char *name, enum jwt_status wrong,
                                 bool *is_present, uint64_t *seconds) {
    const json_t *value = json_object_get(payload, name);
    *is_present = value != NULL;
    if (value == NULL) {
        return JWT_OK;
    }
    if (!json_is_number(value)) {
        return wrong;
    }
    double number = json_number_value(value);
    if (!(number >= 0) || number >= 9223372036854775808.0) {
        return (enum jwt_status)(wrong + 1);
    }
    *seconds = json_is_integer(value) ? (uint64_t)json_integer_value(value) : (uint64_t)number;
    return JWT_OK;
}

static bool is_audience(const json_t *value) {
    if (json_is_string(value)) {
        return true;
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (!json_is_string(json_array_get(value, i))) {
            return false;
        }
    }
    return json_is_array(value);
}

static enum jwt_status read_claims(struct jwt_token *token) {
    const json_t *payload = token->payload;
    struct slice id;
    uint64_t issued_s;
    bool is_present;
    const struct {
        const char *name;
        enum jwt_status wrong;
        uint64_t *seconds;
        bool *is_present;
    } times[] = {
        {"iat", JWT_PAYLOAD_BAD_IAT, &issued_s, &is_present},
        {"nbf", JWT_PAYLOAD_BAD_NBF, &token->not_before_s, &is_present},
        {"exp", JWT_PAYLOAD_BAD_EXP, &token->expiration_s, &token->has_expiration},
    };
    enum jwt_status status = read_text(payload, "iss", JWT_PAYLOAD_BAD_ISS, &token->issuer);
    if (status == JWT_OK) {
        status = read_text(payload, "sub", JWT_PAYLOAD_BAD_SUB, &token->subject);
    }
    for (size_t i = 0; status == JWT_OK && i < ARRAY_LEN(times); i++) {
        status = read_time(payload, times[i].name, times[i].wrong, times[i].is_present,
                           times[i].seconds);
    }
    if (status == JWT_OK) {
        status = read_text(payload, "jti", JWT_PAYLOAD_BAD_JTI, &id);
    }
    token->audiences = json_object_get(payload, "aud");
    if (status == JWT_OK && token->audiences != NULL && !is_audience(token->audiences)) {
        return JWT_PAYLOAD_BAD_AUD;
    }
    return status;
}

enum jwt_status jwt_token_parse(struct jwt_token *token, struct slice text, struct arena *arena) {
    struct slice parts[3], bytes;
    *token = (struct jwt_token){.text = text};
    if (text.len > JWT_MAX_TOKEN_BYTES || !split(text, parts)) {
        return JWT_BAD_FORMAT;
    }
    token->signed_text = slice_sub(text, 0, parts[0].len + 1 + parts[1].len);
    token->encoded_payload = parts[1];
    enum jwt_status status = read_header(token, parts[0], arena);
    if (status != JWT_OK) {
        return status;
    }
    if (jwt_base64url(parts[1], arena, &bytes) != STATUS_OK) {
        return JWT_PAYLOAD_BAD_BASE64;
    }
    token->payload = jwt_json_object(bytes, JWT_MAX_TOKEN_BYTES);
    if (token->payload == NULL) {
        return JWT_PAYLOAD_BAD_JSON;
    }
    status = read_claims(token);
    if (status != JWT_OK) {
        return status;
    }
    return jwt_base64url(parts[2], arena, &token->signature) == STATUS_OK
               ? JWT_OK
               : JWT_SIGNATURE_BAD_BASE64;
}

void jwt_token_deinit(struct jwt_token *token) {
    json_decref(token->header);
    json_decref(token->payload);
    *token = (struct jwt_token){0};
}

enum jwt_status jwt_token_check_time(const struct jwt_token *token, uint64_t now_s,
                                     uint64_t skew_s) {
    if (now_s + skew_s < token->not_before_s) {
        return JWT_NOT_YET_VALID;
    }
    if (token->has_expiration && now_s > token->expiration_s + skew_s) {
        return JWT_EXPIRED;
    }
    return JWT_OK;
}
