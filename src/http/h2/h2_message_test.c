// SPDX-License-Identifier: Apache-2.0
/* Messages that must not pass: each field as raw HPACK, as a hostile client would send it. */
#include "src/http/h2/h2_test_raw.h"

struct message_case {
    const char *what;
    const char *method, *scheme, *path, *authority; /* NULL: not sent */
    const char *name, *value;                       /* an extra field; NULL: none */
    size_t value_len;
    const char *name2, *value2;
};

/* clang-format off */
#define GET "GET", "http", "/", "example.com"
#define POST "POST", "http", "/", "example.com"
#define PSEUDO(what, method, scheme, path, authority) \
    {what, method, scheme, path, authority, NULL, NULL, 0, NULL, NULL}
#define FIELD(what, base, name, value) {what, base, name, value, sizeof(value) - 1, NULL, NULL}
#define FIELDS(what, base, name, value, name2, value2) \
    {what, base, name, value, sizeof(value) - 1, name2, value2}
/* clang-format on */

static const struct message_case refused[] = {
    PSEUDO("no method", NULL, "http", "/", "example.com"),
    PSEUDO("no scheme", "GET", NULL, "/", "example.com"),
    PSEUDO("no path", "GET", "http", NULL, "example.com"),
    PSEUDO("neither authority nor host", "GET", "http", "/", NULL),
    PSEUDO("empty method", "", "http", "/", "example.com"),
    PSEUDO("empty path", "GET", "http", "", "example.com"),
    PSEUDO("empty scheme", "GET", "", "/", "example.com"),
    PSEUDO("empty authority", "GET", "http", "/", ""),
    PSEUDO("method with SP", "GET /admin HTTP/1.1", "http", "/", "example.com"),
    PSEUDO("method with CRLF", "GET\r\nx: y", "http", "/", "example.com"),
    PSEUDO("method with HTAB", "GE\tT", "http", "/", "example.com"),
    PSEUDO("method with colon", "GE:T", "http", "/", "example.com"),
    PSEUDO("path with SP", "GET", "http", "/ HTTP/1.1", "example.com"),
    PSEUDO("path with CRLF", "GET", "http", "/\r\nHost: evil", "example.com"),
    PSEUDO("path with LF", "GET", "http", "/\nx", "example.com"),
    PSEUDO("path with HTAB", "GET", "http", "/a\tb", "example.com"),
    PSEUDO("path with DEL", "GET", "http", "/a\x7f", "example.com"),
    PSEUDO("path with a control", "GET", "http", "/a\x01", "example.com"),
    PSEUDO("path without slash", "GET", "http", "a", "example.com"),
    PSEUDO("absolute path", "GET", "http", "http://evil/", "example.com"),
    PSEUDO("asterisk of GET", "GET", "http", "*", "example.com"),
    PSEUDO("path with fragment", "GET", "http", "/a#b", "example.com"),
    PSEUDO("scheme with SP", "GET", "ht tp", "/", "example.com"),
    PSEUDO("scheme with slash", "GET", "http://x/?", "/", "example.com"),
    PSEUDO("scheme with CRLF", "GET", "http\r\n", "/", "example.com"),
    PSEUDO("scheme begins with a digit", "GET", "1http", "/", "example.com"),
    PSEUDO("authority with SP", "GET", "http", "/", "a b"),
    PSEUDO("authority with CRLF", "GET", "http", "/", "a\r\nb: c"),
    PSEUDO("authority with userinfo", "GET", "http", "/", "user@example.com"),
    PSEUDO("authority with slash", "GET", "http", "/", "example.com/x"),
    PSEUDO("authority with query", "GET", "http", "/", "example.com?x"),
    PSEUDO("authority with bad port", "GET", "http", "/", "example.com:99999"),
    PSEUDO("authority with port text", "GET", "http", "/", "example.com:80x"),
    PSEUDO("authority with comma list", "GET", "http", "/", "a.com, b.com"),
    PSEUDO("connect with path", "CONNECT", NULL, "/", "example.com:443"),
    PSEUDO("connect with scheme", "CONNECT", "http", NULL, "example.com:443"),
    PSEUDO("connect without authority", "CONNECT", NULL, NULL, NULL),
    {"protocol not allowed", "CONNECT", "http", "/", "example.com", ":protocol", "websocket",
     sizeof("websocket") - 1, NULL, NULL},
    FIELD("protocol without connect", GET, ":protocol", "websocket"),
    FIELD("unknown pseudo", GET, ":foo", "bar"),
    FIELD("status in a request", GET, ":status", "200"),
    FIELDS("pseudo after regular", GET, "x", "y", ":path", "/b"),
    FIELD("second path", GET, ":path", "/b"),
    FIELD("second method", GET, ":method", "POST"),
    FIELD("second authority", GET, ":authority", "evil.com"),
    FIELD("second scheme", GET, ":scheme", "https"),
    FIELDS("second host", GET, "host", "example.com", "host", "example.com"),
    FIELD("host with SP", GET, "host", "a b"),
    FIELD("host with userinfo", GET, "host", "u@example.com"),
    {"host alone, bad", "GET", "http", "/", NULL, "host", "a/b", sizeof("a/b") - 1, NULL, NULL},
    FIELD("upper-case name", GET, "X-Upper", "a"),
    FIELD("name with SP", GET, "x a", "b"),
    FIELD("name with CRLF", GET, "x\r\nb", "b"),
    FIELD("name with LF", GET, "x\nb", "b"),
    FIELD("name with colon", GET, "x:b", "b"),
    FIELD("name that is a colon", GET, ":", "b"),
    FIELD("name with NUL-like control", GET, "x\x01", "b"),
    FIELD("name with DEL", GET, "x\x7f", "b"),
    FIELD("name with obs-text", GET, "x\xc3\xa4", "b"),
    FIELD("empty name", GET, "", "b"),
    FIELD("name with slash", GET, "x/y", "b"),
    FIELD("name with brackets", GET, "x[1]", "b"),
    FIELD("value with CR", GET, "x", "a\rb"),
    FIELD("value with LF", GET, "x", "a\nb"),
    FIELD("value with CRLF", GET, "x", "a\r\nx-evil: 1"),
    FIELD("value with NUL", GET, "x", "a\0b"),
    FIELD("value with a control", GET, "x", "a\x02"),
    FIELD("value with DEL", GET, "x", "a\x7f"),
    FIELD("value begins with SP", GET, "x", " a"),
    FIELD("value ends with SP", GET, "x", "a "),
    FIELD("value begins with HTAB", GET, "x", "\ta"),
    FIELD("connection", GET, "connection", "close"),
    FIELD("connection nominating", GET, "connection", "authorization"),
    FIELD("keep-alive", GET, "keep-alive", "1"),
    FIELD("proxy-connection", GET, "proxy-connection", "keep-alive"),
    FIELD("transfer-encoding", POST, "transfer-encoding", "chunked"),
    FIELD("transfer-encoding identity", POST, "transfer-encoding", "identity"),
    FIELD("upgrade", GET, "upgrade", "websocket"),
    FIELD("te gzip", GET, "te", "gzip"),
    FIELD("te list", GET, "te", "trailers, gzip"),
    FIELD("content-length text", POST, "content-length", "abc"),
    FIELD("content-length signed", POST, "content-length", "+5"),
    FIELD("content-length negative", POST, "content-length", "-1"),
    FIELD("content-length list", POST, "content-length", "0, 0"),
    FIELD("content-length empty", POST, "content-length", ""),
    FIELD("content-length hex", POST, "content-length", "0x5"),
    FIELD("content-length above 2^63", POST, "content-length", "9223372036854775808"),
    FIELD("content-length huge", POST, "content-length", "18446744073709551616"),
    FIELDS("content-length twice", POST, "content-length", "0", "content-length", "0"),
    FIELDS("content-length contradicting", POST, "content-length", "0", "content-length", "5"),
    FIELD("content-length without body", POST, "content-length", "5"),
};

static const struct message_case accepted[] = {
    PSEUDO("plain", "GET", "http", "/", "example.com"),
    PSEUDO("options asterisk", "OPTIONS", "http", "*", "example.com"),
    {"host alone", "GET", "http", "/", NULL, "host", "example.com", sizeof("example.com") - 1, NULL,
     NULL},
    FIELD("host differing", GET, "host", "other.com"),
    PSEUDO("any scheme", "GET", "custom+x", "/", "example.com"),
    FIELD("te trailers", GET, "te", "trailers"),
    PSEUDO("connect", "CONNECT", NULL, NULL, "example.com:443"),
    PSEUDO("query", "GET", "http", "/a?b=%20c&d[]=1", "example.com:8080"),
    PSEUDO("ipv6", "GET", "http", "/", "[::1]:8080"),
    FIELD("obs-text value", GET, "x", "\xc3\xa4"),
    FIELD("empty value", GET, "x", ""),
    FIELD("content-length zero", POST, "content-length", "0"),
};

static struct test_raw raw;
static struct test_frame frame;

static void make_block(struct test_block *block, const struct message_case *c) {
    const char *pseudo[][2] = {{":method", c->method},
                               {":scheme", c->scheme},
                               {":path", c->path},
                               {":authority", c->authority}};
    block->len = 0;
    for (size_t i = 0; i < ARRAY_LEN(pseudo); i++) {
        if (pseudo[i][1] != NULL) {
            block_add(block, pseudo[i][0], pseudo[i][1]);
        }
    }
    if (c->name != NULL) {
        block_add_len(block, c->name, c->value, c->value_len);
    }
    if (c->name2 != NULL) {
        block_add(block, c->name2, c->value2);
    }
}

static void expect_nothing_started(void) {
    for (uint32_t i = 0; i < raw.end.stream_count; i++) {
        ck_assert_ptr_null(raw.end.streams[i].headers);
        ck_assert(raw.end.streams[i].was_reset);
        ck_assert_int_eq(raw.end.streams[i].reason, HTTP_RESET_PROTOCOL_ERROR);
    }
}

START_TEST(message_malformed_request_resets_the_stream) {
    const struct message_case *c = &refused[_i];
    raw_init(&raw, true, (struct http_codec_options){0},
             (struct http2_options){.stream_error_on_invalid_message = true});
    struct test_block block;
    make_block(&block, c);
    raw_headers(&raw, 1, &block, true);
    raw_feed(&raw);
    ck_assert_msg(!raw.end.is_failed, "%s", c->what);
    ck_assert_msg(raw_find(&raw, 3, &frame) && frame.code == 1, "%s", c->what);
    expect_nothing_started();
    // The connection goes on, its header compression in step.
    buffer_clear(&raw.end.output);
    raw_get(&raw, 3, true);
    raw_feed(&raw);
    ck_assert(raw.end.streams[raw.end.stream_count - 1].has_ended);
    raw_deinit(&raw);
}
END_TEST

START_TEST(message_malformed_request_ends_the_connection) {
    const struct message_case *c = &refused[_i];
    raw_init(&raw, true, (struct http_codec_options){0}, (struct http2_options){0});
    struct test_block block;
    make_block(&block, c);
    raw_headers(&raw, 1, &block, true);
    raw_feed(&raw);
    ck_assert_msg(raw.end.is_failed, "%s", c->what);
    ck_assert_msg(raw_find(&raw, 7, &frame) && frame.code == 1, "%s", c->what);
    expect_nothing_started();
    raw_deinit(&raw);
}
END_TEST

START_TEST(message_sound_request_is_delivered) {
    const struct message_case *c = &accepted[_i];
    raw_init(&raw, true, (struct http_codec_options){0}, (struct http2_options){0});
    struct test_block block;
    make_block(&block, c);
    raw_headers(&raw, 1, &block, true);
    raw_feed(&raw);
    ck_assert_msg(!raw.end.is_failed && raw.end.streams[0].has_ended, "%s", c->what);
    const struct header_map *got = raw.end.streams[0].headers;
    ck_assert(!header_map_has(got, HEADER_HOST));
    ck_assert(slice_equal(header_map_get(got, HEADER_AUTHORITY),
                          slice_from_string(c->authority != NULL ? c->authority : c->value)));
    raw_deinit(&raw);
}
END_TEST

/* Body against content-length, trailers. */
static const struct {
    const char *length; /* content-length, NULL: none */
    size_t body;
    const char *trailer, *trailer_value; /* NULL: no trailers */
    bool trailers_end;
    bool is_sound;
} bodies[] = {
    {"5", 5, NULL, NULL, false, true},
    {"5", 4, NULL, NULL, false, false},
    {"5", 6, NULL, NULL, false, false},
    {NULL, 6, "x", "y", true, true},
    {NULL, 6, ":path", "/x", true, false},
    {NULL, 6, "content-length", "6", true, false},
    {NULL, 6, "x", "y", false, false},
    {NULL, 6, "host", "evil", true, false},
    {NULL, 6, "te", "trailers", true, false},
    {NULL, 6, "transfer-encoding", "chunked", true, false},
    {"7", 6, "x", "y", true, false},
    {NULL, 6, "X-Upper", "y", true, false},
};

START_TEST(message_body_and_trailers_are_checked) {
    raw_init(&raw, true, (struct http_codec_options){0},
             (struct http2_options){.stream_error_on_invalid_message = true});
    struct test_block block;
    block_request(&block, "POST");
    if (bodies[_i].length != NULL) {
        block_add(&block, "content-length", bodies[_i].length);
    }
    raw_headers(&raw, 1, &block, false);
    raw_frame(&raw, 0, bodies[_i].trailer == NULL ? 1 : 0, 1, "0123456789", bodies[_i].body);
    if (bodies[_i].trailer != NULL) {
        block.len = 0;
        block_add(&block, bodies[_i].trailer, bodies[_i].trailer_value);
        raw_headers(&raw, 1, &block, bodies[_i].trailers_end);
    }
    raw_feed(&raw);
    ck_assert(!raw.end.is_failed);
    ck_assert_int_eq(raw.end.streams[0].has_ended, bodies[_i].is_sound);
    ck_assert_int_eq(raw.end.streams[0].was_reset, !bodies[_i].is_sound);
    ck_assert_int_eq(raw_find(&raw, 3, &frame), !bodies[_i].is_sound);
    raw_deinit(&raw);
}
END_TEST

/* Responses, to the client codec. */
static const struct {
    const char *status, *name, *value;
    bool is_sound;
} responses[] = {
    {"200", NULL, NULL, true},
    {"999", NULL, NULL, true},
    {NULL, "x", "y", false},
    {"99", NULL, NULL, false},
    {"1000", NULL, NULL, false},
    {"2 0", NULL, NULL, false},
    {"abc", NULL, NULL, false},
    {"", NULL, NULL, false},
    {"101", NULL, NULL, false},
    {"100", NULL, NULL, false}, /* with END_STREAM */
    {"200", ":path", "/", false},
    {"200", "connection", "close", false},
    {"200", "transfer-encoding", "chunked", false},
    {"200", "x", "a\r\nb", false},
    {"200", "X", "a", false},
    {"200", "content-length", "5", false},
};

START_TEST(message_response_is_checked) {
    raw_init(&raw, false, (struct http_codec_options){0},
             (struct http2_options){.stream_error_on_invalid_message = true});
    struct test_stream *s = test_request(&raw.end, "GET", true);
    test_turn(&raw.world);
    buffer_clear(&raw.end.output);
    struct test_block block = {.len = 0};
    if (responses[_i].status != NULL) {
        block_add(&block, ":status", responses[_i].status);
    }
    if (responses[_i].name != NULL) {
        block_add(&block, responses[_i].name, responses[_i].value);
    }
    raw_headers(&raw, 1, &block, true);
    raw_feed(&raw);
    ck_assert_int_eq(s->was_closed, responses[_i].is_sound);
    ck_assert_int_eq(s->was_reset, !responses[_i].is_sound);
    if (s->was_reset) {
        ck_assert_int_eq(s->reason, HTTP_RESET_PROTOCOL_ERROR);
        ck_assert(!s->has_ended);
    }
    raw_deinit(&raw);
}
END_TEST

START_TEST(message_push_promise_ends_the_client) {
    raw_init(&raw, false, (struct http_codec_options){0}, (struct http2_options){0});
    struct test_stream *s = test_request(&raw.end, "GET", true);
    test_turn(&raw.world);
    raw_frame(&raw, 5, 4, 1, "\0\0\0\2", 4);
    raw_feed(&raw);
    ck_assert(raw.end.is_failed && s->was_reset);
    raw_deinit(&raw);
}
END_TEST

static const struct {
    struct http_codec_options options;
    bool is_delivered;
    uint32_t live;
} underscore_cases[] = {
    {{.underscores = HTTP_UNDERSCORES_ALLOW}, true, 5},
    {{.underscores = HTTP_UNDERSCORES_DROP}, true, 4},
    {{.underscores = HTTP_UNDERSCORES_REJECT}, false, 0},
};

START_TEST(message_underscores_are_dealt_with_as_configured) {
    raw_init(&raw, true, underscore_cases[_i].options, (struct http2_options){0});
    struct test_block block;
    block_request(&block, "GET");
    block_add(&block, "x_y", "1");
    raw_headers(&raw, 1, &block, true);
    raw_feed(&raw);
    ck_assert(!raw.end.is_failed);
    ck_assert_int_eq(raw.end.streams[0].has_ended, underscore_cases[_i].is_delivered);
    if (underscore_cases[_i].is_delivered) {
        ck_assert_uint_eq(raw.end.streams[0].headers->live, underscore_cases[_i].live);
    } else {
        ck_assert_str_eq(raw.end.streams[0].detail, "http2.unexpected_underscore");
    }
    raw_deinit(&raw);
}
END_TEST

/* Where a frame of the type begins in the output; SIZE_MAX: nowhere. */
static size_t frame_offset(uint8_t type) {
    for (size_t at = 0; at + 9 <= raw.end.output.len;) {
        uint8_t head[9];
        buffer_copy_out(&raw.end.output, at, head, sizeof(head));
        if (head[3] == type) {
            return at;
        }
        at += 9 + ((size_t)head[0] << 16 | (size_t)head[1] << 8 | head[2]);
    }
    return SIZE_MAX;
}

START_TEST(message_reset_goes_behind_the_answer_that_was_begun_in_the_same_turn) {
    raw_init(&raw, true, (struct http_codec_options){0}, (struct http2_options){0});
    raw_get(&raw, 1, true);
    raw_feed(&raw);
    struct test_stream *s = &raw.end.streams[0];
    struct header_map map;
    header_map_init(&map, &s->arena);
    test_add(&map, ":status", "200");
    ck_assert_int_eq(http_stream_encode_headers(s->stream, &map, false), STATUS_OK);
    if (_i == 1) {
        test_send(s, 5, false);
    }
    http_stream_reset(s->stream, HTTP_RESET_LOCAL);
    s->stream = NULL;
    uint32_t told = raw.end.output_count;
    test_turn(&raw.world);
    ck_assert_uint_gt(raw.end.output_count, told);
    size_t head = frame_offset(1);
    size_t data = frame_offset(0);
    size_t reset = frame_offset(3);
    ck_assert(head != SIZE_MAX && reset != SIZE_MAX && head < reset);
    ck_assert((data != SIZE_MAX) == (_i == 1) && (_i == 0 || (head < data && data < reset)));
    raw_deinit(&raw);
}
END_TEST

static Suite *make_suite(void) {
    Suite *suite = suite_create("h2_message");
    TCase *tests = tcase_create("h2_message");
    tcase_add_loop_test(tests, message_malformed_request_resets_the_stream, 0,
                        (int)ARRAY_LEN(refused));
    tcase_add_loop_test(tests, message_malformed_request_ends_the_connection, 0,
                        (int)ARRAY_LEN(refused));
    tcase_add_loop_test(tests, message_sound_request_is_delivered, 0, (int)ARRAY_LEN(accepted));
    tcase_add_loop_test(tests, message_body_and_trailers_are_checked, 0, (int)ARRAY_LEN(bodies));
    tcase_add_loop_test(tests, message_response_is_checked, 0, (int)ARRAY_LEN(responses));
    tcase_add_test(tests, message_push_promise_ends_the_client);
    tcase_add_loop_test(tests, message_underscores_are_dealt_with_as_configured, 0,
                        (int)ARRAY_LEN(underscore_cases));
    tcase_add_loop_test(tests, message_reset_goes_behind_the_answer_that_was_begun_in_the_same_turn,
                        0, 2);
    suite_add_tcase(suite, tests);
    return suite;
}

int main(void) {
    return test_run_both(make_suite);
}
