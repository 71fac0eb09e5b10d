// SPDX-License-Identifier: Apache-2.0
/* The two ends that a stream gives its filter chain: the response leaves to the codec here, and the
 * chain's questions about the route are answered by stream_route.c. */
#include "src/base/check.h"
#include "src/event/io_context.h"
#include "src/http/message.h"
#include "src/http/upgrade.h"
#include "src/overload/overload_state.h"
#include "src/stream/http_connection_stats.h"
#include "src/stream/http_stream.h"
#include "src/stream/proxy_status.h"
#include "src/stream/response_headers.h"

/* ---- the response leaves ---- */

static void count_response(struct http_stream *stream, uint32_t status) {
    struct http_connection *conn = stream->conn;
    uint32_t thread = conn->io->index;
    http_connection_count(conn, HCM_DOWNSTREAM_RQ_COMPLETED);
    stats_inc(conn->shared->listener_stats, thread, HCM_LISTENER_RQ_COMPLETED);
    if (status == 413) {
        http_connection_count(conn, HCM_DOWNSTREAM_RQ_TOO_LARGE);
    }
    uint32_t class = status / 100;
    if (class >= 1 && class <= 5) {
        http_connection_count(conn, HCM_DOWNSTREAM_RQ_1XX + class - 1);
        stats_inc(conn->shared->listener_stats, thread, HCM_LISTENER_RQ_1XX + class - 1);
    }
}

static void open_tunnel(struct http_stream *stream, uint32_t status) {
    if (!stream->is_upgrade || stream->is_tunnel_open) {
        return;
    }
    bool is_http1_upgrade = header_map_has(stream->request_headers, HEADER_UPGRADE);
    if (is_http1_upgrade ? status == 101 : status / 100 == 2) {
        stream->is_tunnel_open = true;
        http_connection_count(stream->conn, HCM_DOWNSTREAM_CX_UPGRADES_ACTIVE);
        http_connection_resume(stream->conn);
    }
}

void http_stream_send_informational(struct http_stream *stream, const struct header_map *headers) {
    count_response(stream, http_status_of(headers));
    http_stream_encode_informational(stream->codec, headers);
}

void http_stream_send_headers(struct http_stream *stream, struct header_map *headers,
                              bool end_stream) {
    struct http_connection *conn = stream->conn;
    struct event_loop *loop = conn->io->loop;
    uint32_t status = http_status_of(headers);
    open_tunnel(stream, status);
    struct response_head head = {
        .config = conn->config,
        .headers = headers,
        .request_id = stream->info.request_id,
        .is_upgrade = stream->is_tunnel_open,
        .keep_request_id = conn->config->always_set_request_id_in_response,
        .wall_us = event_loop_wall_us(loop),
    };
    response_headers_mutate(&head);
    if (conn->config->proxy_status != NULL) {
        proxy_status_add(conn->config, conn->shared->node_id, &stream->info, headers);
        status = http_status_of(headers);
    }
    stream->info.response_headers = headers;
    stream->info.response_code = status;
    stream->info.first_tx_us = event_loop_now_us(loop);
    stream->info.last_tx_us = stream->info.first_tx_us;
    count_response(stream, status);
    http_stream_activity(stream);
    if (stream->close_connection || http_connection_should_drain(conn)) {
        http_connection_begin_drain(conn);
        if (stream->info.protocol != HTTP_2 && !stream->is_tunnel_open) {
            header_map_set(headers, HEADER_CONNECTION, SLICE("close")); // for logs; the codec knows
        }
    }
    stream->response = STREAM_HALF_HEADERS;
    if (stream->is_http2_upgrade) {
        upgrade_response_to_http2(headers);
    }
    enum status encoded = http_stream_encode_headers(stream->codec, headers, end_stream);
    if (encoded != STATUS_OK) {
        http_stream_abort(stream, HTTP_RESET_LOCAL, SLICE("invalid_response_headers"));
        return;
    }
    if (end_stream && !stream->is_finished) {
        http_stream_response_ended(stream);
    } else if (stream->is_tunnel_open && !stream->is_finished) {
        event_loop_defer(loop, &stream->deferred); // callers look at the heads until then
    }
}

void http_stream_send_data(struct http_stream *stream, struct buffer *data, bool end_stream) {
    stream->info.bytes_sent += data->len;
    stream->info.last_tx_us = event_loop_now_us(stream->conn->io->loop);
    http_stream_activity(stream);
    http_stream_encode_data(stream->codec, data, end_stream);
    if (end_stream && !stream->is_finished) {
        http_stream_response_ended(stream);
    }
}

static bool is_gone(const struct http_stream *stream) {
    return stream->is_finished || stream->codec == NULL;
}

static void host_encode_informational(void *host, struct header_map *headers) {
    struct http_stream *stream = host;
    if (!is_gone(stream) && stream->response == STREAM_HALF_IDLE) {
        http_stream_send_informational(stream, headers);
    }
}

static void host_encode_headers(void *host, struct header_map *headers, bool end_stream) {
    struct http_stream *stream = host;
    if (!is_gone(stream)) {
        http_stream_send_headers(stream, headers, end_stream);
    }
}

static void host_encode_data(void *host, struct buffer *data, bool end_stream) {
    struct http_stream *stream = host;
    if (is_gone(stream)) {
        buffer_clear(data);
        return;
    }
    http_stream_send_data(stream, data, end_stream);
}

static void host_encode_trailers(void *host, struct header_map *trailers) {
    struct http_stream *stream = host;
    if (is_gone(stream)) {
        return;
    }
    stream->info.response_trailers = trailers;
    http_stream_encode_trailers(stream->codec, trailers);
    if (!stream->is_finished) {
        http_stream_response_ended(stream);
    }
}

static void host_local_reply(void *host, const struct local_reply *reply) {
    struct http_stream *stream = host;
    if (!stream->chain.is_local_reply) { // who asks for another may not know of it
        http_stream_local_reply(stream, reply);
    }
}

static void host_reset(void *host, enum http_reset_reason reason, struct slice details) {
    http_stream_abort(host, reason, details);
}

static void host_pause_request(void *host, bool pause) {
    struct http_stream *stream = host;
    if (is_gone(stream)) {
        return;
    }
    http_stream_read_disable(stream->codec, pause);
    stream->request_pauses += pause ? 1 : -1;
    if (stream->codec->codec->protocol != HTTP_2) {
        /* An HTTP/1.1 connection is its one stream: the socket stops too, and reading on hands the
         * codec what it had left. */
        http_connection_read_disable(stream->conn, pause);
    }
}

static const struct route *host_route(void *host) {
    return http_stream_route(host);
}

static const struct virtual_host *host_virtual_host(void *host) {
    (void)http_stream_route(host);
    return ((struct http_stream *)host)->vhost;
}

static const struct route_part *host_route_config(void *host) {
    (void)http_stream_route(host);
    return ((struct http_stream *)host)->route_config;
}

static const struct weighted_cluster *host_weighted_cluster(void *host) {
    (void)http_stream_route(host);
    return ((struct http_stream *)host)->weighted;
}

static void host_clear_route(void *host) {
    http_stream_clear_route(host);
}

static void host_set_route_cluster(void *host, uint32_t cluster_slot, struct slice name) {
    http_stream_set_route_cluster(host, cluster_slot, name);
}

/* Runs the request again from OPEN_STREAM: a new chain over the present headers, at the end of the
 * turn, since the caller is one of the old chain's filters. */
static bool host_recreate(void *host) {
    struct http_stream *stream = host;
    if (is_gone(stream) || stream->request != STREAM_HALF_ENDED ||
        stream->info.bytes_received > 0 || stream->response != STREAM_HALF_IDLE) {
        return false;
    }
    http_filter_chain_destroy(&stream->chain);
    stream->chain_created = false;
    stream->recreations++;
    http_stream_clear_route(stream);
    event_loop_defer(stream->conn->io->loop, &stream->deferred);
    return true;
}

static void host_log_input(const void *host, struct log_format_input *input) {
    http_stream_log_input(host, input);
}

static bool is_load_shed(void *host) {
    const struct http_stream *stream = host;
    return load_is_shed(stream->conn->overload, LOAD_SHED_DOWNSTREAM_FILTER_CHECK,
                        stream->conn->io);
}

const struct http_filter_chain_host_ops http_stream_host_ops = {
    .encode_informational = host_encode_informational,
    .encode_headers = host_encode_headers,
    .encode_data = host_encode_data,
    .encode_trailers = host_encode_trailers,
    .local_reply = host_local_reply,
    .reset = host_reset,
    .pause_request = host_pause_request,
    .route = host_route,
    .virtual_host = host_virtual_host,
    .route_config = host_route_config,
    .weighted_cluster = host_weighted_cluster,
    .clear_route = host_clear_route,
    .set_route_cluster = host_set_route_cluster,
    .recreate = host_recreate,
    .log_input = host_log_input,
    .is_load_shed = is_load_shed,
};

/* ---- the request's filters ---- */

void http_stream_create_chain(struct http_stream *stream) {
    const struct filter_overrides *levels[5];
    uint32_t count = 0;
    if (stream->weighted != NULL) {
        levels[count++] = &stream->weighted->filters;
    }
    if (stream->route != NULL) {
        levels[count++] = &stream->route->filters;
    }
    if (stream->vhost != NULL) {
        levels[count++] = &stream->vhost->filters;
    }
    if (stream->route_config != NULL) {
        levels[count++] = &stream->route_config->filters;
    }
    levels[count] = NULL;
    const struct http_connection_manager_config *config = stream->conn->config;
    http_filter_chain_create(&stream->chain, config->filters, config->filter_count, levels);
    stream->chain_created = true;
}
