// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/health_check/health_probe.h"

#include "src/access_log/log_format.h"
#include "src/base/check.h"
#include "src/event/event_loop.h"
#include "src/event/timer.h"
#include "src/http/codec.h"
#include "src/upstream/cluster_members.h"
#include "src/upstream/upstream_connect.h"

enum { HEALTH_PROBE_MAGIC = 0x48505242, MAX_ANSWER_BYTES = 64 * 1024 };

/* grpc.health.v1.HealthCheckResponse.ServingStatus */
enum { GRPC_HEALTH_SERVING = 1 };

struct health_probe {
    uint32_t magic;
    struct health_probe_options options;
    struct connect_settings settings;
    struct connection *connection;
    struct http_codec *codec;
    struct http_codec_stream *stream;
    struct arena arena;
    struct header_map request;
    struct buffer answer;
    uint32_t status;
    struct slice service; /* whose answer it is, as it says */
    bool has_grpc_status;
    uint64_t grpc_status;
    struct timer timeout;
    uint64_t started_us, busy_at_start_us;
    struct event_deferred finish;
    bool is_decided;
    enum health_verdict verdict;
};

static void probe_free(struct health_probe *probe) {
    timer_cancel(&probe->timeout);
    event_loop_defer_cancel(&probe->finish);
    if (probe->stream != NULL) {
        struct http_codec_stream *stream = probe->stream;
        probe->stream = NULL;
        http_stream_reset(stream, HTTP_RESET_LOCAL);
    }
    http_codec_free(probe->codec);
    connection_free(probe->connection);
    connect_settings_deinit(&probe->settings);
    buffer_deinit(&probe->answer);
    arena_deinit(&probe->arena);
    probe->magic = 0;
    mem_free(probe);
}

void health_probe_cancel(struct health_probe *probe) {
    if (probe != NULL) {
        CHECK_MAGIC(probe, HEALTH_PROBE_MAGIC);
        probe_free(probe);
    }
}

static void decide(struct health_probe *probe, enum health_verdict verdict) {
    if (!probe->is_decided) {
        probe->is_decided = true;
        probe->verdict = verdict;
        event_loop_defer(probe->options.io->loop, &probe->finish);
    }
}

static void finish(void *arg) {
    struct health_probe *probe = arg;
    CHECK_MAGIC(probe, HEALTH_PROBE_MAGIC);
    health_verdict_fn *done = probe->options.done;
    void *owner = probe->options.arg;
    enum health_verdict verdict = probe->verdict;
    probe_free(probe);
    done(owner, verdict);
}

static bool is_in(const struct health_check_range *ranges, uint32_t count, uint32_t status) {
    for (uint32_t i = 0; i < count; i++) {
        if (status >= ranges[i].start && status < ranges[i].end) {
            return true;
        }
    }
    return false;
}

/* The blocks in this order, anything between them. */
static bool has_all(const struct slice *blocks, uint32_t count, struct slice answer) {
    for (uint32_t i = 0; i < count; i++) {
        size_t at = slice_find(answer, blocks[i]);
        if (at == SIZE_MAX) {
            return false;
        }
        answer = slice_sub(answer, at + blocks[i].len, SIZE_MAX);
    }
    return true;
}

static void judge_http(struct health_probe *probe) {
    const struct http_health_check *http = &probe->options.config->http;
    bool is_expected = http->expected_count == 0
                           ? probe->status == 200
                           : is_in(http->expected, http->expected_count, probe->status);
    if (!is_expected) {
        decide(probe, is_in(http->retriable, http->retriable_count, probe->status)
                          ? HEALTH_VERDICT_RETRIABLE
                          : HEALTH_VERDICT_REFUSED);
        return;
    }
    bool is_ours =
        !http->has_service_name || string_matcher_matches(&http->service_name, probe->service);
    struct slice body = buffer_linearize(&probe->answer, probe->answer.len);
    bool is_good = is_ours && has_all(http->receive, http->receive_count, body);
    decide(probe, is_good ? HEALTH_VERDICT_GOOD : HEALTH_VERDICT_REFUSED);
}

/* One frame whose message is field 1, a varint: status SERVING. */
static void judge_grpc(struct health_probe *probe) {
    const uint8_t serving[] = {0, 0, 0, 0, 2, 0x08, GRPC_HEALTH_SERVING};
    struct slice answer = buffer_linearize(&probe->answer, probe->answer.len);
    bool is_good = probe->status == 200 && probe->has_grpc_status && probe->grpc_status == 0 &&
                   slice_equal(answer, slice_make(serving, sizeof(serving)));
    decide(probe, is_good ? HEALTH_VERDICT_GOOD : HEALTH_VERDICT_REFUSED);
}

static void judge(struct health_probe *probe) {
    if (probe->options.config->kind == HEALTH_CHECK_GRPC) {
        judge_grpc(probe);
    } else {
        judge_http(probe);
    }
}

static void take_grpc_status(struct health_probe *probe, const struct header_map *headers) {
    struct slice text = header_map_get(headers, HEADER_GRPC_STATUS);
    probe->has_grpc_status =
        text.ptr != NULL && slice_parse_uint64(text, &probe->grpc_status) == STATUS_OK;
}

static void on_headers(void *arg, struct header_map *headers, bool end_stream) {
    struct health_probe *probe = arg;
    CHECK_MAGIC(probe, HEALTH_PROBE_MAGIC);
    probe->status = http_status_of(headers);
    probe->service = header_map_get_name(headers, SLICE("x-envoy-upstream-healthchecked-cluster"));
    take_grpc_status(probe, headers);
    if (end_stream) {
        judge(probe);
    }
}

static void on_informational(void *arg, struct header_map *headers) {
    (void)arg;
    (void)headers;
}

static size_t answer_limit(const struct health_probe *probe) {
    const struct health_check_config *config = probe->options.config;
    if (config->kind != HEALTH_CHECK_HTTP) {
        return MAX_ANSWER_BYTES;
    }
    bool is_wanted = config->http.receive_count != 0;
    uint64_t limit = config->http.response_buffer_bytes;
    return !is_wanted ? 0 : limit == 0 || limit > MAX_ANSWER_BYTES ? MAX_ANSWER_BYTES : limit;
}

static void on_body(void *arg, struct buffer *data, bool end_stream) {
    struct health_probe *probe = arg;
    CHECK_MAGIC(probe, HEALTH_PROBE_MAGIC);
    // Of a longer body only the beginning is looked at.
    size_t limit = answer_limit(probe);
    size_t room = limit > probe->answer.len ? limit - probe->answer.len : 0;
    buffer_move_len(&probe->answer, data, data->len < room ? data->len : room);
    buffer_clear(data);
    if (end_stream) {
        judge(probe);
    }
}

static void on_trailers(void *arg, struct header_map *trailers) {
    struct health_probe *probe = arg;
    CHECK_MAGIC(probe, HEALTH_PROBE_MAGIC);
    take_grpc_status(probe, trailers);
    judge(probe);
}

static void on_reset(void *arg, enum http_reset_reason reason, const char *detail) {
    struct health_probe *probe = arg;
    CHECK_MAGIC(probe, HEALTH_PROBE_MAGIC);
    (void)reason;
    (void)detail;
    probe->stream = NULL;
    decide(probe, HEALTH_VERDICT_NETWORK);
}

static void on_stream_closed(void *arg) {
    struct health_probe *probe = arg;
    CHECK_MAGIC(probe, HEALTH_PROBE_MAGIC);
    probe->stream = NULL;
}

static void on_watermark(void *arg) {
    // A probe's request is small: there is nothing to pause.
    (void)arg;
}

static const struct http_stream_sink_ops sink_ops = {
    .on_headers = on_headers,
    .on_informational = on_informational,
    .on_data = on_body,
    .on_trailers = on_trailers,
    .on_reset = on_reset,
    .on_stream_closed = on_stream_closed,
    .on_above_high_watermark = on_watermark,
    .on_below_low_watermark = on_watermark,
};

static void on_output(void *arg) {
    connection_output_added(((struct health_probe *)arg)->connection);
}

static void on_goaway(void *arg, bool by_peer) {
    // The connection is for one stream only.
    (void)arg;
    (void)by_peer;
}

static const struct http_codec_callbacks codec_callbacks = {
    .on_goaway = on_goaway,
    .on_output = on_output,
};

static struct slice authority_of(const struct health_probe *probe) {
    const struct health_check_config *config = probe->options.config;
    struct slice given =
        config->kind == HEALTH_CHECK_GRPC ? config->grpc.authority : config->http.host;
    if (!slice_is_empty(given)) {
        return given;
    }
    struct slice hostname = probe->options.host->hostname;
    return slice_is_empty(hostname) ? probe->options.cluster->part.name : hostname;
}

static void apply_ops(struct health_probe *probe, const struct header_ops *ops) {
    struct upstream_info upstream = {.host = probe->options.host->address,
                                     .host_name = probe->options.host->hostname};
    struct stream_info info = {.arena = &probe->arena, .upstream = &upstream};
    struct log_format_input input = {.info = &info, .request_headers = &probe->request};
    for (uint32_t i = 0; i < ops->remove_count; i++) {
        header_map_remove_name(&probe->request, ops->remove[i]);
    }
    for (uint32_t i = 0; i < ops->add_count; i++) {
        const struct header_op *op = &ops->add[i];
        struct slice value = log_format_text(op->value, &input, &probe->arena);
        bool exists = header_map_count_name(&probe->request, op->name) != 0;
        switch (op->action) {
        case HEADER_OP_APPEND_IF_EXISTS_OR_ADD:
            header_map_append_name(&probe->request, op->name, value);
            break;
        case HEADER_OP_ADD_IF_ABSENT:
            if (!exists) {
                header_map_append_name(&probe->request, op->name, value);
            }
            break;
        case HEADER_OP_OVERWRITE_IF_EXISTS_OR_ADD:
            header_map_set_name(&probe->request, op->name, value);
            break;
        case HEADER_OP_OVERWRITE_IF_EXISTS:
            if (exists) {
                header_map_set_name(&probe->request, op->name, value);
            }
            break;
        }
    }
}

static void make_request(struct health_probe *probe) {
    const struct health_check_config *config = probe->options.config;
    struct header_map *headers = &probe->request;
    bool is_grpc = config->kind == HEALTH_CHECK_GRPC;
    struct slice method = SLICE("POST");
    if (!is_grpc) {
        method = slice_is_empty(config->http.method) ? SLICE("GET") : config->http.method;
    }
    header_map_init(headers, &probe->arena);
    header_map_append(headers, HEADER_METHOD, method);
    header_map_append(headers, HEADER_PATH,
                      is_grpc ? SLICE("/grpc.health.v1.Health/Check") : config->http.path);
    header_map_append(headers, HEADER_AUTHORITY, authority_of(probe));
    header_map_append(headers, HEADER_SCHEME,
                      probe->settings.is_tls ? SLICE("https") : SLICE("http"));
    header_map_append(headers, HEADER_USER_AGENT, SLICE("Envoy/HC"));
    if (is_grpc) {
        header_map_append(headers, HEADER_TE, SLICE("trailers"));
        header_map_append(headers, HEADER_CONTENT_TYPE, SLICE("application/grpc"));
    }
    apply_ops(probe, is_grpc ? &config->grpc.metadata : &config->http.headers);
}

/* HealthCheckRequest: field 1, the service's name; empty: the whole server. */
static void send_grpc_body(struct health_probe *probe) {
    struct slice name = slice_sub(probe->options.config->grpc.service_name, 0, 1024);
    uint8_t head[5 + 3];
    size_t length = 0;
    if (name.len > 0) {
        head[5] = 0x0a;
        head[6] = (uint8_t)(name.len < 128 ? name.len : (name.len & 0x7f) | 0x80);
        head[7] = (uint8_t)(name.len >> 7);
        length = name.len < 128 ? 2 : 3;
    }
    uint32_t total = (uint32_t)(length + name.len);
    head[0] = 0;
    for (int i = 0; i < 4; i++) {
        head[1 + i] = (uint8_t)(total >> (24 - 8 * i));
    }
    struct buffer body;
    buffer_init(&body, &probe->options.io->buffers);
    buffer_append(&body, slice_make(head, 5 + length));
    buffer_append(&body, name);
    http_stream_encode_data(probe->stream, &body, true);
    buffer_deinit(&body);
}

static void send_http(struct health_probe *probe) {
    const struct health_check_config *config = probe->options.config;
    bool is_grpc = config->kind == HEALTH_CHECK_GRPC;
    bool is_http2 = is_grpc || config->http.is_http2;
    struct http_codec_options options = {
        .io = probe->options.io,
        .callbacks = &codec_callbacks,
        .arg = probe,
        .output = connection_output(probe->connection),
        .stats = cluster_state_codec_stats(probe->options.cluster->state, is_http2),
    };
    probe->codec = is_http2 ? http2_client_codec_new(&options, &(struct http2_options){0})
                            : http1_client_codec_new(&options, &(struct http1_options){0});
    struct http_stream_sink sink = {.ops = &sink_ops, .arg = probe, .arena = &probe->arena};
    probe->stream = http_codec_new_stream(probe->codec, &sink);
    make_request(probe);
    if (probe->stream == NULL ||
        http_stream_encode_headers(probe->stream, &probe->request, !is_grpc) != STATUS_OK) {
        decide(probe, HEALTH_VERDICT_NETWORK);
        return;
    }
    if (is_grpc) {
        send_grpc_body(probe);
    }
}

static void on_raw_data(struct health_probe *probe, struct buffer *input) {
    if (probe->answer.len + input->len > MAX_ANSWER_BYTES) {
        decide(probe, HEALTH_VERDICT_REFUSED);
        return;
    }
    buffer_move(&probe->answer, input);
    const struct tcp_health_check *tcp = &probe->options.config->tcp;
    if (has_all(tcp->receive, tcp->receive_count,
                buffer_linearize(&probe->answer, probe->answer.len))) {
        decide(probe, HEALTH_VERDICT_GOOD);
    }
}

static void send_raw(struct health_probe *probe) {
    const struct tcp_health_check *tcp = &probe->options.config->tcp;
    if (!slice_is_empty(tcp->send)) {
        buffer_append(connection_output(probe->connection), tcp->send);
        connection_output_added(probe->connection);
    }
    if (tcp->receive_count == 0) {
        decide(probe, HEALTH_VERDICT_GOOD);
    }
}

static void on_data(void *arg, struct buffer *input, bool end_stream) {
    struct health_probe *probe = arg;
    CHECK_MAGIC(probe, HEALTH_PROBE_MAGIC);
    (void)end_stream;
    if (probe->is_decided) {
        buffer_clear(input);
        return;
    }
    if (probe->codec == NULL) {
        on_raw_data(probe, input);
        return;
    }
    struct error err = {0};
    if (http_codec_dispatch(probe->codec, input, &err) != STATUS_OK) {
        decide(probe, HEALTH_VERDICT_NETWORK);
    }
}

static void on_event(void *arg, enum connection_event event) {
    struct health_probe *probe = arg;
    CHECK_MAGIC(probe, HEALTH_PROBE_MAGIC);
    if (event == CONNECTION_CONNECTED) {
        if (probe->options.config->kind == HEALTH_CHECK_TCP) {
            send_raw(probe);
        } else {
            send_http(probe);
        }
        return;
    }
    if (probe->codec != NULL && event == CONNECTION_REMOTE_CLOSE) {
        (void)http_codec_input_ended(probe->codec);
    }
    if (probe->codec != NULL) {
        http_codec_connection_lost(probe->codec, HTTP_RESET_CONNECTION_TERMINATION, "closed");
    }
    decide(probe, HEALTH_VERDICT_NETWORK);
}

static const struct connection_callbacks connection_callbacks = {
    .on_data = on_data,
    .on_event = on_event,
};

static void on_timeout(void *arg) {
    struct health_probe *probe = arg;
    CHECK_MAGIC(probe, HEALTH_PROBE_MAGIC);
    // What our own thread was busy with is not the host's fault.
    struct event_loop *loop = probe->options.io->loop;
    uint64_t away_us = event_loop_busy_us(loop) - probe->busy_at_start_us;
    uint64_t spent_us = event_loop_now_us(loop) - probe->started_us;
    uint64_t limit_us = (uint64_t)probe->options.config->timeout_ms * 1000;
    if (spent_us < limit_us + away_us) {
        timer_arm(loop, &probe->timeout, (limit_us + away_us - spent_us) / 1000 + 1);
        return;
    }
    decide(probe, HEALTH_VERDICT_TIMEOUT);
}

/* As the host's own connections, but for what the check overrides: port, transport socket, ALPN. */
static struct connection *open_connection(struct health_probe *probe, struct error *err) {
    static const struct slice http1[] = {SLICE_INIT("http/1.1")};
    static const struct slice http2[] = {SLICE_INIT("h2")};
    const struct health_probe_options *options = &probe->options;
    const struct health_check_config *config = options->config;
    struct connect_request request = {
        .io = options->io,
        .settings = &probe->settings,
        .host = options->host,
        .ssl_stats =
            atomic_load_explicit(&options->cluster->state->ssl_stats, memory_order_acquire),
        .callbacks = &connection_callbacks,
        .arg = probe,
        .port = config->alt_port,
    };
    if (config->alpn_count != 0) {
        probe->settings.has_own_alpn = false;
        request.alpn = config->alpn;
        request.alpn_count = config->alpn_count;
    } else if (config->kind != HEALTH_CHECK_TCP) {
        bool is_http2 = config->kind == HEALTH_CHECK_GRPC || config->http.is_http2;
        request.alpn = is_http2 ? http2 : http1;
        request.alpn_count = 1;
    }
    return upstream_connect(&request, err);
}

struct health_probe *health_probe_start(const struct health_probe_options *options) {
    struct health_probe *probe = mem_calloc(1, sizeof(*probe));
    struct io_context *io = options->io;
    probe->magic = HEALTH_PROBE_MAGIC;
    probe->options = *options;
    probe->started_us = event_loop_now_us(io->loop);
    probe->busy_at_start_us = event_loop_busy_us(io->loop);
    arena_init(&probe->arena, &io->arena_blocks);
    buffer_init(&probe->answer, &io->buffers);
    event_deferred_init(&probe->finish, finish, probe);
    timer_init(&probe->timeout, on_timeout, probe);
    timer_arm(io->loop, &probe->timeout, options->config->timeout_ms);
    const struct metadata *match = options->config->socket_match;
    uint32_t socket = match == NULL ? options->host->socket_index
                                    : cluster_socket_matching(options->cluster, match);
    connect_settings_init_socket(&probe->settings, options->cluster, options->host, socket,
                                 (struct slice){0});
    struct error err = {0};
    probe->connection = open_connection(probe, &err);
    if (probe->connection == NULL) {
        decide(probe, HEALTH_VERDICT_NETWORK);
    }
    return probe;
}
