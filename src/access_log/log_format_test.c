// SPDX-License-Identifier: Apache-2.0
/* Expected texts are those of Envoy 1.40 for the same operators, but where a comment says otherwise. */
#include "src/access_log/log_format.h"

#include <check.h>
#include <stdlib.h>

#include "src/base/check.h"
#include "src/config/route_config.h"

struct fixture {
    struct arena arena;
    struct buffer_pool pool;
    struct buffer out;
    struct address remote, local, direct;
    struct connection_info connection;
    struct transport_peer peer;
    struct stream_info info;
    struct header_map request, response, trailers;
    struct route route;
    struct metadata_entry metadata[4];
    struct log_format_input input;
};

static void add(struct header_map *map, const char *name, const char *value) {
    ck_assert_int_eq(header_map_add(map, slice_from_string(name), slice_from_string(value)),
                     STATUS_OK);
}

static void fill_headers(struct fixture *f) {
    header_map_init(&f->request, &f->arena);
    header_map_init(&f->response, &f->arena);
    header_map_init(&f->trailers, &f->arena);
    add(&f->request, ":method", "GET");
    add(&f->request, ":path", "/p/x?a=1&b=&c&d=%41+b&e=%0ax%zz");
    add(&f->request, ":authority", "h");
    add(&f->request, "x-m", "m1");
    add(&f->request, "x-m", "m2");
    add(&f->request, "user-agent", "ua\"\\\t");
    add(&f->request, "x-forwarded-client-cert",
        "By=spiffe://a;URI=\"spiffe://b;c\";Subject=\"CN=x\",By=z");
    add(&f->response, ":status", "200");
    add(&f->response, "x-r", "rv");
    add(&f->trailers, "x-t", "tv");
}

static void fill_info(struct fixture *f) {
    struct stream_info *info = &f->info;
    info->arena = &f->arena;
    info->connection = &f->connection;
    info->protocol = HTTP_1_1;
    info->is_http = true;
    info->start_us = 1000000;
    info->start_wall_us = UINT64_C(1795441366113076);
    info->last_rx_us = 1002000;
    info->first_tx_us = 1006000;
    info->last_tx_us = 1007900;
    info->end_us = 1008500;
    info->response_code = 200;
    info->response_code_details = SLICE("via upstream");
    info->bytes_received = 3;
    info->bytes_sent = 1234567890123;
    info->downstream_remote = &f->remote;
    info->route_name = SLICE("");
    info->request_id = SLICE("c8557eb8-75b3-4c95-8d42-e3d8a5ebd9cb");
    info->route_metadata = &f->route.metadata;
    info->upstream = ARENA_NEW(&f->arena, struct upstream_info);
    info->upstream->cluster_name = SLICE("alt");
    info->cluster_name = SLICE("c");
    info->upstream->host_name = SLICE("host.name:80");
    info->upstream->attempts = 1;
    info->upstream->first_rx_us = 1005000;
    info->upstream->last_tx_us = 1003000;
    info->upstream->transport_failure_reason = SLICE("delayed connect error: 111");
    struct address host;
    ck_assert_int_eq(address_from_text(&host, SLICE("127.0.0.1:18761"), NULL), STATUS_OK);
    info->upstream->host = stored_address_make(&host, NULL);
}

static void fill_metadata(struct fixture *f) {
    static const struct metadata_entry entries[] = {
        {SLICE_INIT("ns"), SLICE_INIT("k"), SLICE_INIT("str\"q"), true},
        {SLICE_INIT("ns"), SLICE_INIT("n"), SLICE_INIT("5"), false},
        {SLICE_INIT("ns"), SLICE_INIT("o.q"), SLICE_INIT("true"), false},
        {SLICE_INIT("ns"), SLICE_INIT("o.p"), SLICE_INIT("deep"), true},
    };
    memcpy(f->metadata, entries, sizeof(entries));
    f->route.metadata = (struct metadata){f->metadata, ARRAY_LEN(entries)};
    stream_info_set_metadata(&f->info, SLICE("dyn"), SLICE("doc"),
                             SLICE("{\"a\": {\"b\": \"x\", \"n\": 1}}"), false);
    stream_info_set_state(&f->info, SLICE("key"), SLICE("a\"b"));
}

static struct slice peer_fact(const struct transport_peer *peer, enum transport_fact fact) {
    (void)peer;
    switch ((int)fact) {
    case TRANSPORT_FACT_PEER_VALID_FROM:
        return SLICE("2026-01-02T03:04:05Z");
    case TRANSPORT_FACT_PEER_SHA1:
        return SLICE("ab01");
    default:
        return slice_make(NULL, 0);
    }
}

static void set_up(struct fixture *f) {
    *f = (struct fixture){0};
    arena_init_heap(&f->arena, 0);
    buffer_pool_init(&f->pool);
    buffer_init(&f->out, &f->pool);
    ck_assert_int_eq(address_from_text(&f->remote, SLICE("1.2.3.4:5"), NULL), STATUS_OK);
    ck_assert_int_eq(address_from_text(&f->local, SLICE("[::1]:80"), NULL), STATUS_OK);
    ck_assert_int_eq(address_from_unix_path(&f->direct, SLICE("/run/x"), NULL), STATUS_OK);
    f->peer = (struct transport_peer){.fact = peer_fact};
    f->connection = (struct connection_info){.id = 7,
                                             .peer = &f->peer,
                                             .local = &f->local,
                                             .direct_remote = &f->direct,
                                             .remote = &f->remote};
    fill_headers(f);
    fill_info(f);
    fill_metadata(f);
    f->input = (struct log_format_input){.info = &f->info,
                                         .request_headers = &f->request,
                                         .response_headers = &f->response,
                                         .response_trailers = &f->trailers,
                                         .access_log_type = "DownstreamEnd",
                                         .now_us = 1008500,
                                         .now_wall_us = UINT64_C(1795441367000000)};
}

static void tear_down(struct fixture *f) {
    buffer_deinit(&f->out);
    buffer_pool_deinit(&f->pool);
    arena_deinit(&f->arena);
}

static void expect_out(struct fixture *f, const char *what, const char *expected) {
    char text[8192];
    size_t len = f->out.len;
    ck_assert_uint_lt(len, sizeof(text));
    buffer_copy_out(&f->out, 0, text, len);
    text[len] = '\0';
    ck_assert_msg(strcmp(text, expected) == 0, "%s gave \"%s\", not \"%s\"", what, text, expected);
    buffer_clear(&f->out);
}

static void expect_text(struct fixture *f, const char *format, bool omit, const char *expected) {
    const struct log_format *compiled;
    struct error err = {0};
    ck_assert_msg(log_format_compile(slice_from_string(format), omit, &f->arena, &compiled, &err) ==
                      STATUS_OK,
                  "%s: %s", format, err.message);
    log_format_write(compiled, &f->input, &f->out);
    expect_out(f, format, expected);
}

static void expect_json(struct fixture *f, const char *format, bool omit, const char *expected) {
    const struct log_format *compiled;
    struct error err = {0};
    ck_assert_msg(log_format_compile_json(slice_from_string(format), omit, true, &f->arena,
                                          &compiled, &err) == STATUS_OK,
                  "%s: %s", format, err.message);
    log_format_write(compiled, &f->input, &f->out);
    expect_out(f, format, expected);
}

struct text_case {
    const char *format, *expected;
};

static const struct text_case text_cases[] = {
    {"", ""},
    {"plain %% text\n", "plain % text\n"},
    {"%START_TIME%", "2026-11-23T13:42:46.113Z"},
    {"%START_TIME(%s.%3f)%", "1795441366.113"},
    {"%START_TIME(%9f %6f %f %1f %2f)%", "113076000 113076 113076000 1 11"},
    {"%START_TIME(%Y/%m/%d %H:%M:%S%z %Z %a %b %e %j %D %F %T %R %p %I %u %y %% %E*S %E3S %E4Y "
     "%Ez %E*z %G %V)%",
     "2026/11/23 13:42:46+0000 UTC Mon Nov 23 327 11/23/26 2026-11-23 13:42:46 13:42 PM 01 1 26 % "
     "46.113076 46.113 2026 +00:00 +00:00:00 2026 48"},
    {"%START_TIME(%)%", "%"},
    {"%START_TIME(%Q)%", "%Q"},
    {"%START_TIME(plain)%", "plain"},
    {"%EMIT_TIME(%s)%", "1795441367"},
    {"%REQ(:METHOD)% %REQ(X-M)% %REQ(host)% %RESP(x-r)% %TRAILER(x-t)%", "GET m1 h rv tv"},
    {"%REQ(X-N?X-M)%|%REQ(X-N?X-O)%|%REQ(:PATH):3%|%REQ(X-M):0%", "m1|-|/p/|"},
    {"%REQ(user-agent)%", "ua\"\\\t"},
    {"%PATH(NQ)% %PATH(NQ:PATH)% %PATH(WQ:ORIG)%", "/p/x /p/x -"},
    {"%QUERY_PARAM(a)% %QUERY_PARAM(b)% %QUERY_PARAM(c)% %QUERY_PARAM(d)% %QUERY_PARAM(z)%",
     "1   A+b -"},
    // Envoy prints the line break: here no value can begin a line.
    {"%QUERY_PARAM(e)%", "\\x0ax%zz"},
    {"%XFCC_VALUE(uri)% %XFCC_VALUE(By)% %XFCC_VALUE(hash)%", "spiffe://b;c spiffe://a -"},
    {"%PROTOCOL% %RESPONSE_CODE% %RESPONSE_CODE_DETAILS%", "HTTP/1.1 200 via_upstream"},
    {"%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%", "via upstream"},
    {"%UPSTREAM_TRANSPORT_FAILURE_REASON%", "delayed_connect_error:_111"},
    {"%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%", "- -"},
    {"%BYTES_RECEIVED% %BYTES_SENT% %DURATION%", "3 1234567890123 8"},
    {"%REQUEST_DURATION% %RESPONSE_DURATION% %REQUEST_TX_DURATION% %RESPONSE_TX_DURATION%",
     "2 5 3 2"},
    {"%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)% %COMMON_DURATION(DS_RX_BEG:nobody:ms)%", "7900 -"},
    {"%COMMON_DURATION(DS_RX_END:DS_RX_BEG:ms)%", "-"},
    {"%UPSTREAM_HOST% %UPSTREAM_HOST_NAME% %UPSTREAM_HOST_NAME_WITHOUT_PORT%",
     "127.0.0.1:18761 host.name:80 host.name"},
    {"%UPSTREAM_CLUSTER% %UPSTREAM_CLUSTER_RAW% %UPSTREAM_REMOTE_PORT% %UPSTREAM_LOCAL_ADDRESS%",
     "alt c - -"},
    {"%DOWNSTREAM_REMOTE_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% "
     "%DOWNSTREAM_REMOTE_PORT%",
     "1.2.3.4:5 1.2.3.4 5"},
    {"%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT% "
     "%DOWNSTREAM_LOCAL_PORT%",
     "[::1]:80 ::1 80"},
    {"%DOWNSTREAM_DIRECT_REMOTE_ADDRESS% %DOWNSTREAM_DIRECT_REMOTE_PORT%", "/run/x -"},
    {"%CONNECTION_ID% %STREAM_ID%", "7 c8557eb8-75b3-4c95-8d42-e3d8a5ebd9cb"},
    {"%GRPC_STATUS% %ACCESS_LOG_TYPE% %LOCAL_REPLY_BODY% %CUSTOM_FLAGS%", "- DownstreamEnd  "},
    {"%METADATA(ROUTE:ns:k)% %METADATA(ROUTE:ns:n)% %METADATA(ROUTE:ns:o:p)%", "str\"q 5 deep"},
    {"%METADATA(ROUTE:ns)%", "{\"k\":\"str\\\"q\",\"n\":5,\"o\":{\"p\":\"deep\",\"q\":true}}"},
    {"%METADATA(ROUTE:ns:zz)% %METADATA(ROUTE)% %METADATA(CLUSTER:a:b)%", "- - -"},
    {"%DYNAMIC_METADATA(dyn:doc:a:b)% %DYNAMIC_METADATA(dyn:doc:a:n)%", "x 1"},
    {"%DYNAMIC_METADATA(dyn:doc:z)% %DYNAMIC_METADATA(no)%", "- -"},
    {"%FILTER_STATE(key:PLAIN)% %FILTER_STATE(key)% %FILTER_STATE(no)%", "a\"b \"a\\\"b\" -"},
    {"%ENVIRONMENT(LOG_FORMAT_TEST)% %ENVIRONMENT(LOG_FORMAT_TEST):2%", "bar ba"},
    {"%DOWNSTREAM_PEER_CERT_V_START% %DOWNSTREAM_PEER_CERT_V_START(%b %d)%",
     "2026-01-02T03:04:05.000Z Jan 02"},
    {"%COALESCE({\"operators\":[\"ROUTE_NAME\",{\"command\":\"REQ\",\"param\":\"X-M\","
     "\"max_length\":1}]})%",
     "m"},
    {"%DOWNSTREAM_PEER_FINGERPRINT_1% %UPSTREAM_PEER_ISSUER%", "ab01 -"},
    {"%UPSTREAM_REQUEST_ATTEMPT_COUNT% %BYTES_RETRANSMITTED% %TLS_JA3_FINGERPRINT%", "1 0 -"},
};

START_TEST(log_format_writes_what_envoy_writes) {
    struct fixture f;
    setenv("LOG_FORMAT_TEST", "bar", 1);
    set_up(&f);
    for (size_t i = 0; i < ARRAY_LEN(text_cases); i++) {
        expect_text(&f, text_cases[i].format, false, text_cases[i].expected);
    }
    tear_down(&f);
}
END_TEST

// The default form against the general one, over leap years and the turns of centuries.
START_TEST(log_format_default_time_is_right_on_every_day) {
    struct fixture f;
    set_up(&f);
    const struct log_format *fast;
    const struct log_format *general;
    ck_assert_int_eq(log_format_compile(SLICE("%START_TIME%"), false, &f.arena, &fast, NULL),
                     STATUS_OK);
    ck_assert_int_eq(log_format_compile(SLICE("%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%"), false,
                                        &f.arena, &general, NULL),
                     STATUS_OK);
    for (uint64_t day = 0; day < 60000; day++) {
        f.info.start_wall_us = (day * 86400 + day % 86400) * 1000000 + day;
        struct slice a = log_format_text(fast, &f.input, &f.arena);
        struct slice b = log_format_text(general, &f.input, &f.arena);
        ck_assert_msg(slice_equal(a, b), "%.*s is not %.*s", SLICE_ARG(a), SLICE_ARG(b));
    }
    tear_down(&f);
}
END_TEST

struct error_case {
    const char *format, *message;
};
static const struct error_case error_cases[] = {
    {"%FOO%", "Not supported field in StreamInfo: FOO"},
    {"%VIRTUAL_HOST_NAME%", "Not supported field in StreamInfo: VIRTUAL_HOST_NAME"},
    {"%REQ%", "REQ requires parameters"},
    {"%REQ()%", "REQ requires parameters"},
    {"%REQ(a?b?c)%", "More than 1 alternative header specified in token: a?b?c"},
    {"%REQ(a):x%",
     "Incorrect configuration: %REQ(a):x%. Couldn't find valid command at position 0"},
    {"%REQ(a b)%", "Invalid header configuration. Format string contains invalid characters."},
    {"%REQ(a):99999999999999999999%", "Incorrect configuration: %REQ(a):99999999999999999999%. "
                                      "Couldn't find valid command at position 0"},
    {"%PROTOCOL(a)%", "PROTOCOL does not take any parameters or length"},
    {"%PROTOCOL():5%", "PROTOCOL does not take any parameters or length"},
    {"%DURATION:2%", "DURATION does not take any parameters or length"},
    {"%", "Incorrect configuration: %. Couldn't find valid command at position 0"},
    {"a%b", "Incorrect configuration: a%b. Couldn't find valid command at position 1"},
    {"%REQ(a", "Incorrect configuration: %REQ(a. Couldn't find valid command at position 0"},
    {"%req(a)%", "Incorrect configuration: %req(a)%. Couldn't find valid command at position 0"},
    {"%START_TIME:5%", "START_TIME does not allow length to be specified."},
    {"%START_TIME(%n)%", "Invalid header configuration. Format string contains newline."},
    {"%COMMON_DURATION%", "COMMON_DURATION requires parameters"},
    {"%COMMON_DURATION(DS_RX_BEG)%", "Invalid common duration configuration: DS_RX_BEG."},
    {"%COMMON_DURATION(DS_RX_BEG:DS_RX_END:xs)%", "Invalid common duration precision: xs."},
    {"%PATH(X)%", "Invalid PATH option: 'X', only 'WQ'/'NQ' are allowed"},
    {"%PATH(WQ:Z)%", "Invalid PATH option: 'Z', only 'ORIG'/'PATH'/'ORIG_OR_PATH' are allowed"},
    {"%QUERY_PARAMS(X)%", "Invalid QUERY_PARAMS option: 'X', only 'ORIG'/'DECODED' are allowed"},
    {"%METADATA(X:a)%", "X is not supported type of metadata"},
    {"%DYNAMIC_METADATA%", "DYNAMIC_METADATA requires parameters"},
    {"%UPSTREAM_METADATA(a:b):3%", "UPSTREAM_METADATA does not allow length to be specified."},
    {"%FILTER_STATE()%", "Invalid filter state configuration, key cannot be empty."},
    {"%FILTER_STATE(a:X)%", "Invalid filter state serialize type, only support PLAIN/TYPED/FIELD."},
    {"%GRPC_STATUS(X)%",
     "GrpcStatusFormatter only supports CAMEL_STRING, SNAKE_STRING or NUMBER. Got: X"},
    {"%COALESCE({})%", "COALESCE: JSON configuration must contain 'operators' array"},
    {"%XFCC_VALUE%", "XFCC_VALUE command requires a subcommand"},
};

START_TEST(log_format_refuses_with_envoys_words) {
    struct arena arena;
    arena_init_heap(&arena, 0);
    for (size_t i = 0; i < ARRAY_LEN(error_cases); i++) {
        const struct log_format *format;
        struct error err = {0};
        ck_assert_int_eq(log_format_compile(slice_from_string(error_cases[i].format), false, &arena,
                                            &format, &err),
                         STATUS_INVALID);
        ck_assert_str_eq(err.message, error_cases[i].message);
    }
    arena_deinit(&arena);
}
END_TEST

START_TEST(log_format_omits_empty_values_but_not_flags) {
    struct fixture f;
    set_up(&f);
    expect_text(&f, "[%REQ(x-n)%] [%ROUTE_NAME%] [%RESPONSE_FLAGS%] [%ENVIRONMENT(NO_SUCH_NAME)%]",
                true, "[] [] [-] [-]");
    tear_down(&f);
}
END_TEST

START_TEST(log_format_joins_flags_in_order) {
    struct fixture f;
    set_up(&f);
    stream_info_set_flag(&f.info, RESPONSE_FLAG_UPSTREAM_RETRY_LIMIT_EXCEEDED);
    expect_text(&f, "%RESPONSE_FLAGS%", false, "URX");
    stream_info_set_flag(&f.info, RESPONSE_FLAG_UPSTREAM_CONNECTION_FAILURE);
    stream_info_set_flag(&f.info, RESPONSE_FLAG_UNCONDITIONAL_DROP_OVERLOAD);
    expect_text(&f, "%RESPONSE_FLAGS%", false, "URX,UF,UDO");
    expect_text(&f, "%RESPONSE_FLAGS_LONG%", false,
                "UpstreamRetryLimitExceeded,UpstreamConnectionFailure,UnconditionalDropOverload");
    tear_down(&f);
}
END_TEST

START_TEST(log_format_reads_grpc_status_of_grpc_only) {
    struct fixture f;
    set_up(&f);
    add(&f.response, "grpc-status", "7");
    expect_text(&f, "%GRPC_STATUS%", false, "-");
    add(&f.request, "content-type", "application/grpc");
    expect_text(&f, "%GRPC_STATUS% %GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS_NUMBER%", false,
                "PermissionDenied PERMISSION_DENIED 7");
    add(&f.trailers, "grpc-status", "99");
    expect_text(&f, "%GRPC_STATUS%", false, "99");
    tear_down(&f);
}
END_TEST

START_TEST(log_format_default_line_is_envoys) {
    struct fixture f;
    set_up(&f);
    expect_text(&f, log_format_default_text(), false,
                "[2026-11-23T13:42:46.113Z] \"GET /p/x?a=1&b=&c&d=%41+b&e=%0ax%zz HTTP/1.1\" 200 - "
                "3 1234567890123 8 - \"-\" \"ua\"\\\t\" \"-\" \"h\" \"127.0.0.1:18761\"\n");
    tear_down(&f);
}
END_TEST

START_TEST(log_format_survives_nothing_at_all) {
    struct fixture f;
    set_up(&f);
    f.input = (struct log_format_input){0};
    for (size_t i = 0; i < ARRAY_LEN(text_cases); i++) {
        const struct log_format *format;
        ck_assert_int_eq(log_format_compile(slice_from_string(text_cases[i].format), false,
                                            &f.arena, &format, NULL),
                         STATUS_OK);
        log_format_write(format, &f.input, &f.out);
        buffer_clear(&f.out);
    }
    tear_down(&f);
}
END_TEST

START_TEST(log_format_json_types_sorts_and_nulls) {
    struct fixture f;
    set_up(&f);
    expect_json(&f,
                "{\"z\":\"%PROTOCOL%\",\"a\":{\"y\":\"%ROUTE_NAME%\",\"b\":[\"%RESPONSE_CODE%\","
                "\"x%RESPONSE_CODE%y\",1.5,true,null,\"a%%b\",\"\\\"\\\\/\xc3\xa9\\t\"]},\"n\":3,"
                "\"big\":12345678901234,\"mix\":\"%REQ(X-N)%-%BYTES_RECEIVED%\",\"empty\":{},"
                "\"el\":[],\"B\":\"1\",\"a_\":\"2\",\"a1\":\"3\",\"f\":1e30,\"g\":0.1,\"neg\":-7,"
                "\"m\":\"%METADATA(ROUTE:ns)%\"}",
                false,
                "{\"B\":\"1\",\"a\":{\"b\":[200,\"x200y\",1.5,true,null,\"a%b\","
                "\"\\\"\\\\/\xc3\xa9\\t\"],\"y\":null},\"a1\":\"3\",\"a_\":\"2\","
                "\"big\":12345678901234,\"el\":[],\"empty\":{},\"f\":1e+30,\"g\":0.1,"
                "\"m\":{\"k\":\"str\\\"q\",\"n\":5,\"o\":{\"p\":\"deep\",\"q\":true}},"
                "\"mix\":\"--3\",\"n\":3,\"neg\":-7,\"z\":\"HTTP/1.1\"}\n");
    tear_down(&f);
}
END_TEST

START_TEST(log_format_json_omits_empty_values) {
    struct fixture f;
    set_up(&f);
    expect_json(&f,
                "{\"z\":\"%ROUTE_NAME%\",\"a\":{\"y\":\"%ROUTE_NAME%\",\"b\":[\"%ROUTE_NAME%\","
                "\"x%ROUTE_NAME%y\",\"%RESPONSE_CODE%\",null,{}]},\"allnull\":{\"q\":"
                "\"%ROUTE_NAME%\"},\"nn\":null,\"e\":\"\",\"r\":\"%RESPONSE_CODE%\",\"mixed\":"
                "\"%ROUTE_NAME%%ROUTE_NAME%\",\"arr\":[\"%ROUTE_NAME%\"],\"o\":{}}",
                true,
                "{\"a\":{\"b\":[\"xy\",200]},\"arr\":[],\"e\":\"\",\"mixed\":\"\",\"r\":200}\n");
    tear_down(&f);
}
END_TEST

// Each byte alone, then all 256 in one value: the result is a JSON string on one line.
START_TEST(log_format_json_escapes_every_byte) {
    struct fixture f;
    set_up(&f);
    f.input.local_reply_body = SLICE("\x01\x1f\x7f\n\r\b\f\"\\/<>&'");
    expect_json(&f, "{\"b\":\"%LOCAL_REPLY_BODY%\"}", false,
                "{\"b\":\"\\u0001\\u001f\x7f\\n\\r\\b\\f\\\"\\\\/<>&'\"}\n");
    uint8_t all[256];
    for (int i = 0; i < 256; i++) {
        all[i] = (uint8_t)i;
    }
    f.input.local_reply_body = slice_make(all, sizeof(all));
    const struct log_format *format;
    ck_assert_int_eq(log_format_compile_json(SLICE("{\"b\":\"%LOCAL_REPLY_BODY%\"}"), false, true,
                                             &f.arena, &format, NULL),
                     STATUS_OK);
    log_format_write(format, &f.input, &f.out);
    struct slice line = buffer_linearize(&f.out, f.out.len);
    ck_assert(slice_find(line, SLICE("\\u0000\\u0001")) != SIZE_MAX);
    ck_assert(slice_find(line, SLICE(" !\\u0022#")) != SIZE_MAX);
    ck_assert(slice_find(line, SLICE("[\\u005c]")) != SIZE_MAX);
    ck_assert(slice_ends_with(line, SLICE("\\u00fe\\u00ff\"}\n")));
    for (size_t i = 0; i + 1 < line.len; i++) {
        ck_assert(line.ptr[i] >= 0x20 && line.ptr[i] < 0x7f);
    }
    tear_down(&f);
}
END_TEST

START_TEST(log_format_text_is_one_line_for_every_byte) {
    struct fixture f;
    set_up(&f);
    uint8_t all[256];
    for (int i = 0; i < 256; i++) {
        all[i] = (uint8_t)i;
    }
    f.input.local_reply_body = slice_make(all, sizeof(all));
    const struct log_format *format;
    ck_assert_int_eq(
        log_format_compile(SLICE("%LOCAL_REPLY_BODY%"), false, &f.arena, &format, NULL), STATUS_OK);
    log_format_write(format, &f.input, &f.out);
    struct slice line = buffer_linearize(&f.out, f.out.len);
    for (size_t i = 0; i < line.len; i++) {
        ck_assert(line.ptr[i] == '\t' || (line.ptr[i] >= 0x20 && line.ptr[i] != 0x7f));
    }
    // A local reply's own body format keeps the body's lines.
    ck_assert(slice_equal(log_format_text(format, &f.input, &f.arena), f.input.local_reply_body));
    tear_down(&f);
}
END_TEST

START_TEST(log_format_text_grows_for_long_values) {
    struct fixture f;
    set_up(&f);
    char *value = mem_alloc(100000);
    memset(value, 'v', 100000);
    ck_assert_int_eq(header_map_add(&f.request, SLICE("x-long"), slice_make(value, 100000)),
                     STATUS_OK);
    const struct log_format *format;
    ck_assert_int_eq(log_format_compile(SLICE("<%REQ(x-long)%|%REQ(x-long):9000%>"), false,
                                        &f.arena, &format, NULL),
                     STATUS_OK);
    struct slice text = log_format_text(format, &f.input, &f.arena);
    ck_assert_uint_eq(text.len, 109003);
    log_format_write(format, &f.input, &f.out);
    ck_assert(slice_equal(buffer_linearize(&f.out, f.out.len), text));
    mem_free(value);
    tear_down(&f);
}
END_TEST

START_TEST(log_format_knows_constants) {
    struct arena arena;
    arena_init_heap(&arena, 0);
    const struct log_format *format;
    struct slice text;
    ck_assert_int_eq(log_format_compile(SLICE("a%%b"), true, &arena, &format, NULL), STATUS_OK);
    ck_assert(log_format_is_constant(format, &text) && slice_equal(text, SLICE("a%b")));
    ck_assert_int_eq(log_format_compile(SLICE("a%PROTOCOL%"), true, &arena, &format, NULL),
                     STATUS_OK);
    ck_assert(!log_format_is_constant(format, &text));
    arena_deinit(&arena);
}
END_TEST

START_TEST(log_format_json_refuses_broken_templates) {
    static const char *const bad[] = {"",
                                      "[]",
                                      "{",
                                      "{\"a\":}",
                                      "{\"a\":1,}",
                                      "{a:1}",
                                      "{\"a\":01}",
                                      "{\"a\":\"\\x\"}",
                                      "{\"a\":\"\\ud800\"}",
                                      "{\"a\":\"%FOO%\"}",
                                      "{} x"};
    struct arena arena;
    arena_init_heap(&arena, 0);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const struct log_format *format;
        ck_assert_msg(log_format_compile_json(slice_from_string(bad[i]), false, true, &arena,
                                              &format, NULL) == STATUS_INVALID,
                      "%s", bad[i]);
    }
    char deep[512];
    memset(deep, '[', sizeof(deep));
    memcpy(deep, "{\"a\":", 5);
    const struct log_format *format;
    ck_assert_int_eq(
        log_format_compile_json(slice_make(deep, sizeof(deep)), false, true, &arena, &format, NULL),
        STATUS_INVALID);
    arena_deinit(&arena);
}
END_TEST

START_TEST(stream_info_metadata_is_replaced_not_doubled) {
    struct fixture f;
    set_up(&f);
    stream_info_set_metadata(&f.info, SLICE("a"), SLICE("k"), SLICE("1"), false);
    stream_info_set_metadata(&f.info, SLICE("a"), SLICE("k"), SLICE("2"), true);
    const struct info_entry *entry = stream_info_metadata(&f.info, SLICE("a"), SLICE("k"));
    ck_assert_ptr_nonnull(entry);
    ck_assert(slice_equal(entry->value, SLICE("2")) && entry->is_string);
    ck_assert_ptr_null(stream_info_metadata(&f.info, SLICE("a"), SLICE("z")));
    ck_assert_ptr_null(stream_info_state(&f.info, SLICE("z")));
    tear_down(&f);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("log_format");
    TCase *tcase = tcase_create("log_format");
    tcase_add_test(tcase, log_format_writes_what_envoy_writes);
    tcase_add_test(tcase, log_format_default_time_is_right_on_every_day);
    tcase_add_test(tcase, log_format_refuses_with_envoys_words);
    tcase_add_test(tcase, log_format_omits_empty_values_but_not_flags);
    tcase_add_test(tcase, log_format_joins_flags_in_order);
    tcase_add_test(tcase, log_format_reads_grpc_status_of_grpc_only);
    tcase_add_test(tcase, log_format_default_line_is_envoys);
    tcase_add_test(tcase, log_format_survives_nothing_at_all);
    tcase_add_test(tcase, log_format_json_types_sorts_and_nulls);
    tcase_add_test(tcase, log_format_json_omits_empty_values);
    tcase_add_test(tcase, log_format_json_escapes_every_byte);
    tcase_add_test(tcase, log_format_text_is_one_line_for_every_byte);
    tcase_add_test(tcase, log_format_text_grows_for_long_values);
    tcase_add_test(tcase, log_format_knows_constants);
    tcase_add_test(tcase, log_format_json_refuses_broken_templates);
    tcase_add_test(tcase, stream_info_metadata_is_replaced_not_doubled);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
