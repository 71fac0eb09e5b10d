// SPDX-License-Identifier: Apache-2.0
/* RFC 9113 §8 for both roles: whole messages as a hostile peer would send them, in one piece and byte by
 * byte. A head's single fields are in h2_message_test.c. */
#include "src/http/h2/h2_test_raw.h"

struct step {
    const char *fields; /* HEADERS, "name=value" with '|' in between; NULL: DATA */
    size_t body;        /* bytes of DATA */
    bool ends;
};

struct exchange {
    const char *what;
    const char *method; /* of the client's request, where responses are judged */
    bool is_sound;
    uint32_t live; /* fields that the owner gets in the head; 0: not looked at */
    struct step steps[4];
};

/* clang-format off */
#define HEAD(fields) {fields, 0, false}
#define HEAD_END(fields) {fields, 0, true}
#define DATA(len) {NULL, len, false}
#define DATA_END(len) {NULL, len, true}
#define POST ":method=POST|:scheme=http|:path=/|:authority=a"
#define CONNECT ":method=CONNECT|:authority=a:443"
#define EXTENDED ":method=CONNECT|:scheme=http|:path=/|:authority=a|:protocol=websocket"

static const struct exchange requests[] = {
    {"body of its length", NULL, true, 5, {HEAD(POST "|content-length=9"), DATA(4), DATA_END(5)}},
    {"body too short", NULL, false, 0, {HEAD(POST "|content-length=9"), DATA(4), DATA_END(4)}},
    {"body too long", NULL, false, 0, {HEAD(POST "|content-length=9"), DATA(4), DATA(6), DATA_END(0)}},
    {"too long, then less", NULL, false, 0, {HEAD(POST "|content-length=9"), DATA(10), DATA(2), DATA_END(0)}},
    {"far too long", NULL, false, 0, {HEAD(POST "|content-length=9"), DATA_END(14)}},
    {"length above 2^63", NULL, false, 0, {HEAD(POST "|content-length=9223372036854775808")}},
    {"length of 2^64 - 1", NULL, false, 0, {HEAD(POST "|content-length=18446744073709551615"), DATA_END(0)}},
    {"body behind length 0", NULL, false, 0, {HEAD(POST "|content-length=0"), DATA_END(1)}},
    {"empty body of length 0", NULL, true, 5, {HEAD(POST "|content-length=0"), DATA_END(0)}},
    {"largest length", NULL, false, 0, {HEAD(POST "|content-length=9223372036854775807"), DATA_END(1)}},
    {"trailers too early", NULL, false, 0, {HEAD(POST "|content-length=9"), DATA(4), HEAD_END("x=y")}},
    {"trailers in time", NULL, true, 5, {HEAD(POST "|content-length=9"), DATA(9), HEAD_END("x=y")}},
    {"trailers that do not end", NULL, false, 0, {HEAD(POST), DATA(9), HEAD("x=y"), DATA_END(1)}},
    {"trailers with a method", NULL, false, 0, {HEAD(POST), HEAD_END(":method=GET")}},
    {"trailers with a status", NULL, false, 0, {HEAD(POST), HEAD_END(":status=200")}},
    {"trailers with an unknown pseudo header", NULL, false, 0, {HEAD(POST), HEAD_END(":x=y")}},
    {"trailers with connection", NULL, false, 0, {HEAD(POST), HEAD_END("connection=close")}},
    {"trailers with a control", NULL, false, 0, {HEAD(POST), HEAD_END("x=a\x01" "b")}},
    {"trailers with a blank at the end", NULL, false, 0, {HEAD(POST), HEAD_END("x=a ")}},
    {"trailers with obs-text and a tab", NULL, true, 4, {HEAD(POST), HEAD_END("x=\xc3\xa4\t" "b")}},
    {"te in capitals", NULL, true, 5, {HEAD_END(POST "|te=Trailers")}},
    {"tab within a value", NULL, true, 5, {HEAD_END(POST "|x=a\tb")}},
    {"value of one blank", NULL, false, 0, {HEAD_END(POST "|x= ")}},
    {"value of one tab", NULL, false, 0, {HEAD_END(POST "|x=\t")}},
    {"control behind sixteen", NULL, false, 0, {HEAD_END(POST "|x=0123456789abcdef\x1f")}},
    {"all token characters", NULL, true, 5, {HEAD_END(POST "|!#$%&'*+-.^_`~09az=x")}},
    {"upper case in a known name", NULL, false, 0, {HEAD_END(POST "|Content-type=x")}},
    {"upper case at the end", NULL, false, 0, {HEAD_END(POST "|x-y-Z=x")}},
    {"upper-case pseudo header", NULL, false, 0, {HEAD_END(":Method=GET|:scheme=http|:path=/|:authority=a")}},
    {"empty host beside an authority", NULL, false, 0, {HEAD_END(POST "|host=")}},
    {"pseudo header between", NULL, false, 0, {HEAD_END(":method=GET|x=y|:scheme=http|:path=/|:authority=a")}},
    {"connect has no length", NULL, true, 3, {HEAD(CONNECT "|content-length=3"), DATA(4), DATA_END(4)}},
    {"connect with a bad length", NULL, false, 0, {HEAD(CONNECT "|content-length=x"), DATA_END(4)}},
    {"connect with a protocol only", NULL, false, 0, {HEAD(CONNECT "|:protocol=websocket"), DATA_END(4)}},
    {"connect with host only", NULL, false, 0, {HEAD(":method=CONNECT|host=a:443"), DATA_END(4)}},
    {"extended connect", NULL, true, 5, {HEAD(EXTENDED), DATA_END(4)}},
    {"extended connect has a length", NULL, false, 0, {HEAD(EXTENDED "|content-length=3"), DATA_END(4)}},
    {"extended connect with host only", NULL, false, 0,
     {HEAD(":method=CONNECT|:scheme=http|:path=/|:protocol=websocket|host=a"), DATA_END(4)}},
    {"protocol of another method", NULL, false, 0,
     {HEAD(":method=GET|:scheme=http|:path=/|:authority=a|:protocol=websocket"), DATA_END(4)}},
    {"two protocols", NULL, false, 0, {HEAD(EXTENDED "|:protocol=websocket"), DATA_END(4)}},
    {"empty protocol", NULL, false, 0,
     {HEAD(":method=CONNECT|:scheme=http|:path=/|:authority=a|:protocol="), DATA_END(4)}},
};

static const struct exchange responses[] = {
    {"body of its length", "GET", true, 2, {HEAD(":status=200|content-length=9"), DATA(4), DATA_END(5)}},
    {"body too short", "GET", false, 0, {HEAD(":status=200|content-length=9"), DATA(4), DATA_END(4)}},
    {"body too long", "GET", false, 0, {HEAD(":status=200|content-length=9"), DATA(4), DATA_END(6)}},
    {"no body of its length", "GET", false, 0, {HEAD_END(":status=200|content-length=9")}},
    {"length of a body to HEAD", "HEAD", true, 2, {HEAD_END(":status=200|content-length=9")}},
    {"empty body to HEAD", "HEAD", true, 2, {HEAD(":status=200|content-length=9"), DATA_END(0)}},
    {"body to HEAD", "HEAD", false, 0, {HEAD(":status=200|content-length=9"), DATA_END(9)}},
    {"body to HEAD, no length", "HEAD", false, 0, {HEAD(":status=200"), DATA_END(9)}},
    {"length of what is not modified", "GET", true, 2, {HEAD_END(":status=304|content-length=9")}},
    {"body of what is not modified", "GET", false, 0, {HEAD(":status=304|content-length=9"), DATA_END(9)}},
    {"no content", "GET", true, 1, {HEAD_END(":status=204")}},
    {"no content, of length 0", "GET", true, 1, {HEAD_END(":status=204|content-length=0")}},
    {"no content, of a length", "GET", false, 0, {HEAD_END(":status=204|content-length=1")}},
    {"no content, 0 twice", "GET", false, 0, {HEAD_END(":status=204|content-length=0|content-length=0")}},
    {"no content with a body", "GET", false, 0, {HEAD(":status=204"), DATA_END(1)}},
    {"tunnel has no length", "CONNECT", true, 1, {HEAD(":status=200|content-length=3"), DATA(9), DATA_END(9)}},
    {"refused tunnel has one", "CONNECT", true, 2, {HEAD(":status=403|content-length=3"), DATA_END(9)}},
    {"refused tunnel with a bad one", "CONNECT", false, 0, {HEAD(":status=403|content-length=x"), DATA_END(9)}},
    {"two lengths", "GET", false, 0, {HEAD(":status=200|content-length=3|content-length=3"), DATA_END(3)}},
    {"bad length", "GET", false, 0, {HEAD(":status=200|content-length=3,3"), DATA_END(3)}},
    {"interim, then final", "GET", true, 2,
     {HEAD(":status=100"), HEAD(":status=103|x=y"), HEAD(":status=200|content-length=3"), DATA_END(3)}},
    {"interim with a length", "GET", false, 0, {HEAD(":status=100|content-length=0"), HEAD_END(":status=200")}},
    {"body behind an interim one", "GET", false, 0, {HEAD(":status=100"), DATA(1), HEAD_END(":status=200")}},
    {"end behind an interim one", "GET", false, 0, {HEAD(":status=100"), DATA_END(0)}},
    {"interim one that ends", "GET", false, 0, {HEAD_END(":status=103")}},
    {"trailers", "GET", true, 2, {HEAD(":status=200|content-length=3"), DATA(3), HEAD_END("x=y")}},
    {"trailers too early", "GET", false, 0, {HEAD(":status=200|content-length=3"), DATA(2), HEAD_END("x=y")}},
    {"trailers that do not end", "GET", false, 0, {HEAD(":status=200"), HEAD("x=y"), DATA_END(0)}},
    {"second final head", "GET", false, 0, {HEAD(":status=200"), HEAD_END(":status=200")}},
    {"two status", "GET", false, 0, {HEAD_END(":status=200|:status=200")}},
    {"status behind a field", "GET", false, 0, {HEAD_END("x=y|:status=200")}},
    {"method in a response", "GET", false, 0, {HEAD_END(":status=200|:method=GET")}},
    {"authority in a response", "GET", false, 0, {HEAD_END(":status=200|:authority=a")}},
    {"unknown pseudo header", "GET", false, 0, {HEAD_END(":status=200|:x=y")}},
    {"upgrade", "GET", false, 0, {HEAD_END(":status=200|upgrade=h2c")}},
    {"keep-alive", "GET", false, 0, {HEAD_END(":status=200|keep-alive=1")}},
    {"proxy-connection", "GET", false, 0, {HEAD_END(":status=200|proxy-connection=close")}},
    {"te gzip", "GET", false, 0, {HEAD_END(":status=200|te=gzip")}},
    {"te trailers", "GET", true, 2, {HEAD_END(":status=200|te=trailers")}},
    {"host, whatever it is", "GET", true, 3, {HEAD_END(":status=200|host=a/b|host=")}},
    {"value with DEL", "GET", false, 0, {HEAD_END(":status=200|x=a\x7f")}},
    {"value that begins with a blank", "GET", false, 0, {HEAD_END(":status=200|x= a")}},
    {"name with a control", "GET", false, 0, {HEAD_END(":status=200|x\x01=a")}},
    {"name with obs-text", "GET", false, 0, {HEAD_END(":status=200|x\xc3\xa4=a")}},
};
/* clang-format on */

static struct test_raw raw;
static struct test_frame frame;

static void add_steps(const struct exchange *exchange) {
    static const uint8_t body[16];
    for (size_t i = 0; i < ARRAY_LEN(exchange->steps); i++) {
        const struct step *step = &exchange->steps[i];
        struct test_block block = {.len = 0};
        struct slice rest = slice_from_string(step->fields == NULL ? "" : step->fields);
        struct slice field;
        while (slice_split(&rest, '|', &field)) {
            size_t mark = slice_find_byte(field, '=');
            block.bytes[block.len++] = 0;
            block_text(&block, field.ptr, mark);
            block_text(&block, field.ptr + mark + 1, field.len - mark - 1);
        }
        if (step->fields != NULL) {
            raw_headers(&raw, 1, &block, step->ends);
        } else if (step->body > 0 || step->ends) {
            raw_frame(&raw, 0, step->ends ? 1 : 0, 1, body, step->body);
        }
    }
}

static void feed_by_bytes(void) {
    struct buffer one;
    buffer_init(&one, &raw.world.io.buffers);
    while (raw.sent.len > 0) {
        buffer_move_len(&one, &raw.sent, 1);
        test_end_feed(&raw.end, &one);
    }
    buffer_deinit(&one);
    test_turn(&raw.world);
}

static void run(const struct exchange *exchange, bool by_bytes) {
    add_steps(exchange);
    if (by_bytes) {
        feed_by_bytes();
    } else {
        raw_feed(&raw);
    }
}

static unsigned count_frames(uint8_t type) {
    unsigned count = 0;
    for (size_t at = 0; at + 9 <= raw.end.output.len;) {
        uint8_t head[9];
        buffer_copy_out(&raw.end.output, at, head, sizeof(head));
        count += head[3] == type ? 1 : 0;
        at += 9 + ((size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2]);
    }
    return count;
}

static void expect(const struct exchange *exchange, const struct test_stream *s) {
    ck_assert_msg(!raw.end.is_failed, "%s", exchange->what);
    ck_assert_msg(s->has_ended == exchange->is_sound, "%s", exchange->what);
    ck_assert_msg(s->was_reset == !exchange->is_sound, "%s", exchange->what);
    bool is_reset = raw_find(&raw, 3, &frame);
    ck_assert_msg(count_frames(3) == (exchange->is_sound ? 0 : 1), "%s", exchange->what);
    if (is_reset) {
        ck_assert_msg(frame.code == 1 && s->reason == HTTP_RESET_PROTOCOL_ERROR, "%s",
                      exchange->what);
    } else if (exchange->live > 0) {
        ck_assert_msg(s->headers->live == exchange->live, "%s: %u", exchange->what,
                      s->headers->live);
    }
}

START_TEST(rules_hold_for_requests) {
    const struct exchange *exchange = &requests[_i / 2];
    raw_init(
        &raw, true, (struct http_codec_options){0},
        (struct http2_options){.stream_error_on_invalid_message = true, .allow_connect = true});
    run(exchange, _i % 2 == 1);
    ck_assert_uint_eq(raw.end.stream_count, 1);
    expect(exchange, &raw.end.streams[0]);
    raw_deinit(&raw);
}
END_TEST

static struct test_stream *ask(const char *method) {
    if (strcmp(method, "CONNECT") != 0) {
        return test_request(&raw.end, method, true);
    }
    struct test_stream *s = test_open(&raw.end);
    struct header_map map;
    header_map_init(&map, &s->arena);
    test_add(&map, ":method", method);
    test_add(&map, ":authority", "a:443");
    ck_assert_int_eq(http_stream_encode_headers(s->stream, &map, false), STATUS_OK);
    return s;
}

START_TEST(rules_hold_for_responses) {
    const struct exchange *exchange = &responses[_i / 2];
    raw_init(&raw, false, (struct http_codec_options){0},
             (struct http2_options){.stream_error_on_invalid_message = true});
    struct test_stream *s = ask(exchange->method);
    test_turn(&raw.world);
    buffer_clear(&raw.end.output);
    run(exchange, _i % 2 == 1);
    expect(exchange, s);
    raw_deinit(&raw);
}
END_TEST

START_TEST(rules_refuse_a_name_with_nul) {
    raw_init(&raw, true, (struct http_codec_options){0},
             (struct http2_options){.stream_error_on_invalid_message = true});
    struct test_block block;
    block_request(&block, "GET");
    block.bytes[block.len++] = 0;
    block_text(&block, "x\0y", 3);
    block_text(&block, "z", 1);
    raw_headers(&raw, 1, &block, true);
    raw_feed(&raw);
    ck_assert(raw.end.streams[0].was_reset);
    ck_assert(raw_find(&raw, 3, &frame) && frame.code == 1);
    raw_deinit(&raw);
}
END_TEST

START_TEST(rules_count_a_dropped_field_as_one) {
    raw_init(&raw, true, (struct http_codec_options){.underscores = HTTP_UNDERSCORES_DROP},
             (struct http2_options){.stream_error_on_invalid_message = true});
    struct test_block block = {.len = 0};
    block_add(&block, ":method", "GET");
    block_add(&block, ":scheme", "http");
    block_add(&block, "x_y", "1");
    block_add(&block, ":path", "/");
    block_add(&block, ":authority", "a");
    raw_headers(&raw, 1, &block, true);
    raw_feed(&raw);
    ck_assert(raw.end.streams[0].was_reset);
    raw_deinit(&raw);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("h2_rules");
    TCase *tests = tcase_create("h2_rules");
    tcase_add_loop_test(tests, rules_hold_for_requests, 0, (int)ARRAY_LEN(requests) * 2);
    tcase_add_loop_test(tests, rules_hold_for_responses, 0, (int)ARRAY_LEN(responses) * 2);
    tcase_add_test(tests, rules_refuse_a_name_with_nul);
    tcase_add_test(tests, rules_count_a_dropped_field_as_one);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
