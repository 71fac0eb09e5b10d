// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/http_shadow.h"

#include "src/base/check.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "src/event/timer.h"
#include "src/upstream/cluster_stats.h"
#include "src/upstream/worker_cluster.h"

enum { HTTP_SHADOW_MAGIC = 0x53484457 };

struct http_shadow {
    uint32_t magic;
    struct list_node node; /* in manager->shadows */
    struct io_context *io;
    struct arena arena; /* holds this, too */
    struct http_shadow **slot;
    uint32_t cluster_slot;
    uint32_t timeout_ms;
    bool is_answered; /* the status came */
    bool is_over;     /* goes at the end of the turn */
    struct header_map headers, trailers;
    struct upstream_request *request;
    struct timer deadline;
    struct event_deferred farewell;
};

/* The request is whole, or will never be. */
static void let_go(struct http_shadow *shadow) {
    if (shadow->slot != NULL) {
        *shadow->slot = NULL;
        shadow->slot = NULL;
    }
}

static void end(struct http_shadow *shadow) {
    let_go(shadow);
    list_remove(&shadow->node);
    timer_cancel(&shadow->deadline);
    event_loop_defer_cancel(&shadow->farewell);
    if (shadow->request != NULL) {
        upstream_request_end(shadow->request, HTTP_RESET_LOCAL);
    }
    shadow->magic = 0;
    struct arena arena = shadow->arena;
    arena_deinit(&arena);
}

static void on_farewell(void *arg) {
    struct http_shadow *shadow = arg;
    CHECK_MAGIC(shadow, HTTP_SHADOW_MAGIC);
    end(shadow);
}

/* The codec may be at work above us, and may end the exchange by itself within this turn, which leaves
 * its connection to others. */
static void end_later(struct http_shadow *shadow) {
    shadow->is_over = true;
    let_go(shadow);
    timer_cancel(&shadow->deadline);
    event_loop_defer(shadow->io->loop, &shadow->farewell);
}

/* What did not come counts for the cluster as what a client would have got. */
static void report_failure(struct http_shadow *shadow, uint32_t status) {
    shadow->is_answered = true;
    upstream_report_local_reply(shadow->io, shadow->cluster_slot, status, true);
}

static void on_headers(void *arg, struct header_map *headers, bool end_stream) {
    struct http_shadow *shadow = arg;
    CHECK_MAGIC(shadow, HTTP_SHADOW_MAGIC);
    shadow->is_answered = true;
    upstream_report_response(shadow->io, shadow->request, http_status_of(headers));
    if (end_stream) {
        end_later(shadow);
    }
}

static void on_informational(void *arg, struct header_map *headers) {
    struct http_shadow *shadow = arg;
    CHECK_MAGIC(shadow, HTTP_SHADOW_MAGIC);
    upstream_report_interim(shadow->io, shadow->request, http_status_of(headers));
}

static void on_data(void *arg, struct buffer *data, bool end_stream) {
    struct http_shadow *shadow = arg;
    CHECK_MAGIC(shadow, HTTP_SHADOW_MAGIC);
    buffer_clear(data);
    if (end_stream) {
        end_later(shadow);
    }
}

static void on_trailers(void *arg, struct header_map *trailers) {
    struct http_shadow *shadow = arg;
    CHECK_MAGIC(shadow, HTTP_SHADOW_MAGIC);
    (void)trailers;
    end_later(shadow);
}

static void on_reset(void *arg, enum http_reset_reason reason, const char *detail) {
    struct http_shadow *shadow = arg;
    CHECK_MAGIC(shadow, HTTP_SHADOW_MAGIC);
    (void)detail;
    if (!shadow->is_answered) {
        if (reason != HTTP_RESET_OVERFLOW) {
            upstream_report_local_failure(shadow->io, upstream_request_host(shadow->request),
                                          shadow->cluster_slot, false);
        }
        report_failure(shadow, reason == HTTP_RESET_PROTOCOL_ERROR ? 502 : 503);
    }
    end_later(shadow);
}

static void on_stream_closed(void *arg) {
    struct http_shadow *shadow = arg;
    CHECK_MAGIC(shadow, HTTP_SHADOW_MAGIC);
    end_later(shadow);
}

static void on_watermark(void *arg) {
    // Nothing is paused for a shadow: http_shadow_data gives it up instead.
    (void)arg;
}

static const struct http_stream_sink_ops sink_ops = {
    .on_headers = on_headers,
    .on_informational = on_informational,
    .on_data = on_data,
    .on_trailers = on_trailers,
    .on_reset = on_reset,
    .on_stream_closed = on_stream_closed,
    .on_above_high_watermark = on_watermark,
    .on_below_low_watermark = on_watermark,
};

static void on_deadline(void *arg) {
    struct http_shadow *shadow = arg;
    CHECK_MAGIC(shadow, HTTP_SHADOW_MAGIC);
    stats_inc(upstream_cluster_stats(shadow->io, shadow->cluster_slot), shadow->io->index,
              CLUSTER_STAT_UPSTREAM_RQ_TIMEOUT);
    if (!shadow->is_answered) {
        upstream_report_local_failure(shadow->io, upstream_request_host(shadow->request),
                                      shadow->cluster_slot, true);
        report_failure(shadow, 504);
    }
    end(shadow);
}

static void request_is_whole(struct http_shadow *shadow) {
    let_go(shadow);
    if (shadow->timeout_ms != 0) {
        timer_arm(shadow->io->loop, &shadow->deadline, shadow->timeout_ms);
    }
}

static struct http_shadow *shadow_new(const struct http_shadow_options *options) {
    struct arena arena;
    arena_init(&arena, &options->io->arena_blocks);
    struct http_shadow *shadow = ARENA_NEW(&arena, struct http_shadow);
    shadow->arena = arena;
    shadow->magic = HTTP_SHADOW_MAGIC;
    shadow->io = options->io;
    shadow->cluster_slot = options->cluster_slot;
    shadow->timeout_ms = options->timeout_ms;
    shadow->slot = options->slot;
    timer_init(&shadow->deadline, on_deadline, shadow);
    event_deferred_init(&shadow->farewell, on_farewell, shadow);
    list_push_back(&options->io->upstream->shadows, &shadow->node);
    return shadow;
}

static void copy_headers(struct http_shadow *shadow, const struct http_shadow_options *options) {
    struct header_map *headers = &shadow->headers;
    header_map_copy(headers, options->headers, &shadow->arena);
    header_map_set_copy(headers, HEADER_AUTHORITY, options->authority);
    header_map_set(headers, HEADER_X_ENVOY_INTERNAL, SLICE("true"));
    if (options->tells_timeout && options->timeout_ms != 0) {
        header_map_set_uint(headers, HEADER_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS, options->timeout_ms);
    }
}

void http_shadow_start(const struct http_shadow_options *options, bool end_stream) {
    struct http_shadow *shadow = shadow_new(options);
    *options->slot = shadow;
    copy_headers(shadow, options);
    struct upstream_request_options request = {
        .io = options->io,
        .arena = &shadow->arena,
        .cluster_slot = options->cluster_slot,
        .lb = {.request_headers = &shadow->headers},
        .downstream_protocol = HTTP_1_1,
        .is_upgrade = options->is_upgrade,
        .sni_override = header_map_get(&shadow->headers, HEADER_AUTHORITY),
        .sink = {.ops = &sink_ops, .arg = shadow, .arena = &shadow->arena},
    };
    enum upstream_failure failure;
    shadow->request = upstream_request_start(&request, &failure);
    if (shadow->request == NULL) {
        report_failure(shadow, 503);
        end(shadow);
        return;
    }
    upstream_request_headers(shadow->request, &shadow->headers, end_stream);
    if (end_stream) {
        request_is_whole(shadow);
    }
}

bool http_shadow_data(struct http_shadow *shadow, const struct buffer *data, bool end_stream,
                      size_t max_held_bytes) {
    CHECK_MAGIC(shadow, HTTP_SHADOW_MAGIC);
    struct buffer copy;
    buffer_init(&copy, &shadow->io->buffers);
    buffer_share(&copy, data);
    upstream_request_data(shadow->request, &copy, end_stream);
    buffer_deinit(&copy);
    if (shadow->is_over) { /* by what the codec made of it; *slot is clear */
        return true;
    }
    if (http_shadow_held_bytes(shadow) > max_held_bytes) {
        end(shadow);
        return false;
    }
    if (end_stream) {
        request_is_whole(shadow);
    }
    return true;
}

void http_shadow_trailers(struct http_shadow *shadow, const struct header_map *trailers) {
    CHECK_MAGIC(shadow, HTTP_SHADOW_MAGIC);
    header_map_copy(&shadow->trailers, trailers, &shadow->arena);
    upstream_request_trailers(shadow->request, &shadow->trailers);
    if (!shadow->is_over) {
        request_is_whole(shadow);
    }
}

void http_shadow_cancel(struct http_shadow *shadow) {
    CHECK_MAGIC(shadow, HTTP_SHADOW_MAGIC);
    end(shadow);
}

size_t http_shadow_held_bytes(const struct http_shadow *shadow) {
    CHECK_MAGIC(shadow, HTTP_SHADOW_MAGIC);
    return upstream_request_held_bytes(shadow->request);
}

void http_shadow_end_all(struct list_node *shadows) {
    while (!list_is_empty(shadows)) {
        end(LIST_ENTRY(shadows->next, struct http_shadow, node));
    }
}
