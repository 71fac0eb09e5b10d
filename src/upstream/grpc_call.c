// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/grpc_call.h"

#include "src/base/check.h"
#include "src/upstream/http_call.h"
#include "src/upstream/worker_cluster.h"

enum { GRPC_CALL_MAGIC = 0x47524331, FRAME_HEADER_BYTES = 5, DEFAULT_MAX_MESSAGE = 1 << 20 };

struct grpc_call {
    uint32_t magic;
    struct http_call *http;
    grpc_call_done_fn *done;
    void *arg;
};

static void tell(const struct grpc_call *call, uint32_t status, struct slice message,
                 const char *text) {
    call->done(call->arg, status, message, slice_from_string(text));
}

/* The whole response was received: exactly one uncompressed message and a status are what we want. */
static void tell_message(const struct grpc_call *call, const struct http_call_result *result) {
    if (result->body->len < FRAME_HEADER_BYTES) {
        tell(call, GRPC_INTERNAL, (struct slice){0}, "response without a message");
        return;
    }
    struct slice bytes = buffer_linearize(result->body, result->body->len);
    uint32_t length = (uint32_t)bytes.ptr[1] << 24 | (uint32_t)bytes.ptr[2] << 16 |
                      (uint32_t)bytes.ptr[3] << 8 | bytes.ptr[4];
    if (bytes.ptr[0] != 0) {
        tell(call, GRPC_UNIMPLEMENTED, (struct slice){0}, "compressed response");
        return;
    }
    if (length != bytes.len - FRAME_HEADER_BYTES) {
        tell(call, GRPC_INTERNAL, (struct slice){0}, "response is not one message");
        return;
    }
    tell(call, GRPC_OK, slice_sub(bytes, FRAME_HEADER_BYTES, length), "");
}

static void tell_response(const struct grpc_call *call, const struct http_call_result *result) {
    const struct header_map *last = result->trailers != NULL ? result->trailers : result->headers;
    if (result->headers == NULL) {
        tell(call, GRPC_INTERNAL, (struct slice){0}, "no response headers");
        return;
    }
    struct slice text = header_map_get(last, HEADER_GRPC_STATUS);
    uint64_t status;
    if (text.ptr == NULL) {
        uint32_t http_status = http_status_of(result->headers);
        tell(call, http_status == 200 ? GRPC_UNKNOWN : http_to_grpc_status(http_status),
             (struct slice){0}, "response without grpc-status");
        return;
    }
    if (slice_parse_uint64(text, &status) != STATUS_OK || status > UINT32_MAX) {
        tell(call, GRPC_UNKNOWN, (struct slice){0}, "malformed grpc-status");
        return;
    }
    if (status == GRPC_OK) {
        tell_message(call, result);
        return;
    }
    call->done(call->arg, (uint32_t)status, (struct slice){0},
               header_map_get(last, HEADER_GRPC_MESSAGE));
}

static void on_done(void *arg, const struct http_call_result *result) {
    struct grpc_call *call = arg;
    CHECK_MAGIC(call, GRPC_CALL_MAGIC);
    switch (result->outcome) {
    case HTTP_CALL_RESPONSE:
        tell_response(call, result);
        break;
    case HTTP_CALL_TIMEOUT:
        tell(call, GRPC_DEADLINE_EXCEEDED, (struct slice){0}, "deadline exceeded");
        break;
    case HTTP_CALL_RESET:
        tell(call, GRPC_UNAVAILABLE, (struct slice){0}, http_reset_reason_name(result->reason));
        break;
    case HTTP_CALL_TOO_LARGE:
        tell(call, GRPC_RESOURCE_EXHAUSTED, (struct slice){0}, "response too large");
        break;
    case HTTP_CALL_NO_UPSTREAM:
        tell(call, GRPC_UNAVAILABLE, (struct slice){0},
             result->failure == UPSTREAM_FAILURE_NO_CLUSTER ? "Cluster not available"
                                                            : "no healthy upstream");
        break;
    }
    call->magic = 0;
    mem_free(call);
}

static struct slice authority_of(const struct grpc_call_options *options) {
    if (!slice_is_empty(options->authority)) {
        return options->authority;
    }
    const struct cluster_part *part = upstream_cluster_part(options->io, options->cluster_slot);
    return part == NULL ? SLICE("unknown") : part->part.name;
}

static void make_headers(const struct grpc_call_options *options, struct header_map *headers,
                         struct arena *arena) {
    header_map_init(headers, arena);
    header_map_append(headers, HEADER_METHOD, SLICE("POST"));
    header_map_append(headers, HEADER_PATH, options->path);
    header_map_append(headers, HEADER_AUTHORITY, authority_of(options));
    header_map_append(headers, HEADER_SCHEME, SLICE("http"));
    header_map_append(headers, HEADER_TE, SLICE("trailers"));
    if (options->timeout_ms != 0) {
        // At most eight digits are allowed.
        bool fits = options->timeout_ms < 100000000;
        uint32_t value = fits ? options->timeout_ms : options->timeout_ms / 1000;
        header_map_append(headers, HEADER_GRPC_TIMEOUT,
                          arena_printf(arena, "%u%c", (unsigned)value, fits ? 'm' : 'S'));
        header_map_set_uint(headers, HEADER_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS, options->timeout_ms);
    }
    header_map_append(headers, HEADER_CONTENT_TYPE, SLICE("application/grpc"));
    header_map_append(headers, HEADER_X_ENVOY_INTERNAL, SLICE("true"));
    for (uint32_t i = 0; i < options->metadata_count; i++) {
        header_map_append_name(headers, options->metadata[i].name, options->metadata[i].value);
    }
}

struct grpc_call *grpc_call_start(const struct grpc_call_options *options) {
    CHECK(options->message.len <= UINT32_MAX);
    struct grpc_call *call = mem_calloc(1, sizeof(*call));
    *call =
        (struct grpc_call){.magic = GRPC_CALL_MAGIC, .done = options->done, .arg = options->arg};
    struct arena arena;
    arena_init(&arena, &options->io->arena_blocks);
    struct header_map headers;
    make_headers(options, &headers, &arena);
    uint32_t length = (uint32_t)options->message.len;
    const uint8_t frame[FRAME_HEADER_BYTES] = {0, (uint8_t)(length >> 24), (uint8_t)(length >> 16),
                                               (uint8_t)(length >> 8), (uint8_t)length};
    struct buffer body;
    buffer_init(&body, &options->io->buffers);
    buffer_append(&body, slice_make(frame, sizeof(frame)));
    buffer_append(&body, options->message);
    uint32_t max_bytes =
        options->max_message_bytes == 0 ? DEFAULT_MAX_MESSAGE : options->max_message_bytes;
    call->http = http_call_start(&(struct http_call_options){
        .io = options->io,
        .cluster_slot = options->cluster_slot,
        .headers = &headers,
        .body = &body,
        .timeout_ms = options->timeout_ms,
        .max_body_bytes = max_bytes + FRAME_HEADER_BYTES,
        .done = on_done,
        .arg = call,
    });
    buffer_deinit(&body);
    arena_deinit(&arena);
    return call;
}

void grpc_call_abandon(struct grpc_call *call) {
    CHECK_MAGIC(call, GRPC_CALL_MAGIC);
    http_call_cancel(call->http);
    call->magic = 0;
    mem_free(call);
}
