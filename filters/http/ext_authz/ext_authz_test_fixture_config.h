// SPDX-License-Identifier: Apache-2.0
/*
 * The filter in a real chain, with calls that only write down what they are asked, and answers made of
 * real messages. For the tests of this folder; each is a program of its own.
 */
#ifndef FILTERS_HTTP_EXT_AUTHZ_EXT_AUTHZ_TEST_FIXTURE_CONFIG_H
#define FILTERS_HTTP_EXT_AUTHZ_EXT_AUTHZ_TEST_FIXTURE_CONFIG_H

#include <check.h>
#include <stdlib.h>

#include "envoy/service/auth/v3/external_auth.pb-c.h"
#include "filters/http/ext_authz/ext_authz_test_host.h"

/* ---- calls ---- */

struct grpc_call *grpc_call_start(const struct grpc_call_options *options) {
    fx.grpc = *options;
    fx.grpc_count++;
    return (struct grpc_call *)(void *)&fake_call;
}

void grpc_call_abandon(struct grpc_call *call) {
    ck_assert_ptr_eq(call, &fake_call);
    fx.cancel_count++;
}

struct http_call *http_call_start(const struct http_call_options *options) {
    fx.http = *options;
    fx.http_count++;
    header_map_copy(&fx.http_headers, options->headers, &fx.arena);
    if (options->body != NULL) {
        ck_assert_uint_lt(options->body->len, sizeof(fx.http_body));
        buffer_copy_out(options->body, 0, fx.http_body, options->body->len);
        buffer_clear(options->body);
    }
    return (struct http_call *)(void *)&fake_call;
}

void http_call_cancel(struct http_call *call) {
    ck_assert_ptr_eq(call, &fake_call);
    fx.cancel_count++;
}

struct stats_scope *upstream_cluster_stats(struct io_context *io, uint32_t cluster_slot) {
    (void)io;
    ck_assert_uint_eq(cluster_slot, 7);
    return NULL;
}

/* ---- set-up ---- */

extern const struct http_filter_factory ext_authz_http_filter_factory;

static inline void setup(void) {
    fx = (struct fixture){0};
    virtual_clock_init(&fx.clock, UINT64_C(1700000000123456));
    ck_assert_int_eq(io_context_init(&fx.io, 0, &fx.clock.base, NULL), STATUS_OK);
    arena_init_heap(&fx.arena, 0);
    header_map_init(&fx.request, &fx.arena);
    header_map_init(&fx.trailers, &fx.arena);
    header_map_init(&fx.response, &fx.arena);
    ck_assert_int_eq(address_from_text(&fx.local, SLICE("10.0.0.1:443"), NULL), STATUS_OK);
    ck_assert_int_eq(address_from_text(&fx.remote, SLICE("10.0.0.2:5555"), NULL), STATUS_OK);
    fx.connection = (struct connection_info){.local = &fx.local, .remote = &fx.remote};
    fx.info = (struct stream_info){.arena = &fx.arena,
                                   .connection = &fx.connection,
                                   .protocol = HTTP_1_1,
                                   .stream_id = 42,
                                   .start_wall_us = UINT64_C(1700000000123456)};
    fx.action.cluster_slot = 7;
    fx.route = (struct route){.action = ROUTE_ACTION_CLUSTER, .cluster = &fx.action};
    fx.service = (struct authz_service){.cluster_slot = 3, .timeout_ms = 200};
    fx.config = (struct ext_authz_config){
        .service = &fx.service, .status_on_error = 403, .cluster_stat_prefix = SLICE("ext_authz.")};
    header_map_append(&fx.request, HEADER_METHOD, SLICE("POST"));
    header_map_append(&fx.request, HEADER_PATH, SLICE("/a?x=1&y=2"));
    header_map_append(&fx.request, HEADER_AUTHORITY, SLICE("foo.com"));
    header_map_append(&fx.request, HEADER_SCHEME, SLICE("http"));
    header_map_append_name(&fx.request, SLICE("x-dup"), SLICE("a"));
    header_map_append_name(&fx.request, SLICE("x-dup"), SLICE("b"));
    header_map_append_name(&fx.request, SLICE("x-envoy-auth-partial-body"), SLICE("forged"));
}

static inline void teardown(void) {
    http_filter_chain_destroy(&fx.chain);
    arena_deinit(&fx.arena);
    io_context_deinit(&fx.io);
}

static inline void start(bool end_stream) {
    if (fx.has_override) {
        fx.override_item = (struct filter_override){.config = &fx.override};
        fx.route.filters = (struct filter_overrides){&fx.override_item, 1};
    }
    fx.configs[0] = (struct http_filter_config){.factory = &ext_authz_http_filter_factory,
                                                .config = &fx.config};
    fx.configs[1] = (struct http_filter_config){.name_id = 1, .factory = &server_factory};
    http_filter_chain_init(&fx.chain, &host_ops, &fx, &fx.arena, &fx.io, &fx.info, 1000);
    http_filter_chain_create(&fx.chain, fx.configs, 2, NULL);
    http_filter_chain_decode_headers(&fx.chain, &fx.request, end_stream);
}

static inline void feed(const char *text, bool end_stream) {
    struct buffer data;
    buffer_init(&data, &fx.io.buffers);
    buffer_append(&data, slice_from_string(text));
    http_filter_chain_decode_data(&fx.chain, &data, end_stream);
    buffer_deinit(&data);
}

static inline void answer_grpc(const Envoy__Service__Auth__V3__CheckResponse *response) {
    size_t size = envoy__service__auth__v3__check_response__get_packed_size(response);
    uint8_t *bytes = arena_alloc_bytes(&fx.arena, size);
    envoy__service__auth__v3__check_response__pack(response, bytes);
    fx.grpc.done(fx.grpc.arg, GRPC_OK, slice_make(bytes, size), SLICE(""));
}

static inline Envoy__Service__Auth__V3__CheckRequest *asked(void) {
    Envoy__Service__Auth__V3__CheckRequest *request =
        envoy__service__auth__v3__check_request__unpack(NULL, fx.grpc.message.len,
                                                        fx.grpc.message.ptr);
    ck_assert_ptr_nonnull(request);
    return request;
}

static inline void release(Envoy__Service__Auth__V3__CheckRequest *request) {
    envoy__service__auth__v3__check_request__free_unpacked(request, NULL);
}

static inline bool request_has(const char *name, const char *value) {
    return slice_equal(
        header_map_get_joined(&fx.request, slice_from_string(name), SLICE(","), &fx.arena),
        slice_from_string(value));
}

#define ck_assert_slice(slice, text)                                                               \
    ck_assert_msg(slice_equal((slice), slice_from_string(text)), "'%.*s' is not '%s'",             \
                  SLICE_ARG(slice), (text))

/* Answers with headers from pairs of texts. */
struct options {
    Envoy__Config__Core__V3__HeaderValueOption option[8];
    Envoy__Config__Core__V3__HeaderValueOption *list[8];
    Envoy__Config__Core__V3__HeaderValue value[8];
    Google__Protobuf__BoolValue append[8];
    size_t count;
};
enum { APPEND_UNSET = -1 };
static inline void add_option(struct options *o, const char *name, const char *value, int action,
                              int append) {
    size_t i = o->count++;
    envoy__config__core__v3__header_value_option__init(&o->option[i]);
    envoy__config__core__v3__header_value__init(&o->value[i]);
    google__protobuf__bool_value__init(&o->append[i]);
    o->value[i].key = (char *)(uintptr_t)name;
    o->value[i].value = (char *)(uintptr_t)value;
    o->option[i].header = &o->value[i];
    o->option[i].append_action =
        (Envoy__Config__Core__V3__HeaderValueOption__HeaderAppendAction)action;
    if (append != APPEND_UNSET) {
        o->append[i].value = append;
        o->option[i].append = &o->append[i];
    }
    o->list[i] = &o->option[i];
}

static inline void answer_ok(struct options *o) {
    Envoy__Service__Auth__V3__OkHttpResponse ok = ENVOY__SERVICE__AUTH__V3__OK_HTTP_RESPONSE__INIT;
    Envoy__Service__Auth__V3__CheckResponse response =
        ENVOY__SERVICE__AUTH__V3__CHECK_RESPONSE__INIT;
    ok.headers = o->list;
    ok.n_headers = o->count;
    response.http_response_case =
        ENVOY__SERVICE__AUTH__V3__CHECK_RESPONSE__HTTP_RESPONSE_OK_RESPONSE;
    response.ok_response = &ok;
    answer_grpc(&response);
}

static inline void answer_denied(struct options *o, int status, const char *body) {
    Envoy__Service__Auth__V3__DeniedHttpResponse denied =
        ENVOY__SERVICE__AUTH__V3__DENIED_HTTP_RESPONSE__INIT;
    Envoy__Service__Auth__V3__CheckResponse response =
        ENVOY__SERVICE__AUTH__V3__CHECK_RESPONSE__INIT;
    Google__Rpc__Status rpc = GOOGLE__RPC__STATUS__INIT;
    Envoy__Type__V3__HttpStatus http = ENVOY__TYPE__V3__HTTP_STATUS__INIT;
    rpc.code = 7;
    http.code = (Envoy__Type__V3__StatusCode)status;
    denied.status = &http;
    denied.headers = o->list;
    denied.n_headers = o->count;
    denied.body = (char *)(uintptr_t)body;
    response.status = &rpc;
    response.http_response_case =
        ENVOY__SERVICE__AUTH__V3__CHECK_RESPONSE__HTTP_RESPONSE_DENIED_RESPONSE;
    response.denied_response = &denied;
    answer_grpc(&response);
}

static inline int run_tests(TCase *tcase) {
    Suite *suite = suite_create("ext_authz");
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
