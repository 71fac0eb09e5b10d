// SPDX-License-Identifier: Apache-2.0
#include "src/stream/http_connection.h"

#include "src/base/check.h"
#include "src/base/log.h"
#include "src/event/io_context.h"
#include "src/overload/overload_state.h"
#include "src/overload/overload_timeouts.h"
#include "src/stream/http_connection_stats.h"
#include "src/stream/http_stream.h"

enum { HTTP_CONNECTION_MAGIC = 0x68636f6e, MAX_LEFT_INPUT_BYTES = 64 * 1024 };

static struct http_connection *from_filter(struct network_filter *f) {
    struct http_connection *conn = (struct http_connection *)(void *)f;
    CHECK_MAGIC(conn, HTTP_CONNECTION_MAGIC);
    return conn;
}

void http_connection_count(struct http_connection *conn, uint32_t stat) {
    stats_inc(conn->shared->stats, conn->io->index, stat);
}

static struct connection *socket_of(struct http_connection *conn) {
    return network_filter_connection(&conn->base);
}

/* ---- closing ---- */

static void close_socket(struct http_connection *conn, enum connection_close_kind kind) {
    conn->drain = HTTP_CONNECTION_CLOSED;
    connection_close(socket_of(conn), kind);
}

void http_connection_close_now(struct http_connection *conn) {
    close_socket(conn, CONNECTION_CLOSE_NOW);
}

/* A client may still be sending: the delayed close lets it read our last bytes. At the server's end
 * nobody waits for that, a request that was not taken is safe to repeat. */
static void close_in_order(struct http_connection *conn) {
    close_socket(conn, conn->is_shutting_down ? CONNECTION_CLOSE_FLUSH
                                              : CONNECTION_CLOSE_FLUSH_AND_DELAY);
}

/* Step 2 of a drain: no new streams; the connection goes with the last one. */
static void stop_accepting(struct http_connection *conn) {
    if (conn->drain >= HTTP_CONNECTION_CLOSING) {
        return;
    }
    conn->drain = HTTP_CONNECTION_CLOSING;
    timer_cancel(&conn->idle_timer);
    if (conn->codec != NULL) {
        http_codec_goaway(conn->codec);
    }
    if (conn->stream_count == 0) {
        close_in_order(conn);
    }
}

void http_connection_begin_drain(struct http_connection *conn) {
    if (conn->drain != HTTP_CONNECTION_SERVING) {
        return;
    }
    if (conn->codec == NULL) {
        conn->drain = HTTP_CONNECTION_NOTICED;
        stop_accepting(conn);
        return;
    }
    conn->drain = HTTP_CONNECTION_NOTICED;
    http_codec_shutdown_notice(conn->codec);
    timer_arm(conn->io->loop, &conn->idle_timer, conn->config->drain_timeout_ms);
}

/* The idle timer runs on while streams are open, and is asked for anew when the last one ends: a later
 * deadline costs one store, taking the timer out and back in for each request would not.
 * An HTTP/1.1 connection between requests has nobody to notify: what is left to wait for is a request
 * that is already on its way, which the drain timeout allows for. */
static void on_idle_timer(void *arg) {
    struct http_connection *conn = arg;
    CHECK_MAGIC(conn, HTTP_CONNECTION_MAGIC);
    if (conn->drain == HTTP_CONNECTION_NOTICED) {
        stop_accepting(conn);
        return;
    }
    if (conn->stream_count == 0) {
        http_connection_count(conn, HCM_DOWNSTREAM_CX_IDLE_TIMEOUT);
        http_connection_begin_drain(conn);
    }
}

static void on_duration_timer(void *arg) {
    struct http_connection *conn = arg;
    CHECK_MAGIC(conn, HTTP_CONNECTION_MAGIC);
    http_connection_count(conn, HCM_DOWNSTREAM_CX_MAX_DURATION_REACHED);
    http_connection_begin_drain(conn);
}

static void arm_idle(struct http_connection *conn) {
    if (conn->drain == HTTP_CONNECTION_SERVING && conn->config->idle_timeout_ms != 0) {
        timer_arm(conn->io->loop, &conn->idle_timer,
                  overload_timeout(conn->io, OVERLOAD_TIMER_CONNECTION_IDLE,
                                   conn->config->idle_timeout_ms));
    }
}

bool http_connection_should_drain(struct http_connection *conn) {
    if (conn->drain != HTTP_CONNECTION_SERVING) {
        return false;
    }
    uint32_t max_requests = conn->config->max_requests_per_connection;
    if (max_requests != 0 && conn->stream_total >= max_requests) {
        http_connection_count(conn, HCM_DOWNSTREAM_CX_MAX_REQUESTS_REACHED);
        return true;
    }
    if (network_filter_should_close_for_drain(&conn->base)) {
        http_connection_count(conn, HCM_DOWNSTREAM_CX_DRAIN_CLOSE);
        return true;
    }
    if (overload_hits(conn->overload, OVERLOAD_DISABLE_HTTP_KEEPALIVE, &conn->io->random)) {
        http_connection_count(conn, HCM_DOWNSTREAM_CX_OVERLOAD_DISABLE_KEEPALIVE);
        return true;
    }
    if (load_is_shed(conn->overload, LOAD_SHED_HTTP2_GO_AWAY, conn->io)) {
        return true;
    }
    return false;
}

/* ---- HTTP/2 keepalive ---- */

static void on_keepalive_timer(void *arg) {
    struct http_connection *conn = arg;
    CHECK_MAGIC(conn, HTTP_CONNECTION_MAGIC);
    if (conn->keepalive->ping_outstanding) {
        close_socket(conn, CONNECTION_CLOSE_NOW);
        return;
    }
    conn->keepalive->ping_outstanding = true;
    http_codec_ping(conn->codec);
    timer_arm(conn->io->loop, &conn->keepalive->timer, conn->config->h2_keepalive_timeout_ms);
}

static void on_pong(void *arg) {
    struct http_connection *conn = arg;
    if (conn->keepalive == NULL || !conn->keepalive->ping_outstanding) {
        return; // an answer to nothing: RFC 9113 §6.7 lets the peer send it
    }
    conn->keepalive->ping_outstanding = false;
    timer_arm(conn->io->loop, &conn->keepalive->timer, conn->config->h2_keepalive_interval_ms);
}

/* ---- codec callbacks ---- */

static bool on_new_stream(void *arg, struct http_codec_stream *codec_stream,
                          struct http_stream_sink *sink) {
    struct http_connection *conn = arg;
    if (conn->drain >= HTTP_CONNECTION_CLOSING) {
        return false;
    }
    struct http_stream *stream = http_stream_new(conn, codec_stream, sink);
    list_push_back(&conn->streams, &stream->node);
    conn->stream_count++;
    conn->stream_total++;
    return true;
}

static void on_bad_request(void *arg, struct http_codec_stream *codec_stream, uint32_t status,
                           const char *detail) {
    struct http_connection *conn = arg;
    if (status != 500) { // else it is the overload manager's doing
        http_connection_count(conn, HCM_DOWNSTREAM_CX_PROTOCOL_ERROR);
    }
    LIST_FOR_EACH_SAFE (node, &conn->streams) {
        struct http_stream *stream = LIST_ENTRY(node, struct http_stream, node);
        if (stream->codec == codec_stream) {
            http_stream_bad_request(stream, status, detail);
            return;
        }
    }
}

static void on_output(void *arg) {
    struct http_connection *conn = arg;
    connection_output_added(socket_of(conn));
}

static const struct http_codec_callbacks codec_callbacks = {
    .on_new_stream = on_new_stream,
    .on_bad_request = on_bad_request,
    .on_output = on_output,
    .on_pong = on_pong,
};

/* ---- choosing the codec ---- */

static const struct slice http2_preface_start = SLICE_INIT("PRI * HTTP/2");

/* STATUS_AGAIN while the bytes so far could still become the HTTP/2 preface. */
static enum status choose_protocol(struct http_connection *conn, struct buffer *input,
                                   bool *is_http2) {
    *is_http2 = conn->config->codec == HCM_CODEC_HTTP2;
    if (conn->config->codec != HCM_CODEC_AUTO) {
        return STATUS_OK;
    }
    const struct connection_info *info = network_filter_connection_info(&conn->base);
    if (conn->is_tls && connection_info_peer(info)->alpn.len > 0) {
        *is_http2 = slice_equal(connection_info_peer(info)->alpn, SLICE("h2"));
        return STATUS_OK;
    }
    size_t len = input->len < http2_preface_start.len ? input->len : http2_preface_start.len;
    struct slice start = buffer_linearize(input, len);
    bool matches = slice_starts_with(http2_preface_start, start);
    if (matches && len < http2_preface_start.len) {
        return STATUS_AGAIN;
    }
    *is_http2 = matches;
    return STATUS_OK;
}

static void start_keepalive(struct http_connection *conn) {
    uint32_t interval_ms = conn->config->h2_keepalive_interval_ms;
    if (interval_ms != 0) {
        conn->keepalive = mem_calloc(1, sizeof(*conn->keepalive));
        timer_init(&conn->keepalive->timer, on_keepalive_timer, conn);
        timer_arm(conn->io->loop, &conn->keepalive->timer, interval_ms);
    }
}

static enum status create_codec(struct http_connection *conn, struct buffer *input) {
    bool is_http2 = false;
    TRY(choose_protocol(conn, input, &is_http2));
    const struct http_connection_manager_config *config = conn->config;
    struct http_codec_options options = {
        .io = conn->io,
        .callbacks = &codec_callbacks,
        .arg = conn,
        .output = connection_output(socket_of(conn)),
        .max_headers_bytes = config->max_request_headers_kb * 1024,
        .max_headers_count = config->max_headers_count,
        .stream_buffer_bytes =
            network_filter_listener(&conn->base)->per_connection_buffer_limit_bytes,
        .stats = is_http2 ? conn->shared->http2_stats : conn->shared->http1_stats,
        .underscores = config->underscores,
    };
    conn->codec = is_http2 ? http2_server_codec_new(&options, &config->http2)
                           : http1_server_codec_new(&options, &config->http1);
    http_connection_count(conn,
                          is_http2 ? HCM_DOWNSTREAM_CX_HTTP2_TOTAL : HCM_DOWNSTREAM_CX_HTTP1_TOTAL);
    http_connection_count(conn, is_http2 ? HCM_DOWNSTREAM_CX_HTTP2_ACTIVE
                                         : HCM_DOWNSTREAM_CX_HTTP1_ACTIVE);
    if (is_http2) {
        start_keepalive(conn);
    }
    return STATUS_OK;
}

/* ---- network filter callbacks ---- */

static enum network_filter_verdict on_new_connection(struct network_filter *f) {
    struct http_connection *conn = from_filter(f);
    conn->is_tls = network_filter_connection_info(f)->transport != NULL &&
                   connection_info_peer(network_filter_connection_info(f))->is_tls;
    http_connection_count(conn, HCM_DOWNSTREAM_CX_TOTAL);
    http_connection_count(conn, HCM_DOWNSTREAM_CX_ACTIVE);
    if (conn->is_tls) {
        http_connection_count(conn, HCM_DOWNSTREAM_CX_SSL_TOTAL);
        http_connection_count(conn, HCM_DOWNSTREAM_CX_SSL_ACTIVE);
    }
    connection_set_delayed_close(socket_of(conn), conn->config->delayed_close_timeout_ms);
    arm_idle(conn);
    if (conn->config->max_connection_duration_ms != 0) {
        conn->duration_timer = mem_alloc(sizeof(*conn->duration_timer));
        timer_init(conn->duration_timer, on_duration_timer, conn);
        timer_arm(conn->io->loop, conn->duration_timer,
                  overload_timeout(conn->io, OVERLOAD_TIMER_CONNECTION_MAX,
                                   conn->config->max_connection_duration_ms));
    }
    return NETWORK_FILTER_STOP;
}

static void count_bytes(struct http_connection *conn) {
    uint64_t received = connection_bytes_received(socket_of(conn));
    uint64_t sent = connection_bytes_sent(socket_of(conn));
    stats_add(conn->shared->stats, conn->io->index, HCM_DOWNSTREAM_CX_RX_BYTES_TOTAL,
              received - conn->bytes_received_seen);
    stats_add(conn->shared->stats, conn->io->index, HCM_DOWNSTREAM_CX_TX_BYTES_TOTAL,
              sent - conn->bytes_sent_seen);
    conn->bytes_received_seen = received;
    conn->bytes_sent_seen = sent;
}

static void on_protocol_error(struct http_connection *conn, const struct error *err) {
    LOG(HTTP, DEBUG, "[C%lu] protocol error: %s", (unsigned long)connection_id(socket_of(conn)),
        err->message);
    http_codec_connection_lost(conn->codec, HTTP_RESET_PROTOCOL_ERROR, "codec_error");
    close_socket(conn, CONNECTION_CLOSE_FLUSH_AND_DELAY);
}

static void count_destroy(struct http_connection *conn, bool is_local) {
    http_connection_count(conn, HCM_DOWNSTREAM_CX_DESTROY);
    http_connection_count(conn, is_local ? HCM_DOWNSTREAM_CX_DESTROY_LOCAL
                                         : HCM_DOWNSTREAM_CX_DESTROY_REMOTE);
    if (conn->stream_count > 0) {
        http_connection_count(conn, HCM_DOWNSTREAM_CX_DESTROY_ACTIVE_RQ);
        http_connection_count(conn, is_local ? HCM_DOWNSTREAM_CX_DESTROY_LOCAL_ACTIVE_RQ
                                             : HCM_DOWNSTREAM_CX_DESTROY_REMOTE_ACTIVE_RQ);
    }
}

/* The client ended its direction: as in Envoy it has gone, whatever it still waits for. */
static void end_input(struct http_connection *conn) {
    conn->input_ended = true;
    if (conn->stream_count > 0) {
        count_destroy(conn, false);
        conn->is_destroy_counted = true;
    }
    http_codec_connection_lost(conn->codec, HTTP_RESET_CONNECTION_TERMINATION,
                               "downstream_remote_disconnect");
    if (conn->drain != HTTP_CONNECTION_CLOSED) {
        close_socket(conn, CONNECTION_CLOSE_FLUSH);
    }
}

static void dispatch(struct http_connection *conn, struct buffer *input, bool end_stream) {
    if (conn->codec == NULL) {
        if (load_is_shed(conn->overload, LOAD_SHED_HCM_CREATING_CODEC, conn->io)) {
            http_connection_count(conn, HCM_DOWNSTREAM_RQ_OVERLOAD_CLOSE);
            close_in_order(conn);
            return;
        }
        enum status status = create_codec(conn, input);
        if (status != STATUS_OK) {
            if (end_stream) {
                close_socket(conn, CONNECTION_CLOSE_NOW);
            }
            return;
        }
    }
    // Envoy's name says HTTP/2; it ends the others too.
    if (load_is_shed(conn->overload, LOAD_SHED_HTTP2_GO_AWAY_AND_CLOSE, conn->io)) {
        http_codec_goaway(conn->codec);
        close_in_order(conn);
        return;
    }
    if (conn->codec->protocol != HTTP_2 &&
        load_is_shed(conn->overload, LOAD_SHED_HTTP1_ABORT_DISPATCH, conn->io)) {
        http_connection_count(conn, HCM_DOWNSTREAM_RQ_OVERLOAD_CLOSE);
        conn->codec->is_overloaded = true;
    }
    struct error err = {.status = STATUS_OK};
    conn->is_dispatching = true;
    enum status status = STATUS_OK;
    /* An HTTP/1.1 codec stops after each message; as long as it makes progress and is free, go on. */
    for (size_t before = SIZE_MAX; status == STATUS_OK && input->len > 0 && input->len < before &&
                                   conn->drain != HTTP_CONNECTION_CLOSED;) {
        before = input->len;
        status = http_codec_dispatch(conn->codec, input, &err);
    }
    conn->is_dispatching = false;
    if (conn->drain == HTTP_CONNECTION_CLOSED) {
        return;
    }
    if (status == STATUS_CLOSED) { /* the client said GOAWAY and nothing is left to answer */
        close_in_order(conn);
        return;
    }
    if (status != STATUS_OK) {
        http_connection_count(conn, HCM_DOWNSTREAM_CX_PROTOCOL_ERROR);
        on_protocol_error(conn, &err);
        return;
    }
    if (end_stream) {
        end_input(conn);
    }
}

/* What the codec leaves (a pipelined request, a body that nobody takes yet) stays in the connection's
 * input; beyond this the rest waits in the kernel. Half a line is no such thing: the codec waits. */
static void bound_input(struct http_connection *conn, const struct buffer *input) {
    uint32_t limit = network_filter_listener(&conn->base)->per_connection_buffer_limit_bytes;
    limit = limit == 0 || limit > MAX_LEFT_INPUT_BYTES ? MAX_LEFT_INPUT_BYTES : limit;
    if (!conn->is_input_paused && conn->codec != NULL && conn->codec->protocol != HTTP_2 &&
        !conn->codec->needs_input && conn->stream_count > 0 && input->len > limit) {
        conn->is_input_paused = true;
        connection_read_disable(socket_of(conn), true);
    }
}

static enum network_filter_verdict on_data(struct network_filter *f, struct buffer *data,
                                           bool end_stream) {
    struct http_connection *conn = from_filter(f);
    if (conn->drain != HTTP_CONNECTION_CLOSED) {
        dispatch(conn, data, end_stream);
    }
    if (conn->drain == HTTP_CONNECTION_CLOSED) {
        buffer_clear(data);
    } else {
        bound_input(conn, data);
    }
    return NETWORK_FILTER_STOP;
}

/* What waits in the connection's input is handed over again when reading goes on. */
static void resume_dispatch(void *arg) {
    struct http_connection *conn = arg;
    CHECK_MAGIC(conn, HTTP_CONNECTION_MAGIC);
    if (conn->drain == HTTP_CONNECTION_CLOSED) {
        return;
    }
    if (!conn->is_input_paused) {
        connection_read_disable(socket_of(conn), true);
    }
    conn->is_input_paused = false;
    connection_read_disable(socket_of(conn), false);
}

bool http_connection_is_output_full(const struct http_connection *conn) {
    return connection_is_above_high_watermark(network_filter_connection(&conn->base));
}

static void on_event(struct network_filter *f, enum connection_event event) {
    struct http_connection *conn = from_filter(f);
    if (event == CONNECTION_CONNECTED) {
        return;
    }
    conn->drain = HTTP_CONNECTION_CLOSED;
    if (connection_delay_is_over(socket_of(conn))) {
        http_connection_count(conn, HCM_DOWNSTREAM_CX_DELAYED_CLOSE_TIMEOUT);
    }
    if (!conn->is_destroy_counted) {
        count_destroy(conn, event == CONNECTION_LOCAL_CLOSE && !conn->input_ended);
    }
    if (conn->codec != NULL) {
        http_codec_connection_lost(conn->codec, HTTP_RESET_CONNECTION_TERMINATION,
                                   event == CONNECTION_LOCAL_CLOSE
                                       ? "downstream_local_disconnect"
                                       : "downstream_remote_disconnect");
    }
}

static void on_above_high_watermark(struct network_filter *f) {
    struct http_connection *conn = from_filter(f);
    http_connection_count(conn, HCM_DOWNSTREAM_FLOW_CONTROL_PAUSED_READING_TOTAL);
    LIST_FOR_EACH (node, &conn->streams) {
        http_filter_chain_pause_response(&LIST_ENTRY(node, struct http_stream, node)->chain, true);
    }
}

static void on_below_low_watermark(struct network_filter *f) {
    struct http_connection *conn = from_filter(f);
    http_connection_count(conn, HCM_DOWNSTREAM_FLOW_CONTROL_RESUMED_READING_TOTAL);
    LIST_FOR_EACH (node, &conn->streams) {
        http_filter_chain_pause_response(&LIST_ENTRY(node, struct http_stream, node)->chain, false);
    }
    if (conn->codec != NULL) {
        http_codec_output_drained(conn->codec);
    }
}

static void on_bytes_sent(struct network_filter *f, size_t count) {
    struct http_connection *conn = from_filter(f);
    (void)count;
    if (conn->codec != NULL) {
        http_codec_output_drained(conn->codec);
    }
    /* A client that reads is not idle: an HTTP/1.1 response still leaving counts as activity. */
    if (conn->codec != NULL && conn->codec->protocol != HTTP_2 && conn->stream_count == 1) {
        http_stream_activity(LIST_ENTRY(conn->streams.next, struct http_stream, node));
    }
}

static void on_drain(struct network_filter *f, bool immediate) {
    struct http_connection *conn = from_filter(f);
    if (conn->drain >= HTTP_CONNECTION_CLOSING) {
        return;
    }
    if (immediate) {
        http_connection_count(conn, HCM_DOWNSTREAM_CX_DRAIN_CLOSE);
        bool http1_idle =
            conn->stream_count == 0 && (conn->codec == NULL || conn->codec->protocol != HTTP_2);
        http_connection_begin_drain(conn);
        if (http1_idle) {
            stop_accepting(conn);
        }
    }
}

static void on_destroy(struct network_filter *f) {
    struct http_connection *conn = from_filter(f);
    ASSERT(list_is_empty(&conn->streams));
    count_bytes(conn);
    uint32_t thread = conn->io->index;
    struct stats_scope *stats = conn->shared->stats;
    stats_dec(stats, thread, HCM_DOWNSTREAM_CX_ACTIVE);
    if (conn->is_tls) {
        stats_dec(stats, thread, HCM_DOWNSTREAM_CX_SSL_ACTIVE);
    }
    if (conn->codec != NULL) {
        stats_dec(stats, thread,
                  conn->codec->protocol == HTTP_2 ? HCM_DOWNSTREAM_CX_HTTP2_ACTIVE
                                                  : HCM_DOWNSTREAM_CX_HTTP1_ACTIVE);
    }
    uint64_t lived_us =
        event_loop_now_us(conn->io->loop) - network_filter_connection_info(f)->accepted_us;
    stats_record(stats, thread, HCM_DOWNSTREAM_CX_LENGTH_MS, lived_us / 1000);
    timer_cancel(&conn->idle_timer);
    if (conn->duration_timer != NULL) {
        timer_cancel(conn->duration_timer);
        mem_free(conn->duration_timer);
    }
    if (conn->keepalive != NULL) {
        timer_cancel(&conn->keepalive->timer);
        mem_free(conn->keepalive);
    }
    event_loop_defer_cancel(&conn->resume);
    http_codec_free(conn->codec);
    conn->magic = 0;
    mem_free(conn);
}

const struct network_filter_ops http_connection_ops = {
    .on_new_connection = on_new_connection,
    .on_data = on_data,
    .on_event = on_event,
    .on_above_high_watermark = on_above_high_watermark,
    .on_below_low_watermark = on_below_low_watermark,
    .on_bytes_sent = on_bytes_sent,
    .on_drain = on_drain,
    .on_destroy = on_destroy,
};

struct network_filter *http_connection_create(const void *shared, struct io_context *io) {
    struct http_connection *conn = mem_calloc(1, sizeof(*conn));
    conn->base.ops = &http_connection_ops;
    conn->magic = HTTP_CONNECTION_MAGIC;
    conn->shared = shared;
    conn->config = conn->shared->config;
    conn->io = io;
    conn->overload = conn->shared->bypass_overload ? NULL : io->overload;
    list_init(&conn->streams);
    timer_init(&conn->idle_timer, on_idle_timer, conn);
    event_deferred_init(&conn->resume, resume_dispatch, conn);
    return &conn->base;
}

void http_connection_rescale_timeouts(void *arg, struct network_filter *filter) {
    if (filter->ops != &http_connection_ops) {
        return;
    }
    struct http_connection *conn = from_filter(filter);
    uint32_t before = *(const uint32_t *)arg;
    if (conn->drain == HTTP_CONNECTION_SERVING) {
        overload_rescale_timer(conn->io, &conn->idle_timer, OVERLOAD_TIMER_CONNECTION_IDLE,
                               conn->config->idle_timeout_ms, before);
    }
    if (conn->duration_timer != NULL) {
        overload_rescale_timer(conn->io, conn->duration_timer, OVERLOAD_TIMER_CONNECTION_MAX,
                               conn->config->max_connection_duration_ms, before);
    }
    LIST_FOR_EACH (node, &conn->streams) {
        http_stream_timeouts_rescale(LIST_ENTRY(node, struct http_stream, node), before);
    }
}

void http_connection_read_disable(struct http_connection *conn, bool disable) {
    if (conn->drain != HTTP_CONNECTION_CLOSED) {
        connection_read_disable(socket_of(conn), disable);
    }
    if (!disable && conn->is_input_paused) {
        http_connection_resume(conn);
    }
}

void http_connection_resume(struct http_connection *conn) {
    event_loop_defer(conn->io->loop, &conn->resume);
}

/* ---- the end of a stream ---- */

void http_connection_stream_ended(struct http_connection *conn, bool request_was_complete) {
    conn->stream_count--;
    count_bytes(conn);
    if (conn->drain == HTTP_CONNECTION_CLOSED) {
        return;
    }
    bool is_http1 = conn->codec->protocol != HTTP_2;
    if (conn->codec->is_ended && request_was_complete && !conn->close_after_stream) {
        close_socket(conn, CONNECTION_CLOSE_FLUSH);
        return;
    }
    if (is_http1 && (!request_was_complete || conn->close_after_stream ||
                     conn->drain != HTTP_CONNECTION_SERVING)) {
        close_in_order(conn);
        return;
    }
    if (conn->stream_count > 0) {
        return;
    }
    if (conn->is_shutting_down) {
        stop_accepting(conn);
        return;
    }
    if (conn->drain == HTTP_CONNECTION_CLOSING || conn->input_ended) {
        close_in_order(conn);
        return;
    }
    arm_idle(conn);
    if (is_http1 && !conn->is_dispatching) {
        http_connection_resume(conn);
    }
}
