// SPDX-License-Identifier: Apache-2.0
/* The chain's rules, written as traces: which callback ran in which order, and what left the chain. */
#include <check.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/base/check.h"
#include "src/config/listener_config.h"
#include "src/event/io_context.h"
#include "src/filter_chain/http_filter_chain.h"

enum { MAX_FILTERS = 4 };

/* What a scripted filter says to each callback. */
struct script {
    char name;
    enum http_filter_verdict headers, data, trailers;             /* decoding */
    enum http_filter_verdict out_headers, out_data, out_trailers; /* encoding */
    bool adds_trailers;
    bool replies;   /* local reply from decode_headers */
    bool is_server; /* terminal: answers headers + "ok" at the request's end */
};

struct script_filter {
    struct http_filter base;
    struct script *script;
};

struct fixture {
    struct io_context io;
    struct arena arena;
    struct stream_info info;
    struct http_filter_chain chain;
    struct http_filter_config configs[MAX_FILTERS];
    struct header_map request, trailers, response;
    char trace[1024];
    int pauses;
};

static struct fixture fx;

static void note(const char *format, ...) PRINTF_LIKE(1, 2);
static void note(const char *format, ...) {
    size_t used = strlen(fx.trace);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(fx.trace + used, sizeof(fx.trace) - used, format, args);
    va_end(args);
}

static struct script_filter *self(struct http_filter *f) {
    return (struct script_filter *)(void *)f;
}

static void answer(struct http_filter *f) {
    http_filter_encode_headers(f, &fx.response, false);
    struct buffer body;
    buffer_init(&body, &fx.io.buffers);
    buffer_append(&body, SLICE("ok"));
    http_filter_encode_data(f, &body, true);
    buffer_deinit(&body);
}

static enum http_filter_verdict decode_headers(struct http_filter *f, struct header_map *headers,
                                               bool end_stream) {
    struct script *script = self(f)->script;
    (void)headers;
    note("%c.h%s ", script->name, end_stream ? "!" : "");
    if (script->replies) {
        struct local_reply reply = {.status = 403, .grpc_status = -1};
        http_filter_local_reply(f, &reply);
        return HTTP_FILTER_HOLD;
    }
    if (script->is_server && end_stream) {
        answer(f);
    }
    return script->headers;
}

static enum http_filter_verdict decode_data(struct http_filter *f, struct buffer *data,
                                            bool end_stream) {
    struct script *script = self(f)->script;
    note("%c.d%zu%s ", script->name, data->len, end_stream ? "!" : "");
    if (script->adds_trailers && end_stream) {
        (void)http_filter_add_decoded_trailers(f);
    }
    if (script->is_server && end_stream) {
        answer(f);
    }
    return script->data;
}

static enum http_filter_verdict decode_trailers(struct http_filter *f,
                                                struct header_map *trailers) {
    struct script *script = self(f)->script;
    (void)trailers;
    note("%c.t ", script->name);
    if (script->is_server) {
        answer(f);
    }
    return script->trailers;
}

static enum http_filter_verdict encode_headers(struct http_filter *f, struct header_map *headers,
                                               bool end_stream) {
    (void)headers;
    note("%c.eh%s ", self(f)->script->name, end_stream ? "!" : "");
    return self(f)->script->out_headers;
}

static enum http_filter_verdict encode_data(struct http_filter *f, struct buffer *data,
                                            bool end_stream) {
    note("%c.ed%zu%s ", self(f)->script->name, data->len, end_stream ? "!" : "");
    return self(f)->script->out_data;
}

static void on_stream_complete(struct http_filter *f) {
    note("%c.over ", self(f)->script->name);
}

static const struct http_filter_ops full_ops = {
    .decode_headers = decode_headers,
    .decode_data = decode_data,
    .decode_trailers = decode_trailers,
    .encode_headers = encode_headers,
    .encode_data = encode_data,
    .on_stream_complete = on_stream_complete,
};
static const struct http_filter_ops server_ops = {
    .decode_headers = decode_headers,
    .decode_data = decode_data,
    .decode_trailers = decode_trailers,
};

static struct http_filter *create(const void *config, struct arena *arena, struct io_context *io) {
    (void)io;
    struct script_filter *filter = ARENA_NEW(arena, struct script_filter);
    filter->script = (struct script *)(uintptr_t)config;
    filter->base.ops = filter->script->is_server ? &server_ops : &full_ops;
    return &filter->base;
}

static const struct http_filter_factory factory = {.name = "script", .create = create};

/* ---- the host ---- */

static void host_informational(void *host, struct header_map *headers) {
    (void)host;
    (void)headers;
    note("out.1xx ");
}

static void host_headers(void *host, struct header_map *headers, bool end_stream) {
    (void)host;
    (void)headers;
    note("out.h%s ", end_stream ? "!" : "");
}

static void host_data(void *host, struct buffer *data, bool end_stream) {
    (void)host;
    note("out.d%zu%s ", data->len, end_stream ? "!" : "");
    buffer_clear(data);
}

static void host_trailers(void *host, struct header_map *trailers) {
    (void)host;
    (void)trailers;
    note("out.t ");
}

static void host_local_reply(void *host, const struct local_reply *reply) {
    (void)host;
    note("reply%u ", reply->status);
    struct buffer body;
    buffer_init(&body, &fx.io.buffers);
    http_filter_chain_local_reply(&fx.chain, reply, &fx.response, &body);
    buffer_deinit(&body);
}

static void host_reset(void *host, enum http_reset_reason reason, struct slice details) {
    (void)host;
    (void)reason;
    (void)details;
    note("reset ");
}

static void host_pause(void *host, bool pause) {
    (void)host;
    fx.pauses += pause ? 1 : -1;
}

static const struct route *no_route(void *host) {
    (void)host;
    return NULL;
}
static const struct virtual_host *no_vhost(void *host) {
    (void)host;
    return NULL;
}
static const struct route_part *no_config(void *host) {
    (void)host;
    return NULL;
}
static const struct weighted_cluster *no_weighted(void *host) {
    (void)host;
    return NULL;
}
static void no_clear(void *host) {
    (void)host;
}
static void no_set(void *host, uint32_t slot, struct slice name) {
    (void)host;
    (void)slot;
    (void)name;
}
static bool no_recreate(void *host) {
    (void)host;
    return false;
}
static void no_input(const void *host, struct log_format_input *input) {
    (void)host;
    (void)input;
}

static const struct http_filter_chain_host_ops host_ops = {
    host_informational,
    host_headers,
    host_data,
    host_trailers,
    host_local_reply,
    host_reset,
    host_pause,
    no_route,
    no_vhost,
    no_config,
    no_weighted,
    no_clear,
    no_set,
    no_recreate,
    no_input,
    NULL,
};

static void setup(void) {
    fx.trace[0] = '\0';
    fx.pauses = 0;
    buffer_pool_init(&fx.io.buffers);
    arena_init_heap(&fx.arena, 0);
    header_map_init(&fx.request, &fx.arena);
    header_map_init(&fx.trailers, &fx.arena);
    header_map_init(&fx.response, &fx.arena);
}

static void teardown(void) {
    http_filter_chain_destroy(&fx.chain);
    arena_deinit(&fx.arena);
    buffer_pool_deinit(&fx.io.buffers);
}

static void build(struct script *scripts, uint32_t count, uint32_t limit) {
    for (uint32_t i = 0; i < count; i++) {
        fx.configs[i] =
            (struct http_filter_config){.name_id = i, .factory = &factory, .config = &scripts[i]};
    }
    http_filter_chain_init(&fx.chain, &host_ops, &fx, &fx.arena, &fx.io, &fx.info, limit);
    http_filter_chain_create(&fx.chain, fx.configs, count, NULL);
}

static void feed(const char *text, bool end_stream) {
    struct buffer data;
    buffer_init(&data, &fx.io.buffers);
    buffer_append(&data, slice_from_string(text));
    http_filter_chain_decode_data(&fx.chain, &data, end_stream);
    ck_assert_uint_eq(data.len, 0);
    buffer_deinit(&data);
}

static struct http_filter *filter_at(uint32_t index) {
    return fx.chain.slots[index].filter;
}

#define EXPECT(text)                                                                               \
    do {                                                                                           \
        ck_assert_str_eq(fx.trace, text);                                                          \
        fx.trace[0] = '\0';                                                                        \
    } while (0)

START_TEST(http_filter_chain_all_continue_runs_in_order_and_reverse) {
    struct script scripts[] = {{.name = 'A'}, {.name = 'B'}, {.name = 'S', .is_server = true}};
    build(scripts, 3, 100);
    http_filter_chain_decode_headers(&fx.chain, &fx.request, false);
    feed("abc", true);
    EXPECT("A.h B.h S.h A.d3! B.d3! S.d3! B.eh A.eh out.h B.ed2! A.ed2! out.d2! ");
}
END_TEST

START_TEST(http_filter_chain_hold_headers_sees_data_and_releases_both) {
    struct script scripts[] = {{.name = 'A', .headers = HTTP_FILTER_HOLD, .data = HTTP_FILTER_HOLD},
                               {.name = 'S', .is_server = true}};
    build(scripts, 2, 100);
    http_filter_chain_decode_headers(&fx.chain, &fx.request, false);
    feed("ab", false);
    feed("c", true);
    EXPECT("A.h A.d2 A.d1! ");
    ck_assert_uint_eq(http_filter_decoding_buffer(filter_at(0))->len, 3);
    http_filter_continue_decoding(filter_at(0));
    EXPECT("S.h S.d3! A.eh out.h A.ed2! out.d2! ");
}
END_TEST

START_TEST(http_filter_chain_data_continue_after_hold_releases_headers_first) {
    struct script scripts[] = {{.name = 'A', .headers = HTTP_FILTER_HOLD},
                               {.name = 'S', .is_server = true}};
    build(scripts, 2, 100);
    http_filter_chain_decode_headers(&fx.chain, &fx.request, false);
    feed("ab", true);
    EXPECT("A.h A.d2! S.h S.d2! A.eh out.h A.ed2! out.d2! ");
}
END_TEST

START_TEST(http_filter_chain_paused_filter_sees_its_data_only_after_continue) {
    struct script scripts[] = {{.name = 'A', .headers = HTTP_FILTER_PAUSE},
                               {.name = 'S', .is_server = true}};
    build(scripts, 2, 4);
    http_filter_chain_decode_headers(&fx.chain, &fx.request, false);
    feed("abc", false);
    ck_assert_int_eq(fx.pauses, 0);
    feed("de", true);
    ck_assert_int_eq(fx.pauses, 1); /* over the limit: the source waits, nothing is refused */
    EXPECT("A.h ");
    http_filter_continue_decoding(filter_at(0));
    ck_assert_int_eq(fx.pauses, 0);
    EXPECT("S.h A.d5! S.d5! A.eh out.h A.ed2! out.d2! ");
}
END_TEST

START_TEST(http_filter_chain_hold_over_limit_answers_413) {
    struct script scripts[] = {{.name = 'A', .headers = HTTP_FILTER_HOLD, .data = HTTP_FILTER_HOLD},
                               {.name = 'S', .is_server = true}};
    build(scripts, 2, 4);
    http_filter_chain_decode_headers(&fx.chain, &fx.request, false);
    feed("abcde", false);
    EXPECT("A.h A.d5 reply413 A.eh! out.h! ");
    feed("more", true);
    http_filter_continue_decoding(filter_at(0));
    EXPECT("");
}
END_TEST

START_TEST(http_filter_chain_hold_request_without_body_continues_with_end) {
    struct script scripts[] = {{.name = 'A', .headers = HTTP_FILTER_HOLD},
                               {.name = 'S', .is_server = true}};
    build(scripts, 2, 100);
    http_filter_chain_decode_headers(&fx.chain, &fx.request, true);
    EXPECT("A.h! ");
    http_filter_continue_decoding(filter_at(0));
    EXPECT("S.h! A.eh out.h A.ed2! out.d2! ");
}
END_TEST

START_TEST(http_filter_chain_consumed_end_is_delivered_by_continue) {
    struct script scripts[] = {{.name = 'A', .data = HTTP_FILTER_CONSUMED},
                               {.name = 'S', .is_server = true}};
    build(scripts, 2, 100);
    http_filter_chain_decode_headers(&fx.chain, &fx.request, false);
    feed("abc", true);
    EXPECT("A.h S.h A.d3! ");
    http_filter_continue_decoding(filter_at(0));
    EXPECT("S.d0! A.eh out.h A.ed2! out.d2! ");
}
END_TEST

START_TEST(http_filter_chain_end_consumed_after_pause_is_delivered_by_continue) {
    struct script scripts[] = {
        {.name = 'A', .headers = HTTP_FILTER_PAUSE, .data = HTTP_FILTER_CONSUMED},
        {.name = 'S', .is_server = true}};
    build(scripts, 2, 100);
    http_filter_chain_decode_headers(&fx.chain, &fx.request, false);
    feed("abc", true);
    EXPECT("A.h ");
    http_filter_continue_decoding(filter_at(0));
    EXPECT("S.h A.d3! ");
    http_filter_continue_decoding(filter_at(0));
    EXPECT("S.d0! A.eh out.h A.ed2! out.d2! ");
}
END_TEST

static void inject(uint32_t index, const char *text, bool end_stream) {
    struct buffer data;
    buffer_init(&data, &fx.io.buffers);
    buffer_append(&data, slice_from_string(text));
    http_filter_inject_decoded_data(filter_at(index), &data, end_stream);
    ck_assert_uint_eq(data.len, 0);
    buffer_deinit(&data);
}

static const struct {
    enum http_filter_verdict headers;
} parted_cases[] = {{HTTP_FILTER_HOLD}, {HTTP_FILTER_PAUSE}};

START_TEST(http_filter_chain_end_of_headers_follows_injected_data) {
    struct script scripts[] = {{.name = 'A', .headers = parted_cases[_i].headers},
                               {.name = 'S', .is_server = true}};
    build(scripts, 2, 100);
    http_filter_chain_decode_headers(&fx.chain, &fx.request, true);
    inject(0, "xyz", false);
    EXPECT("A.h! S.h S.d3 ");
    http_filter_continue_decoding(filter_at(0));
    EXPECT("S.d0! A.eh out.h A.ed2! out.d2! ");
    http_filter_continue_decoding(filter_at(0));
    EXPECT("");
}
END_TEST

START_TEST(http_filter_chain_injected_data_comes_after_held_headers) {
    struct script scripts[] = {
        {.name = 'A', .headers = HTTP_FILTER_HOLD, .data = HTTP_FILTER_CONSUMED},
        {.name = 'S', .is_server = true}};
    build(scripts, 2, 100);
    http_filter_chain_decode_headers(&fx.chain, &fx.request, false);
    feed("abc", true);
    inject(0, "xyz!", true);
    EXPECT("A.h A.d3! S.h S.d4! A.eh out.h A.ed2! out.d2! ");
}
END_TEST

START_TEST(http_filter_chain_added_trailers_take_the_end_from_the_data) {
    struct script scripts[] = {
        {.name = 'A', .adds_trailers = true}, {.name = 'B'}, {.name = 'S', .is_server = true}};
    build(scripts, 3, 100);
    http_filter_chain_decode_headers(&fx.chain, &fx.request, false);
    feed("abc", true);
    EXPECT("A.h B.h S.h A.d3! B.d3 S.d3 B.t S.t B.eh A.eh out.h B.ed2! A.ed2! out.d2! ");
}
END_TEST

START_TEST(http_filter_chain_held_trailers_follow_held_data) {
    struct script scripts[] = {
        {.name = 'A', .data = HTTP_FILTER_HOLD, .trailers = HTTP_FILTER_HOLD},
        {.name = 'S', .is_server = true}};
    build(scripts, 2, 100);
    http_filter_chain_decode_headers(&fx.chain, &fx.request, false);
    feed("abc", false);
    http_filter_chain_decode_trailers(&fx.chain, &fx.trailers);
    EXPECT("A.h S.h A.d3 A.t ");
    http_filter_continue_decoding(filter_at(0));
    EXPECT("S.d3 S.t A.eh out.h A.ed2! out.d2! ");
}
END_TEST

START_TEST(http_filter_chain_local_reply_stops_decoding_and_runs_all_encoders) {
    struct script scripts[] = {
        {.name = 'A'}, {.name = 'B', .replies = true}, {.name = 'S', .is_server = true}};
    build(scripts, 3, 100);
    http_filter_chain_decode_headers(&fx.chain, &fx.request, false);
    feed("abc", true);
    EXPECT("A.h B.h reply403 B.eh! A.eh! out.h! ");
}
END_TEST

START_TEST(http_filter_chain_two_filters_hold_at_once) {
    struct script scripts[] = {{.name = 'A', .data = HTTP_FILTER_HOLD},
                               {.name = 'B', .headers = HTTP_FILTER_PAUSE},
                               {.name = 'S', .is_server = true}};
    build(scripts, 3, 100);
    http_filter_chain_decode_headers(&fx.chain, &fx.request, false);
    feed("abc", true);
    EXPECT("A.h B.h A.d3! ");
    http_filter_continue_decoding(filter_at(0));
    EXPECT("");
    http_filter_continue_decoding(filter_at(1));
    EXPECT("S.h B.d3! S.d3! B.eh A.eh out.h B.ed2! A.ed2! out.d2! ");
}
END_TEST

START_TEST(http_filter_chain_held_response_over_limit_answers_500) {
    struct script scripts[] = {{.name = 'A', .out_data = HTTP_FILTER_HOLD},
                               {.name = 'S', .is_server = true}};
    build(scripts, 2, 1);
    http_filter_chain_decode_headers(&fx.chain, &fx.request, true);
    ck_assert_ptr_nonnull(strstr(fx.trace, "reply500 "));
}
END_TEST

/* A stream that waits to run again may end meanwhile. */
START_TEST(http_filter_chain_destroyed_filters_hear_of_no_end) {
    struct script scripts[] = {{.name = 'A'}};
    build(scripts, 1, 100);
    http_filter_chain_stream_complete(&fx.chain);
    EXPECT("A.over ");
    http_filter_chain_destroy(&fx.chain);
    http_filter_chain_stream_complete(&fx.chain);
    EXPECT("");
}
END_TEST

START_TEST(http_filter_chain_disabled_filter_is_left_out) {
    struct script scripts[] = {{.name = 'A'}, {.name = 'B'}, {.name = 'S', .is_server = true}};
    for (uint32_t i = 0; i < 3; i++) {
        fx.configs[i] =
            (struct http_filter_config){.name_id = i, .factory = &factory, .config = &scripts[i]};
    }
    struct filter_override off = {.name_id = 1, .is_disabled = true};
    struct filter_overrides level = {.items = &off, .count = 1};
    const struct filter_overrides *levels[] = {&level, NULL};
    http_filter_chain_init(&fx.chain, &host_ops, &fx, &fx.arena, &fx.io, &fx.info, 100);
    http_filter_chain_create(&fx.chain, fx.configs, 3, levels);
    http_filter_chain_decode_headers(&fx.chain, &fx.request, true);
    EXPECT("A.h! S.h! A.eh out.h A.ed2! out.d2! ");
}
END_TEST

int main(void) {
    Suite *suite = suite_create("http_filter_chain");
    TCase *tc = tcase_create("rules");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, http_filter_chain_all_continue_runs_in_order_and_reverse);
    tcase_add_test(tc, http_filter_chain_hold_headers_sees_data_and_releases_both);
    tcase_add_test(tc, http_filter_chain_data_continue_after_hold_releases_headers_first);
    tcase_add_test(tc, http_filter_chain_paused_filter_sees_its_data_only_after_continue);
    tcase_add_test(tc, http_filter_chain_hold_over_limit_answers_413);
    tcase_add_test(tc, http_filter_chain_hold_request_without_body_continues_with_end);
    tcase_add_test(tc, http_filter_chain_consumed_end_is_delivered_by_continue);
    tcase_add_test(tc, http_filter_chain_end_consumed_after_pause_is_delivered_by_continue);
    tcase_add_loop_test(tc, http_filter_chain_end_of_headers_follows_injected_data, 0,
                        (int)ARRAY_LEN(parted_cases));
    tcase_add_test(tc, http_filter_chain_injected_data_comes_after_held_headers);
    tcase_add_test(tc, http_filter_chain_added_trailers_take_the_end_from_the_data);
    tcase_add_test(tc, http_filter_chain_held_trailers_follow_held_data);
    tcase_add_test(tc, http_filter_chain_local_reply_stops_decoding_and_runs_all_encoders);
    tcase_add_test(tc, http_filter_chain_two_filters_hold_at_once);
    tcase_add_test(tc, http_filter_chain_held_response_over_limit_answers_500);
    tcase_add_test(tc, http_filter_chain_destroyed_filters_hear_of_no_end);
    tcase_add_test(tc, http_filter_chain_disabled_filter_is_left_out);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
