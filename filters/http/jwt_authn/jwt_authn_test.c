// SPDX-License-Identifier: Apache-2.0
#include "filters/http/jwt_authn/jwt_authn.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/base/check.h"
#include "src/tls/testing/test_signer.h"
#include "tests/filter_support/filter_fixture.h"

extern const struct http_filter_factory jwt_authn_http_filter_factory;

static struct filter_fixture fx;
static struct test_signer *signer, *stranger;

/* The fixture's wall clock stands at 1 s. */
static const char *config_text(const char *rest) {
    struct slice jwk = test_signer_jwk(signer, "", &fx.scratch);
    struct slice text = arena_printf(
        &fx.scratch,
        "providers:\n"
        "  p:\n    issuer: iss\n    local_jwks: {inline_string: '{\"keys\":[%.*s]}'}\n"
        "    forward_payload_header: x-payload\n    payload_in_metadata: pl\n"
        "    header_in_metadata: hd\n    failed_status_in_metadata: fail\n"
        "    normalize_payload_in_metadata: {space_delimited_claims: [scope]}\n"
        "    claim_to_headers:\n"
        "    - {header_name: X-C1, claim_name: c1}\n    - {header_name: x-c2, claim_name: n.a}\n"
        "    - {header_name: x-c3, claim_path: [{key: 'dot.ted'}]}\n"
        "  aud:\n    issuer: iss2\n    local_jwks: {inline_string: '{\"keys\":[%.*s]}'}\n"
        "    audiences: ['https://a.com/', b]\n    forward: true\n    jwt_cache_config: {}\n"
        "  any:\n    local_jwks: {inline_string: '{\"keys\":[%.*s]}'}\n"
        "    from_headers: [{name: X-My, value_prefix: 'Tok '}]\n    from_params: [tok]\n"
        "    from_cookies: [ck]\n    subjects: {prefix: s}\n"
        "  life:\n    issuer: iss4\n    local_jwks: {inline_string: '{\"keys\":[%.*s]}'}\n"
        "    max_lifetime: 100s\n"
        "  rexp:\n    issuer: iss5\n    local_jwks: {inline_string: '{\"keys\":[%.*s]}'}\n"
        "    require_expiration: true\n    clock_skew_seconds: 5\n"
        "%s",
        SLICE_ARG(jwk), SLICE_ARG(jwk), SLICE_ARG(jwk), SLICE_ARG(jwk), SLICE_ARG(jwk), rest);
    return arena_dup_string(&fx.scratch, text);
}

#define RULES                                                                                      \
    "rules:\n"                                                                                     \
    "- {match: {prefix: /p}, requires: {provider_name: p}}\n"                                      \
    "- {match: {prefix: /aud}, requires: {provider_name: aud}}\n"                                  \
    "- {match: {prefix: /twoaud}, requires: {provider_and_audiences: {provider_name: aud, "        \
    "audiences: [c]}}}\n"                                                                          \
    "- {match: {prefix: /any}, requires: {provider_name: any}}\n"                                  \
    "- {match: {prefix: /life}, requires: {provider_name: life}}\n"                                \
    "- {match: {prefix: /rexp}, requires: {provider_name: rexp}}\n"                                \
    "- {match: {prefix: /or}, requires: {requires_any: {requirements: [{provider_name: p}, "       \
    "{provider_name: aud}]}}}\n"                                                                   \
    "- {match: {prefix: /opt}, requires: {requires_any: {requirements: [{provider_name: p}, "      \
    "{allow_missing: {}}]}}}\n"                                                                    \
    "- {match: {prefix: /both}, requires: {requires_all: {requirements: [{provider_name: p}, "     \
    "{provider_name: any}]}}}\n"                                                                   \
    "- {match: {prefix: /twice}, requires: {requires_all: {requirements: [{provider_name: p}, "    \
    "{provider_name: p}]}}}\n"                                                                     \
    "- {match: {prefix: /miss}, requires: {allow_missing: {}}}\n"                                  \
    "- {match: {prefix: /fail}, requires: {allow_missing_or_failed: {}}}\n"                        \
    "- {match: {prefix: /extract}, requires: {extract_only_without_validation: {}}}\n"             \
    "- {match: {prefix: /named}, requirement_name: r1}\n"                                          \
    "- {match: {prefix: /free}}\n"                                                                 \
    "- {match: {prefix: /q, headers: [{name: x-q, string_match: {exact: v}}]}, requires: "         \
    "{provider_name: p}}\n"                                                                        \
    "requirement_map: {r2: {provider_name: aud}, r1: {provider_name: p}}\n"

static void setup(void) {
    signer = test_signer_new(TEST_SIGNER_P256);
    stranger = test_signer_new(TEST_SIGNER_P256);
    filter_fixture_init(&fx, &jwt_authn_http_filter_factory);
}
static void teardown(void) {
    filter_fixture_deinit(&fx);
    test_signer_free(signer);
    test_signer_free(stranger);
}

static const char *token(const char *payload) {
    struct slice text =
        test_signer_token(signer, SIGNATURE_ES256, "{\"alg\":\"ES256\"}", payload, &fx.scratch);
    return arena_dup_string(&fx.scratch, text);
}

static const char *forged(const char *payload) {
    struct slice text =
        test_signer_token(stranger, SIGNATURE_ES256, "{\"alg\":\"ES256\"}", payload, &fx.scratch);
    return arena_dup_string(&fx.scratch, text);
}

/* `headers` may hold one %s for `with`. */
static bool request(const char *path, const char *headers, const char *with) {
    struct slice lines = arena_printf(
        &fx.scratch, ":method: GET\n:scheme: http\n:authority: host\n:path: %s\n", path);
    struct slice more = SLICE("");
    const char *hole = strstr(headers, "%s");
    more = hole == NULL ? slice_from_string(headers)
                        : arena_printf(&fx.scratch, "%.*s%s%s", (int)(hole - headers), headers,
                                       with, hole + 2);
    lines = arena_printf(&fx.scratch, "%.*s%.*s", SLICE_ARG(lines), SLICE_ARG(more));
    return filter_fixture_request(&fx, arena_dup_string(&fx.scratch, lines));
}

static void ck_reply(uint32_t status, const char *body) {
    ck_assert_uint_eq(fx.replies, 1);
    ck_assert_uint_eq(fx.reply_status, status);
    ck_assert_msg(slice_equal(fx.reply_body, slice_from_string(body)), "%.*s",
                  SLICE_ARG(fx.reply_body));
}

static const char *metadata(const char *key) {
    const struct info_entry *entry = stream_info_metadata(
        &fx.info, SLICE("envoy.filters.http.jwt_authn"), slice_from_string(key));
    return entry == NULL ? "(none)" : arena_dup_string(&fx.scratch, entry->value);
}

static const char *header(const char *name) {
    struct slice value = header_map_get_name(&fx.request, slice_from_string(name));
    return value.ptr == NULL ? "(none)" : arena_dup_string(&fx.scratch, value);
}

#define AUTH "authorization: Bearer %s\n"

static const struct {
    const char *path, *headers, *payload;
    bool is_forged;
    uint32_t status; /* 0: passes */
    const char *body;
} cases[] = {
    {"/p", "", "", false, 401, "Jwt is missing"},
    {"/p", "authorization: Basic abc\n", "", false, 401, "Jwt is missing"},
    {"/p", "authorization: Bearer a.b\n", "", false, 401,
     "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"},
    {"/p", AUTH, "{\"iss\":\"iss\"}", false, 0, ""},
    {"/p", AUTH, "{\"iss\":\"iss\"}", true, 401, "Jwt verification fails"},
    {"/p", AUTH, "{\"iss\":\"other\"}", false, 401, "Jwt issuer is not configured"},
    {"/p", AUTH, "{}", false, 401, "Jwt issuer is not configured"},
    {"/p?access_token=%s", "", "{\"iss\":\"iss\"}", false, 0, ""},
    {"/p?access_token=bad", AUTH, "{\"iss\":\"iss\"}", false, 401,
     "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"},
    {"/p", AUTH "authorization: Bearer bad\n", "{\"iss\":\"iss\"}", false, 401,
     "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"},
    {"/p", AUTH, "{\"iss\":\"iss\",\"nbf\":62}", false, 401, "Jwt not yet valid"},
    {"/p", AUTH, "{\"iss\":\"iss\",\"nbf\":61}", false, 0, ""},
    {"/rexp", AUTH, "{\"iss\":\"iss5\"}", false, 401, "Jwt verification fails"},
    {"/rexp", AUTH, "{\"iss\":\"iss5\",\"exp\":1}", false, 0, ""},
    {"/rexp", AUTH, "{\"iss\":\"iss5\",\"exp\":99999999999}", false, 0, ""},
    {"/life", AUTH, "{\"iss\":\"iss4\",\"exp\":100}", false, 0, ""},
    {"/life", AUTH, "{\"iss\":\"iss4\",\"exp\":101}", false, 401, "Jwt verification fails"},
    {"/life", AUTH, "{\"iss\":\"iss4\"}", false, 401, "Jwt verification fails"},
    {"/aud", AUTH, "{\"iss\":\"iss2\"}", false, 403, "Audiences in Jwt are not allowed"},
    {"/aud", AUTH, "{\"iss\":\"iss2\",\"aud\":\"http://a.com\"}", false, 0, ""},
    {"/aud", AUTH, "{\"iss\":\"iss2\",\"aud\":[\"x\",\"b\"]}", false, 0, ""},
    {"/twoaud", AUTH, "{\"iss\":\"iss2\",\"aud\":\"b\"}", false, 403,
     "Audiences in Jwt are not allowed"},
    {"/twoaud", AUTH, "{\"iss\":\"iss2\",\"aud\":\"c\"}", false, 0, ""},
    {"/any", "x-my: Tok %s\n", "{\"iss\":\"q\",\"sub\":\"s1\"}", false, 0, ""},
    {"/any", "x-my: Tok %s\n", "{\"iss\":\"q\",\"sub\":\"x\"}", false, 401,
     "Jwt verification fails"},
    {"/any", "cookie: a=b; ck=\"%s\"\n", "{\"sub\":\"s1\"}", false, 0, ""},
    {"/any", "cookie: ck=%s; ck=bad\n", "{\"sub\":\"s1\"}", false, 401,
     "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"},
    {"/any", AUTH, "{\"sub\":\"s1\"}", false, 401, "Jwt is missing"},
    {"/or", AUTH, "{\"iss\":\"iss2\",\"aud\":\"z\"}", false, 403,
     "Audiences in Jwt are not allowed"},
    {"/or", AUTH, "{\"iss\":\"iss2\",\"aud\":\"b\"}", false, 0, ""},
    {"/or", AUTH, "{\"iss\":\"zz\"}", false, 401, "Jwt issuer is not configured"},
    {"/or", "", "", false, 401, "Jwt is missing"},
    {"/opt", "", "", false, 0, ""},
    {"/opt", AUTH, "{\"iss\":\"iss\"}", true, 401, "Jwt verification fails"},
    {"/opt", AUTH, "{\"iss\":\"zz\"}", false, 401, "Jwt issuer is not configured"},
    {"/both", AUTH, "{\"iss\":\"iss\"}", false, 401, "Jwt is missing"},
    {"/twice", AUTH, "{\"iss\":\"iss\"}", false, 401, "Jwt is missing"},
    {"/miss", "", "", false, 0, ""},
    {"/miss", AUTH, "{\"iss\":\"iss\"}", false, 0, ""},
    {"/miss", AUTH, "{\"iss\":\"iss\"}", true, 401, "Jwt verification fails"},
    {"/miss?access_token=bad", AUTH, "{\"iss\":\"iss\"}", false, 401,
     "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"},
    {"/fail", "authorization: Bearer junk\n", "", false, 0, ""},
    {"/fail", AUTH, "{\"iss\":\"iss\"}", true, 0, ""},
    {"/extract", AUTH, "{\"iss\":\"iss\"}", true, 0, ""},
    {"/named", "", "", false, 401, "Jwt is missing"},
    {"/free", "", "", false, 0, ""},
    {"/elsewhere", "", "", false, 0, ""},
    {"/q", "", "", false, 0, ""},
    {"/q", "x-q: v\n", "", false, 401, "Jwt is missing"},
};

START_TEST(jwt_authn_judges_as_the_rules_say) {
    filter_fixture_use(&fx, config_text(RULES));
    const char *text = cases[_i].is_forged ? forged(cases[_i].payload) : token(cases[_i].payload);
    const char *hole = strstr(cases[_i].path, "%s");
    const char *path = cases[_i].path;
    if (hole != NULL) {
        path = arena_dup_string(
            &fx.scratch, arena_printf(&fx.scratch, "%.*s%s", (int)(hole - path), path, text));
    }
    bool has_passed = request(path, cases[_i].headers, text);
    ck_assert_msg(has_passed == (cases[_i].status == 0), "%.*s", SLICE_ARG(fx.reply_body));
    if (cases[_i].status != 0) {
        ck_reply(cases[_i].status, cases[_i].body);
    }
    ck_assert_uint_eq(filter_fixture_stat(&fx, "http.P.jwt_authn.allowed"), has_passed);
    ck_assert_uint_eq(filter_fixture_stat(&fx, "http.P.jwt_authn.denied"), !has_passed);
}
END_TEST

START_TEST(jwt_authn_hands_on_claims) {
    filter_fixture_use(&fx, config_text(RULES));
    const char *text = token("{\"iss\":\"iss\",\"c1\":\"v\",\"n\":{\"a\":-5},\"dot.ted\":[1,\"a\"],"
                             "\"scope\":\"a b  c\",\"i\":7,\"b\":true}");
    ck_assert(request("/p", AUTH "x-c1: evil\nx-payload: evil\n", text));
    ck_assert_str_eq(header("x-c1"), "v");
    ck_assert_str_eq(header("x-c2"), "-5.000000");
    ck_assert_str_eq(header("x-c3"), "WzEsImEiXQ==");
    ck_assert_str_eq(header("authorization"), "(none)");
    ck_assert_uint_eq(header_map_count_name(&fx.request, SLICE("x-c1")), 1);
    ck_assert_uint_eq(header_map_count_name(&fx.request, SLICE("x-payload")), 1);
    ck_assert(strstr(text, header("x-payload")) != NULL);
    ck_assert_str_eq(metadata("pl.iss"), "iss");
    ck_assert_str_eq(metadata("pl.n.a"), "-5");
    ck_assert_str_eq(metadata("pl.scope"), "[\"a\",\"b\",\"c\"]");
    ck_assert_str_eq(metadata("pl.b"), "true");
    ck_assert_str_eq(metadata("hd.alg"), "ES256");
}
END_TEST

START_TEST(jwt_authn_removes_what_clients_must_not_bring) {
    static const struct {
        const char *path, *method;
    } rows[] = {{"/elsewhere", ""}, {"/free", ""}, {"/miss", ""}, {"/extract", ""}};
    filter_fixture_use(&fx, config_text(RULES));
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ck_assert(request(rows[i].path,
                          "x-c1: evil\nx-payload: evil\nx-jwt-signature-verified: true\n", ""));
        ck_assert_str_eq(header("x-c1"), "(none)");
        ck_assert_str_eq(header("x-payload"), "(none)");
        ck_assert_str_eq(header("x-jwt-signature-verified"), "(none)");
        filter_fixture_close(&fx);
    }
}
END_TEST

START_TEST(jwt_authn_extract_only_tells_of_failure) {
    filter_fixture_use(&fx, config_text(RULES));
    ck_assert(request("/extract", AUTH, forged("{\"iss\":\"iss\",\"c1\":\"forged\"}")));
    ck_assert_str_eq(header("x-jwt-signature-verified"), "false");
    ck_assert_str_eq(header("x-c1"), "(none)");
    filter_fixture_close(&fx);
    ck_assert(request("/extract", AUTH, token("{\"iss\":\"iss\",\"c1\":\"good\"}")));
    ck_assert_str_eq(header("x-jwt-signature-verified"), "(none)");
    ck_assert_str_eq(header("x-c1"), "good");
}
END_TEST

START_TEST(jwt_authn_takes_parameters_out_of_the_path) {
    static const struct {
        const char *before, *after, *expected;
    } rows[] = {
        {"/any?tok=", "", "/any"},
        {"/any?a=1&tok=", "&b=%41", "/any?a=1&b=%41"},
        {"/any?t%6fk=", "&b", "/any?b"},
    };
    filter_fixture_use(&fx, config_text(RULES));
    const char *text = token("{\"sub\":\"s\"}");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct slice path =
            arena_printf(&fx.scratch, "%s%s%s", rows[i].before, text, rows[i].after);
        ck_assert(request(arena_dup_string(&fx.scratch, path), "", ""));
        ck_assert_str_eq(header(":path"), rows[i].expected);
        filter_fixture_close(&fx);
    }
}
END_TEST

START_TEST(jwt_authn_answers_with_challenge_and_details) {
    filter_fixture_use(&fx, config_text(RULES));
    ck_assert(!request("/p?\"x", "", ""));
    ck_reply(401, "Jwt is missing");
    ck_assert_str_eq(arena_dup_string(&fx.scratch, fx.reply_details),
                     "jwt_authn_access_denied{Jwt_is_missing}");
    struct slice challenge = header_map_get(fx.out_headers, HEADER_WWW_AUTHENTICATE);
    ck_assert_str_eq(arena_dup_string(&fx.scratch, challenge),
                     "Bearer realm=\"http://host/p?\\\"x\"");
    filter_fixture_close(&fx);
    ck_assert(!request("/p", AUTH, forged("{\"iss\":\"iss\"}")));
    challenge = header_map_get(fx.out_headers, HEADER_WWW_AUTHENTICATE);
    ck_assert_str_eq(arena_dup_string(&fx.scratch, challenge),
                     "Bearer realm=\"http://host/p\", error=\"invalid_token\"");
    ck_assert_str_eq(metadata("fail.code"), "26");
    ck_assert_str_eq(metadata("fail.message"), "Jwt verification fails");
}
END_TEST

START_TEST(jwt_authn_stripped_failure_says_nothing) {
    filter_fixture_use(&fx, config_text(RULES "strip_failure_response: true\n"));
    ck_assert(!request("/p", "", ""));
    ck_reply(401, "");
    ck_assert(!header_map_has(fx.out_headers, HEADER_WWW_AUTHENTICATE));
}
END_TEST

START_TEST(jwt_authn_lets_preflights_through) {
    filter_fixture_use(&fx, config_text(RULES "bypass_cors_preflight: true\n"));
    ck_assert(filter_fixture_request(&fx, ":method: OPTIONS\n:path: /p\n:authority: a\norigin: o\n"
                                          "access-control-request-method: GET\n"));
    ck_assert_uint_eq(filter_fixture_stat(&fx, "http.P.jwt_authn.cors_preflight_bypassed"), 1);
    filter_fixture_close(&fx);
    ck_assert(!filter_fixture_request(&fx, ":method: OPTIONS\n:path: /p\norigin: o\n"));
}
END_TEST

START_TEST(jwt_authn_route_level_decides) {
    filter_fixture_use(&fx, config_text(RULES));
    filter_fixture_use_route(&fx, LEVEL_ROUTE, "disabled: true");
    ck_assert(request("/p", "", ""));
    filter_fixture_close(&fx);
    filter_fixture_use_route(&fx, LEVEL_ROUTE, "requirement_name: r1");
    ck_assert(!request("/free", "", ""));
    filter_fixture_close(&fx);
    filter_fixture_use_route(&fx, LEVEL_ROUTE, "requirement_name: zz");
    ck_assert(!request("/p", "", ""));
    ck_reply(403, "Failed JWT authentication: Wrong requirement_name: zz. It should be one of "
                  "[r1,r2]");
    ck_assert_str_eq(arena_dup_string(&fx.scratch, fx.reply_details),
                     "jwt_authn_access_denied{Wrong_requirement_name:_zz._It_should_be_one_of_"
                     "[r1,r2]}");
}
END_TEST

START_TEST(jwt_authn_remembers_verified_tokens) {
    filter_fixture_use(&fx, config_text(RULES));
    const char *text = token("{\"iss\":\"iss2\",\"aud\":\"b\",\"exp\":10}");
    for (int i = 0; i < 3; i++) {
        ck_assert(request("/aud", AUTH, text));
        filter_fixture_close(&fx);
    }
    ck_assert_uint_eq(filter_fixture_stat(&fx, "http.P.jwt_authn.jwt_cache_miss"), 1);
    ck_assert_uint_eq(filter_fixture_stat(&fx, "http.P.jwt_authn.jwt_cache_hit"), 2);
    ck_assert(!request("/twoaud", AUTH, text));
    filter_fixture_close(&fx);
    ck_assert(!request("/aud", AUTH, forged("{\"iss\":\"iss2\",\"aud\":\"b\",\"exp\":10}")));
    filter_fixture_close(&fx);
    virtual_clock_advance(&fx.clock, 100000000);
    filter_fixture_advance_ms(&fx, 1);
    ck_assert(!request("/aud", AUTH, text));
    ck_reply(401, "Jwt is expired");
}
END_TEST

START_TEST(jwt_authn_too_many_tokens_are_refused) {
    filter_fixture_use(&fx, config_text(RULES));
    const char *text = token("{\"sub\":\"s\"}");
    struct slice lines = SLICE("");
    for (int i = 0; i < 9; i++) {
        lines = arena_printf(&fx.scratch, "%.*sx-my: Tok %s\n", SLICE_ARG(lines), text);
    }
    ck_assert(!request("/any", arena_dup_string(&fx.scratch, lines), ""));
    ck_reply(401, "Found multiple Jwt tokens");
}
END_TEST

static const struct {
    const char *yaml, *error;
} bad_configs[] = {
    {"rules: [{match: {prefix: /}, requires: {provider_name: nope}}]",
     "Required provider ['nope'] is not configured."},
    {"rules: [{match: {prefix: /}, requirement_name: nope}]",
     "Wrong requirement_name: nope. It should be one of []"},
    {"providers: {x: {local_jwks: {inline_string: '{}'}}}",
     "Provider 'x' in jwt_authn config has invalid local jwks: Jwks does not have [keys] field"},
    {"providers: {x: {local_jwks: {inline_string: 'no'}}}", "Jwks is an invalid JSON"},
    {"providers: {x: {remote_jwks: {http_uri: {uri: 'a b', cluster: c, timeout: 1s}}}}",
     "Provider 'x' has an invalid URI: 'a b'"},
    {"providers: {x: {issuer: i}}", "required"},
    {"filter_state_rules: {name: n, requires: {}}", "filter_state_rules"},
};

START_TEST(jwt_authn_refuses_configurations) {
    ck_assert_ptr_null(filter_fixture_parse(&fx, bad_configs[_i].yaml));
    ck_assert_msg(strstr(fx.error.message, bad_configs[_i].error) != NULL, "%s", fx.error.message);
}
END_TEST

START_TEST(jwt_authn_honours_every_field_of_a_remote_provider) {
    ck_assert_ptr_nonnull(filter_fixture_parse(
        &fx, "providers:\n  x:\n    remote_jwks:\n"
             "      http_uri: {uri: 'https://idp.example:8443/keys?a=b', cluster: c, timeout: 1s}\n"
             "      cache_duration: 300s\n      async_fetch: {fast_listener: true}\n"
             "      retry_policy: {num_retries: 3, retry_back_off: {base_interval: 0.1s}}\n"
             "stat_prefix: mine\n"));
    ck_assert_uint_eq(fx.ignored, 0);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("jwt_authn");
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, jwt_authn_judges_as_the_rules_say, 0, (int)ARRAY_LEN(cases));
    tcase_add_test(tests, jwt_authn_hands_on_claims);
    tcase_add_test(tests, jwt_authn_removes_what_clients_must_not_bring);
    tcase_add_test(tests, jwt_authn_extract_only_tells_of_failure);
    tcase_add_test(tests, jwt_authn_takes_parameters_out_of_the_path);
    tcase_add_test(tests, jwt_authn_answers_with_challenge_and_details);
    tcase_add_test(tests, jwt_authn_stripped_failure_says_nothing);
    tcase_add_test(tests, jwt_authn_lets_preflights_through);
    tcase_add_test(tests, jwt_authn_route_level_decides);
    tcase_add_test(tests, jwt_authn_remembers_verified_tokens);
    tcase_add_test(tests, jwt_authn_too_many_tokens_are_refused);
    tcase_add_loop_test(tests, jwt_authn_refuses_configurations, 0, (int)ARRAY_LEN(bad_configs));
    tcase_add_test(tests, jwt_authn_honours_every_field_of_a_remote_provider);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
