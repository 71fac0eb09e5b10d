// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/upstream_request_internal.h"

#include "src/base/check.h"
#include "src/http/upgrade.h"

static uint64_t now_us(const struct upstream_request *request) {
    return event_loop_now_us(request->io->loop);
}

static void change_above(struct upstream_request *request, bool is_above) {
    const struct http_stream_sink *sink = &request->sink;
    if (is_above) {
        if (request->above_count++ == 0) {
            sink->ops->on_above_high_watermark(sink->arg);
        }
    } else if (--request->above_count == 0) {
        sink->ops->on_below_low_watermark(sink->arg);
    }
}

void upstream_request_connection_above(struct upstream_request *request, bool is_above) {
    CHECK_MAGIC(request, UPSTREAM_REQUEST_MAGIC);
    if (request->is_connection_above != is_above) {
        request->is_connection_above = is_above;
        change_above(request, is_above);
    }
}

static bool is_http1(const struct upstream_request *request) {
    return request->client->protocol != HTTP_2;
}

/* A connection that was paused for this request must read again for the next one. */
static void undo_read_disable(struct upstream_request *request) {
    if (request->stream != NULL && request->read_disable_count > 0 && is_http1(request)) {
        request->read_disable_count = 0;
        connection_read_disable(request->client->connection, false);
    }
}

/* Off the connection. `keep`: the connection may serve others. */
/* What Envoy counts of streams; an HTTP/1 connection has none. */
static void count_reset(const struct upstream_request *request, enum http_reset_reason reason) {
    if (is_http1(request)) {
        return;
    }
    if (reason == HTTP_RESET_REMOTE) {
        conn_pool_count(request->pool, CLUSTER_STAT_UPSTREAM_RQ_RX_RESET);
    } else if (reason == HTTP_RESET_PROTOCOL_ERROR) {
        conn_pool_count(request->pool, CLUSTER_STAT_UPSTREAM_RQ_TX_RESET);
    } else if (reason == HTTP_RESET_CONNECTION_TERMINATION) {
        conn_pool_count(request->pool, CLUSTER_STAT_UPSTREAM_RQ_PENDING_FAILURE_EJECT);
    }
}

static void leave_connection(struct upstream_request *request, bool keep) {
    struct http_client *client = request->client;
    event_loop_defer_cancel(&request->open);
    if (keep) {
        undo_read_disable(request);
    }
    request->stream = NULL;
    request->client = NULL;
    request->state = UPSTREAM_REQUEST_DONE;
    http_client_detach(client, request, keep);
}

/* In the middle of an exchange: HTTP/1 cannot end a message early and go on. */
static void cut_off(struct upstream_request *request) {
    request->client->was_cut_off = request->client->was_cut_off || is_http1(request);
    leave_connection(request, !is_http1(request));
}

static void copy_byte_counts(struct upstream_request *request) {
    struct upstream_info *info = request->info;
    const struct http_codec_stream *stream = request->stream;
    if (info == NULL || stream == NULL) {
        return;
    }
    info->sent = stream->sent;
    info->received = stream->received;
}

static void note_received(struct upstream_request *request) {
    struct upstream_info *info = request->info;
    if (info != NULL) {
        info->last_rx_us = now_us(request);
        info->first_rx_us = info->first_rx_us == 0 ? info->last_rx_us : info->first_rx_us;
    }
    copy_byte_counts(request);
}

static void sink_headers(void *arg, struct header_map *headers, bool end_stream) {
    struct upstream_request *request = arg;
    CHECK_MAGIC(request, UPSTREAM_REQUEST_MAGIC);
    note_received(request);
    if (request->upgrade_protocol.len > 0) {
        upgrade_response_to_http1(headers, request->upgrade_protocol);
        request->upgrade_protocol = (struct slice){NULL, 0}; // a text of the request's head
    }
    uint32_t status = http_status_of(headers);
    // From here on the connection carries something else than HTTP/1.
    request->is_upgraded = status == 101 || (request->is_connect && status >= 200 && status < 300);
    request->sink.ops->on_headers(request->sink.arg, headers, end_stream);
}

static void sink_informational(void *arg, struct header_map *headers) {
    struct upstream_request *request = arg;
    CHECK_MAGIC(request, UPSTREAM_REQUEST_MAGIC);
    note_received(request);
    request->sink.ops->on_informational(request->sink.arg, headers);
}

static void sink_data(void *arg, struct buffer *data, bool end_stream) {
    struct upstream_request *request = arg;
    CHECK_MAGIC(request, UPSTREAM_REQUEST_MAGIC);
    note_received(request);
    request->sink.ops->on_data(request->sink.arg, data, end_stream);
}

static void sink_trailers(void *arg, struct header_map *trailers) {
    struct upstream_request *request = arg;
    CHECK_MAGIC(request, UPSTREAM_REQUEST_MAGIC);
    note_received(request);
    request->sink.ops->on_trailers(request->sink.arg, trailers);
}

static void sink_reset(void *arg, enum http_reset_reason reason, const char *detail) {
    struct upstream_request *request = arg;
    CHECK_MAGIC(request, UPSTREAM_REQUEST_MAGIC);
    count_reset(request, reason);
    if (reason == HTTP_RESET_CONNECTION_TERMINATION) {
        request->client->was_cut_off = true;
    }
    cut_off(request);
    request->sink.ops->on_reset(request->sink.arg, reason, detail);
}

static void sink_closed(void *arg) {
    struct upstream_request *request = arg;
    CHECK_MAGIC(request, UPSTREAM_REQUEST_MAGIC);
    copy_byte_counts(request);
    if (request->complete_us != 0) {
        stats_record(conn_pool_state(request->pool)->stats, request->io->index,
                     CLUSTER_STAT_UPSTREAM_RQ_TIME,
                     (now_us(request) - request->complete_us) / 1000);
    }
    leave_connection(request, !(request->is_upgraded && is_http1(request)));
    request->sink.ops->on_stream_closed(request->sink.arg);
}

static void sink_above(void *arg) {
    struct upstream_request *request = arg;
    CHECK_MAGIC(request, UPSTREAM_REQUEST_MAGIC);
    change_above(request, true);
}

static void sink_below(void *arg) {
    struct upstream_request *request = arg;
    CHECK_MAGIC(request, UPSTREAM_REQUEST_MAGIC);
    change_above(request, false);
}

static const struct http_stream_sink_ops codec_sink_ops = {
    .on_headers = sink_headers,
    .on_informational = sink_informational,
    .on_data = sink_data,
    .on_trailers = sink_trailers,
    .on_reset = sink_reset,
    .on_stream_closed = sink_closed,
    .on_above_high_watermark = sink_above,
    .on_below_low_watermark = sink_below,
};

void upstream_request_fail(struct upstream_request *request, enum http_reset_reason reason,
                           const char *detail) {
    CHECK_MAGIC(request, UPSTREAM_REQUEST_MAGIC);
    ASSERT(!list_is_linked(&request->node));
    request->state = UPSTREAM_REQUEST_DONE;
    request->sink.ops->on_reset(request->sink.arg, reason, detail);
}

void upstream_request_lost(struct upstream_request *request) {
    CHECK_MAGIC(request, UPSTREAM_REQUEST_MAGIC);
    leave_connection(request, false);
    upstream_request_fail(request, HTTP_RESET_CONNECTION_TERMINATION, "connection termination");
}

void upstream_request_reserved(struct upstream_request *request, struct http_client *client) {
    CHECK_MAGIC(request, UPSTREAM_REQUEST_MAGIC);
    request->state = UPSTREAM_REQUEST_RESERVED;
    request->client = client;
    event_loop_defer(request->io->loop, &request->open);
}

/* Our direction ended. */
static void note_complete(struct upstream_request *request) {
    request->complete_us = now_us(request);
}

static void fail_invalid(void *arg) {
    upstream_request_fail(arg, HTTP_RESET_LOCAL, "invalid request headers");
}

/* HTTP/2 has a form of its own for upgrades; the caller's map stays as it is, for another attempt. */
static const struct header_map *headers_to_send(struct upstream_request *request) {
    const struct header_map *headers = request->headers;
    if (is_http1(request) || !header_map_has(headers, HEADER_UPGRADE)) {
        return headers;
    }
    struct header_map *copy = ARENA_NEW(request->sink.arena, struct header_map);
    header_map_copy(copy, headers, request->sink.arena);
    request->upgrade_protocol = header_map_get(copy, HEADER_UPGRADE);
    upgrade_request_to_http2(copy);
    return copy;
}

/* What is encoded may end the stream (an early answer, a reset): `request` stays, its stream may not. */
static void send_headers(struct upstream_request *request) {
    const struct header_map *headers = headers_to_send(request);
    bool end_stream = request->end_with_headers;
    request->headers = NULL;
    struct upstream_info *info = request->info;
    if (info != NULL) {
        info->first_tx_us = now_us(request);
        info->last_tx_us = info->first_tx_us;
    }
    if (end_stream) {
        note_complete(request);
    }
    if (http_stream_encode_headers(request->stream, headers, end_stream) == STATUS_OK) {
        return;
    }
    http_stream_reset(request->stream, HTTP_RESET_LOCAL);
    leave_connection(request, !is_http1(request));
    // The owner may be the one who called.
    event_deferred_init(&request->open, fail_invalid, request);
    event_loop_defer(request->io->loop, &request->open);
}

static void send_body(struct upstream_request *request) {
    bool end_stream = request->end_with_body;
    if (request->is_body_above) {
        request->is_body_above = false;
        change_above(request, false);
        if (request->state != UPSTREAM_REQUEST_ACTIVE) {
            return;
        }
    }
    if (request->info != NULL) {
        request->info->last_tx_us = now_us(request);
    }
    if (end_stream) {
        note_complete(request);
        request->end_with_body = false;
    }
    http_stream_encode_data(request->stream, &request->body, end_stream);
}

static void send_trailers(struct upstream_request *request) {
    const struct header_map *trailers = request->trailers;
    request->trailers = NULL;
    note_complete(request);
    if (request->info != NULL) {
        request->info->last_tx_us = now_us(request);
    }
    http_stream_encode_trailers(request->stream, trailers);
}

static void send_waiting(struct upstream_request *request) {
    if (request->headers != NULL) {
        send_headers(request);
    }
    bool has_body = !buffer_is_empty(&request->body) || request->end_with_body;
    if (request->state == UPSTREAM_REQUEST_ACTIVE && has_body) {
        send_body(request);
    }
    if (request->state == UPSTREAM_REQUEST_ACTIVE && request->trailers != NULL) {
        send_trailers(request);
    }
}

static void note_connection(struct upstream_request *request) {
    struct upstream_info *info = request->info;
    const struct http_client *client = request->client;
    if (info == NULL) {
        return;
    }
    info->pool_ready_us = now_us(request);
    info->protocol = client->protocol;
    info->has_protocol = true;
    info->connection_id = connection_id(client->connection);
    info->connection_requests = client->served;
    const struct address *local = connection_local_address(client->connection);
    info->local = local == NULL ? (struct stored_address){.len = 0}
                                : stored_address_keep(local, request->arena);
    if (request->pool->settings.is_tls) {
        struct transport *transport = connection_transport(client->connection);
        info->peer = transport->ops->peer(transport, request->arena);
    }
}

static void open_stream(void *arg) {
    struct upstream_request *request = arg;
    CHECK_MAGIC(request, UPSTREAM_REQUEST_MAGIC);
    ASSERT(request->state == UPSTREAM_REQUEST_RESERVED);
    struct http_client *client = request->client;
    struct http_stream_sink sink = request->sink;
    sink.ops = &codec_sink_ops;
    sink.arg = request;
    request->stream = http_codec_new_stream(client->codec, &sink);
    if (request->stream == NULL) {
        upstream_request_lost(request);
        return;
    }
    request->state = UPSTREAM_REQUEST_ACTIVE;
    note_connection(request);
    for (uint32_t i = 0; i < request->read_disable_count; i++) {
        http_stream_read_disable(request->stream, true);
    }
    if (request->read_disable_count > 0 && is_http1(request)) {
        connection_read_disable(client->connection, true);
    }
    if (client->is_above_high) {
        upstream_request_connection_above(request, true);
    }
    if (request->state == UPSTREAM_REQUEST_ACTIVE && request->on_pool_ready != NULL) {
        request->on_pool_ready(request->sink.arg);
    }
    if (request->state == UPSTREAM_REQUEST_ACTIVE) {
        send_waiting(request);
    }
}

static struct upstream_request *request_new(const struct upstream_request_options *options,
                                            struct conn_pool *pool) {
    struct upstream_request *request = ARENA_NEW(options->arena, struct upstream_request);
    request->magic = UPSTREAM_REQUEST_MAGIC;
    request->io = options->io;
    request->arena = options->arena;
    request->info = options->info;
    request->sink = options->sink;
    request->on_pool_ready = options->on_pool_ready;
    request->cluster_slot = options->cluster_slot;
    request->buffer_limit_bytes = options->buffer_limit_bytes;
    request->pool = pool;
    list_init(&request->node);
    event_deferred_init(&request->open, open_stream, request);
    buffer_init(&request->body, &options->io->buffers);
    return request;
}

enum { MILLION = 1000000 };

/* What drop_overloads makes of this request; UPSTREAM_FAILURE_NONE: nothing. */
static enum upstream_failure draw_drop(struct io_context *io, const struct cluster_part *part) {
    const struct config_part *found =
        config_snapshot_part(io->snapshot, CONFIG_ENDPOINT, part->endpoint_slot);
    const struct host_set *hosts = (const struct host_set *)(const void *)found;
    uint32_t rate = hosts == NULL ? 0 : hosts->drop_overload_per_million;
    if (rate == MILLION) {
        return UPSTREAM_FAILURE_DROPPED_ALL;
    }
    bool is_dropped = rate != 0 && random_below(&io->random, MILLION) < rate;
    return is_dropped ? UPSTREAM_FAILURE_DROPPED : UPSTREAM_FAILURE_NONE;
}

struct upstream_request *upstream_request_start(const struct upstream_request_options *options,
                                                enum upstream_failure *failure) {
    struct io_context *io = options->io;
    *failure = UPSTREAM_FAILURE_NONE;
    const struct cluster_part *part = upstream_cluster_part(io, options->cluster_slot);
    if (part == NULL) {
        *failure = UPSTREAM_FAILURE_NO_CLUSTER;
        return NULL;
    }
    struct worker_cluster *cluster = worker_cluster_get(io->upstream, part);
    if (options->info != NULL) {
        upstream_info_set_host(options->info, options->arena, cluster->state, NULL);
    }
    *failure = draw_drop(io, part);
    if (*failure != UPSTREAM_FAILURE_NONE) {
        return NULL;
    }
    struct worker_host *host = worker_cluster_choose_host(cluster, part, &options->lb, failure);
    if (host == NULL) {
        return NULL;
    }
    if (options->info != NULL) {
        upstream_info_set_host(options->info, options->arena, cluster->state, host->host);
    }
    struct conn_pool *pool = conn_pool_get(host, part, options);
    if (pool == NULL) {
        *failure = UPSTREAM_FAILURE_NO_HOST; // none that may be asked, as in Envoy
        if (options->info != NULL) {
            upstream_info_clear_host(options->info);
        }
        worker_host_release_if_unused(host);
        return NULL;
    }
    struct upstream_request *request = request_new(options, pool);
    bool has_to_wait = list_is_empty(&pool->ready);
    if (!conn_pool_submit(pool, request)) {
        request->magic = 0;
        conn_pool_check_unused(pool);
        *failure = has_to_wait ? UPSTREAM_FAILURE_PENDING : UPSTREAM_FAILURE_OVERFLOW;
        if (has_to_wait && options->info != NULL) {
            upstream_info_clear_host(options->info); // as in Envoy
        }
        return NULL;
    }
    return request;
}

void upstream_request_headers(struct upstream_request *request, const struct header_map *headers,
                              bool end_stream) {
    CHECK_MAGIC(request, UPSTREAM_REQUEST_MAGIC);
    ASSERT(!request->has_headers);
    request->has_headers = true;
    request->is_internal =
        slice_equal(header_map_get(headers, HEADER_X_ENVOY_INTERNAL), SLICE("true"));
    request->is_connect = http_is_connect(headers);
    if (request->state == UPSTREAM_REQUEST_DONE) {
        return;
    }
    request->headers = headers;
    request->end_with_headers = end_stream;
    if (request->state == UPSTREAM_REQUEST_ACTIVE) {
        send_headers(request);
    }
}

void upstream_request_data(struct upstream_request *request, struct buffer *data, bool end_stream) {
    CHECK_MAGIC(request, UPSTREAM_REQUEST_MAGIC);
    if (request->state == UPSTREAM_REQUEST_DONE) {
        buffer_clear(data);
        return;
    }
    buffer_move(&request->body, data);
    request->end_with_body = end_stream;
    if (request->state == UPSTREAM_REQUEST_ACTIVE && request->headers == NULL) {
        send_body(request);
        return;
    }
    uint32_t limit = request->buffer_limit_bytes;
    if (limit != 0 && request->body.len > limit && !request->is_body_above) {
        request->is_body_above = true;
        change_above(request, true);
    }
}

void upstream_request_trailers(struct upstream_request *request,
                               const struct header_map *trailers) {
    CHECK_MAGIC(request, UPSTREAM_REQUEST_MAGIC);
    if (request->state == UPSTREAM_REQUEST_DONE) {
        return;
    }
    request->trailers = trailers;
    if (request->state == UPSTREAM_REQUEST_ACTIVE && request->headers == NULL) {
        send_trailers(request);
    }
}

void upstream_request_read_disable(struct upstream_request *request, bool disable) {
    CHECK_MAGIC(request, UPSTREAM_REQUEST_MAGIC);
    uint32_t before = request->read_disable_count;
    ASSERT(disable || before > 0);
    request->read_disable_count = disable ? before + 1 : before - 1;
    if (request->state != UPSTREAM_REQUEST_ACTIVE) {
        return;
    }
    conn_pool_count(request->pool, disable
                                       ? CLUSTER_STAT_UPSTREAM_FLOW_CONTROL_PAUSED_READING_TOTAL
                                       : CLUSTER_STAT_UPSTREAM_FLOW_CONTROL_RESUMED_READING_TOTAL);
    struct connection *connection = is_http1(request) ? request->client->connection : NULL;
    http_stream_read_disable(request->stream, disable);
    // An HTTP/1 connection has nobody else to read for; resumed last, for it may deliver at once.
    bool is_edge = disable ? before == 0 : before == 1;
    if (connection != NULL && is_edge) {
        connection_read_disable(connection, disable);
    }
}

void upstream_request_end(struct upstream_request *request, enum http_reset_reason reason) {
    CHECK_MAGIC(request, UPSTREAM_REQUEST_MAGIC);
    struct conn_pool *pool = request->pool;
    event_loop_defer_cancel(&request->open);
    switch (request->state) {
    case UPSTREAM_REQUEST_PENDING:
        conn_pool_unqueue(pool, request);
        conn_pool_count(pool, CLUSTER_STAT_UPSTREAM_RQ_CANCELLED);
        break;
    case UPSTREAM_REQUEST_RESERVED:
        leave_connection(request, true);
        break;
    case UPSTREAM_REQUEST_ACTIVE:
        copy_byte_counts(request);
        if (!is_http1(request)) {
            conn_pool_count(pool, CLUSTER_STAT_UPSTREAM_RQ_TX_RESET);
        }
        http_stream_reset(request->stream, reason);
        cut_off(request);
        break;
    case UPSTREAM_REQUEST_DONE:
        break;
    }
    buffer_deinit(&request->body);
    request->magic = 0;
    pool->request_count--;
    conn_pool_check_unused(pool);
}

size_t upstream_request_held_bytes(const struct upstream_request *request) {
    CHECK_MAGIC(request, UPSTREAM_REQUEST_MAGIC);
    size_t held = request->body.len;
    if (request->state == UPSTREAM_REQUEST_ACTIVE) {
        const struct http_client *client = request->client;
        // Of a connection that is shared nobody knows whose the bytes are.
        held += http_codec_stream_held_bytes(request->stream) +
                connection_held_bytes(client->connection) / client->active;
    }
    return held;
}

struct host *upstream_request_host(const struct upstream_request *request) {
    return request->pool->host->host;
}

const struct cluster_part *upstream_request_cluster(const struct upstream_request *request) {
    return upstream_cluster_part(request->io, request->cluster_slot);
}
