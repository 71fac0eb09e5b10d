// SPDX-License-Identifier: Apache-2.0
/* Tokens and key sets by themselves: what strangers may write. */
#include <check.h>
#include <stdlib.h>

#include "filters/http/jwt_authn/jwks.h"
#include "filters/http/jwt_authn/jwt_cache.h"
#include "src/base/check.h"
#include "src/tls/testing/test_signer.h"

static struct arena arena;

static void setup(void) {
    arena_init_heap(&arena, 0);
}
static void teardown(void) {
    arena_deinit(&arena);
}

#define ES256 "{\"alg\":\"ES256\"}"

static const struct {
    const char *header, *payload;
    enum jwt_status expected;
} documents[] = {
    {ES256, "{}", JWT_OK},
    {"{\"alg\":\"HS256\",\"kid\":\"k\",\"typ\":\"JWT\"}", "{\"iss\":\"i\",\"aud\":[]}", JWT_OK},
    {"{\"alg\":\"EdDSA\"}", "{\"exp\":1.5e9,\"nbf\":0,\"iat\":1}", JWT_OK},
    {"{}", "{}", JWT_HEADER_BAD_ALG},
    {"{\"alg\":1}", "{}", JWT_HEADER_BAD_ALG},
    {"{\"alg\":\"none\"}", "{}", JWT_HEADER_UNKNOWN_ALG},
    {"{\"alg\":\"None\"}", "{}", JWT_HEADER_UNKNOWN_ALG},
    {"{\"alg\":\"\"}", "{}", JWT_HEADER_UNKNOWN_ALG},
    {"{\"alg\":\"ES256\",\"kid\":1}", "{}", JWT_HEADER_BAD_KID},
    {"{\"alg\":\"ES256\",\"crit\":[\"x\"]}", "{}", JWT_VERIFICATION_FAILED},
    {"[]", "{}", JWT_HEADER_BAD_JSON},
    {"{\"alg\":\"ES256\"}x", "{}", JWT_HEADER_BAD_JSON},
    {ES256, "[]", JWT_PAYLOAD_BAD_JSON},
    {ES256, "{\"iss\":\"a\",\"iss\":\"b\"}", JWT_PAYLOAD_BAD_JSON},
    {"{\"alg\":\"ES256\",\"alg\":\"HS256\"}", "{}", JWT_HEADER_BAD_JSON},
    {ES256, "{\"a\":99999999999999999999}", JWT_OK},
    {ES256, "{\"exp\":99999999999999999999}", JWT_PAYLOAD_EXP_RANGE},
    {ES256, "{\"a\":1e999}", JWT_PAYLOAD_BAD_JSON},
    {ES256, "{\"a\":\"\xff\"}", JWT_PAYLOAD_BAD_JSON},
    {ES256, "{\"a\":\"\\u0000\"}", JWT_PAYLOAD_BAD_JSON},
    {ES256, "{\"iss\":1}", JWT_PAYLOAD_BAD_ISS},
    {ES256, "{\"sub\":null}", JWT_PAYLOAD_BAD_SUB},
    {ES256, "{\"iat\":\"1\"}", JWT_PAYLOAD_BAD_IAT},
    {ES256, "{\"iat\":-1}", JWT_PAYLOAD_IAT_RANGE},
    {ES256, "{\"nbf\":true}", JWT_PAYLOAD_BAD_NBF},
    {ES256, "{\"nbf\":1e300}", JWT_PAYLOAD_NBF_RANGE},
    {ES256, "{\"exp\":{}}", JWT_PAYLOAD_BAD_EXP},
    {ES256, "{\"exp\":-0.5}", JWT_PAYLOAD_EXP_RANGE},
    {ES256, "{\"jti\":1}", JWT_PAYLOAD_BAD_JTI},
    {ES256, "{\"aud\":1}", JWT_PAYLOAD_BAD_AUD},
    {ES256, "{\"aud\":[\"a\",1]}", JWT_PAYLOAD_BAD_AUD},
};

static enum jwt_status parse(struct slice text) {
    struct jwt_token token;
    enum jwt_status status = jwt_token_parse(&token, text, &arena);
    jwt_token_deinit(&token);
    return status;
}

static struct slice join(const char *header, struct slice payload, const char *tail) {
    struct slice a = test_base64url(slice_from_string(header), &arena);
    struct slice b = test_base64url(payload, &arena);
    return arena_printf(&arena, "%.*s.%.*s.%s", SLICE_ARG(a), SLICE_ARG(b), tail);
}

START_TEST(jwt_token_parse_tells_what_is_wrong) {
    struct slice text =
        join(documents[_i].header, slice_from_string(documents[_i].payload), "c2ln");
    ck_assert_int_eq(parse(text), documents[_i].expected);
}
END_TEST

START_TEST(jwt_token_needs_three_parts_of_base64url) {
    static const struct {
        const char *text;
        enum jwt_status expected;
    } rows[] = {
        {"", JWT_BAD_FORMAT},
        {"a.b", JWT_BAD_FORMAT},
        {"a.b.", JWT_BAD_FORMAT},
        {".b.c", JWT_BAD_FORMAT},
        {"a..c", JWT_BAD_FORMAT},
        {"a.b.c.d", JWT_BAD_FORMAT},
        {"a.b.c.", JWT_BAD_FORMAT},
        {"...", JWT_BAD_FORMAT},
        {"a.b.c", JWT_HEADER_BAD_BASE64},
        {"e30=.b.c", JWT_HEADER_BAD_ALG},
        {"e+0.b.c", JWT_HEADER_BAD_BASE64},
        {"e31.b.c", JWT_HEADER_BAD_BASE64},
        {"e30.e30.e30", JWT_HEADER_BAD_ALG},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ck_assert_msg(parse(slice_from_string(rows[i].text)) == rows[i].expected, "%s",
                      rows[i].text);
    }
    struct slice head = test_base64url(SLICE(ES256), &arena);
    ck_assert_int_eq(parse(arena_printf(&arena, "%.*s.!.c", SLICE_ARG(head))),
                     JWT_PAYLOAD_BAD_BASE64);
    ck_assert_int_eq(parse(join(ES256, SLICE("{}"), "c2ln!")), JWT_SIGNATURE_BAD_BASE64);
}
END_TEST

/* 20,000 levels and a document at the cap: refused before the parser recurses. */
START_TEST(jwt_token_deep_or_huge_is_refused) {
    enum { LEVELS = 20000 };
    uint8_t *deep = arena_alloc_bytes(&arena, LEVELS + 10);
    memcpy(deep, "{\"a\":", 5);
    memset(deep + 5, '[', LEVELS);
    ck_assert_int_eq(parse(join(ES256, slice_make(deep, LEVELS + 5), "c2ln")),
                     JWT_PAYLOAD_BAD_JSON);
    struct slice at_cap =
        SLICE("{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}");
    ck_assert_int_eq(parse(join(ES256, at_cap, "c2ln")), JWT_OK);
    struct slice brackets_in_text =
        SLICE("{\"a\":\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"}");
    ck_assert_int_eq(parse(join(ES256, brackets_in_text, "c2ln")), JWT_OK);
    uint8_t *huge = arena_alloc_bytes(&arena, JWT_MAX_TOKEN_BYTES + 1);
    memset(huge, 'a', JWT_MAX_TOKEN_BYTES + 1);
    huge[1] = huge[3] = '.';
    ck_assert_int_eq(parse(slice_make(huge, JWT_MAX_TOKEN_BYTES + 1)), JWT_BAD_FORMAT);
}
END_TEST

static const struct {
    const char *text;
    enum jwt_status expected;
} sets[] = {
    {"", JWKS_BAD_JSON},
    {"[]", JWKS_BAD_JSON},
    {"{}", JWKS_NO_KEYS},
    {"{\"keys\":{}}", JWKS_BAD_KEYS},
    {"{\"keys\":[]}", JWKS_NO_VALID_KEYS},
    {"{\"keys\":[1]}", JWKS_NO_VALID_KEYS},
    {"{\"keys\":[{}]}", JWKS_NO_KTY},
    {"{\"keys\":[{\"kty\":1}]}", JWKS_BAD_KTY},
    {"{\"keys\":[{\"kty\":\"DSA\"}]}", JWKS_UNKNOWN_KTY},
    {"{\"keys\":[{\"kty\":\"RSA\"}]}", JWKS_BAD_RSA},
    {"{\"keys\":[{\"kty\":\"RSA\",\"alg\":\"HS256\"}]}", JWKS_RSA_BAD_ALG},
    {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}", JWKS_BAD_RSA},
    {"{\"keys\":[{\"kty\":\"EC\",\"alg\":\"RS256\"}]}", JWKS_EC_BAD_ALG},
    {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-1\"}]}", JWKS_EC_UNKNOWN_CURVE},
    {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"alg\":\"ES384\"}]}", JWKS_EC_ALG_AND_CURVE},
    {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"!\",\"y\":\"AA\"}]}", JWKS_EC_BASE64},
    {"{\"keys\":[{\"kty\":\"EC\",\"x\":\"AQ\",\"y\":\"AQ\"}]}", JWKS_EC_PARSE},
    {"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed448\"}]}", JWKS_OKP_UNKNOWN_CURVE},
    {"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"alg\":\"ES256\"}]}", JWKS_OKP_BAD_ALG},
    {"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AQ\"}]}", JWKS_OKP_LENGTH},
    {"{\"keys\":[{\"kty\":\"oct\",\"alg\":\"RS256\"}]}", JWKS_HMAC_BAD_ALG},
    {"{\"keys\":[{\"kty\":\"oct\",\"k\":\"\"}]}", JWKS_OCT_BASE64},
    {"{\"keys\":[{\"kty\":\"oct\",\"k\":\"AQ\",\"use\":\"enc\"}]}", JWKS_NO_VALID_KEYS},
    {"{\"keys\":[{\"kty\":\"DSA\"},{\"kty\":\"oct\",\"k\":\"AQ\",\"use\":\"sig\"}]}", JWT_OK},
};

START_TEST(jwks_parse_tells_what_is_wrong) {
    struct jwks *jwks = NULL;
    ck_assert_int_eq(jwks_parse(slice_from_string(sets[_i].text), &jwks), sets[_i].expected);
    ck_assert((jwks != NULL) == (sets[_i].expected == JWT_OK));
    jwks_unref(jwks);
}
END_TEST

static struct jwks *set_of(const struct test_signer *a, const char *a_members,
                           const struct test_signer *b, const char *b_members) {
    struct jwks *jwks = NULL;
    struct slice first = test_signer_jwk(a, a_members, &arena);
    struct slice second = test_signer_jwk(b, b_members, &arena);
    struct slice text =
        arena_printf(&arena, "{\"keys\":[%.*s,%.*s]}", SLICE_ARG(first), SLICE_ARG(second));
    ck_assert_int_eq(jwks_parse(text, &jwks), JWT_OK);
    return jwks;
}

static enum jwt_status verify(const struct jwks *jwks, struct slice text) {
    struct jwt_token token;
    ck_assert_int_eq(jwt_token_parse(&token, text, &arena), JWT_OK);
    enum jwt_status status = jwks_verify(jwks, &token);
    jwt_token_deinit(&token);
    return status;
}

static struct slice sign(const struct test_signer *signer, enum signature_algorithm algorithm,
                         const char *header) {
    return test_signer_token(signer, algorithm, header, "{}", &arena);
}

START_TEST(jwks_verify_goes_by_key_id_and_algorithm) {
    struct test_signer *rsa = test_signer_new(TEST_SIGNER_RSA);
    struct test_signer *ec = test_signer_new(TEST_SIGNER_P256);
    struct jwks *jwks = set_of(rsa, ",\"kid\":\"r\",\"alg\":\"PS256\"", ec, ",\"kid\":\"e\"");
    ck_assert_int_eq(verify(jwks, sign(ec, SIGNATURE_ES256, ES256)), JWT_OK);
    ck_assert_int_eq(verify(jwks, sign(rsa, SIGNATURE_PS256, "{\"alg\":\"PS256\"}")), JWT_OK);
    ck_assert_int_eq(verify(jwks, sign(ec, SIGNATURE_ES256, "{\"alg\":\"ES256\",\"kid\":\"e\"}")),
                     JWT_OK);
    ck_assert_int_eq(verify(jwks, sign(ec, SIGNATURE_ES256, "{\"alg\":\"ES256\",\"kid\":\"r\"}")),
                     JWKS_NO_MATCH);
    ck_assert_int_eq(verify(jwks, sign(ec, SIGNATURE_ES256, "{\"alg\":\"ES256\",\"kid\":\"?\"}")),
                     JWKS_NO_MATCH);
    ck_assert_int_eq(verify(jwks, sign(rsa, SIGNATURE_RS256, "{\"alg\":\"RS256\"}")),
                     JWT_VERIFICATION_FAILED);
    jwks_unref(jwks);
    test_signer_free(rsa);
    test_signer_free(ec);
}
END_TEST

/* The public key's own bytes as an HMAC secret, and a header that promises another algorithm. */
START_TEST(jwks_verify_refuses_confused_algorithms) {
    struct test_signer *ed = test_signer_new(TEST_SIGNER_ED25519);
    struct test_signer *hmac = test_signer_new(TEST_SIGNER_HMAC);
    struct jwks *jwks = set_of(ed, "", ed, ",\"alg\":\"EdDSA\"");
    ck_assert_int_eq(verify(jwks, sign(ed, SIGNATURE_EDDSA, "{\"alg\":\"EdDSA\"}")), JWT_OK);
    ck_assert_int_eq(verify(jwks, sign(hmac, SIGNATURE_HS256, "{\"alg\":\"HS256\"}")),
                     JWT_VERIFICATION_FAILED);
    ck_assert_int_eq(verify(jwks, sign(ed, SIGNATURE_EDDSA, "{\"alg\":\"ES256\"}")),
                     JWT_VERIFICATION_FAILED);
    ck_assert_int_eq(verify(jwks, sign(hmac, SIGNATURE_HS256, "{\"alg\":\"EdDSA\"}")),
                     JWT_ED25519_LENGTH);
    jwks_unref(jwks);
    test_signer_free(ed);
    test_signer_free(hmac);
}
END_TEST

START_TEST(jwt_cache_is_bounded_and_belongs_to_a_set) {
    struct jwks *one, *same, *other;
    struct slice text = SLICE("{\"keys\":[{\"kty\":\"oct\",\"k\":\"AQ\"}]}");
    ck_assert_int_eq(jwks_parse(text, &one), JWT_OK);
    ck_assert_int_eq(jwks_parse(text, &same), JWT_OK);
    ck_assert_int_eq(jwks_parse(SLICE("{\"keys\":[{\"kty\":\"oct\",\"k\":\"Ag\"}]}"), &other),
                     JWT_OK);
    struct jwt_cache *cache = jwt_cache_new(2, 5);
    jwt_cache_add(cache, one, SLICE("a"));
    jwt_cache_add(cache, one, SLICE("b"));
    ck_assert(jwt_cache_has(cache, same, SLICE("a")));
    jwt_cache_add(cache, one, SLICE("c"));
    jwt_cache_add(cache, one, SLICE("toolong"));
    ck_assert(jwt_cache_has(cache, one, SLICE("a")));
    ck_assert(!jwt_cache_has(cache, one, SLICE("b")));
    ck_assert(!jwt_cache_has(cache, one, SLICE("toolong")));
    ck_assert(!jwt_cache_has(cache, other, SLICE("a")));
    jwt_cache_add(cache, other, SLICE("d"));
    ck_assert_uint_eq(jwt_cache_count(cache), 1);
    ck_assert(!jwt_cache_has(cache, one, SLICE("a")));
    jwt_cache_free(cache);
    jwks_unref(one);
    jwks_unref(same);
    jwks_unref(other);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("jwt_parse");
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, jwt_token_parse_tells_what_is_wrong, 0, (int)ARRAY_LEN(documents));
    tcase_add_test(tests, jwt_token_needs_three_parts_of_base64url);
    tcase_add_test(tests, jwt_token_deep_or_huge_is_refused);
    tcase_add_loop_test(tests, jwks_parse_tells_what_is_wrong, 0, (int)ARRAY_LEN(sets));
    tcase_add_test(tests, jwks_verify_goes_by_key_id_and_algorithm);
    tcase_add_test(tests, jwks_verify_refuses_confused_algorithms);
    tcase_add_test(tests, jwt_cache_is_bounded_and_belongs_to_a_set);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
