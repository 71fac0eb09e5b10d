// SPDX-License-Identifier: Apache-2.0
#include "filters/http/grpc_web/grpc_web.h"

#include "src/base/check.h"
#include "src/config/route_config.h"

enum {
    TRAILER_FRAME = 0x80,
    MAX_MESSAGE_BYTES = 16384, /* of a foreign body in grpc-message */
    MAX_STAT_NAME_BYTES = 256,
};

static const struct stat_def no_defs[] = {{NULL, STAT_COUNTER, NULL}};
const struct stat_table grpc_web_stat_table = {"grpc_web", no_defs, 0};

static struct grpc_web *grpc_web_of(struct http_filter *f) {
    struct grpc_web *web = CONTAINER_OF(f, struct grpc_web, base);
    CHECK_MAGIC(web, GRPC_WEB_MAGIC);
    return web;
}

static bool is_text_type(struct slice type) {
    return slice_equal(type, SLICE("application/grpc-web-text")) ||
           slice_equal(type, SLICE("application/grpc-web-text+proto"));
}

static bool is_binary_type(struct slice type) {
    return slice_equal(type, SLICE("application/grpc-web")) ||
           slice_equal(type, SLICE("application/grpc-web+proto"));
}

/* ---- stats ---- */

/* "/package.Service/Method" counts; other paths do not look like gRPC. */
static void name_stats(struct grpc_web *web, const struct header_map *headers) {
    struct slice path = header_map_get(headers, HEADER_PATH);
    const struct route *route = http_filter_route(&web->base);
    const struct weighted_cluster *weighted = http_filter_weighted_cluster(&web->base);
    if (route == NULL || route->action != ROUTE_ACTION_CLUSTER || path.len < 2) {
        return;
    }
    struct slice cluster = weighted != NULL ? weighted->name : route->cluster->cluster_name;
    path = slice_sub(path, 1, slice_find_byte(path, '?') - 1);
    size_t slash = slice_find_byte(path, '/');
    struct slice service = slice_sub(path, 0, slash);
    struct slice method = slash == SIZE_MAX ? SLICE("") : slice_sub(path, slash + 1, SIZE_MAX);
    if (cluster.len == 0 || service.len == 0 || method.len == 0 ||
        slice_find_byte(method, '/') != SIZE_MAX || path.len > MAX_STAT_NAME_BYTES) {
        return;
    }
    web->stat_name = arena_printf(http_filter_arena(&web->base), "%.*s.grpc-web.%.*s.%.*s.",
                                  SLICE_ARG(cluster), SLICE_ARG(service), SLICE_ARG(method));
}

static void count(const struct grpc_web *web, struct slice what) {
    struct slice name = arena_printf(http_filter_arena(&web->base), "%.*s%.*s",
                                     SLICE_ARG(web->stat_name), SLICE_ARG(what));
    uint32_t index = stats_dynamic(web->config->stats, name, STAT_COUNTER);
    stats_dynamic_add(web->config->stats, web->io->index, index, 1);
}

/* `map`: headers or trailers of the response; counted once, where the status is. */
static void count_status(struct grpc_web *web, const struct header_map *map) {
    struct slice status = header_map_get(map, HEADER_GRPC_STATUS);
    uint64_t code;
    if (web->stat_name.len == 0 || web->response_is_counted || web->config->stats == NULL ||
        slice_parse_uint64(status, &code) != STATUS_OK || code > 16) {
        return;
    }
    web->response_is_counted = true;
    count(web, status);
    count(web, code == 0 ? SLICE("success") : SLICE("failure"));
    count(web, SLICE("total"));
}

/* ---- the request ---- */

static enum http_filter_verdict decode_headers(struct http_filter *f, struct header_map *headers,
                                               bool end_stream) {
    struct grpc_web *web = grpc_web_of(f);
    struct slice type = header_map_get(headers, HEADER_CONTENT_TYPE);
    (void)end_stream;
    web->is_text_request = is_text_type(type);
    if (!header_map_has(headers, HEADER_PATH) || (!web->is_text_request && !is_binary_type(type))) {
        return HTTP_FILTER_CONTINUE;
    }
    web->is_grpc_web = true;
    web->is_text_response = is_text_type(header_map_get(headers, HEADER_ACCEPT));
    /* It counts the bytes of the text or of HTTP/1.1; gRPC needs none. */
    (void)header_map_remove(headers, HEADER_CONTENT_LENGTH);
    name_stats(web, headers);
    header_map_set(headers, HEADER_CONTENT_TYPE, SLICE("application/grpc"));
    header_map_set(headers, HEADER_TE, SLICE("trailers"));
    if (header_map_get_name(headers, SLICE("grpc-accept-encoding")).len == 0) {
        header_map_set_name(headers, SLICE("grpc-accept-encoding"), SLICE("identity"));
    }
    return HTTP_FILTER_CONTINUE;
}

static void refuse_text(struct grpc_web *web, struct slice details) {
    struct local_reply reply = {
        .status = 400,
        .body = SLICE("Bad gRPC-web request, invalid base64 data."),
        .details = details,
        .grpc_status = -1,
        .flag = RESPONSE_FLAG_COUNT,
    };
    http_filter_local_reply(&web->base, &reply);
}

static enum http_filter_verdict decode_data(struct http_filter *f, struct buffer *data,
                                            bool end_stream) {
    struct grpc_web *web = grpc_web_of(f);
    if (!web->is_text_request) {
        return HTTP_FILTER_CONTINUE;
    }
    if (base64_decode(&web->request, data) != STATUS_OK) {
        refuse_text(web, SLICE("grpc_base_64_decode_failed"));
        return HTTP_FILTER_CONSUMED;
    }
    if (end_stream && web->request.count > 0) {
        refuse_text(web, SLICE("grpc_base_64_decode_failed_bad_size"));
        return HTTP_FILTER_CONSUMED;
    }
    /* Nothing is whole yet: an empty frame would only cost. */
    return buffer_is_empty(data) && !end_stream ? HTTP_FILTER_CONSUMED : HTTP_FILTER_CONTINUE;
}

static enum http_filter_verdict decode_trailers(struct http_filter *f,
                                                struct header_map *trailers) {
    struct grpc_web *web = grpc_web_of(f);
    (void)trailers;
    if (web->is_text_request && web->request.count > 0) {
        refuse_text(web, SLICE("grpc_base_64_decode_failed_bad_size"));
        return HTTP_FILTER_HOLD;
    }
    return HTTP_FILTER_CONTINUE;
}

/* ---- the response ---- */

/* Trailers-only, or 200 with a gRPC content type. */
static bool is_grpc_response(const struct header_map *headers, bool end_stream) {
    if (end_stream) {
        return header_map_has(headers, HEADER_GRPC_STATUS);
    }
    return http_status_of(headers) == 200 && http_is_grpc(headers);
}

/* The upstream speaks gRPC-Web itself. */
static bool is_grpc_web_response(const struct header_map *headers) {
    struct slice type = header_map_get(headers, HEADER_CONTENT_TYPE);
    type = slice_trim(slice_sub(type, 0, slice_find_byte(type, ';')));
    return http_status_of(headers) == 200 &&
           (slice_equal_nocase(type, SLICE("application/grpc-web")) ||
            slice_equal_nocase(type, SLICE("application/grpc-web+proto")));
}

static enum http_filter_verdict encode_headers(struct http_filter *f, struct header_map *headers,
                                               bool end_stream) {
    struct grpc_web *web = grpc_web_of(f);
    if (!web->is_grpc_web) {
        return HTTP_FILTER_CONTINUE;
    }
    count_status(web, headers);
    web->is_foreign_response =
        !end_stream && !is_grpc_response(headers, end_stream) && !is_grpc_web_response(headers);
    (void)header_map_remove(headers, HEADER_CONTENT_LENGTH);
    header_map_set(headers, HEADER_CONTENT_TYPE,
                   web->is_text_response ? SLICE("application/grpc-web-text+proto")
                                         : SLICE("application/grpc-web+proto"));
    return web->is_foreign_response ? HTTP_FILTER_HOLD : HTTP_FILTER_CONTINUE;
}

/* Turns what was held (and `last`) into grpc-message. */
static void make_status(struct grpc_web *web, struct buffer *last) {
    struct header_map *headers = http_filter_response_headers(&web->base);
    struct arena *arena = http_filter_arena(&web->base);
    struct buffer *held = http_filter_encoding_buffer(&web->base);
    if (last != NULL) {
        buffer_move(held, last);
    }
    size_t len = held->len < MAX_MESSAGE_BYTES ? held->len : MAX_MESSAGE_BYTES;
    uint8_t *bytes = arena_alloc_bytes(arena, len);
    buffer_copy_out(held, 0, bytes, len);
    buffer_clear(held);
    header_map_set(headers, HEADER_GRPC_MESSAGE,
                   grpc_message_encode(arena, slice_make(bytes, len)));
    header_map_set_uint(headers, HEADER_GRPC_STATUS, http_to_grpc_status(http_status_of(headers)));
    web->is_foreign_response = false;
}

static enum http_filter_verdict encode_foreign_data(struct grpc_web *web, struct buffer *data,
                                                    bool end_stream) {
    if (end_stream) {
        make_status(web, data);
        header_map_set(http_filter_response_headers(&web->base), HEADER_CONTENT_LENGTH, SLICE("0"));
        return HTTP_FILTER_CONTINUE;
    }
    if (http_filter_encoding_buffer(&web->base)->len >= MAX_MESSAGE_BYTES) {
        return HTTP_FILTER_CONSUMED; /* the message is full */
    }
    return HTTP_FILTER_HOLD;
}

static enum http_filter_verdict encode_data(struct http_filter *f, struct buffer *data,
                                            bool end_stream) {
    struct grpc_web *web = grpc_web_of(f);
    if (!web->is_grpc_web) {
        return HTTP_FILTER_CONTINUE;
    }
    if (web->is_foreign_response) {
        return encode_foreign_data(web, data, end_stream);
    }
    if (!web->is_text_response) {
        return HTTP_FILTER_CONTINUE;
    }
    grpc_text_encode(&web->response, data);
    if (end_stream) {
        grpc_text_finish(&web->response, data);
    }
    return buffer_is_empty(data) && !end_stream ? HTTP_FILTER_CONSUMED : HTTP_FILTER_CONTINUE;
}

static size_t trailers_len(const struct header_map *trailers) {
    const struct header_entry *entry;
    size_t len = 0;
    for (uint32_t i = 0; (entry = header_map_next(trailers, &i)) != NULL;) {
        len += entry->name_len + entry->value_len + 3;
    }
    return len;
}

/* The last frame: the trailers as lines of text. */
static void append_trailer_frame(const struct header_map *trailers, struct buffer *out) {
    size_t len = trailers_len(trailers);
    const uint8_t header[5] = {TRAILER_FRAME, (uint8_t)(len >> 24), (uint8_t)(len >> 16),
                               (uint8_t)(len >> 8), (uint8_t)len};
    buffer_append(out, slice_make(header, sizeof(header)));
    const struct header_entry *entry;
    for (uint32_t i = 0; (entry = header_map_next(trailers, &i)) != NULL;) {
        buffer_append(out, header_entry_name(entry));
        buffer_append(out, SLICE(":"));
        buffer_append(out, header_entry_value(entry));
        buffer_append(out, SLICE("\r\n"));
    }
}

static enum http_filter_verdict encode_trailers(struct http_filter *f,
                                                struct header_map *trailers) {
    struct grpc_web *web = grpc_web_of(f);
    if (!web->is_grpc_web) {
        return HTTP_FILTER_CONTINUE;
    }
    count_status(web, trailers);
    if (web->is_foreign_response) {
        make_status(web, NULL);
        return HTTP_FILTER_CONTINUE;
    }
    struct buffer frame, out;
    buffer_init(&frame, &web->io->buffers);
    buffer_init(&out, &web->io->buffers);
    append_trailer_frame(trailers, &frame);
    if (web->is_text_response) {
        grpc_text_finish(&web->response, &out);
        grpc_text_encode(&web->response, &frame);
    }
    buffer_move(&out, &frame);
    http_filter_inject_encoded_data(f, &out, true);
    buffer_deinit(&frame);
    buffer_deinit(&out);
    return HTTP_FILTER_HOLD; /* they have gone as data */
}

const struct http_filter_ops grpc_web_ops = {
    .decode_headers = decode_headers,
    .decode_data = decode_data,
    .decode_trailers = decode_trailers,
    .encode_headers = encode_headers,
    .encode_data = encode_data,
    .encode_trailers = encode_trailers,
};
