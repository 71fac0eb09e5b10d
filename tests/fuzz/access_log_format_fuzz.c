// SPDX-License-Identifier: Apache-2.0
// Target functions: log_format_compile, log_format_compile_json, log_format_write.
// Oracle: a format without a line break makes lines without one, whatever the values; a JSON format
// makes one JSON object on one line; the text for a header is the same bytes but for bodies.
// Input: format, 0xff, value of headers, query, body and metadata.
#include "src/access_log/json_text.h"
#include "src/access_log/log_format.h"
#include "src/base/check.h"

struct world {
    struct arena arena;
    struct buffer_pool pool;
    struct buffer out;
    struct header_map headers;
    struct stream_info info;
    struct log_format_input input;
};

static void begin(struct world *w, struct slice value) {
    *w = (struct world){0};
    arena_init_heap(&w->arena, 0);
    buffer_pool_init(&w->pool);
    buffer_init(&w->out, &w->pool);
    header_map_init(&w->headers, &w->arena);
    header_map_append(&w->headers, HEADER_PATH, value);
    header_map_append(&w->headers, HEADER_USER_AGENT, value);
    header_map_append(&w->headers, HEADER_X_FORWARDED_CLIENT_CERT, value);
    w->info.arena = &w->arena;
    w->info.response_code_details = value;
    w->info.upstream = ARENA_NEW(&w->arena, struct upstream_info);
    w->info.upstream->host_name = value;
    w->info.start_wall_us = UINT64_C(1795441366113076);
    stream_info_set_metadata(&w->info, SLICE("n"), SLICE("k"), value, true);
    stream_info_set_metadata(&w->info, SLICE("n"), SLICE("o.p"), value, true);
    stream_info_set_state(&w->info, SLICE("s"), value);
    w->input = (struct log_format_input){
        .info = &w->info, .request_headers = &w->headers, .local_reply_body = value};
}

static void end(struct world *w) {
    buffer_deinit(&w->out);
    buffer_pool_deinit(&w->pool);
    arena_deinit(&w->arena);
}

static struct slice written(struct world *w, const struct log_format *format) {
    buffer_clear(&w->out);
    log_format_write(format, &w->input, &w->out);
    return w->out.len == 0 ? SLICE("") : buffer_linearize(&w->out, w->out.len);
}

static void check_text(struct world *w, struct slice text) {
    const struct log_format *format;
    if (log_format_compile(text, false, &w->arena, &format, NULL) != STATUS_OK) {
        return;
    }
    struct slice line = written(w, format);
    CHECK(slice_find_byte(text, '\n') != SIZE_MAX || slice_find_byte(line, '\n') == SIZE_MAX);
    (void)log_format_text(format, &w->input, &w->arena);
}

static void check_json(struct world *w, struct slice text, bool omit) {
    const struct log_format *format;
    struct json_text *root;
    if (log_format_compile_json(text, omit, true, &w->arena, &format, NULL) != STATUS_OK) {
        return;
    }
    struct slice line = written(w, format);
    CHECK(slice_find_byte(line, '\n') == line.len - 1);
    CHECK(json_text_parse(line, &w->arena, &root, NULL) == STATUS_OK);
    CHECK(root->kind == JSON_OBJECT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 16384) {
        return 0;
    }
    struct slice format = slice_make(data, size);
    size_t mark = slice_find_byte(format, 0xff);
    struct slice value = mark == SIZE_MAX ? SLICE("") : slice_sub(format, mark + 1, SIZE_MAX);
    format = slice_sub(format, 0, mark);
    struct world w;
    begin(&w, value);
    check_text(&w, format);
    check_json(&w, format, false);
    check_json(&w, format, true);
    check_json(&w,
               SLICE("{\"a\":\"%REQ(:path)%\",\"b\":\"x%LOCAL_REPLY_BODY%%QUERY_PARAM(a)%\","
                     "\"c\":\"%DYNAMIC_METADATA(n)%\",\"d\":\"%FILTER_STATE(s)%\","
                     "\"e\":\"%XFCC_VALUE(uri)%\"}"),
               false);
    end(&w);
    return 0;
}
