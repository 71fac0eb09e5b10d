// SPDX-License-Identifier: Apache-2.0
/* Operators about headers, path and query. */
#include "src/access_log/log_operator.h"
#include "src/base/check.h"
#include "src/http/char_class.h"
#include "src/http/path.h"

static const struct header_map *map_of(uint32_t source, const struct log_format_input *input) {
    switch ((enum log_header_source)source) {
    case LOG_FROM_REQUEST:
        return log_request_headers(input);
    case LOG_FROM_RESPONSE:
        return log_response_headers(input);
    case LOG_FROM_TRAILERS:
        return log_response_trailers(input);
    }
    return NULL;
}

enum { ID_BITS = 16 };

static struct slice find_header(const struct header_map *map, uint32_t id, struct slice name) {
    return id != HEADER_OTHER ? header_map_get(map, (enum header_id)id)
                              : header_map_get_name(map, name);
}

// param: source; param2: ids of name (low half) and alternative.
void log_get_header(const struct log_op *op, const struct log_format_input *input,
                    struct log_value *value) {
    const struct header_map *map = map_of(op->param, input);
    log_value_none(value);
    if (map == NULL) {
        return;
    }
    struct slice found = find_header(map, op->param2 & ((1U << ID_BITS) - 1), op->text);
    if (found.ptr == NULL && op->alt.len > 0) {
        found = find_header(map, op->param2 >> ID_BITS, op->alt);
    }
    if (found.ptr != NULL) {
        value->kind = LOG_VALUE_TEXT;
        value->text = found;
    }
}

static enum status compile_name(struct slice text, struct arena *arena, struct slice *name,
                                uint32_t *id, struct error *err) {
    struct slice bare = text.len > 0 && text.ptr[0] == ':' ? slice_sub(text, 1, SIZE_MAX) : text;
    if (bare.len > 0 && !http_is_token(bare)) {
        return error_set(
            err, STATUS_INVALID,
            "Invalid header configuration. Format string contains invalid characters.");
    }
    uint8_t *lower = arena_alloc_bytes(arena, text.len);
    for (size_t i = 0; i < text.len; i++) {
        lower[i] = ascii_lower(text.ptr[i]);
    }
    *name = slice_make(lower, text.len);
    // Inside the proxy a request's host is its :authority.
    if (slice_equal(*name, SLICE("host"))) {
        *name = SLICE(":authority");
    }
    *id = header_id_of(*name);
    return STATUS_OK;
}

enum status log_compile_header(struct log_op *op, struct slice args, struct arena *arena,
                               struct error *err) {
    struct slice rest = args;
    struct slice name;
    struct slice alt = SLICE("");
    uint32_t id = HEADER_OTHER;
    uint32_t alt_id = HEADER_OTHER;
    (void)slice_split(&rest, '?', &name);
    if (slice_find_byte(rest, '?') != SIZE_MAX) {
        return error_set(err, STATUS_INVALID,
                         "More than 1 alternative header specified in token: %.*s",
                         SLICE_ARG(args));
    }
    alt = rest;
    TRY(compile_name(name, arena, &op->text, &id, err));
    TRY(compile_name(alt, arena, &op->alt, &alt_id, err));
    op->param2 = id | alt_id << ID_BITS;
    return STATUS_OK;
}

enum path_source { PATH_ORIGINAL_OR_CURRENT, PATH_CURRENT, PATH_ORIGINAL };

static struct slice original_path(const struct log_format_input *input) {
    const struct header_map *headers = log_request_headers(input);
    return headers == NULL ? (struct slice){NULL, 0}
                           : header_map_get(headers, HEADER_X_ENVOY_ORIGINAL_PATH);
}

static struct slice path_from(enum path_source source, const struct log_format_input *input) {
    struct slice original = original_path(input);
    const struct header_map *headers = log_request_headers(input);
    struct slice current =
        headers == NULL ? (struct slice){NULL, 0} : header_map_get(headers, HEADER_PATH);
    switch (source) {
    case PATH_ORIGINAL:
        return original;
    case PATH_CURRENT:
        return current;
    case PATH_ORIGINAL_OR_CURRENT:
        return original.len > 0 ? original : current;
    }
    return current;
}

// param: enum path_source; param2: without query.
void log_get_path(const struct log_op *op, const struct log_format_input *input,
                  struct log_value *value) {
    struct slice path = path_from((enum path_source)op->param, input);
    log_value_text(value, op->param2 != 0 ? path_without_query(path) : path);
}

enum status log_compile_path(struct log_op *op, struct slice args, struct arena *arena,
                             struct error *err) {
    (void)arena;
    struct slice query = SLICE("");
    struct slice source = SLICE("");
    if (slice_split(&args, ':', &query)) {
        (void)slice_split(&args, ':', &source);
    }
    op->param2 = slice_equal(query, SLICE("NQ")) ? 1 : 0;
    if (op->param2 == 0 && query.len > 0 && !slice_equal(query, SLICE("WQ"))) {
        return error_set(err, STATUS_INVALID,
                         "Invalid PATH option: '%.*s', only 'WQ'/'NQ' are allowed",
                         SLICE_ARG(query));
    }
    if (slice_equal(source, SLICE("ORIG"))) {
        op->param = PATH_ORIGINAL;
    } else if (slice_equal(source, SLICE("PATH"))) {
        op->param = PATH_CURRENT;
    } else if (source.len == 0 || slice_equal(source, SLICE("ORIG_OR_PATH"))) {
        op->param = PATH_ORIGINAL_OR_CURRENT;
    } else {
        return error_set(err, STATUS_INVALID,
                         "Invalid PATH option: '%.*s', only 'ORIG'/'PATH'/'ORIG_OR_PATH' are "
                         "allowed",
                         SLICE_ARG(source));
    }
    return STATUS_OK;
}

// What is no escape stays as it is; '+' is no space here.
static struct slice decode(struct slice text, const struct log_format_input *input,
                           struct log_value *value) {
    if (slice_find_byte(text, '%') == SIZE_MAX) {
        return text;
    }
    size_t len = text.len;
    uint8_t *room = log_value_room(value, input, &len);
    size_t used = 0;
    for (size_t i = 0; i < text.len && used < len; i++) {
        uint64_t byte;
        struct slice digits = slice_sub(text, i + 1, 2);
        if (text.ptr[i] == '%' && digits.len == 2 &&
            slice_parse_hex64(digits, &byte) == STATUS_OK) {
            room[used++] = (uint8_t)byte;
            i += 2;
        } else {
            room[used++] = text.ptr[i];
        }
    }
    return slice_make(room, used);
}

static struct slice current_query(const struct log_format_input *input) {
    const struct header_map *headers = log_request_headers(input);
    return headers == NULL ? (struct slice){NULL, 0}
                           : path_query(header_map_get(headers, HEADER_PATH));
}

void log_get_query_param(const struct log_op *op, const struct log_format_input *input,
                         struct log_value *value) {
    struct slice found;
    struct slice query = current_query(input);
    if (query.len == 0 || !path_query_get(query, op->text, &found)) {
        log_value_none(value);
        return;
    }
    value->kind = LOG_VALUE_TEXT;
    value->text = decode(found, input, value);
}

// param: decoded.
void log_get_query(const struct log_op *op, const struct log_format_input *input,
                   struct log_value *value) {
    struct slice query = current_query(input);
    log_value_text(value, op->param != 0 ? decode(query, input, value) : query);
}

enum status log_compile_query(struct log_op *op, struct slice args, struct arena *arena,
                              struct error *err) {
    (void)arena;
    op->param = slice_equal(args, SLICE("DECODED")) ? 1 : 0;
    if (op->param == 0 && args.len > 0 && !slice_equal(args, SLICE("ORIG"))) {
        return error_set(err, STATUS_INVALID,
                         "Invalid QUERY_PARAMS option: '%.*s', only 'ORIG'/'DECODED' are allowed",
                         SLICE_ARG(args));
    }
    return STATUS_OK;
}

// Takes the bytes up to `separator` outside of double quotes off *rest.
static bool split_quoted(struct slice *rest, uint8_t separator, struct slice *part) {
    if (rest->ptr == NULL || rest->len == 0) {
        return false;
    }
    bool is_quoted = false;
    size_t at = 0;
    for (; at < rest->len && (is_quoted || rest->ptr[at] != separator); at++) {
        if (rest->ptr[at] == '\\') {
            at += at + 1 < rest->len ? 1 : 0;
        } else if (rest->ptr[at] == '"') {
            is_quoted = !is_quoted;
        }
    }
    *part = slice_sub(*rest, 0, at);
    *rest = slice_sub(*rest, at + 1, SIZE_MAX);
    return true;
}

static struct slice unquote(struct slice text, struct arena *arena) {
    if (text.len < 2 || text.ptr[0] != '"' || text.ptr[text.len - 1] != '"') {
        return text;
    }
    text = slice_sub(text, 1, text.len - 2);
    if (slice_find_byte(text, '\\') == SIZE_MAX || arena == NULL) {
        return text;
    }
    uint8_t *bytes = arena_alloc_bytes(arena, text.len);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        bool is_escape = text.ptr[i] == '\\' && i + 1 < text.len;
        i += is_escape ? 1 : 0;
        bytes[len++] = text.ptr[i];
    }
    return slice_make(bytes, len);
}

enum status log_compile_xfcc(struct log_op *op, struct slice args, struct arena *arena,
                             struct error *err) {
    if (args.len == 0) {
        return error_set(err, STATUS_INVALID, "XFCC_VALUE command requires a subcommand");
    }
    op->text = arena_dup_slice(arena, args);
    return STATUS_OK;
}

// The first value of a key over all elements of x-forwarded-client-cert.
void log_get_xfcc(const struct log_op *op, const struct log_format_input *input,
                  struct log_value *value) {
    const struct header_map *headers = log_request_headers(input);
    struct slice rest = headers == NULL ? (struct slice){NULL, 0}
                                        : header_map_get(headers, HEADER_X_FORWARDED_CLIENT_CERT);
    struct slice element;
    log_value_none(value);
    while (split_quoted(&rest, ',', &element)) {
        struct slice pair;
        while (split_quoted(&element, ';', &pair)) {
            pair = slice_trim(pair);
            size_t equals = slice_find_byte(pair, '=');
            if (equals != SIZE_MAX && slice_equal_nocase(slice_sub(pair, 0, equals), op->text)) {
                log_value_text(
                    value, unquote(slice_sub(pair, equals + 1, SIZE_MAX), log_info(input)->arena));
                return;
            }
        }
    }
}
