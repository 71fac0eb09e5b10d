// SPDX-License-Identifier: Apache-2.0
/*
 * Floods: each repeats one hostile step on one connection. It must be ended within the given number of
 * steps, with the stat and detail of its kind, and never cost memory in proportion to what was sent.
 */
#include "src/http/h2/h2_test_raw.h"
#include "src/http/h2/http2_stats.h"

static struct test_raw raw;
static struct test_frame frame;
static struct stats_registry *registry;
static struct stats_scope *scope;

static void open_raw(struct http2_options http2) {
    registry = stats_registry_new(1);
    scope = stats_scope_get(registry, SLICE("http2"), &http2_stat_table);
    raw_init(&raw, true, (struct http_codec_options){.stats = scope}, http2);
}

static void close_raw(void) {
    raw_deinit(&raw);
    ck_assert_uint_eq(stats_value(scope, HTTP2_STAT_STREAMS_ACTIVE), 0);
    ck_assert_uint_eq(stats_value(scope, HTTP2_STAT_PENDING_SEND_BYTES), 0);
    stats_scope_unref(scope);
    stats_registry_free(registry);
}

static uint32_t id_of(uint32_t step) {
    return 2 * step + 1;
}

/* ---- the steps ---- */

static void rapid_reset(uint32_t step) {
    raw_get(&raw, id_of(step), true);
    raw_frame(&raw, 3, 0, id_of(step), "\0\0\0\x8", 4);
}
static void rapid_reset_of_answered_body(uint32_t step) {
    raw_get(&raw, id_of(step), false);
    raw_feed(&raw);
    raw_frame(&raw, 3, 0, id_of(step), "\0\0\0\x8", 4);
}
// The six ways to make the server reset a stream itself (MadeYouReset).
static void window_overflow_on_stream(uint32_t step) {
    raw_get(&raw, id_of(step), true);
    raw_frame(&raw, 8, 0, id_of(step), "\x7f\xff\xff\xff", 4);
}
static void bad_length_of_body(uint32_t step) {
    struct test_block block;
    block_request(&block, "POST");
    block_add(&block, "content-length", "2");
    raw_headers(&raw, id_of(step), &block, false);
    raw_frame(&raw, 0, 1, id_of(step), "abc", 3);
}
static void malformed_request(uint32_t step) {
    struct test_block block;
    block_request(&block, "GET");
    block_add(&block, "connection", "close");
    raw_headers(&raw, id_of(step), &block, true);
}
static void malformed_trailers(uint32_t step) {
    raw_get(&raw, id_of(step), false);
    struct test_block block = {.len = 0};
    block_add(&block, "content-length", "1");
    raw_headers(&raw, id_of(step), &block, true);
}
static void trailers_without_end(uint32_t step) {
    raw_get(&raw, id_of(step), false);
    struct test_block block = {.len = 0};
    block_add(&block, "x", "1");
    raw_headers(&raw, id_of(step), &block, false);
}
static void frames_after_own_reset(uint32_t step) {
    if (step == 0) {
        raw_get(&raw, 1, false);
        raw_frame(&raw, 3, 0, 1, "\0\0\0\x8", 4);
    }
    raw_frame(&raw, 0, 0, 1, "x", 1);
}
static void ping(uint32_t step) {
    (void)step;
    raw_frame(&raw, 6, 0, 0, "12345678", 8);
}
static void settings(uint32_t step) {
    (void)step;
    raw_frame(&raw, 4, 0, 0, "\0\1\0\0\0\0", 6);
}
static void table_size_flips(uint32_t step) {
    raw_frame(&raw, 4, 0, 0, step % 2 == 0 ? "\0\1\0\0\0\0" : "\0\1\0\0\x10\0", 6);
}
static void priority(uint32_t step) {
    raw_frame(&raw, 2, 0, id_of(step % 50), "\0\0\0\0\x10", 5);
}
static void window_update(uint32_t step) {
    (void)step;
    raw_frame(&raw, 8, 0, 0, "\0\0\0\1", 4);
}
static void unknown_frame(uint32_t step) {
    raw_frame(&raw, (uint8_t)(0x20 + step % 50), 0, 0, "abc", 3);
}
static void metadata_frame(uint32_t step) {
    (void)step;
    raw_frame(&raw, 0x4d, 4, 0, "abc", 3);
}
static void empty_data(uint32_t step) {
    if (step == 0) {
        raw_get(&raw, 1, false);
    }
    raw_frame(&raw, 0, 0, 1, "", 0);
}
static void padding_only(uint32_t step) {
    if (step == 0) {
        raw_get(&raw, 1, false);
    }
    raw_frame(&raw, 0, 8, 1, "\3\0\0\0", 4);
}
static void start_block(uint32_t id) {
    struct test_block block;
    block_request(&block, "GET");
    raw_frame(&raw, 1, 0, id, block.bytes, block.len);
}
static void continuation(uint32_t step) {
    if (step == 0) {
        start_block(1);
    }
    struct test_block block = {.len = 0};
    block_add(&block, "x", "1");
    raw_frame(&raw, 9, 0, 1, block.bytes, block.len);
}
static void empty_continuation(uint32_t step) {
    if (step == 0) {
        start_block(1);
    }
    raw_frame(&raw, 9, 0, 1, "", 0);
}
// One large field put into the table, then a block of one-byte references to it.
static void bomb(uint32_t step, const char *name) {
    struct test_block block;
    block_request(&block, "GET");
    if (step == 0) {
        static uint8_t value[3900];
        memset(value, 'v', sizeof(value));
        block.bytes[block.len++] = 0x40;
        block_text(&block, name, strlen(name));
        block_text(&block, value, sizeof(value));
    } else {
        memset(block.bytes + block.len, 0x80 | 62, 16000);
        block.len += 16000;
    }
    raw_headers(&raw, id_of(step), &block, true);
}
static void cookie_bomb(uint32_t step) {
    bomb(step, "cookie");
}
static void header_bomb(uint32_t step) {
    bomb(step, "x-bomb");
}
static void oversized_headers(uint32_t step) {
    struct test_block block;
    block_request(&block, "GET");
    for (int i = 0; i < 200; i++) {
        block_add(&block, "x", "1");
    }
    raw_headers(&raw, id_of(step), &block, true);
}
static void refused_streams(uint32_t step) {
    raw_get(&raw, id_of(step), false);
}
static void goaway_frames(uint32_t step) {
    (void)step;
    if (step == 0) {
        raw_get(&raw, 1, false);
    }
    raw_frame(&raw, 7, 0, 0, "\0\0\0\0\0\0\0\0", 8);
}

static void answers(uint32_t step) {
    raw_get(&raw, id_of(step), true);
    raw_feed(&raw);
    test_answer(&raw.end.streams[step], "200", "x");
}

typedef void flood_step_fn(uint32_t step);

static const struct flood_case {
    const char *what;
    flood_step_fn *step;
    uint32_t max_steps;   /* ended within these */
    uint32_t min_steps;   /* and not before: a well-behaved peer may do this much */
    enum http2_stat stat; /* counted once; HTTP2_STAT_COUNT: not looked at */
    uint32_t code;        /* of the GOAWAY */
    struct http2_options options;
    bool reads_nothing;
} floods[] = {
    {"rapid reset", rapid_reset, 110, 90, HTTP2_STAT_PREMATURE_RESETS, 11, {0}, false},
    {"reset with body",
     rapid_reset_of_answered_body,
     110,
     90,
     HTTP2_STAT_PREMATURE_RESETS,
     11,
     {0},
     false},
    {"window overflow",
     window_overflow_on_stream,
     110,
     90,
     HTTP2_STAT_PREMATURE_RESETS,
     11,
     {0},
     false},
    {"content-length mismatch",
     bad_length_of_body,
     110,
     90,
     HTTP2_STAT_PREMATURE_RESETS,
     11,
     {0},
     false},
    {"malformed request",
     malformed_request,
     110,
     90,
     HTTP2_STAT_PREMATURE_RESETS,
     11,
     {.stream_error_on_invalid_message = true},
     false},
    {"malformed request, default",
     malformed_request,
     1,
     1,
     HTTP2_STAT_RX_MESSAGING_ERROR,
     1,
     {0},
     false},
    {"malformed trailers",
     malformed_trailers,
     110,
     90,
     HTTP2_STAT_PREMATURE_RESETS,
     11,
     {.stream_error_on_invalid_message = true},
     false},
    {"trailers without end",
     trailers_without_end,
     110,
     90,
     HTTP2_STAT_PREMATURE_RESETS,
     11,
     {.stream_error_on_invalid_message = true},
     false},
    {"data after own reset", frames_after_own_reset, 110, 50, HTTP2_STAT_COUNT, 11, {0}, false},
    {"ping", ping, 1010, 500, HTTP2_STAT_INBOUND_CONTROL_FLOOD, 11, {0}, false},
    {"ping, not reading", ping, 1010, 500, HTTP2_STAT_COUNT, 11, {0}, true},
    {"ping, not reading, tight",
     ping,
     60,
     45,
     HTTP2_STAT_OUTBOUND_CONTROL_FLOOD,
     11,
     {.max_outbound_control_frames = 50},
     true},
    {"settings", settings, 1010, 500, HTTP2_STAT_INBOUND_CONTROL_FLOOD, 11, {0}, false},
    {"settings, not reading", settings, 1010, 500, HTTP2_STAT_COUNT, 11, {0}, true},
    {"table size flips",
     table_size_flips,
     1010,
     500,
     HTTP2_STAT_INBOUND_CONTROL_FLOOD,
     11,
     {0},
     false},
    {"priority", priority, 105, 100, HTTP2_STAT_INBOUND_PRIORITY_FRAMES_FLOOD, 11, {0}, false},
    {"window update",
     window_update,
     10,
     5,
     HTTP2_STAT_INBOUND_WINDOW_UPDATE_FRAMES_FLOOD,
     11,
     {0},
     false},
    {"unknown frames", unknown_frame, 510, 490, HTTP2_STAT_INBOUND_GLITCH_FLOOD, 11, {0}, false},
    {"metadata frames", metadata_frame, 510, 490, HTTP2_STAT_INBOUND_GLITCH_FLOOD, 11, {0}, false},
    {"empty data", empty_data, 3, 2, HTTP2_STAT_INBOUND_EMPTY_FRAMES_FLOOD, 11, {0}, false},
    {"empty data, more allowed",
     empty_data,
     12,
     11,
     HTTP2_STAT_INBOUND_EMPTY_FRAMES_FLOOD,
     11,
     {.max_consecutive_empty_data = 10},
     false},
    {"padding only", padding_only, 510, 400, HTTP2_STAT_INBOUND_GLITCH_FLOOD, 11, {0}, false},
    {"continuation", continuation, 9, 7, HTTP2_STAT_INBOUND_CONTINUATION_FLOOD, 11, {0}, false},
    {"empty continuation",
     empty_continuation,
     4,
     2,
     HTTP2_STAT_INBOUND_EMPTY_FRAMES_FLOOD,
     11,
     {0},
     false},
    {"cookie bomb", cookie_bomb, 3, 3, HTTP2_STAT_COUNT, 11, {0}, false},
    {"header bomb", header_bomb, 3, 3, HTTP2_STAT_COUNT, 11, {0}, false},
    {"too many headers", oversized_headers, 2, 2, HTTP2_STAT_COUNT, 11, {0}, false},
    {"streams above the limit",
     refused_streams,
     101,
     101,
     HTTP2_STAT_COUNT,
     1,
     {.max_concurrent_streams = 100},
     false},
    {"answers, not reading",
     answers,
     60,
     20,
     HTTP2_STAT_OUTBOUND_FLOOD,
     11,
     {.max_outbound_frames = 50},
     true},
    {"goaway", goaway_frames, 510, 490, HTTP2_STAT_INBOUND_GLITCH_FLOOD, 11, {0}, false},
};

/* What the log says; NULL: it is not looked at. */
static const char *detail_of(const struct flood_case *c) {
    switch ((int)c->stat) {
    case HTTP2_STAT_PREMATURE_RESETS:
        return "http2.too_many_premature_resets";
    case HTTP2_STAT_INBOUND_CONTROL_FLOOD:
        return "http2.inbound_control_frames_flood";
    case HTTP2_STAT_OUTBOUND_CONTROL_FLOOD:
        return "http2.outbound_control_frames_flood";
    case HTTP2_STAT_OUTBOUND_FLOOD:
        return "http2.outbound_frames_flood";
    case HTTP2_STAT_INBOUND_PRIORITY_FRAMES_FLOOD:
        return "http2.inbound_priority_frames_flood";
    case HTTP2_STAT_INBOUND_WINDOW_UPDATE_FRAMES_FLOOD:
        return "http2.inbound_window_update_frames_flood";
    case HTTP2_STAT_INBOUND_GLITCH_FLOOD:
        return "http2.glitch_flood";
    case HTTP2_STAT_INBOUND_EMPTY_FRAMES_FLOOD:
        return "http2.inbound_empty_frames_flood";
    case HTTP2_STAT_INBOUND_CONTINUATION_FLOOD:
        return "http2.continuation_flood";
    default:
        return c->step == frames_after_own_reset ? "http2.frames_on_closed_streams" : NULL;
    }
}

START_TEST(flood_ends_the_connection_within_its_budget) {
    const struct flood_case *c = &floods[_i];
    open_raw(c->options);
    // The peer has acknowledged our SETTINGS, so that they hold.
    raw_frame(&raw, 4, 1, 0, "", 0);
    raw_feed(&raw);
    uint32_t steps = 0;
    size_t most_unsent = 0;
    while (!raw.end.is_failed && steps <= c->max_steps) {
        c->step(steps++);
        if (!c->reads_nothing && !raw.end.is_failed) {
            buffer_clear(&raw.end.output);
            http_codec_output_drained(raw.end.codec);
        }
        raw_feed(&raw);
        most_unsent = raw.end.output.len > most_unsent ? raw.end.output.len : most_unsent;
    }
    ck_assert_msg(raw.end.is_failed, "%s: not ended after %u", c->what, steps);
    ck_assert_msg(steps <= c->max_steps && steps >= c->min_steps, "%s: ended after %u (%s)",
                  c->what, steps, raw.end.err.message);
    ck_assert_msg(raw_find(&raw, 7, &frame) && frame.code == c->code, "%s: GOAWAY %u (%s)", c->what,
                  frame.code, raw.end.err.message);
    ck_assert_msg(c->stat == HTTP2_STAT_COUNT || stats_value(scope, c->stat) == 1, "%s: %s",
                  c->what, raw.end.err.message);
    const char *detail = detail_of(c);
    ck_assert_msg(detail == NULL || strcmp(raw.end.err.message, detail) == 0, "%s: %s, not %s",
                  c->what, raw.end.err.message, detail);
    ck_assert_msg(most_unsent <= 64 * 1024, "%s: %zu bytes unsent", c->what, most_unsent);
    ck_assert_uint_eq(raw.end.codec->active_streams, 0);
    close_raw();
}
END_TEST

START_TEST(flood_budget_refills_with_time) {
    open_raw((struct http2_options){0});
    // 33 a second for ten seconds is within the budget.
    for (uint32_t step = 0; step < 330; step++) {
        rapid_reset(step);
        raw_feed(&raw);
        ck_assert(!raw.end.is_failed);
        test_advance_ms(&raw.world, 31);
    }
    close_raw();
}
END_TEST

START_TEST(flood_pings_with_data_are_not_one) {
    open_raw((struct http2_options){0});
    raw_get(&raw, 1, false);
    for (uint32_t step = 0; step < 5000; step++) {
        raw_frame(&raw, 0, 0, 1, "x", 1);
        ping(step);
        raw_feed(&raw);
        buffer_clear(&raw.end.output);
        ck_assert(!raw.end.is_failed);
    }
    close_raw();
}
END_TEST

START_TEST(flood_reset_requests_never_reach_their_owner) {
    open_raw((struct http2_options){0});
    for (uint32_t step = 0; step < 50; step++) {
        rapid_reset(step);
    }
    raw_feed(&raw);
    ck_assert_uint_eq(raw.end.stream_count, 50);
    for (uint32_t i = 0; i < 50; i++) {
        ck_assert_ptr_null(raw.end.streams[i].headers);
        ck_assert(raw.end.streams[i].was_reset);
    }
    close_raw();
}
END_TEST

START_TEST(flood_slow_reader_holds_only_what_was_given_for_it) {
    open_raw((struct http2_options){0});
    raw_frame(&raw, 4, 0, 0, "\0\4\0\0\0\0", 6); // INITIAL_WINDOW_SIZE 0
    for (uint32_t step = 0; step < 100; step++) {
        raw_get(&raw, id_of(step), true);
    }
    raw_feed(&raw);
    for (uint32_t i = 0; i < 100; i++) {
        test_answer(&raw.end.streams[i], "200", "0123456789");
    }
    test_turn(&raw.world);
    ck_assert_uint_eq(stats_value(scope, HTTP2_STAT_PENDING_SEND_BYTES), 1000);
    ck_assert_uint_lt(raw.end.output.len, 100 * 64);
    close_raw();
}
END_TEST

START_TEST(flood_frames_that_no_stream_can_have_end_the_connection) {
    static const struct {
        const char *detail;
        uint8_t type;
    } rows[] = {{"http2.frame_on_closed_stream", 0}, {"http2.unexpected_push_promise", 5}};
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        open_raw((struct http2_options){0});
        raw_get(&raw, 3, true); // 1 was passed over
        raw_frame(&raw, rows[i].type, 4, rows[i].type == 0 ? 1 : 3, "\0\0\0\2", 4);
        raw_feed(&raw);
        ck_assert(raw.end.is_failed);
        ck_assert_str_eq(raw.end.err.message, rows[i].detail);
        close_raw();
    }
}
END_TEST

START_TEST(flood_connection_error_of_the_library_is_told) {
    open_raw((struct http2_options){0});
    raw_frame(&raw, 8, 0, 0, "\x7f\xff\xff\xff", 4); // a window beyond 2^31 - 1
    raw_feed(&raw);
    ck_assert(raw.end.is_failed);
    ck_assert_str_eq(raw.end.err.message, "http2.connection_error");
    close_raw();
}
END_TEST

START_TEST(flood_bad_preface_is_answered_with_goaway) {
    test_world_init(&raw.world);
    test_end_init(&raw.end, &raw.world, true, (struct http_codec_options){0},
                  &(struct http2_options){0});
    buffer_init(&raw.sent, &raw.world.io.buffers);
    raw_bytes(&raw, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27);
    raw_feed(&raw);
    ck_assert(raw.end.is_failed);
    ck_assert_str_eq(raw.end.err.message, "http2.bad_preface");
    raw_deinit(&raw);
}
END_TEST

static Suite *make_suite(void) {
    Suite *suite = suite_create("h2_flood");
    TCase *tests = tcase_create("h2_flood");
    tcase_add_loop_test(tests, flood_ends_the_connection_within_its_budget, 0,
                        (int)ARRAY_LEN(floods));
    tcase_add_test(tests, flood_budget_refills_with_time);
    tcase_add_test(tests, flood_pings_with_data_are_not_one);
    tcase_add_test(tests, flood_reset_requests_never_reach_their_owner);
    tcase_add_test(tests, flood_slow_reader_holds_only_what_was_given_for_it);
    tcase_add_test(tests, flood_frames_that_no_stream_can_have_end_the_connection);
    tcase_add_test(tests, flood_connection_error_of_the_library_is_told);
    tcase_add_test(tests, flood_bad_preface_is_answered_with_goaway);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void) {
    return test_run_both(make_suite);
}
