// SPDX-License-Identifier: Apache-2.0
/* Expected results are those of Envoy 1.40 on the same configuration and requests. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filters/http/local_ratelimit/local_ratelimit.h"
#include "src/base/check.h"
#include "tests/filter_support/filter_fixture.h"

extern const struct http_filter_factory local_ratelimit_http_filter_factory;

#define ALWAYS "{default_value: {numerator: 100}}"
#define BASE                                                                                       \
    "stat_prefix: sp\n"                                                                            \
    "filter_enabled: " ALWAYS "\n"
#define ENFORCED BASE "filter_enforced: " ALWAYS "\n"
#define BUCKET(max) "token_bucket: {max_tokens: " max ", fill_interval: 100s}\n"
#define STAT(name) filter_fixture_stat(&fx, "sp.http_local_rate_limit." name)

static struct filter_fixture fx;
static struct address remote;

static void setup(void) {
    filter_fixture_init(&fx, &local_ratelimit_http_filter_factory);
    ck_assert_int_eq(address_from_text(&remote, SLICE("192.0.2.77:5"), NULL), STATUS_OK);
    fx.connection = (struct connection_info){.id = 1, .remote = &remote};
}
static void teardown(void) {
    filter_fixture_deinit(&fx);
}

static bool request(const char *user) {
    char lines[256];
    (void)snprintf(lines, sizeof(lines), ":method: GET\n:path: /?k=v%%20w\nx-u: %s\n", user);
    return filter_fixture_request(&fx, lines);
}

/* What the client is told about its limit: "limit/remaining/reset", of a passed request or a reply. */
static const char *told(void) {
    if (!fx.response_out) {
        filter_fixture_answer(&fx, ":status: 200\n");
    }
    struct slice limit = header_map_get_name(fx.out_headers, SLICE("x-ratelimit-limit"));
    struct slice left = header_map_get_name(fx.out_headers, SLICE("x-ratelimit-remaining"));
    struct slice reset = header_map_get_name(fx.out_headers, SLICE("x-ratelimit-reset"));
    return arena_dup_string(&fx.arena, arena_printf(&fx.arena, "%.*s/%.*s/%.*s", SLICE_ARG(limit),
                                                    SLICE_ARG(left), SLICE_ARG(reset)));
}

/* ---- buckets ---- */

START_TEST(bucket_fills_steadily_up_to_its_size) {
    struct token_rate rate = {.max_tokens = 2, .tokens_per_s = 0.5};
    struct token_bucket bucket;
    struct token_view view;
    uint64_t s = 1000000;
    token_bucket_init(&bucket);
    ck_assert(token_bucket_consume(&bucket, &rate, 100 * s, 1));
    ck_assert(!token_bucket_consume(&bucket, &rate, 100 * s, 2));
    ck_assert(token_bucket_consume(&bucket, &rate, 100 * s, 1));
    ck_assert(!token_bucket_consume(&bucket, &rate, 100 * s, 1));
    token_bucket_view(&bucket, &rate, 100 * s, &view);
    ck_assert_uint_eq(view.remaining, 0);
    ck_assert_uint_eq(view.reset_s, 2);
    token_bucket_view(&bucket, &rate, 100 * s + s / 2, &view);
    ck_assert_uint_eq(view.reset_s, 2);
    token_bucket_view(&bucket, &rate, 101 * s, &view);
    ck_assert_uint_eq(view.reset_s, 1);
    ck_assert(!token_bucket_consume(&bucket, &rate, 101 * s, 1));
    ck_assert(token_bucket_consume(&bucket, &rate, 102 * s, 1));
    token_bucket_view(&bucket, &rate, 1000 * s, &view);
    ck_assert_uint_eq(view.remaining, 2);
    ck_assert_uint_eq(view.reset_s, 0);
}
END_TEST

START_TEST(empty_bucket_never_gives) {
    struct token_rate rate = {.max_tokens = 0, .tokens_per_s = 10};
    struct token_bucket bucket;
    token_bucket_init(&bucket);
    ck_assert(!token_bucket_consume(&bucket, &rate, 1, 1));
    ck_assert(!token_bucket_consume(&bucket, &rate, UINT64_C(1000000000000), 1));
}
END_TEST

START_TEST(cache_is_bounded_and_drops_the_longest_unused) {
    struct token_rate rate = {.max_tokens = 1, .tokens_per_s = 0.001};
    struct token_view view;
    struct bucket_cache *cache = bucket_cache_new(2);
    ck_assert(bucket_cache_consume(cache, SLICE("a"), &rate, 1, 1, &view));
    ck_assert(bucket_cache_consume(cache, SLICE("b"), &rate, 1, 1, &view));
    ck_assert(!bucket_cache_consume(cache, SLICE("a"), &rate, 1, 1, &view));
    ck_assert(bucket_cache_consume(cache, SLICE("c"), &rate, 1, 1, &view));
    ck_assert_uint_eq(bucket_cache_count(cache), 2);
    ck_assert(!bucket_cache_consume(cache, SLICE("a"), &rate, 1, 1, &view));
    ck_assert(bucket_cache_consume(cache, SLICE("b"), &rate, 1, 1, &view));
    bucket_cache_free(cache);
}
END_TEST

/* ---- the filter ---- */

START_TEST(request_over_the_limit_gets_envoys_answer) {
    filter_fixture_use(
        &fx,
        ENFORCED BUCKET(
            "2") "enable_x_ratelimit_headers: DRAFT_VERSION_03\nenable_retry_after_header: true\n"
                 "response_headers_to_add: [{header: {key: x-lr, value: '1'}}]\n"
                 "request_headers_to_add_when_not_enforced: [{header: {key: x-ne, value: '1'}}]\n");
    ck_assert(request("a"));
    ck_assert_str_eq(told(), "2/1/0");
    ck_assert(request("a"));
    ck_assert_str_eq(told(), "2/0/100");
    ck_assert(!request("a"));
    ck_assert_uint_eq(fx.reply_status, 429);
    ck_assert_int_eq(fx.reply_grpc_status, -1);
    ck_assert_int_eq(fx.reply_flag, RESPONSE_FLAG_RATE_LIMITED);
    ck_assert(slice_equal(fx.reply_body, SLICE("local_rate_limited")));
    ck_assert(slice_equal(fx.reply_details, SLICE("local_rate_limited")));
    ck_assert_str_eq(filter_fixture_text(&fx, fx.out_headers),
                     ":status: 429\nx-lr: 1\nretry-after: 100\nx-ratelimit-limit: 2\n"
                     "x-ratelimit-remaining: 0\nx-ratelimit-reset: 100\n");
    ck_assert_uint_eq(STAT("enabled"), 3);
    ck_assert_uint_eq(STAT("ok"), 2);
    ck_assert_uint_eq(STAT("rate_limited"), 1);
    ck_assert_uint_eq(STAT("enforced"), 1);
}
END_TEST

START_TEST(time_fills_the_bucket) {
    filter_fixture_use(&fx, ENFORCED "token_bucket: {max_tokens: 2, tokens_per_fill: 2, "
                                     "fill_interval: 2s}\n");
    ck_assert(request("a"));
    ck_assert(request("a"));
    ck_assert(!request("a"));
    filter_fixture_advance_ms(&fx, 999);
    ck_assert(!request("a"));
    filter_fixture_advance_ms(&fx, 1);
    ck_assert(request("a"));
    ck_assert(!request("a"));
    filter_fixture_advance_ms(&fx, 60000);
    ck_assert(request("a"));
    ck_assert(request("a"));
    ck_assert(!request("a"));
}
END_TEST

START_TEST(not_enforced_request_is_marked) {
    filter_fixture_use(&fx, BASE BUCKET("0") "enable_x_ratelimit_headers: DRAFT_VERSION_03\n"
                                             "request_headers_to_add_when_not_enforced: "
                                             "[{header: {key: x-ne, value: '%REQ(x-u)%'}}]\n");
    ck_assert(request("a"));
    ck_assert(slice_equal(header_map_get_name(&fx.request, SLICE("x-ne")), SLICE("a")));
    ck_assert_str_eq(told(), "0/0/100");
    ck_assert_uint_eq(STAT("rate_limited"), 1);
    ck_assert_uint_eq(STAT("enforced"), 0);
}
END_TEST

START_TEST(filter_that_is_not_enabled_does_nothing) {
    filter_fixture_use(&fx, "stat_prefix: sp\n" BUCKET("0"));
    ck_assert(request("a"));
    ck_assert_uint_eq(STAT("enabled"), 0);
}
END_TEST

START_TEST(fraction_enables_its_part_of_requests) {
    filter_fixture_use(&fx, "stat_prefix: sp\n"
                            "filter_enabled: {default_value: {numerator: 25}}\n" BUCKET("0"));
    for (int i = 0; i < 1000; i++) {
        ck_assert(request("a"));
    }
    ck_assert_uint_gt(STAT("enabled"), 180);
    ck_assert_uint_lt(STAT("enabled"), 320);
}
END_TEST

struct status_case {
    const char *yaml;
    uint32_t status;
    int32_t grpc_status;
};
static const struct status_case status_cases[] = {
    {"status: {code: ServiceUnavailable}", 503, -1},
    {"status: {code: OK}", 429, -1},
    {"rate_limited_as_resource_exhausted: true", 429, 8},
};

START_TEST(reply_has_the_configured_status) {
    char yaml[512];
    (void)snprintf(yaml, sizeof(yaml), ENFORCED BUCKET("0") "%s\n", status_cases[_i].yaml);
    filter_fixture_use(&fx, yaml);
    ck_assert(!request("a"));
    ck_assert_uint_eq(fx.reply_status, status_cases[_i].status);
    ck_assert_int_eq(fx.reply_grpc_status, status_cases[_i].grpc_status);
}
END_TEST

START_TEST(without_a_bucket_all_pass) {
    filter_fixture_use(&fx, ENFORCED "enable_x_ratelimit_headers: DRAFT_VERSION_03\n");
    ck_assert(request("a"));
    ck_assert_str_eq(told(), "//");
    ck_assert_uint_eq(STAT("ok"), 1);
}
END_TEST

/* ---- descriptors ---- */

#define TOLD "enable_x_ratelimit_headers: DRAFT_VERSION_03\n"
#define NO_DEFAULT "always_consume_default_token_bucket: false\n"
#define BY_USER                                                                                    \
    "rate_limits: [{actions: [{request_headers: {header_name: x-u, descriptor_key: u}}]}]\n"
#define USERS                                                                                      \
    "descriptors:\n"                                                                               \
    "- {entries: [{key: u, value: u1}], token_bucket: {max_tokens: 5, tokens_per_fill: 5, "        \
    "fill_interval: 50s}}\n"                                                                       \
    "- {entries: [{key: u, value: u0}], token_bucket: {max_tokens: 1, fill_interval: 100s}}\n"

START_TEST(descriptors_have_buckets_of_their_own_before_the_default) {
    filter_fixture_use(&fx, ENFORCED BUCKET("2") TOLD USERS BY_USER);
    ck_assert(request("u0"));
    ck_assert_str_eq(told(), "1/0/100");
    ck_assert(request("u1"));
    ck_assert_str_eq(told(), "5/4/0");
    ck_assert(!request("u0"));
    ck_assert_str_eq(told(), "1/0/100");
    ck_assert(!request("u1"));
    ck_assert_str_eq(told(), "2/0/100");
    ck_assert(!request("other"));
    ck_assert_str_eq(told(), "2/0/100");
}
END_TEST

START_TEST(default_is_left_alone_where_it_is_so_configured) {
    filter_fixture_use(&fx, ENFORCED BUCKET("2") TOLD NO_DEFAULT USERS BY_USER);
    ck_assert(request("u0"));
    ck_assert(request("u1"));
    ck_assert(!request("u0"));
    ck_assert(request("u1"));
    ck_assert_str_eq(told(), "5/3/0");
    ck_assert(request("other"));
    ck_assert_str_eq(told(), "2/1/0");
}
END_TEST

START_TEST(shadow_descriptor_only_counts) {
    filter_fixture_use(&fx, ENFORCED BUCKET("9") TOLD NO_DEFAULT BY_USER
                       "descriptors: [{entries: [{key: u, value: u0}], shadow_mode: true, "
                       "token_bucket: {max_tokens: 1, fill_interval: 100s}}]\n");
    ck_assert(request("u0"));
    ck_assert(request("u0"));
    ck_assert_str_eq(told(), "1/0/100");
    ck_assert_uint_eq(STAT("rate_limited"), 1);
    ck_assert_uint_eq(STAT("shadow_mode"), 1);
    ck_assert_uint_eq(STAT("enforced"), 0);
}
END_TEST

START_TEST(wildcard_gives_each_value_a_bucket) {
    filter_fixture_use(&fx, ENFORCED BUCKET("9") TOLD NO_DEFAULT BY_USER
                       "descriptors:\n"
                       "- {entries: [{key: u}], token_bucket: {max_tokens: 1, fill_interval: "
                       "100s}}\n"
                       "- {entries: [{key: u, value: vip}], token_bucket: {max_tokens: 2, "
                       "fill_interval: 100s}}\n");
    ck_assert(request("a"));
    ck_assert(request("b"));
    ck_assert(!request("a"));
    ck_assert(!request("b"));
    ck_assert(request("vip"));
    ck_assert_str_eq(told(), "2/1/0");
}
END_TEST

START_TEST(slowest_descriptor_is_asked_first) {
    filter_fixture_use(
        &fx, ENFORCED BUCKET("9") TOLD NO_DEFAULT
        "rate_limits:\n"
        "- actions: [{generic_key: {descriptor_key: g, descriptor_value: g}}]\n"
        "- actions: [{request_headers: {header_name: x-u, descriptor_key: u}}]\n"
        "descriptors:\n"
        "- {entries: [{key: g, value: g}], token_bucket: {max_tokens: 1, fill_interval: 50s}}\n"
        "- {entries: [{key: u, value: u0}], token_bucket: {max_tokens: 1, fill_interval: "
        "100s}}\n");
    ck_assert(request("u0"));
    ck_assert_str_eq(told(), "1/0/100");
    ck_assert(!request("u1"));
    ck_assert_str_eq(told(), "1/0/50");
    ck_assert(!request("u0"));
    ck_assert_str_eq(told(), "1/0/100");
}
END_TEST

START_TEST(hits_are_taken_together_or_not_at_all) {
    filter_fixture_use(&fx, ENFORCED BUCKET("9") TOLD
                       "rate_limits: [{hits_addend: {number: 2}, actions: [{request_headers: "
                       "{header_name: x-u, descriptor_key: u}}]}]\n"
                       "descriptors: [{entries: [{key: u, value: u0}], token_bucket: "
                       "{max_tokens: 3, fill_interval: 100s}}]\n");
    ck_assert(request("u0"));
    ck_assert_str_eq(told(), "3/1/0");
    ck_assert(!request("u0"));
    ck_assert_str_eq(told(), "3/1/0");
}
END_TEST

struct action_case {
    const char *action;
    const char *key;
    const char *value; /* NULL: the limit does not apply */
};
static const struct action_case action_cases[] = {
    {"generic_key: {descriptor_value: x}", "generic_key", "x"},
    {"generic_key: {descriptor_key: k, descriptor_value: '%REQ(x-u)%'}", "k", "%REQ(x-u)%"},
    {"remote_address_match: {descriptor_value: a, address_matcher: {ranges: [{address_prefix: "
     "192.0.2.0, prefix_len: 24}]}}",
     "remote_address_match", "a"},
    {"remote_address_match: {descriptor_key: k, descriptor_value: a, address_matcher: {ranges: "
     "[{address_prefix: 192.0.2.0, prefix_len: 24}], invert_match: true}}",
     "k", NULL},
    {"remote_address: {}", "remote_address", "192.0.2.77"},
    {"masked_remote_address: {}", "masked_remote_address", "192.0.2.77/32"},
    {"masked_remote_address: {v4_prefix_mask_len: 20}", "masked_remote_address", "192.0.0.0/20"},
    {"request_headers: {header_name: X-U, descriptor_key: k}", "k", "u0"},
    {"request_headers: {header_name: nope, descriptor_key: generic_key}", "generic_key", NULL},
    {"query_parameters: {query_parameter_name: k, descriptor_key: q}", "q", "v w"},
    {"header_value_match: {descriptor_value: hv, headers: [{name: x-u, string_match: {exact: "
     "u0}}]}",
     "header_match", "hv"},
    {"header_value_match: {descriptor_value: hv, expect_match: false, headers: [{name: x-u, "
     "string_match: {exact: u0}}]}",
     "header_match", NULL},
    {"query_parameter_value_match: {descriptor_value: qv, query_parameters: [{name: k, "
     "present_match: true}]}",
     "query_match", "qv"},
    {"destination_cluster: {}", "destination_cluster", "backend"},
    {"source_cluster: {}", "source_cluster", "node-cluster"},
    {"metadata: {descriptor_key: m, metadata_key: {key: ns, path: [{key: a}, {key: b}]}}", "m",
     "dyn"},
    {"metadata: {descriptor_key: m, default_value: d, metadata_key: {key: ns, path: [{key: z}]}}",
     "m", "d"},
    {"metadata: {descriptor_key: m, metadata_key: {key: ns, path: [{key: z}]}}", "m", NULL},
    {"metadata: {source: ROUTE_ENTRY, descriptor_key: m, metadata_key: {key: ns, path: [{key: "
     "r}]}}",
     "m", "route"},
};

START_TEST(action_describes_the_request) {
    static const struct metadata_entry entry = {.filter = SLICE_INIT("ns"),
                                                .path = SLICE_INIT("r"),
                                                .value = SLICE_INIT("route"),
                                                .is_string = true};
    const struct action_case *c = &action_cases[_i];
    char yaml[1024];
    fx.route.metadata = (struct metadata){.entries = &entry, .count = 1};
    (void)snprintf(yaml, sizeof(yaml),
                   ENFORCED "rate_limits: [{actions: [{%s}]}]\n"
                            "descriptors: [{entries: [{key: %s, value: '%s'}], token_bucket: "
                            "{max_tokens: 0, fill_interval: 1s}}]\n",
                   c->action, c->key, c->value == NULL ? "x" : c->value);
    filter_fixture_use(&fx, yaml);
    ck_assert_uint_eq(fx.ignored, 0);
    filter_fixture_open(&fx, ":method: GET\n:path: /?k=v%20w\nx-u: u0\n");
    stream_info_set_metadata(&fx.info, SLICE("ns"), SLICE("a.b"), SLICE("dyn"), true);
    ck_assert_int_eq(filter_fixture_send(&fx), c->value == NULL);
}
END_TEST

START_TEST(absent_header_is_skipped_where_so_configured) {
    filter_fixture_use(&fx, ENFORCED
                       "rate_limits: [{actions: [{generic_key: {descriptor_value: g}}, "
                       "{request_headers: {header_name: nope, descriptor_key: k, "
                       "skip_if_absent: true}}]}]\n"
                       "descriptors: [{entries: [{key: generic_key, value: g}], token_bucket: "
                       "{max_tokens: 0, fill_interval: 1s}}]\n");
    ck_assert(!request("a"));
}
END_TEST

START_TEST(order_of_entries_counts) {
    filter_fixture_use(&fx, ENFORCED
                       "rate_limits: [{actions: [{generic_key: {descriptor_value: g}}, "
                       "{request_headers: {header_name: x-u, descriptor_key: k}}]}]\n"
                       "descriptors: [{entries: [{key: k, value: a}, {key: generic_key, value: "
                       "g}], token_bucket: {max_tokens: 0, fill_interval: 1s}}]\n");
    ck_assert(request("a"));
}
END_TEST

START_TEST(each_connection_has_its_own_bucket) {
    filter_fixture_use(&fx,
                       ENFORCED BUCKET("1") "local_rate_limit_per_downstream_connection: true\n");
    ck_assert(request("a"));
    ck_assert(!request("a"));
    fx.connection.id = 2;
    ck_assert(request("a"));
    ck_assert(!request("a"));
    fx.connection.id = 1;
    ck_assert(!request("a"));
}
END_TEST

START_TEST(route_has_limit_and_stats_of_its_own) {
    filter_fixture_use(&fx, ENFORCED BUCKET("9"));
    filter_fixture_use_route(&fx, LEVEL_ROUTE,
                             "stat_prefix: rt\nfilter_enabled: " ALWAYS "\nfilter_enforced: " ALWAYS
                             "\n" BUCKET("1"));
    ck_assert(request("a"));
    ck_assert(!request("a"));
    ck_assert_uint_eq(STAT("enabled"), 0);
    ck_assert_uint_eq(filter_fixture_stat(&fx, "rt.http_local_rate_limit.enforced"), 1);
}
END_TEST

/* ---- limits of routes and virtual hosts ---- */

/* Both are generic keys; their buckets are empty, so that each shows which of them was asked. */
static const struct rate_action route_action = {
    .kind = RATE_ACTION_GENERIC_KEY, .key = SLICE_INIT("g"), .value = SLICE_INIT("route")};
static const struct rate_action vhost_action = {
    .kind = RATE_ACTION_GENERIC_KEY, .key = SLICE_INIT("g"), .value = SLICE_INIT("vhost")};
static const struct rate_limit route_limit = {.actions = &route_action, .action_count = 1};
static const struct rate_limit vhost_limit = {.actions = &vhost_action, .action_count = 1};
static const struct rate_limit_policy route_policy = {.limits = &route_limit, .count = 1};
static const struct rate_limit_policy vhost_policy = {.limits = &vhost_limit, .count = 1};

#define EMPTY_FOR(value)                                                                           \
    "descriptors: [{entries: [{key: g, value: " value "}], token_bucket: {max_tokens: 0, "         \
    "fill_interval: 1s}}]\n"

static const struct {
    const char *option;
    bool has_route, includes, is_direct;
    bool asks_route, asks_vhost;
} policy_cases[] = {
    {"OVERRIDE", true, false, false, true, false}, {"OVERRIDE", false, false, false, false, true},
    {"OVERRIDE", true, true, false, true, true},   {"INCLUDE", true, false, false, true, true},
    {"INCLUDE", false, false, false, false, true}, {"IGNORE", true, false, false, true, false},
    {"IGNORE", false, false, false, false, false}, {"IGNORE", true, true, false, true, true},
    {"INCLUDE", true, true, true, false, false},
};

static bool is_asked(const char *option, const char *descriptors) {
    char yaml[1024];
    (void)snprintf(yaml, sizeof(yaml), ENFORCED "vh_rate_limits: %s\n%s", option, descriptors);
    filter_fixture_use(&fx, yaml);
    return !request("a");
}

START_TEST(limits_of_route_and_virtual_host_apply_as_configured) {
    static const struct direct_response_action direct = {.status = 200};
    fx.route_action.rate_limits = policy_cases[_i].has_route ? &route_policy : NULL;
    fx.route_action.include_vh_rate_limits = policy_cases[_i].includes;
    fx.vhost.rate_limits = &vhost_policy;
    if (policy_cases[_i].is_direct) {
        fx.route.action = ROUTE_ACTION_DIRECT_RESPONSE;
        fx.route.direct = &direct;
    }
    const char *option = policy_cases[_i].option;
    ck_assert_int_eq(is_asked(option, EMPTY_FOR("route")), policy_cases[_i].asks_route);
    ck_assert_int_eq(is_asked(option, EMPTY_FOR("vhost")), policy_cases[_i].asks_vhost);
}
END_TEST

static const struct {
    const char *stage;
    struct rate_limit limit;
    bool applies;
} stage_cases[] = {
    {"0", {.actions = &route_action, .action_count = 1}, true},
    {"1", {.actions = &route_action, .action_count = 1}, false},
    {"1", {.actions = &route_action, .action_count = 1, .stage = 1}, true},
    {"0", {.actions = &route_action, .action_count = 1, .has_disable_key = true}, false},
    {"0", {.actions = &route_action, .action_count = 1, .applies_on_stream_done = true}, true},
};

START_TEST(limit_of_a_route_applies_at_its_stage) {
    struct rate_limit_policy policy = {.limits = &stage_cases[_i].limit, .count = 1};
    char yaml[512];
    fx.route_action.rate_limits = &policy;
    (void)snprintf(yaml, sizeof(yaml), ENFORCED "stage: %s\n" EMPTY_FOR("route"),
                   stage_cases[_i].stage);
    filter_fixture_use(&fx, yaml);
    ck_assert_int_eq(!request("a"), stage_cases[_i].applies);
}
END_TEST

static const struct {
    enum rate_headers option;
    const char *filter, *told;
} header_cases[] = {
    {RATE_HEADERS_AS_FILTER, "", "//"},
    {RATE_HEADERS_AS_FILTER, TOLD, "3/2/0"},
    {RATE_HEADERS_ON, "", "3/2/0"},
    {RATE_HEADERS_OFF, TOLD, "//"},
};

START_TEST(limit_decides_about_its_headers) {
    struct rate_limit limit = route_limit;
    struct rate_limit_policy policy = {.limits = &limit, .count = 1};
    char yaml[512];
    limit.headers = header_cases[_i].option;
    fx.route_action.rate_limits = &policy;
    (void)snprintf(yaml, sizeof(yaml),
                   ENFORCED "%sdescriptors: [{entries: [{key: g, value: route}], token_bucket: "
                            "{max_tokens: 3, fill_interval: 100s}}]\n",
                   header_cases[_i].filter);
    filter_fixture_use(&fx, yaml);
    ck_assert(request("a"));
    ck_assert_str_eq(told(), header_cases[_i].told);
}
END_TEST

START_TEST(own_limits_go_before_the_routes) {
    fx.route_action.rate_limits = &route_policy;
    filter_fixture_use(&fx, ENFORCED BY_USER EMPTY_FOR("route"));
    ck_assert(request("a"));
}
END_TEST

static const struct {
    const char *hits;
    bool applies;
    uint64_t left;
} hit_cases[] = {{"2", true, 3},  {"0", true, 5},   {"", false, 0},
                 {"x", false, 0}, {"-1", false, 0}, {"1000000001", false, 0}};

START_TEST(hits_are_what_the_request_says) {
    filter_fixture_use(&fx, ENFORCED TOLD
                       "rate_limits: [{hits_addend: {format: '%REQ(x-u)%'}, actions: "
                       "[{generic_key: {descriptor_value: a}}]}]\n"
                       "descriptors: [{entries: [{key: generic_key, value: a}], token_bucket: "
                       "{max_tokens: 5, fill_interval: 100s}}]\n");
    ck_assert(request(hit_cases[_i].hits));
    char expected[32];
    (void)snprintf(expected, sizeof(expected), "5/%llu/0", (unsigned long long)hit_cases[_i].left);
    ck_assert_str_eq(told(), hit_cases[_i].applies ? expected : "//");
}
END_TEST

/* ---- what is refused ---- */

struct bad_case {
    const char *yaml;
    const char *error;
};
#define DESCRIPTOR                                                                                 \
    "{entries: [{key: u, value: u0}], token_bucket: {max_tokens: 1, fill_interval: 1s}}"
static const struct bad_case bad_cases[] = {
    {"token_bucket: {max_tokens: 1}", "stat_prefix"},
    {ENFORCED "token_bucket: {max_tokens: 1, fill_interval: 0.01s}",
     "local rate limit token bucket fill timer must be >= 50ms"},
    {ENFORCED "token_bucket: {max_tokens: 1}", "fill_interval"},
    {ENFORCED "token_bucket: {max_tokens: 1, tokens_per_fill: 0, fill_interval: 1s}",
     "tokens_per_fill"},
    {ENFORCED BY_USER "descriptors: [" DESCRIPTOR ", " DESCRIPTOR "]",
     "duplicate descriptor in the local rate descriptor: u=u0"},
    {ENFORCED "rate_limits: [{stage: 1, actions: [{remote_address: {}}]}]",
     "'stage' field and 'disable_key' field are not supported"},
    {ENFORCED "rate_limits: [{disable_key: x, actions: [{remote_address: {}}]}]",
     "'stage' field and 'disable_key' field are not supported"},
    {ENFORCED "rate_limits: [{actions: [{remote_address_match: {descriptor_value: a, "
              "address_matcher: {ranges: [{address_prefix: 10.0.0}]}}}]}]",
     "rate_limits[0].actions[0]"},
    {ENFORCED "response_headers_to_add: [{header: {key: ':status', value: x}}]",
     "response_headers_to_add[0]"},
};

START_TEST(bad_configuration_is_refused) {
    ck_assert_ptr_null(filter_fixture_parse(&fx, bad_cases[_i].yaml));
    ck_assert_msg(strstr(fx.error.message, bad_cases[_i].error) != NULL, "%s", fx.error.message);
}
END_TEST

static void add_bucket_tests(TCase *tcase) {
    tcase_add_test(tcase, bucket_fills_steadily_up_to_its_size);
    tcase_add_test(tcase, empty_bucket_never_gives);
    tcase_add_test(tcase, cache_is_bounded_and_drops_the_longest_unused);
}

int main(void) {
    TCase *tcase = tcase_create("local_ratelimit");
    tcase_add_checked_fixture(tcase, setup, teardown);
    add_bucket_tests(tcase);
    tcase_add_test(tcase, request_over_the_limit_gets_envoys_answer);
    tcase_add_test(tcase, time_fills_the_bucket);
    tcase_add_test(tcase, not_enforced_request_is_marked);
    tcase_add_test(tcase, filter_that_is_not_enabled_does_nothing);
    tcase_add_test(tcase, fraction_enables_its_part_of_requests);
    tcase_add_loop_test(tcase, reply_has_the_configured_status, 0, ARRAY_LEN(status_cases));
    tcase_add_test(tcase, without_a_bucket_all_pass);
    tcase_add_test(tcase, descriptors_have_buckets_of_their_own_before_the_default);
    tcase_add_test(tcase, default_is_left_alone_where_it_is_so_configured);
    tcase_add_test(tcase, shadow_descriptor_only_counts);
    tcase_add_test(tcase, wildcard_gives_each_value_a_bucket);
    tcase_add_test(tcase, slowest_descriptor_is_asked_first);
    tcase_add_test(tcase, hits_are_taken_together_or_not_at_all);
    tcase_add_loop_test(tcase, action_describes_the_request, 0, ARRAY_LEN(action_cases));
    tcase_add_test(tcase, absent_header_is_skipped_where_so_configured);
    tcase_add_test(tcase, order_of_entries_counts);
    tcase_add_test(tcase, each_connection_has_its_own_bucket);
    tcase_add_test(tcase, route_has_limit_and_stats_of_its_own);
    tcase_add_loop_test(tcase, bad_configuration_is_refused, 0, ARRAY_LEN(bad_cases));
    tcase_add_loop_test(tcase, limits_of_route_and_virtual_host_apply_as_configured, 0,
                        ARRAY_LEN(policy_cases));
    tcase_add_loop_test(tcase, limit_of_a_route_applies_at_its_stage, 0, ARRAY_LEN(stage_cases));
    tcase_add_loop_test(tcase, limit_decides_about_its_headers, 0, ARRAY_LEN(header_cases));
    tcase_add_test(tcase, own_limits_go_before_the_routes);
    tcase_add_loop_test(tcase, hits_are_what_the_request_says, 0, ARRAY_LEN(hit_cases));
    Suite *suite = suite_create("local_ratelimit");
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
