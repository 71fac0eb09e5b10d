// SPDX-License-Identifier: Apache-2.0
#include "src/admin/admin_test_fixture.h"

static struct admin_fixture f;
static struct stats_scope *web, *hcm;

enum { RQ_TOTAL, RQ_200, CX_ACTIVE, UNUSED, RQ_TIME, IDLE_TIME };
static const struct stat_def defs[] = {
    {"upstream_rq_total", STAT_COUNTER, ""},  {"upstream_rq_200", STAT_COUNTER, ""},
    {"upstream_cx_active", STAT_GAUGE, ""},   {"bind_errors", STAT_COUNTER, ""},
    {"upstream_rq_time", STAT_HISTOGRAM, ""}, {"idle_time", STAT_HISTOGRAM, ""},
};
static const struct stat_table table = {"test", defs, ARRAY_LEN(defs)};
static const struct stat_def plain_defs[] = {{"live", STAT_GAUGE, ""}};
static const struct stat_table plain_table = {"test", plain_defs, ARRAY_LEN(plain_defs)};

/* The admin shows its own stats too; each request names what it wants. */
static void setup(void) {
    admin_fixture_init(&f);
    admin_fixture_start(&f);
    web = stats_scope_get(f.base.stats, SLICE("cluster.web"), &table);
    hcm = stats_scope_get(f.base.stats, SLICE("zz"), &plain_table);
    stats_add(web, 0, RQ_TOTAL, 7);
    stats_add(web, 1, RQ_TOTAL, 3);
    stats_add(web, 0, RQ_200, 2);
    stats_set(web, 0, CX_ACTIVE, 5);
    stats_record(web, 0, RQ_TIME, 26);
    stats_set(hcm, 0, 0, 1);
}
static void teardown(void) {
    stats_scope_unref(web);
    stats_scope_unref(hcm);
    admin_fixture_deinit(&f);
}

#define QUANTILES_OF_26                                                                            \
    "P0(nan,26.5) P25(nan,26.5) P50(nan,26.5) P75(nan,26.5) P90(nan,26.5) P95(nan,26.5) "          \
    "P99(nan,26.5) P99.5(nan,26.5) P99.9(nan,26.5) P100(nan,26.5)"
#define NO_TIME "cluster.web.idle_time: No recorded values\n"

static const struct {
    const char *query;
    int status;
    const char *body;
} text_cases[] = {
    {"filter=web|zz", 200,
     "cluster.web.bind_errors: 0\ncluster.web.upstream_cx_active: 5\n"
     "cluster.web.upstream_rq_200: 2\ncluster.web.upstream_rq_total: 10\nzz.live: 1\n"
     "cluster.web.idle_time: No recorded values\n"
     "cluster.web.upstream_rq_time: " QUANTILES_OF_26 "\n"},
    {"filter=web&usedonly", 200,
     "cluster.web.upstream_cx_active: 5\ncluster.web.upstream_rq_200: 2\n"
     "cluster.web.upstream_rq_total: 10\ncluster.web.upstream_rq_time: " QUANTILES_OF_26 "\n"},
    {"filter=web&usedonly=false", 200,
     "cluster.web.upstream_cx_active: 5\ncluster.web.upstream_rq_200: 2\n"
     "cluster.web.upstream_rq_total: 10\ncluster.web.upstream_rq_time: " QUANTILES_OF_26 "\n"},
    {"filter=web%5C.upstream_rq_to", 200, "cluster.web.upstream_rq_total: 10\n"},
    {"filter=web&type=Counters", 200,
     "cluster.web.bind_errors: 0\ncluster.web.upstream_rq_200: 2\n"
     "cluster.web.upstream_rq_total: 10\n"},
    {"filter=web|zz&type=Gauges", 200, "cluster.web.upstream_cx_active: 5\nzz.live: 1\n"},
    {"type=TextReadouts", 200, ""},
    {"invert_filter&filter=.", 200, ""},
    {"invert_filter&filter=web|admin|manager", 200, "zz.live: 1\n"},
    {"filter=web.*rq_time$&histogram_buckets=cumulative", 200,
     "cluster.web.upstream_rq_time: B0.5(0,0) B1(0,0) B5(0,0) B10(0,0) B25(0,0) B50(0,1) "
     "B100(0,1) B250(0,1) B500(0,1) B1000(0,1) B2500(0,1) B5000(0,1) B10000(0,1) "
     "B30000(0,1) B60000(0,1) B300000(0,1) B600000(0,1) B1.8e+06(0,1) B3.6e+06(0,1)\n"},
    {"filter=web.*_time$&histogram_buckets=disjoint", 200,
     NO_TIME "cluster.web.upstream_rq_time: B0.5(0,0) B1(0,0) B5(0,0) B10(0,0) B25(0,0) B50(0,1) "
             "B100(0,0) B250(0,0) B500(0,0) B1000(0,0) B2500(0,0) B5000(0,0) B10000(0,0) "
             "B30000(0,0) B60000(0,0) B300000(0,0) B600000(0,0) B1.8e+06(0,0) B3.6e+06(0,0)\n"},
    {"filter=web.*_time$&histogram_buckets=detailed", 200,
     NO_TIME "cluster.web.upstream_rq_time:\n  totals=26,1:1\n  intervals=\n"
             "  summary=" QUANTILES_OF_26 "\n"},
    {"filter=(", 400, "Invalid re2 regex: missing ): ("},
    {"format=x", 400, "usage: /stats?format=(html|active-html|json|prometheus|text)\n\n"},
    {"type=counters", 400, "invalid &type= param"},
    {"histogram_buckets=zz", 400,
     "usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary|prometheusnative)\n"},
};

START_TEST(text_is_as_by_envoy) {
    char target[256];
    (void)snprintf(target, sizeof(target), "/stats?%s", text_cases[_i].query);
    get(&f, target);
    ck_assert_int_eq(f.status, text_cases[_i].status);
    ck_assert_str_eq(f.body, text_cases[_i].body);
}
END_TEST

START_TEST(double_slash_is_stats) {
    get(&f, "//stats?filter=zz");
    ck_assert_str_eq(f.body, "zz.live: 1\n");
}
END_TEST

START_TEST(json_is_as_by_envoy) {
    get(&f, "/stats?format=json&filter=web.upstream_rq_t|zz");
    ck_assert_ptr_nonnull(strstr(f.reply, "content-type: application/json\r\n"));
#define VALUE "{\"cumulative\":26.5,\"interval\":null}"
    ck_assert_str_eq(
        f.body,
        "{\"stats\":[{\"name\":\"cluster.web.upstream_rq_total\",\"value\":10},"
        "{\"name\":\"zz.live\",\"value\":1},"
        "{\"histograms\":{\"supported_quantiles\":[0,25,50,75,90,95,99,99.5,99.9,100],"
        "\"computed_quantiles\":[{\"name\":\"cluster.web.upstream_rq_time\",\"values\":[" VALUE
        "," VALUE "," VALUE "," VALUE "," VALUE "," VALUE "," VALUE "," VALUE "," VALUE "," VALUE
        "]}]}}]}");
    get(&f, "/stats?format=json&filter=nothing");
    ck_assert_str_eq(f.body, "{\"stats\":[]}");
    get(&f, "/stats?format=json&histogram_buckets=cumulative&filter=web.upstream_rq_time");
    ck_assert(body_has(&f,
                       "{\"stats\":[{\"histograms\":[{\"name\":\"cluster.web.upstream_rq_time\","
                       "\"buckets\":[{\"upper_bound\":0.5,\"interval\":0,\"cumulative\":0},"));
    ck_assert(body_has(&f, "{\"upper_bound\":50,\"interval\":0,\"cumulative\":1},"));
    ck_assert(body_has(&f, "{\"upper_bound\":3e+05,\"interval\":0,\"cumulative\":1},"));
    ck_assert(body_has(&f, "{\"upper_bound\":3600000,\"interval\":0,\"cumulative\":1}]}]}]}"));
    get(&f, "/stats?format=json&histogram_buckets=detailed&filter=web.upstream_rq_time");
    ck_assert(body_has(&f, "{\"stats\":[{\"histograms\":{\"supported_percentiles\":[0,25,50,"));
    ck_assert(body_has(&f, "\"details\":[{\"name\":\"cluster.web.upstream_rq_time\",\"totals\":"
                           "[{\"lower_bound\":26,\"width\":1,\"count\":1}],\"intervals\":[],"
                           "\"percentiles\":[" VALUE ","));
}
END_TEST

START_TEST(prometheus_is_as_by_envoy) {
    get(&f, "/stats/prometheus?filter=web|zz");
    ck_assert_ptr_nonnull(strstr(f.reply, "content-type: text/plain; charset=UTF-8\r\n"));
    const char *expected =
        "# TYPE envoy_cluster_bind_errors counter\n"
        "envoy_cluster_bind_errors{envoy_cluster_name=\"web\"} 0\n"
        "# TYPE envoy_cluster_upstream_rq counter\n"
        "envoy_cluster_upstream_rq{envoy_response_code=\"200\",envoy_cluster_name=\"web\"} 2\n"
        "# TYPE envoy_cluster_upstream_rq_total counter\n"
        "envoy_cluster_upstream_rq_total{envoy_cluster_name=\"web\"} 10\n"
        "# TYPE envoy_cluster_upstream_cx_active gauge\n"
        "envoy_cluster_upstream_cx_active{envoy_cluster_name=\"web\"} 5\n"
        "# TYPE envoy_zz_live gauge\n"
        "envoy_zz_live{} 1\n"
        "# TYPE envoy_cluster_idle_time histogram\n"
        "envoy_cluster_idle_time_bucket{envoy_cluster_name=\"web\",le=\"0.5\"} 0\n";
    ck_assert_int_eq(strncmp(f.body, expected, strlen(expected)), 0);
    const char *tail =
        "envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name=\"web\",le=\"600000\"} 1\n"
        "envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name=\"web\",le=\"1800000\"} 1\n"
        "envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name=\"web\",le=\"3600000\"} 1\n"
        "envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name=\"web\",le=\"+Inf\"} 1\n"
        "envoy_cluster_upstream_rq_time_sum{envoy_cluster_name=\"web\"} 26\n"
        "envoy_cluster_upstream_rq_time_count{envoy_cluster_name=\"web\"} 1\n";
    ck_assert_str_eq(f.body + strlen(f.body) - strlen(tail), tail);
}
END_TEST

START_TEST(prometheus_has_its_own_modes) {
    get(&f, "/stats/prometheus?usedonly&histogram_buckets=summary&filter=web.upstream_rq_time");
    ck_assert(body_has(&f, "# TYPE envoy_cluster_upstream_rq_time summary\n"
                           "envoy_cluster_upstream_rq_time{envoy_cluster_name=\"web\","
                           "quantile=\"0\"} 26.5\n"));
    ck_assert(body_has(&f, "quantile=\"0.999\"} 26.5\n"));
    get(&f, "/stats/prometheus?histogram_buckets=detailed");
    ck_assert_int_eq(f.status, 400);
    ck_assert_str_eq(f.body, "unsupported prometheus histogram bucket mode");
    get(&f, "/stats?format=prometheus&filter=zz&type=Counters");
    ck_assert_str_eq(f.body, "# TYPE envoy_zz_live gauge\nenvoy_zz_live{} 1\n");
}
END_TEST

START_TEST(hostile_names_are_escaped_in_every_form) {
    struct stats_scope *odd = stats_scope_get(f.base.stats, SLICE("tcp.<b>\"\\\n"), &plain_table);
    stats_set(odd, 0, 0, 1);
    get(&f, "/stats?format=html&filter=tcp");
    ck_assert(body_has(&f, "tcp.&lt;b&gt;&quot;\\\n.live: 1") && !body_has(&f, "<b>"));
    get(&f, "/stats?format=json&filter=tcp");
    ck_assert(body_has(&f, "{\"name\":\"tcp.<b>\\\"\\\\\\n.live\",\"value\":1}"));
    get(&f, "/stats/prometheus?filter=tcp");
    ck_assert(body_has(&f, "envoy_tcp_live{envoy_tcp_prefix=\"<b>\\\"\\\\\\n\"} 1\n"));
    stats_scope_unref(odd);
}
END_TEST

START_TEST(reset_zeroes_counters_and_keeps_gauges) {
    ask(&f, "POST", "/reset_counters");
    ck_assert_str_eq(f.body, "OK\n");
    get(&f, "/stats?filter=web.upstream_[rc]");
    ck_assert(body_has(&f, "cluster.web.upstream_cx_active: 5\n"));
    ck_assert(body_has(&f, "cluster.web.upstream_rq_total: 0\n"));
    ck_assert(body_has(&f, "cluster.web.upstream_rq_time: No recorded values\n"));
}
END_TEST

START_TEST(admin_counts_itself) {
    get(&f, "/ready");
    get(&f, "/nope");
    get(&f, "/stats?filter=admin&usedonly&type=Counters");
    ck_assert(body_has(&f, "http.admin.downstream_cx_total: 3\n"));
    ck_assert(body_has(&f, "http.admin.downstream_rq_2xx: 1\n"));
    ck_assert(body_has(&f, "http.admin.downstream_rq_4xx: 1\n"));
    ck_assert(body_has(&f, "http.admin.downstream_rq_total: 3\n"));
    ck_assert(body_has(&f, "listener.admin.downstream_cx_destroy: 2\n"));
    get(&f, "/stats?filter=admin.*active&type=Gauges&usedonly");
    ck_assert(body_has(&f, "http.admin.downstream_cx_active: 1\n"));
    ck_assert(body_has(&f, "http.admin.downstream_rq_active: 1\n"));
}
END_TEST

int main(void) {
    Suite *suite = suite_create("admin_stats");
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_loop_test(tests, text_is_as_by_envoy, 0, (int)ARRAY_LEN(text_cases));
    tcase_add_test(tests, double_slash_is_stats);
    tcase_add_test(tests, json_is_as_by_envoy);
    tcase_add_test(tests, prometheus_is_as_by_envoy);
    tcase_add_test(tests, prometheus_has_its_own_modes);
    tcase_add_test(tests, hostile_names_are_escaped_in_every_form);
    tcase_add_test(tests, reset_zeroes_counters_and_keeps_gauges);
    tcase_add_test(tests, admin_counts_itself);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
