// SPDX-License-Identifier: Apache-2.0
/* The filter in a real chain; the terminal filter answers as the test says. */
#include <check.h>
#include <stdlib.h>

#include "filters/http/grpc_web/grpc_web.h"
#include "src/base/check.h"
#include "src/config/listener_config.h"
#include "src/config/route_config.h"
#include "src/filter_chain/http_filter_chain.h"

extern const struct http_filter_factory grpc_web_http_filter_factory;

struct fixture {
    struct io_context io;
    struct arena arena;
    struct stream_info info;
    struct http_filter_chain chain;
    struct http_filter_config configs[2];
    struct grpc_web_config config;
    struct header_map request, trailers, response;
    struct route route;
    struct route_action action;
    /* what reached the upstream */
    struct slice upstream_body;
    bool upstream_ended;
    /* what reached the client */
    const struct header_map *out_headers;
    uint8_t out_bytes[65536];
    size_t out_len;
    bool out_ended, out_trailers;
    uint32_t reply_status;
    struct slice reply_details;
    struct header_map reply_headers;
};
static struct fixture fx;

/* ---- the terminal filter ---- */

static uint8_t upstream_bytes[256];

static enum http_filter_verdict server_headers(struct http_filter *f, struct header_map *headers,
                                               bool end_stream) {
    (void)f;
    (void)headers;
    fx.upstream_ended = end_stream;
    return HTTP_FILTER_CONTINUE;
}

static enum http_filter_verdict server_data(struct http_filter *f, struct buffer *data,
                                            bool end_stream) {
    (void)f;
    size_t used = fx.upstream_body.len;
    ck_assert_uint_le(used + data->len, sizeof(upstream_bytes));
    buffer_copy_out(data, 0, upstream_bytes + used, data->len);
    fx.upstream_body = slice_make(upstream_bytes, used + data->len);
    fx.upstream_ended = end_stream;
    buffer_clear(data);
    return HTTP_FILTER_CONTINUE;
}

static const struct http_filter_ops server_ops = {.decode_headers = server_headers,
                                                  .decode_data = server_data};

static struct http_filter *server_create(const void *config, struct arena *arena,
                                         struct io_context *io) {
    (void)config;
    (void)io;
    struct http_filter *filter = ARENA_NEW(arena, struct http_filter);
    filter->ops = &server_ops;
    return filter;
}
static const struct http_filter_factory server_factory = {.name = "server",
                                                          .create = server_create};

/* ---- the host ---- */

static void host_informational(void *host, struct header_map *headers) {
    (void)host;
    (void)headers;
}
static void host_headers(void *host, struct header_map *headers, bool end_stream) {
    (void)host;
    fx.out_headers = headers;
    fx.out_ended = end_stream;
}
static void host_data(void *host, struct buffer *data, bool end_stream) {
    (void)host;
    ck_assert_uint_le(fx.out_len + data->len, sizeof(fx.out_bytes));
    buffer_copy_out(data, 0, fx.out_bytes + fx.out_len, data->len);
    fx.out_len += data->len;
    fx.out_ended = end_stream;
    buffer_clear(data);
}
static void host_trailers(void *host, struct header_map *trailers) {
    (void)host;
    (void)trailers;
    fx.out_trailers = true;
    fx.out_ended = true;
}
static void host_local_reply(void *host, const struct local_reply *reply) {
    (void)host;
    fx.reply_status = reply->status;
    fx.reply_details = reply->details;
    header_map_init(&fx.reply_headers, &fx.arena);
    header_map_set_uint(&fx.reply_headers, HEADER_STATUS, reply->status);
    struct buffer body;
    buffer_init(&body, &fx.io.buffers);
    buffer_append(&body, reply->body);
    http_filter_chain_local_reply(&fx.chain, reply, &fx.reply_headers, &body);
    buffer_deinit(&body);
}
static void host_reset(void *host, enum http_reset_reason reason, struct slice details) {
    (void)host;
    (void)reason;
    (void)details;
}
static void host_pause(void *host, bool pause) {
    (void)host;
    (void)pause;
}
static const struct route *host_route(void *host) {
    (void)host;
    return &fx.route;
}
static const struct virtual_host *host_vhost(void *host) {
    (void)host;
    return NULL;
}
static const struct route_part *host_config(void *host) {
    (void)host;
    return NULL;
}
static const struct weighted_cluster *host_weighted(void *host) {
    (void)host;
    return NULL;
}
static void host_clear(void *host) {
    (void)host;
}
static void host_set_cluster(void *host, uint32_t slot, struct slice name) {
    (void)host;
    (void)slot;
    (void)name;
}
static bool host_recreate(void *host) {
    (void)host;
    return false;
}
static void host_input(const void *host, struct log_format_input *input) {
    (void)host;
    *input = (struct log_format_input){.info = &fx.info, .request_headers = &fx.request};
}
static const struct http_filter_chain_host_ops host_ops = {
    host_informational, host_headers,  host_data,  host_trailers, host_local_reply, host_reset,
    host_pause,         host_route,    host_vhost, host_config,   host_weighted,    host_clear,
    host_set_cluster,   host_recreate, host_input, NULL,
};

/* ---- set-up ---- */

static void setup(void) {
    fx = (struct fixture){0};
    ck_assert_int_eq(io_context_init(&fx.io, 0, clock_system(), NULL), STATUS_OK);
    arena_init_heap(&fx.arena, 0);
    fx.info.arena = &fx.arena;
    header_map_init(&fx.request, &fx.arena);
    header_map_init(&fx.trailers, &fx.arena);
    header_map_init(&fx.response, &fx.arena);
    fx.action.cluster_name = SLICE("web");
    fx.route = (struct route){.action = ROUTE_ACTION_CLUSTER, .cluster = &fx.action};
}

static void teardown(void) {
    http_filter_chain_destroy(&fx.chain);
    arena_deinit(&fx.arena);
    io_context_deinit(&fx.io);
}

static void start(const char *content_type, const char *accept) {
    header_map_append(&fx.request, HEADER_METHOD, SLICE("POST"));
    header_map_append(&fx.request, HEADER_PATH, SLICE("/p.S/M"));
    header_map_append(&fx.request, HEADER_CONTENT_TYPE, slice_from_string(content_type));
    header_map_append(&fx.request, HEADER_CONTENT_LENGTH, SLICE("10"));
    if (accept != NULL) {
        header_map_append(&fx.request, HEADER_ACCEPT, slice_from_string(accept));
    }
    fx.configs[0] =
        (struct http_filter_config){.factory = &grpc_web_http_filter_factory, .config = &fx.config};
    fx.configs[1] = (struct http_filter_config){.name_id = 1, .factory = &server_factory};
    http_filter_chain_init(&fx.chain, &host_ops, &fx, &fx.arena, &fx.io, &fx.info, 1 << 20);
    http_filter_chain_create(&fx.chain, fx.configs, 2, NULL);
    http_filter_chain_decode_headers(&fx.chain, &fx.request, false);
}

static void feed(const char *text, bool end_stream) {
    struct buffer data;
    buffer_init(&data, &fx.io.buffers);
    buffer_append(&data, slice_from_string(text));
    http_filter_chain_decode_data(&fx.chain, &data, end_stream);
    buffer_deinit(&data);
}

static struct http_filter *server(void) {
    return fx.chain.slots[1].filter;
}

static void respond(const char *status, const char *content_type, bool end_stream) {
    header_map_append(&fx.response, HEADER_STATUS, slice_from_string(status));
    if (content_type != NULL) {
        header_map_append(&fx.response, HEADER_CONTENT_TYPE, slice_from_string(content_type));
    }
    header_map_append(&fx.response, HEADER_CONTENT_LENGTH, SLICE("10"));
    http_filter_encode_headers(server(), &fx.response, end_stream);
}

static void respond_data(struct slice bytes, bool end_stream) {
    struct buffer data;
    buffer_init(&data, &fx.io.buffers);
    buffer_append(&data, bytes);
    http_filter_encode_data(server(), &data, end_stream);
    buffer_deinit(&data);
}

static void respond_trailers(void) {
    header_map_append(&fx.trailers, HEADER_GRPC_STATUS, SLICE("0"));
    header_map_append_name(&fx.trailers, SLICE("x-t"), SLICE("v"));
    http_filter_encode_trailers(server(), &fx.trailers);
}

#define MESSAGE slice_make("\0\0\0\0\5hello", 10)
#define ck_assert_slice(slice, text)                                                               \
    ck_assert_msg(slice_equal((slice), slice_from_string(text)), "'%.*s' is not '%s'",             \
                  SLICE_ARG(slice), (text))
#define ck_assert_out(literal)                                                                     \
    ck_assert_msg(slice_equal(slice_make(fx.out_bytes, fx.out_len), SLICE(literal)), "got '%.*s'", \
                  (int)fx.out_len, (const char *)fx.out_bytes)

/* ---- requests ---- */

static const struct {
    const char *type;
    bool is_taken;
} types[] = {
    {"application/grpc-web", true},       {"application/grpc-web+proto", true},
    {"application/grpc-web-text", true},  {"application/grpc-web-text+proto", true},
    {"application/grpc-web+json", false}, {"application/grpc-web+proto; charset=utf-8", false},
    {"Application/grpc-web", false},      {"application/grpc", false},
};

START_TEST(grpc_web_request_of_a_known_type_becomes_grpc) {
    start(types[_i].type, NULL);
    ck_assert_slice(header_map_get(&fx.request, HEADER_CONTENT_TYPE),
                    types[_i].is_taken ? "application/grpc" : types[_i].type);
    ck_assert(header_map_has(&fx.request, HEADER_CONTENT_LENGTH) != types[_i].is_taken);
    ck_assert(header_map_has(&fx.request, HEADER_TE) == types[_i].is_taken);
    ck_assert_slice(header_map_get_name(&fx.request, SLICE("grpc-accept-encoding")),
                    types[_i].is_taken ? "identity" : "");
}
END_TEST

START_TEST(grpc_web_text_request_is_decoded_over_chunk_borders) {
    start("application/grpc-web-text", NULL);
    feed("AA", false);
    ck_assert_uint_eq(fx.upstream_body.len, 0);
    feed("AAAAVoZ", false);
    feed("Wxsbw==", true);
    ck_assert(slice_equal(fx.upstream_body, MESSAGE));
    ck_assert(fx.upstream_ended);
}
END_TEST

static const struct {
    const char *text, *details;
} bad_texts[] = {
    {"AAAAAAVoZWxsbw=", "grpc_base_64_decode_failed_bad_size"},
    {"!!!!", "grpc_base_64_decode_failed"},
};

START_TEST(grpc_web_bad_text_is_400_with_a_grpc_status) {
    start("application/grpc-web-text", NULL);
    feed(bad_texts[_i].text, true);
    ck_assert_uint_eq(fx.reply_status, 400);
    ck_assert_slice(fx.reply_details, bad_texts[_i].details);
    ck_assert_slice(header_map_get(fx.out_headers, HEADER_GRPC_STATUS), "13");
    ck_assert_slice(header_map_get(fx.out_headers, HEADER_GRPC_MESSAGE),
                    "Bad gRPC-web request, invalid base64 data.");
    ck_assert_uint_eq(fx.out_len, 0);
    ck_assert(!fx.upstream_ended);
}
END_TEST

START_TEST(grpc_web_text_that_stops_before_trailers_is_400) {
    start("application/grpc-web-text", NULL);
    feed("AAA", false);
    http_filter_chain_decode_trailers(&fx.chain, &fx.trailers);
    ck_assert_uint_eq(fx.reply_status, 400);
}
END_TEST

/* ---- responses ---- */

START_TEST(grpc_web_trailers_become_the_last_frame) {
    start("application/grpc-web", NULL);
    respond("200", "application/grpc", false);
    ck_assert_slice(header_map_get(fx.out_headers, HEADER_CONTENT_TYPE),
                    "application/grpc-web+proto");
    ck_assert(!header_map_has(fx.out_headers, HEADER_CONTENT_LENGTH));
    respond_data(MESSAGE, false);
    respond_trailers();
    ck_assert_out("\0\0\0\0\5hello\x80\0\0\0\x16grpc-status:0\r\nx-t:v\r\n");
    ck_assert(fx.out_ended);
    ck_assert(!fx.out_trailers);
}
END_TEST

START_TEST(grpc_web_text_response_encodes_frame_by_frame) {
    start("application/grpc-web", "application/grpc-web-text");
    respond("200", "application/grpc+proto", false);
    ck_assert_slice(header_map_get(fx.out_headers, HEADER_CONTENT_TYPE),
                    "application/grpc-web-text+proto");
    respond_data(slice_sub(MESSAGE, 0, 7), false);
    respond_data(slice_sub(MESSAGE, 7, 3), false);
    respond_trailers();
    ck_assert_out("AAAAAAVoZWxsbw==gAAAABZncnBjLXN0YXR1czowDQp4LXQ6dg0K");
    ck_assert(fx.out_ended);
}
END_TEST

START_TEST(grpc_web_trailers_only_response_stays_in_headers) {
    start("application/grpc-web", NULL);
    header_map_append(&fx.response, HEADER_GRPC_STATUS, SLICE("5"));
    respond("200", "application/grpc", true);
    ck_assert(fx.out_ended);
    ck_assert_slice(header_map_get(fx.out_headers, HEADER_GRPC_STATUS), "5");
    ck_assert_uint_eq(fx.out_len, 0);
}
END_TEST

START_TEST(grpc_web_upstream_that_speaks_grpc_web_passes) {
    start("application/grpc-web", NULL);
    respond("200", "application/grpc-web+proto; x=y", false);
    respond_data(MESSAGE, true);
    ck_assert_out("\0\0\0\0\5hello");
    ck_assert(!header_map_has(fx.out_headers, HEADER_GRPC_STATUS));
}
END_TEST

static const struct {
    const char *status, *code;
} foreign[] = {{"200", "2"}, {"404", "12"}, {"503", "14"}, {"403", "7"}};

START_TEST(grpc_web_foreign_response_becomes_a_status) {
    start("application/grpc-web", NULL);
    respond(foreign[_i].status, "text/plain", false);
    ck_assert_ptr_null(fx.out_headers);
    respond_data(SLICE("hel%"), false);
    respond_data(SLICE("lo\n"), true);
    ck_assert_slice(header_map_get(fx.out_headers, HEADER_STATUS), foreign[_i].status);
    ck_assert_slice(header_map_get(fx.out_headers, HEADER_GRPC_STATUS), foreign[_i].code);
    ck_assert_slice(header_map_get(fx.out_headers, HEADER_GRPC_MESSAGE), "hel%25lo%0A");
    ck_assert_slice(header_map_get(fx.out_headers, HEADER_CONTENT_LENGTH), "0");
    ck_assert_uint_eq(fx.out_len, 0);
    ck_assert(fx.out_ended);
}
END_TEST

START_TEST(grpc_web_foreign_response_is_cut_to_what_a_header_may_hold) {
    static uint8_t big[16000];
    memset(big, 'a', sizeof(big));
    start("application/grpc-web", NULL);
    respond("200", "text/plain", false);
    for (int i = 0; i < 4; i++) {
        respond_data(slice_make(big, sizeof(big)), i == 3);
    }
    ck_assert_uint_eq(header_map_get(fx.out_headers, HEADER_GRPC_MESSAGE).len, 16384);
    ck_assert_uint_eq(fx.reply_status, 0);
}
END_TEST

START_TEST(grpc_web_foreign_response_with_trailers_becomes_a_status) {
    start("application/grpc-web", NULL);
    respond("500", "text/plain", false);
    respond_data(SLICE("oh"), false);
    http_filter_encode_trailers(server(), &fx.trailers);
    ck_assert_slice(header_map_get(fx.out_headers, HEADER_GRPC_MESSAGE), "oh");
    ck_assert_uint_eq(fx.out_len, 0);
    ck_assert(fx.out_ended);
}
END_TEST

START_TEST(grpc_web_foreign_response_without_body_keeps_its_status) {
    start("application/grpc-web", NULL);
    respond("503", NULL, true);
    ck_assert(fx.out_ended);
    ck_assert_slice(header_map_get(fx.out_headers, HEADER_CONTENT_TYPE),
                    "application/grpc-web+proto");
    ck_assert(!header_map_has(fx.out_headers, HEADER_GRPC_STATUS));
}
END_TEST

START_TEST(grpc_web_leaves_other_requests_alone) {
    start("application/grpc", NULL);
    respond("200", "application/grpc", false);
    respond_data(MESSAGE, false);
    respond_trailers();
    ck_assert_slice(header_map_get(fx.out_headers, HEADER_CONTENT_TYPE), "application/grpc");
    ck_assert_out("\0\0\0\0\5hello");
    ck_assert(fx.out_trailers);
}
END_TEST

/* ---- stats ---- */

struct wanted {
    const char *name;
    uint64_t value;
};

static void look(void *arg, const struct stats_visit *visit) {
    struct wanted *wanted = arg;
    if (slice_equal(visit->full_name, slice_from_string(wanted->name))) {
        wanted->value = visit->value;
    }
}

START_TEST(grpc_web_counts_the_status_of_each_method) {
    struct stats_registry *registry = stats_registry_new(1);
    fx.config.stats = stats_scope_get(registry, SLICE("cluster"), &grpc_web_stat_table);
    start("application/grpc-web", NULL);
    respond("200", "application/grpc", false);
    respond_trailers();
    static const char *const names[] = {"cluster.web.grpc-web.p.S.M.0",
                                        "cluster.web.grpc-web.p.S.M.success",
                                        "cluster.web.grpc-web.p.S.M.total"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct wanted wanted = {.name = names[i]};
        stats_visit_all(registry, look, &wanted);
        ck_assert_msg(wanted.value == 1, "%s", names[i]);
    }
    stats_scope_unref(fx.config.stats);
    stats_registry_free(registry);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("grpc_web");
    TCase *tcase = tcase_create("filter");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_loop_test(tcase, grpc_web_request_of_a_known_type_becomes_grpc, 0, ARRAY_LEN(types));
    tcase_add_test(tcase, grpc_web_text_request_is_decoded_over_chunk_borders);
    tcase_add_loop_test(tcase, grpc_web_bad_text_is_400_with_a_grpc_status, 0,
                        ARRAY_LEN(bad_texts));
    tcase_add_test(tcase, grpc_web_text_that_stops_before_trailers_is_400);
    tcase_add_test(tcase, grpc_web_trailers_become_the_last_frame);
    tcase_add_test(tcase, grpc_web_text_response_encodes_frame_by_frame);
    tcase_add_test(tcase, grpc_web_trailers_only_response_stays_in_headers);
    tcase_add_test(tcase, grpc_web_upstream_that_speaks_grpc_web_passes);
    tcase_add_loop_test(tcase, grpc_web_foreign_response_becomes_a_status, 0, ARRAY_LEN(foreign));
    tcase_add_test(tcase, grpc_web_foreign_response_is_cut_to_what_a_header_may_hold);
    tcase_add_test(tcase, grpc_web_foreign_response_with_trailers_becomes_a_status);
    tcase_add_test(tcase, grpc_web_foreign_response_without_body_keeps_its_status);
    tcase_add_test(tcase, grpc_web_leaves_other_requests_alone);
    tcase_add_test(tcase, grpc_web_counts_the_status_of_each_method);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
