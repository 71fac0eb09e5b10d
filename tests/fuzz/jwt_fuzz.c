// SPDX-License-Identifier: Apache-2.0
// Target functions: jwt_token_parse, jwks_parse, jwks_verify, jwt_base64url. Input: a key set, a NUL, a
// token; the key set may be empty, then one of a known HMAC secret is taken.
// Oracles: what was parsed points into the token; base64url is canonical; nobody can sign, so nothing
// verifies but under a set that holds its own secret; a status always has a text.
#include "filters/http/jwt_authn/jwks.h"
#include "src/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct slice known_set =
    SLICE_INIT("{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2VjcmV0LXRoYXQtbm8tZnV6emVyLWtub3dz\"}]}");

static bool is_inside(struct slice whole, struct slice part) {
    return part.len == 0 || (part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

static void check_token(const struct jwt_token *token, const struct jwks *jwks, bool is_known) {
    CHECK(is_inside(token->text, token->signed_text));
    CHECK(is_inside(token->text, token->encoded_payload));
    CHECK(token->algorithm < SIGNATURE_ALGORITHM_COUNT);
    (void)jwt_token_check_time(token, 1700000000, 60);
    if (jwks != NULL) {
        enum jwt_status status = jwks_verify(jwks, token);
        CHECK(jwt_status_text(status).len > 0);
        CHECK(!is_known || status != JWT_OK);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct slice text = slice_make(data, size);
    size_t at = slice_find_byte(text, 0);
    struct slice set = at == SIZE_MAX ? SLICE("") : slice_sub(text, 0, at);
    struct slice rest = at == SIZE_MAX ? text : slice_sub(text, at + 1, size);
    struct arena arena;
    struct jwks *jwks = NULL;
    struct jwt_token token;
    struct slice bytes;
    arena_init_heap(&arena, 0);
    enum jwt_status status = jwks_parse(set.len == 0 ? known_set : set, &jwks);
    CHECK((status == JWT_OK) == (jwks != NULL));
    status = jwt_token_parse(&token, rest, &arena);
    CHECK(jwt_status_text(status).len > 0);
    if (status == JWT_OK) {
        check_token(&token, jwks, set.len == 0);
    }
    jwt_token_deinit(&token);
    if (jwt_base64url(rest, &arena, &bytes) == STATUS_OK) {
        CHECK(bytes.len <= rest.len * 3 / 4);
    }
    jwks_unref(jwks);
    arena_deinit(&arena);
    return 0;
}
