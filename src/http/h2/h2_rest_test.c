// SPDX-License-Identifier: Apache-2.0
/* When sessions are packed, and what may happen to a packed one. */
#include "src/http/h2/h2_codec.h"
#include "src/http/h2/h2_test_raw.h"

static struct test_raw raw;
static struct test_frame frame;

static struct h2_codec *codec_of(struct test_end *end) {
    return CONTAINER_OF(end->codec, struct h2_codec, base);
}

static bool is_packed(struct test_end *end) {
    return pack_region_is_packed(&codec_of(end)->session.region);
}

static void setup(void) {
    raw_init(&raw, true, (struct http_codec_options){0}, (struct http2_options){0});
    raw_frame(&raw, 4, 1, 0, "", 0);
    raw_feed(&raw);
}

static void teardown(void) {
    raw_deinit(&raw);
}

/* A request with a field that goes into the table, by name and value or by its index there. */
static void get_indexed(struct test_raw *to, uint32_t id, bool is_known) {
    struct test_block block = {.len = 0};
    static const uint8_t head[] = {0x82, 0x86, 0x84, 0x41, 4, 'h', 'o', 's', 't'};
    static const uint8_t known_head[] = {0x82, 0x86, 0x84, 0xbf, 0xbe};
    if (is_known) {
        memcpy(block.bytes, known_head, sizeof(known_head));
        block.len = sizeof(known_head);
    } else {
        memcpy(block.bytes, head, sizeof(head));
        block.len = sizeof(head);
        block.bytes[block.len++] = 0x40;
        block_text(&block, "x-secret", 8);
        block_text(&block, "opensesame", 10);
    }
    raw_headers(to, id, &block, true);
}

static struct test_stream *answer_last(struct test_raw *to) {
    raw_feed(to);
    struct test_stream *s = &to->end.streams[to->end.stream_count - 1];
    ck_assert_ptr_nonnull(s->headers);
    test_answer(s, "200", NULL);
    test_turn(&to->world);
    ck_assert(s->was_closed);
    buffer_clear(&to->end.output);
    return s;
}

static void put_to_rest(struct test_raw *to) {
    get_indexed(to, 1, false);
    (void)answer_last(to);
    test_advance_ms(&to->world, H2_REST_MS + 1);
    ck_assert(is_packed(&to->end));
}

START_TEST(rest_packs_a_second_after_the_last_stream) {
    get_indexed(&raw, 1, false);
    raw_feed(&raw);
    test_advance_ms(&raw.world, 5000);
    ck_assert(!is_packed(&raw.end)); // a stream is open
    test_answer(&raw.end.streams[0], "200", NULL);
    test_turn(&raw.world);
    test_advance_ms(&raw.world, H2_REST_MS - 100);
    ck_assert(!is_packed(&raw.end));
    test_advance_ms(&raw.world, 101);
    ck_assert(is_packed(&raw.end));
    ck_assert_uint_eq(codec_of(&raw.end)->session.outside_count, 0);
}
END_TEST

START_TEST(rest_packs_who_never_had_a_stream) {
    test_advance_ms(&raw.world, H2_REST_MS + 1);
    ck_assert(is_packed(&raw.end));
}
END_TEST

START_TEST(rest_goes_on_when_the_output_gets_room) {
    put_to_rest(&raw);
    http_codec_output_drained(raw.end.codec);
    test_turn(&raw.world);
    ck_assert(is_packed(&raw.end));
}
END_TEST

START_TEST(rest_waits_for_what_is_to_be_sent) {
    test_advance_ms(&raw.world, H2_REST_MS - 10);
    // At the same time as it would be packed, before the frame is made.
    (void)nghttp2_submit_ping(h2_awake(codec_of(&raw.end)), 0, NULL);
    test_advance_ms(&raw.world, 10);
    ck_assert(!is_packed(&raw.end));
    h2_flush(codec_of(&raw.end));
    ck_assert(raw_find(&raw, 6, &frame));
    test_advance_ms(&raw.world, 20);
    ck_assert(is_packed(&raw.end));
}
END_TEST

/* ---- what wakes ---- */

static void wake_by_request(void) {
    get_indexed(&raw, 3, true);
    const struct test_stream *s = answer_last(&raw);
    ck_assert(slice_equal(header_map_get_name(s->headers, SLICE("x-secret")), SLICE("opensesame")));
}
static void wake_by_ping(void) {
    raw_frame(&raw, 6, 0, 0, "12345678", 8);
    raw_feed(&raw);
    ck_assert(raw_find(&raw, 6, &frame) && frame.flags == 1);
}
static void wake_by_settings(void) {
    raw_frame(&raw, 4, 0, 0, "\0\3\0\0\0\7", 6);
    raw_feed(&raw);
    ck_assert(raw_find(&raw, 4, &frame) && frame.flags == 1);
    ck_assert_uint_eq(raw.end.max_streams, 7);
}
static void wake_by_window_update(void) {
    raw_frame(&raw, 8, 0, 0, "\0\0\1\0", 4);
    raw_feed(&raw);
    ck_assert(!raw.end.is_failed);
}
static void wake_by_frame_on_closed_stream(void) {
    raw_frame(&raw, 0, 1, 1, "x", 1);
    raw_feed(&raw);
    ck_assert(raw.end.is_failed && raw_find(&raw, 7, &frame) && frame.code == 5);
}
static void wake_by_resets(void) {
    for (uint32_t step = 0; step < 200 && !raw.end.is_failed; step++) {
        raw_get(&raw, 3 + 2 * step, true);
        raw_frame(&raw, 3, 0, 3 + 2 * step, "\0\0\0\x8", 4);
        raw_feed(&raw);
    }
    ck_assert(raw.end.is_failed && raw_find(&raw, 7, &frame) && frame.code == 11);
}
static void wake_by_goaway_of_the_peer(void) {
    raw_frame(&raw, 7, 0, 0, "\0\0\0\0\0\0\0\0", 8);
    raw_feed(&raw);
    ck_assert_uint_eq(raw.end.goaway_count, 1);
    ck_assert_int_eq(raw.end.err.status, STATUS_OK);
}
static void wake_by_nonsense(void) {
    raw_frame(&raw, 1, 5, 2, "\x82", 1);
    raw_feed(&raw);
    ck_assert(raw.end.is_failed && raw_find(&raw, 7, &frame) && frame.code == 1);
}
static void wake_by_our_ping(void) {
    http_codec_ping(raw.end.codec);
    test_turn(&raw.world);
    ck_assert(raw_find(&raw, 6, &frame) && frame.flags == 0);
}
static void wake_by_our_goaway(void) {
    http_codec_goaway(raw.end.codec);
    test_turn(&raw.world);
    ck_assert(raw_find(&raw, 7, &frame) && frame.code == 0);
}
static void wake_by_drain(void) {
    http_codec_shutdown_notice(raw.end.codec);
    test_turn(&raw.world);
    ck_assert(raw_find(&raw, 7, &frame) && frame.code == 0);
    http_codec_goaway(raw.end.codec);
    test_turn(&raw.world);
}
static void wake_by_end_of_input(void) {
    http_codec_connection_lost(raw.end.codec, HTTP_RESET_CONNECTION_TERMINATION, "");
    test_turn(&raw.world);
}
static void wake_by_nothing(void) {
}

static void (*const wakers[])(void) = {
    wake_by_request,
    wake_by_ping,
    wake_by_settings,
    wake_by_window_update,
    wake_by_frame_on_closed_stream,
    wake_by_resets,
    wake_by_goaway_of_the_peer,
    wake_by_nonsense,
    wake_by_our_ping,
    wake_by_our_goaway,
    wake_by_drain,
    wake_by_end_of_input,
    wake_by_nothing, /* destroyed as it lies */
};

START_TEST(rest_ends_with_whatever_comes) {
    put_to_rest(&raw);
    wakers[_i]();
}
END_TEST

START_TEST(rest_of_a_client_ends_with_its_next_request) {
    raw_deinit(&raw);
    raw_init(&raw, false, (struct http_codec_options){0}, (struct http2_options){0});
    for (uint32_t round = 0; round < 3; round++) {
        struct test_stream *s = test_request(&raw.end, "GET", true);
        test_turn(&raw.world);
        ck_assert(!is_packed(&raw.end));
        ck_assert(raw_find(&raw, 1, &frame) && frame.id == 2 * round + 1);
        buffer_clear(&raw.end.output);
        raw_frame(&raw, 1, 5, 2 * round + 1, "\x88", 1);
        raw_feed(&raw);
        ck_assert(s->was_closed);
        test_advance_ms(&raw.world, 60000);
        ck_assert(is_packed(&raw.end));
    }
}
END_TEST

/* ---- how often ---- */

static void ping(void) {
    raw_frame(&raw, 6, 0, 0, "12345678", 8);
    raw_feed(&raw);
    buffer_clear(&raw.end.output);
    ck_assert(!is_packed(&raw.end));
}

START_TEST(rest_waits_longer_after_each_short_one) {
    uint64_t delay_ms = H2_REST_MS;
    put_to_rest(&raw);
    for (uint32_t round = 0; round < 10; round++) {
        test_advance_ms(&raw.world, 100);
        ping();
        delay_ms = delay_ms < 64000 ? delay_ms * 2 : delay_ms;
        test_advance_ms(&raw.world, delay_ms - 10);
        ck_assert(!is_packed(&raw.end));
        test_advance_ms(&raw.world, 11);
        ck_assert(is_packed(&raw.end));
    }
    // A long rest makes up for it.
    test_advance_ms(&raw.world, 30001);
    ping();
    test_advance_ms(&raw.world, H2_REST_MS + 1);
    ck_assert(is_packed(&raw.end));
}
END_TEST

START_TEST(rest_never_comes_to_who_pings_every_ten_seconds) {
    put_to_rest(&raw);
    uint32_t packed = 0;
    for (uint32_t step = 0; step < 100; step++) {
        for (uint32_t ms = 0; ms < 10000; ms += 500) {
            test_advance_ms(&raw.world, 500);
        }
        packed += is_packed(&raw.end);
        ping();
    }
    ck_assert_uint_eq(packed, 4); // after 0, 2, 4, 8 seconds
}
END_TEST

START_TEST(rest_of_many_is_spread_over_turns) {
    enum { CODECS = 40 };
    struct test_end *ends = mem_calloc(CODECS, sizeof(*ends));
    for (uint32_t i = 0; i < CODECS; i++) {
        test_end_init(&ends[i], &raw.world, true, (struct http_codec_options){0},
                      &(struct http2_options){0});
    }
    test_turn(&raw.world);
    uint32_t before = 0;
    for (uint32_t turn = 0; turn < 4; turn++) {
        test_advance_ms(&raw.world, turn == 0 ? H2_REST_MS + 1 : 11);
        uint32_t packed = is_packed(&raw.end);
        for (uint32_t i = 0; i < CODECS; i++) {
            packed += is_packed(&ends[i]);
        }
        ck_assert_uint_le(packed - before, 16);
        ck_assert(packed > before || packed == CODECS + 1);
        before = packed;
    }
    ck_assert_uint_eq(before, CODECS + 1);
    for (uint32_t i = 0; i < CODECS; i++) {
        test_end_deinit(&ends[i]);
    }
    mem_free(ends);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("h2_rest");
    TCase *tests = tcase_create("h2_rest");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, rest_packs_a_second_after_the_last_stream);
    tcase_add_test(tests, rest_packs_who_never_had_a_stream);
    tcase_add_test(tests, rest_goes_on_when_the_output_gets_room);
    tcase_add_test(tests, rest_waits_for_what_is_to_be_sent);
    tcase_add_loop_test(tests, rest_ends_with_whatever_comes, 0, (int)ARRAY_LEN(wakers));
    tcase_add_test(tests, rest_of_a_client_ends_with_its_next_request);
    tcase_add_test(tests, rest_waits_longer_after_each_short_one);
    tcase_add_test(tests, rest_never_comes_to_who_pings_every_ten_seconds);
    tcase_add_test(tests, rest_of_many_is_spread_over_turns);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
