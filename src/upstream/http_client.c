// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/http_client.h"

#include "src/base/check.h"
#include "src/base/log.h"
#include "src/upstream/outlier_detector.h"
#include "src/upstream/upstream_request_internal.h"

enum { HTTP_CLIENT_MAGIC = 0x48434c31 };

static struct io_context *io_of(const struct http_client *client) {
    return client->pool->manager->io;
}

static void move_to(struct http_client *client, enum http_client_state state) {
    struct conn_pool *pool = client->pool;
    ASSERT(client->state != HTTP_CLIENT_CLOSED);
    list_remove(&client->node);
    if (client->counted_capacity != 0) {
        pool->connecting_capacity -= client->counted_capacity;
        client->counted_capacity = 0;
    }
    client->state = state;
    switch (state) {
    case HTTP_CLIENT_CONNECTING:
        list_push_back(&pool->connecting, &client->node);
        break;
    case HTTP_CLIENT_READY:
        list_push_front(&pool->ready, &client->node);
        break;
    case HTTP_CLIENT_BUSY:
        list_push_back(&pool->busy, &client->node);
        break;
    case HTTP_CLIENT_DRAINING:
        list_push_back(&pool->draining, &client->node);
        break;
    case HTTP_CLIENT_CLOSED:
        list_push_back(&pool->closed, &client->node);
        break;
    }
}

static void cancel_timers(struct http_client *client) {
    timer_cancel(&client->idle_timer);
    timer_cancel(&client->age_timer);
    timer_cancel(&client->ping_timer);
    timer_cancel(&client->pong_timer);
}

static void arm_if(struct http_client *client, struct timer *timer, uint32_t delay_ms) {
    if (delay_ms != 0) {
        timer_arm(io_of(client)->loop, timer, delay_ms);
    }
}

static void report_received(struct http_client *client) {
    uint64_t received = connection_bytes_received(client->connection);
    if (received != client->rx_reported) {
        stats_add(conn_pool_state(client->pool)->stats, io_of(client)->index,
                  CLUSTER_STAT_UPSTREAM_CX_RX_BYTES_TOTAL, received - client->rx_reported);
        client->rx_reported = received;
    }
}

/* The end may be what a response without a length was waiting for, or cut one short. */
static void end_input(struct http_client *client) {
    if (http_codec_input_ended(client->codec) != STATUS_OK) {
        conn_pool_count(client->pool, CLUSTER_STAT_UPSTREAM_CX_PROTOCOL_ERROR);
    }
}

/* The requests whose stream is not open yet, and those that the codec still has, hear of the end. */
static void lose_requests(struct http_client *client) {
    if (client->codec != NULL) {
        http_codec_connection_lost(client->codec, HTTP_RESET_CONNECTION_TERMINATION,
                                   "connection termination");
    }
    while (!list_is_empty(&client->requests)) {
        upstream_request_lost(LIST_ENTRY(client->requests.next, struct upstream_request, node));
    }
}

static void count_close(struct http_client *client, bool is_remote) {
    const struct conn_pool *pool = client->pool;
    conn_pool_count(pool, CLUSTER_STAT_UPSTREAM_CX_DESTROY);
    conn_pool_count(pool, is_remote ? CLUSTER_STAT_UPSTREAM_CX_DESTROY_REMOTE
                                    : CLUSTER_STAT_UPSTREAM_CX_DESTROY_LOCAL);
    if (client->active != 0 || client->was_cut_off) {
        conn_pool_count(pool, CLUSTER_STAT_UPSTREAM_CX_DESTROY_WITH_ACTIVE_RQ);
        conn_pool_count(pool, is_remote ? CLUSTER_STAT_UPSTREAM_CX_DESTROY_REMOTE_WITH_ACTIVE_RQ
                                        : CLUSTER_STAT_UPSTREAM_CX_DESTROY_LOCAL_WITH_ACTIVE_RQ);
    }
    stats_record(conn_pool_state(pool)->stats, io_of(client)->index,
                 CLUSTER_STAT_UPSTREAM_CX_LENGTH_MS,
                 (event_loop_now_us(io_of(client)->loop) - client->created_us) / 1000);
}

static void connect_failed(struct http_client *client, bool timed_out, struct slice reason) {
    struct conn_pool *pool = client->pool;
    conn_pool_count(pool, CLUSTER_STAT_UPSTREAM_CX_CONNECT_FAIL);
    if (timed_out) {
        conn_pool_count(pool, CLUSTER_STAT_UPSTREAM_CX_CONNECT_TIMEOUT);
    }
    host_count(pool->host->host, HOST_STAT_CX_CONNECT_FAIL);
    LOG(POOL, DEBUG, "cluster '%.*s': no connection to %.*s: %.*s",
        SLICE_ARG(conn_pool_state(pool)->name), SLICE_ARG(pool->host->host->address_text),
        SLICE_ARG(reason));
    conn_pool_connect_failed(pool, timed_out, reason);
}

/* The connection is gone, or never was. Once. */
static void on_closed(struct http_client *client, bool is_remote) {
    struct conn_pool *pool = client->pool;
    bool was_connecting = client->state == HTTP_CLIENT_CONNECTING;
    bool has_connection = client->connection != NULL;
    struct slice reason = has_connection ? connection_failure_reason(client->connection)
                                         : slice_from_string(client->start_error->message);
    bool is_orderly = is_remote && slice_is_empty(reason);
    move_to(client, HTTP_CLIENT_CLOSED);
    cancel_timers(client);
    if (has_connection) {
        report_received(client);
    }
    conn_pool_uncount(pool, CLUSTER_STAT_UPSTREAM_CX_ACTIVE);
    atomic_fetch_sub_explicit(&pool->host->host->active_connections, 1, memory_order_relaxed);
    pool->host->connection_count--;
    circuit_breaker_release(conn_pool_breaker(pool), io_of(client)->index, BREAKER_CONNECTIONS);
    event_loop_defer(io_of(client)->loop, &client->release);
    if (is_orderly && client->codec != NULL) {
        end_input(client);
    }
    count_close(client, is_remote);
    if (was_connecting) {
        connect_failed(client, has_connection && connection_timed_out(client->connection), reason);
    } else {
        lose_requests(client);
    }
    conn_pool_grow(pool);
}

void http_client_release(struct http_client *client) {
    CHECK_MAGIC(client, HTTP_CLIENT_MAGIC);
    ASSERT(client->state == HTTP_CLIENT_CLOSED);
    struct conn_pool *pool = client->pool;
    event_loop_defer_cancel(&client->release);
    list_remove(&client->node);
    http_codec_free(client->codec);
    connection_free(client->connection);
    mem_free(client->start_error);
    client->magic = 0;
    mem_free(client);
    pool->client_count--;
    conn_pool_check_unused(pool);
}

static void release(void *arg) {
    struct http_client *client = arg;
    CHECK_MAGIC(client, HTTP_CLIENT_MAGIC);
    if (client->state == HTTP_CLIENT_CONNECTING) {
        // The start itself failed; its requests hear of it now, out of their own call.
        on_closed(client, false);
    }
    http_client_release(client);
}

void http_client_close(struct http_client *client) {
    CHECK_MAGIC(client, HTTP_CLIENT_MAGIC);
    if (client->state == HTTP_CLIENT_CLOSED) {
        return;
    }
    if (client->connection != NULL && connection_is_open(client->connection)) {
        connection_close(client->connection, CONNECTION_CLOSE_NOW);
    }
    if (client->state != HTTP_CLIENT_CLOSED) {
        on_closed(client, false);
    }
}

/* Lets what is queued (a GOAWAY) go out first. */
static void close_flushed(struct http_client *client) {
    if (client->state != HTTP_CLIENT_DRAINING) {
        move_to(client, HTTP_CLIENT_DRAINING);
    }
    connection_close(client->connection, CONNECTION_CLOSE_FLUSH);
}

void http_client_drain(struct http_client *client) {
    CHECK_MAGIC(client, HTTP_CLIENT_MAGIC);
    if (client->state == HTTP_CLIENT_CLOSED) {
        return;
    }
    if (client->active == 0) {
        http_client_close(client);
        return;
    }
    if (client->state != HTTP_CLIENT_DRAINING) {
        move_to(client, HTTP_CLIENT_DRAINING);
    }
}

/* The timer runs on while there are requests: asking for a later deadline when the last one ends costs
 * less than stopping and starting it for each. */
static void on_idle(void *arg) {
    struct http_client *client = arg;
    CHECK_MAGIC(client, HTTP_CLIENT_MAGIC);
    if (client->active > 0) {
        return;
    }
    conn_pool_count(client->pool, CLUSTER_STAT_UPSTREAM_CX_IDLE_TIMEOUT);
    http_client_close(client);
}

static void on_age(void *arg) {
    struct http_client *client = arg;
    CHECK_MAGIC(client, HTTP_CLIENT_MAGIC);
    conn_pool_count(client->pool, CLUSTER_STAT_UPSTREAM_CX_MAX_DURATION_REACHED);
    http_client_drain(client);
}

static void on_pong_missing(void *arg) {
    struct http_client *client = arg;
    CHECK_MAGIC(client, HTTP_CLIENT_MAGIC);
    LOG(POOL, DEBUG, "no answer to PING from %.*s",
        SLICE_ARG(client->pool->host->host->address_text));
    http_client_close(client);
}

static void on_ping_due(void *arg) {
    struct http_client *client = arg;
    CHECK_MAGIC(client, HTTP_CLIENT_MAGIC);
    http_codec_ping(client->codec);
    arm_if(client, &client->pong_timer, client->pool->http.h2_keepalive_timeout_ms);
}

static void on_pong(void *arg) {
    struct http_client *client = arg;
    timer_cancel(&client->pong_timer);
    arm_if(client, &client->ping_timer, client->pool->http.h2_keepalive_interval_ms);
}

static void on_goaway(void *arg, bool by_peer) {
    struct http_client *client = arg;
    CHECK_MAGIC(client, HTTP_CLIENT_MAGIC);
    if (client->state == HTTP_CLIENT_CLOSED || client->state == HTTP_CLIENT_DRAINING) {
        return;
    }
    if (by_peer) {
        conn_pool_count(client->pool, CLUSTER_STAT_UPSTREAM_CX_CLOSE_NOTIFY);
    }
    move_to(client, HTTP_CLIENT_DRAINING);
    if (client->active == 0) {
        // The codec is at work on the input: the connection goes with the flush.
        close_flushed(client);
    }
}

/* READY or BUSY by what is free. */
static void settle(struct http_client *client) {
    if (client->state != HTTP_CLIENT_READY && client->state != HTTP_CLIENT_BUSY) {
        return;
    }
    enum http_client_state state =
        client->active < client->max_streams ? HTTP_CLIENT_READY : HTTP_CLIENT_BUSY;
    if (state != client->state) {
        move_to(client, state);
    }
}

static void on_max_streams(void *arg, uint32_t max_streams) {
    struct http_client *client = arg;
    CHECK_MAGIC(client, HTTP_CLIENT_MAGIC);
    uint32_t ours = client->pool->max_streams;
    client->max_streams = max_streams < ours ? max_streams : ours;
    settle(client);
    if (client->state == HTTP_CLIENT_READY) {
        conn_pool_client_ready(client->pool);
    }
    conn_pool_grow(client->pool);
}

static void on_output(void *arg) {
    struct http_client *client = arg;
    connection_output_added(client->connection);
}

static const struct http_codec_callbacks codec_callbacks = {
    .on_goaway = on_goaway,
    .on_max_streams = on_max_streams,
    .on_output = on_output,
    .on_pong = on_pong,
};

static struct http_codec *make_codec(struct http_client *client) {
    const struct upstream_http_config *http = &client->pool->http;
    struct http_codec_options options = {
        .io = io_of(client),
        .callbacks = &codec_callbacks,
        .arg = client,
        .output = connection_output(client->connection),
        .max_headers_bytes = http->max_response_headers_kb * 1024,
        .max_headers_count = http->max_headers_count,
        .stream_buffer_bytes = client->pool->settings.buffer_limit_bytes,
        .stats =
            cluster_state_codec_stats(conn_pool_state(client->pool), client->protocol == HTTP_2),
    };
    switch (http->underscores) {
    case HTTP_UNDERSCORES_REJECT:
        options.underscores = HTTP_UNDERSCORES_REJECT;
        break;
    case HTTP_UNDERSCORES_DROP:
        options.underscores = HTTP_UNDERSCORES_DROP;
        break;
    default:
        options.underscores = HTTP_UNDERSCORES_ALLOW;
        break;
    }
    if (client->protocol == HTTP_2) {
        return http2_client_codec_new(
            &options,
            &(struct http2_options){
                .hpack_table_bytes = http->h2_hpack_table_bytes,
                .max_concurrent_streams = client->pool->max_streams,
                .stream_window_bytes = http->h2_stream_window_bytes,
                .connection_window_bytes = http->h2_connection_window_bytes,
                .allow_connect = http->h2_allow_connect,
                .stream_error_on_invalid_message = http->h2_stream_error_on_invalid_message,
            });
    }
    return http1_client_codec_new(&options, &(struct http1_options){
                                                .enable_trailers = http->http1_enable_trailers,
                                                .proper_case = http->http1_proper_case,
                                                .preserve_case = http->http1_preserve_case,
                                            });
}

static enum http_protocol choose_protocol(const struct http_client *client) {
    switch (client->pool->protocol) {
    case UPSTREAM_HTTP_2:
        return HTTP_2;
    case UPSTREAM_AUTO: {
        struct transport *transport = connection_transport(client->connection);
        const struct transport_peer *peer = transport->ops->peer(transport, NULL);
        return slice_equal(peer->alpn, SLICE("h2")) ? HTTP_2 : HTTP_1_1;
    }
    case UPSTREAM_HTTP_1:
    case UPSTREAM_FOLLOW_DOWNSTREAM:
        return HTTP_1_1;
    }
    return HTTP_1_1;
}

/* Known from the start but where TLS negotiates it. */
static void count_protocol(const struct conn_pool *pool, bool is_http2) {
    conn_pool_count(pool, is_http2 ? CLUSTER_STAT_UPSTREAM_CX_HTTP2_TOTAL
                                   : CLUSTER_STAT_UPSTREAM_CX_HTTP1_TOTAL);
}

static void on_connected(struct http_client *client) {
    struct conn_pool *pool = client->pool;
    client->protocol = choose_protocol(client);
    bool is_http2 = client->protocol == HTTP_2;
    client->codec = make_codec(client);
    client->max_streams = is_http2 ? pool->max_streams : 1;
    pool->is_multiplexed = is_http2;
    if (pool->protocol == UPSTREAM_AUTO) {
        count_protocol(pool, is_http2);
    }
    stats_record(conn_pool_state(pool)->stats, io_of(client)->index,
                 CLUSTER_STAT_UPSTREAM_CX_CONNECT_MS,
                 (event_loop_now_us(io_of(client)->loop) - client->created_us) / 1000);
    move_to(client, HTTP_CLIENT_READY);
    arm_if(client, &client->idle_timer, pool->http.idle_timeout_ms);
    arm_if(client, &client->age_timer, pool->http.max_connection_duration_ms);
    if (is_http2) {
        arm_if(client, &client->ping_timer, pool->http.h2_keepalive_interval_ms);
    }
    conn_pool_client_ready(pool);
    // An AUTO pool may have counted on more streams than HTTP/1.1 has.
    conn_pool_grow(pool);
}

static void on_event(void *arg, enum connection_event event) {
    struct http_client *client = arg;
    CHECK_MAGIC(client, HTTP_CLIENT_MAGIC);
    switch (event) {
    case CONNECTION_CONNECTED:
        on_connected(client);
        return;
    case CONNECTION_REMOTE_CLOSE:
    case CONNECTION_LOCAL_CLOSE:
        if (client->state != HTTP_CLIENT_CLOSED) {
            on_closed(client, event == CONNECTION_REMOTE_CLOSE);
        }
        return;
    }
}

static void on_data(void *arg, struct buffer *input, bool end_stream) {
    struct http_client *client = arg;
    CHECK_MAGIC(client, HTTP_CLIENT_MAGIC);
    (void)end_stream;
    report_received(client);
    struct error err = {0};
    enum status status = http_codec_dispatch(client->codec, input, &err);
    // Bytes that no request asked for: what follows could be taken for the answer to another request.
    bool is_open = client->state != HTTP_CLIENT_CLOSED;
    bool is_unasked =
        is_open && client->protocol != HTTP_2 && client->active == 0 && input->len != 0;
    bool is_error = (status != STATUS_OK && status != STATUS_CLOSED) || is_unasked;
    if (is_error) {
        // The request that heard of it may have closed the connection already.
        conn_pool_count(client->pool, CLUSTER_STAT_UPSTREAM_CX_PROTOCOL_ERROR);
    }
    if (is_open && (is_error || status == STATUS_CLOSED)) {
        LOG(POOL, DEBUG, "protocol error from %.*s: %s",
            SLICE_ARG(client->pool->host->host->address_text), err.message);
        buffer_clear(input);
        close_flushed(client);
    }
}

static void tell_all(struct http_client *client, bool is_above) {
    client->is_above_high = is_above;
    conn_pool_count(client->pool, is_above ? CLUSTER_STAT_UPSTREAM_FLOW_CONTROL_BACKED_UP_TOTAL
                                           : CLUSTER_STAT_UPSTREAM_FLOW_CONTROL_DRAINED_TOTAL);
    // A callback may end other requests: each round begins at the first that has not been told.
    bool is_done = false;
    while (!is_done && client->state != HTTP_CLIENT_CLOSED) {
        is_done = true;
        LIST_FOR_EACH (node, &client->requests) {
            struct upstream_request *request = LIST_ENTRY(node, struct upstream_request, node);
            if (request->is_connection_above != is_above) {
                upstream_request_connection_above(request, is_above);
                is_done = false;
                break;
            }
        }
    }
}

static void on_above_high(void *arg) {
    struct http_client *client = arg;
    CHECK_MAGIC(client, HTTP_CLIENT_MAGIC);
    tell_all(client, true);
}

static void on_below_low(void *arg) {
    struct http_client *client = arg;
    CHECK_MAGIC(client, HTTP_CLIENT_MAGIC);
    if (client->codec != NULL && client->state != HTTP_CLIENT_CLOSED) {
        http_codec_output_drained(client->codec);
    }
    tell_all(client, false);
}

static void on_bytes_sent(void *arg, size_t count) {
    struct http_client *client = arg;
    stats_add(conn_pool_state(client->pool)->stats, io_of(client)->index,
              CLUSTER_STAT_UPSTREAM_CX_TX_BYTES_TOTAL, count);
}

static const struct connection_callbacks connection_callbacks = {
    .on_data = on_data,
    .on_event = on_event,
    .on_above_high_watermark = on_above_high,
    .on_below_low_watermark = on_below_low,
    .on_bytes_sent = on_bytes_sent,
};

static void open_connection(struct http_client *client) {
    static const struct slice alpn_h1[] = {SLICE_INIT("http/1.1")};
    static const struct slice alpn_h2[] = {SLICE_INIT("h2")};
    static const struct slice alpn_both[] = {SLICE_INIT("h2"), SLICE_INIT("http/1.1")};
    struct conn_pool *pool = client->pool;
    const struct slice *alpn = pool->protocol == UPSTREAM_HTTP_2 ? alpn_h2
                               : pool->protocol == UPSTREAM_AUTO ? alpn_both
                                                                 : alpn_h1;
    struct connect_request request = {
        .io = io_of(client),
        .settings = &pool->settings,
        .host = pool->host->host,
        .ssl_stats = atomic_load_explicit(&conn_pool_state(pool)->ssl_stats, memory_order_acquire),
        .callbacks = &connection_callbacks,
        .arg = client,
        .alpn = alpn,
        .alpn_count = pool->protocol == UPSTREAM_AUTO ? 2 : 1,
    };
    struct error err;
    client->connection = upstream_connect(&request, &err);
    if (client->connection == NULL) {
        client->start_error = mem_alloc(sizeof(err));
        *client->start_error = err;
        event_loop_defer(io_of(client)->loop, &client->release);
    }
}

void http_client_start(struct conn_pool *pool, uint32_t expected_streams) {
    struct http_client *client = mem_calloc(1, sizeof(*client));
    client->magic = HTTP_CLIENT_MAGIC;
    client->pool = pool;
    client->created_us = event_loop_now_us(pool->manager->io->loop);
    list_init(&client->node);
    list_init(&client->requests);
    timer_init(&client->idle_timer, on_idle, client);
    timer_init(&client->age_timer, on_age, client);
    timer_init(&client->ping_timer, on_ping_due, client);
    timer_init(&client->pong_timer, on_pong_missing, client);
    event_deferred_init(&client->release, release, client);
    list_remove(&pool->idle);
    pool->client_count++;
    move_to(client, HTTP_CLIENT_CONNECTING);
    client->counted_capacity = expected_streams;
    pool->connecting_capacity += expected_streams;
    conn_pool_count(pool, CLUSTER_STAT_UPSTREAM_CX_TOTAL);
    conn_pool_count(pool, CLUSTER_STAT_UPSTREAM_CX_ACTIVE);
    if (pool->protocol != UPSTREAM_AUTO) {
        count_protocol(pool, pool->protocol == UPSTREAM_HTTP_2);
    }
    host_count(pool->host->host, HOST_STAT_CX_TOTAL);
    atomic_fetch_add_explicit(&pool->host->host->active_connections, 1, memory_order_relaxed);
    pool->host->connection_count++;
    open_connection(client);
}

void http_client_attach(struct http_client *client, struct upstream_request *request) {
    ASSERT(client->state == HTTP_CLIENT_READY);
    struct conn_pool *pool = client->pool;
    list_push_back(&client->requests, &request->node);
    client->active++;
    client->served++;
    conn_pool_count(pool, CLUSTER_STAT_UPSTREAM_RQ_TOTAL);
    conn_pool_count(pool, CLUSTER_STAT_UPSTREAM_RQ_ACTIVE);
    host_count(pool->host->host, HOST_STAT_RQ_TOTAL);
    atomic_fetch_add_explicit(&pool->host->host->active_requests, 1, memory_order_relaxed);
    uint32_t max_requests = pool->http.max_requests_per_connection;
    if (max_requests != 0 && client->served >= max_requests) {
        conn_pool_count(pool, CLUSTER_STAT_UPSTREAM_CX_MAX_REQUESTS);
        move_to(client, HTTP_CLIENT_DRAINING);
    } else {
        settle(client);
    }
    upstream_request_reserved(request, client);
}

void http_client_detach(struct http_client *client, struct upstream_request *request, bool keep) {
    CHECK_MAGIC(client, HTTP_CLIENT_MAGIC);
    struct conn_pool *pool = client->pool;
    list_remove(&request->node);
    client->active--;
    circuit_breaker_release(conn_pool_breaker(pool), io_of(client)->index, BREAKER_REQUESTS);
    conn_pool_uncount(pool, CLUSTER_STAT_UPSTREAM_RQ_ACTIVE);
    atomic_fetch_sub_explicit(&pool->host->host->active_requests, 1, memory_order_relaxed);
    if (client->state == HTTP_CLIENT_CLOSED) {
        return;
    }
    if (!keep) {
        http_client_close(client);
        return;
    }
    if (client->state == HTTP_CLIENT_DRAINING) {
        if (client->active == 0) {
            close_flushed(client);
        }
        return;
    }
    settle(client);
    if (client->active == 0) {
        arm_if(client, &client->idle_timer, pool->http.idle_timeout_ms);
    }
    conn_pool_client_ready(pool);
}
