// SPDX-License-Identifier: Apache-2.0
#include "filters/network/tcp_proxy/tcp_proxy.h"

#include "src/base/check.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "src/event/timer.h"
#include "src/net/connection.h"
#include "src/upstream/cluster_stats.h"
#include "src/upstream/upstream.h"

static const struct stat_def stats[] = {TCP_PROXY_STATS(STAT_DEF)};
const struct stat_table tcp_proxy_stat_table = {"tcp", stats, ARRAY_LEN(stats)};

enum { TCP_PROXY_MAGIC = 0x74637078 };

struct tcp_proxy {
    struct network_filter base;
    uint32_t magic;
    const struct tcp_proxy_config *config;
    struct io_context *io;
    const struct tcp_proxy_cluster *cluster;
    struct upstream_tcp *upstream;
    struct connection *upstream_connection; /* NULL until ready */
    uint32_t connect_attempts;
    struct buffer early; /* downstream bytes that wait for the upstream */
    bool downstream_ended, upstream_ended;
    bool is_closing;
    struct timer idle_timer, duration_timer;
    struct arena arena;
    struct stream_info info;
    struct upstream_info upstream_info;
};

static struct tcp_proxy *from_filter(struct network_filter *f) {
    struct tcp_proxy *proxy = (struct tcp_proxy *)(void *)f;
    CHECK_MAGIC(proxy, TCP_PROXY_MAGIC);
    return proxy;
}

static void count(struct tcp_proxy *proxy, enum tcp_proxy_stat stat) {
    stats_inc(proxy->config->stats, proxy->io->index, stat);
}

static struct connection *downstream(const struct tcp_proxy *proxy) {
    return network_filter_connection(&proxy->base);
}

static void active(struct tcp_proxy *proxy) {
    if (proxy->config->idle_timeout_ms != 0) {
        timer_arm(proxy->io->loop, &proxy->idle_timer, proxy->config->idle_timeout_ms);
    }
}

/* ---- the end ---- */

static void end_upstream(struct tcp_proxy *proxy, bool flush) {
    struct upstream_tcp *upstream = proxy->upstream;
    proxy->upstream = NULL;
    proxy->upstream_connection = NULL;
    if (upstream != NULL) {
        upstream_tcp_end(upstream, flush);
    }
}

static void close_both(struct tcp_proxy *proxy, enum connection_close_kind downstream_kind) {
    proxy->is_closing = true;
    end_upstream(proxy, false);
    connection_close(downstream(proxy), downstream_kind);
}

static void on_idle(void *arg) {
    struct tcp_proxy *proxy = arg;
    count(proxy, TCP_PROXY_IDLE_TIMEOUT);
    close_both(proxy, CONNECTION_CLOSE_NOW);
}

static void on_duration(void *arg) {
    struct tcp_proxy *proxy = arg;
    count(proxy, TCP_PROXY_MAX_DOWNSTREAM_CONNECTION_DURATION);
    stream_info_set_flag(&proxy->info, RESPONSE_FLAG_DURATION_TIMEOUT);
    close_both(proxy, CONNECTION_CLOSE_NOW);
}

/* ---- upstream to downstream ---- */

static void both_ended(struct tcp_proxy *proxy) {
    if (proxy->downstream_ended && proxy->upstream_ended) {
        proxy->is_closing = true;
        end_upstream(proxy, true);
        connection_close(downstream(proxy), CONNECTION_CLOSE_FLUSH);
    }
}

static void on_upstream_data(void *arg, struct buffer *input, bool end_stream) {
    struct tcp_proxy *proxy = arg;
    active(proxy);
    proxy->info.bytes_sent += input->len;
    proxy->info.sent.wire += input->len;
    stats_add(proxy->config->stats, proxy->io->index, TCP_PROXY_DOWNSTREAM_CX_TX_BYTES_TOTAL,
              input->len);
    proxy->upstream_ended = proxy->upstream_ended || end_stream;
    connection_write(downstream(proxy), input, end_stream);
    if (end_stream && proxy->downstream_ended) {
        upstream_tcp_ended_by_peer(proxy->upstream);
    }
    both_ended(proxy);
}

static void on_upstream_event(void *arg, enum connection_event event) {
    struct tcp_proxy *proxy = arg;
    if (event == CONNECTION_CONNECTED || proxy->is_closing) {
        return;
    }
    if (connection_was_reset(proxy->upstream_connection)) {
        stream_info_set_flag(&proxy->info, RESPONSE_FLAG_UPSTREAM_REMOTE_RESET);
    }
    proxy->is_closing = true;
    if (event == CONNECTION_REMOTE_CLOSE) {
        upstream_tcp_ended_by_peer(proxy->upstream);
    }
    end_upstream(proxy, false);
    connection_close(downstream(proxy), CONNECTION_CLOSE_FLUSH);
}

static void on_upstream_above(void *arg) {
    struct tcp_proxy *proxy = arg;
    count(proxy, TCP_PROXY_DOWNSTREAM_FLOW_CONTROL_PAUSED_READING_TOTAL);
    connection_read_disable(downstream(proxy), true);
}

static void on_upstream_below(void *arg) {
    struct tcp_proxy *proxy = arg;
    count(proxy, TCP_PROXY_DOWNSTREAM_FLOW_CONTROL_RESUMED_READING_TOTAL);
    connection_read_disable(downstream(proxy), false);
}

static const struct connection_callbacks upstream_callbacks = {
    .on_data = on_upstream_data,
    .on_event = on_upstream_event,
    .on_above_high_watermark = on_upstream_above,
    .on_below_low_watermark = on_upstream_below,
};

/* ---- connecting ---- */

static void connect_upstream(struct tcp_proxy *proxy);

static void on_ready(void *arg, struct connection *connection) {
    struct tcp_proxy *proxy = arg;
    proxy->upstream_connection = connection;
    connection_set_callbacks(connection, &upstream_callbacks, proxy);
    connection_read_disable(downstream(proxy), false);
    if (!buffer_is_empty(&proxy->early) || proxy->downstream_ended) {
        connection_write(connection, &proxy->early, proxy->downstream_ended);
    }
}

static void count_exceeded(struct tcp_proxy *proxy) {
    stats_inc(upstream_cluster_stats(proxy->io, proxy->cluster->slot), proxy->io->index,
              CLUSTER_STAT_UPSTREAM_CX_CONNECT_ATTEMPTS_EXCEEDED);
}

static void fail(struct tcp_proxy *proxy, enum response_flag flag) {
    stream_info_set_flag(&proxy->info, flag);
    close_both(proxy, CONNECTION_CLOSE_NOW);
}

static void on_failure(void *arg, struct slice reason, bool timed_out) {
    struct tcp_proxy *proxy = arg;
    (void)timed_out;
    proxy->upstream_info.transport_failure_reason = arena_dup_slice(&proxy->arena, reason);
    end_upstream(proxy, false);
    if (proxy->connect_attempts < proxy->config->max_connect_attempts) {
        connect_upstream(proxy);
        return;
    }
    count_exceeded(proxy);
    stream_info_set_flag(&proxy->info, RESPONSE_FLAG_UPSTREAM_RETRY_LIMIT_EXCEEDED);
    fail(proxy, RESPONSE_FLAG_UPSTREAM_CONNECTION_FAILURE);
}

static const struct upstream_tcp_callbacks connect_callbacks = {
    .on_ready = on_ready,
    .on_failure = on_failure,
};

static enum response_flag flag_of(enum upstream_failure failure) {
    switch (failure) {
    case UPSTREAM_FAILURE_NO_CLUSTER:
        return RESPONSE_FLAG_NO_CLUSTER_FOUND;
    case UPSTREAM_FAILURE_NO_HOST:
        return RESPONSE_FLAG_NO_HEALTHY_UPSTREAM;
    case UPSTREAM_FAILURE_DROPPED:
        return RESPONSE_FLAG_DROP_OVERLOAD;
    case UPSTREAM_FAILURE_DROPPED_ALL:
        return RESPONSE_FLAG_UNCONDITIONAL_DROP_OVERLOAD;
    case UPSTREAM_FAILURE_PENDING:
        return RESPONSE_FLAG_UPSTREAM_RETRY_LIMIT_EXCEEDED;
    case UPSTREAM_FAILURE_NONE:
    case UPSTREAM_FAILURE_OVERFLOW:
        return RESPONSE_FLAG_UPSTREAM_OVERFLOW;
    }
    return RESPONSE_FLAG_UPSTREAM_OVERFLOW;
}

static void start_upstream(struct tcp_proxy *proxy, enum upstream_failure *failure) {
    struct upstream_tcp_options options = {
        .io = proxy->io,
        .arena = &proxy->arena,
        .cluster_slot = proxy->cluster->slot,
        .info = &proxy->upstream_info,
        .callbacks = &connect_callbacks,
        .arg = proxy,
    };
    options.lb.downstream = network_filter_connection_info(&proxy->base);
    options.lb.metadata_match = proxy->config->metadata_match;
    if (proxy->config->hash_source_ip) {
        char text[ADDRESS_TEXT_BYTES];
        options.lb.has_hash = true;
        options.lb.hash = slice_xxhash64(address_ip_text(options.lb.downstream->remote, text), 0);
    }
    proxy->upstream = upstream_tcp_start(&options, failure);
    if (proxy->upstream != NULL || *failure == UPSTREAM_FAILURE_PENDING) {
        proxy->connect_attempts++;
        proxy->upstream_info.attempts = proxy->connect_attempts;
    }
}

/* What may not wait for a connection is tried again at once, as often as a connection that fails. */
static void connect_upstream(struct tcp_proxy *proxy) {
    enum upstream_failure failure;
    do {
        failure = UPSTREAM_FAILURE_NONE;
        start_upstream(proxy, &failure);
    } while (failure == UPSTREAM_FAILURE_PENDING &&
             proxy->connect_attempts < proxy->config->max_connect_attempts);
    if (failure == UPSTREAM_FAILURE_NO_CLUSTER) {
        count(proxy, TCP_PROXY_DOWNSTREAM_CX_NO_ROUTE);
    }
    if (failure == UPSTREAM_FAILURE_PENDING) {
        count_exceeded(proxy);
    }
    if (proxy->upstream == NULL) {
        fail(proxy, flag_of(failure));
    }
}

static const struct tcp_proxy_cluster *pick_cluster(struct tcp_proxy *proxy) {
    const struct tcp_proxy_config *config = proxy->config;
    uint64_t at = random_below(&proxy->io->random, config->total_weight);
    for (uint32_t i = 0; i + 1 < config->cluster_count; i++) {
        if (at < config->clusters[i].weight) {
            return &config->clusters[i];
        }
        at -= config->clusters[i].weight;
    }
    return &config->clusters[config->cluster_count - 1];
}

static void init_info(struct tcp_proxy *proxy) {
    struct stream_info *info = &proxy->info;
    info->arena = &proxy->arena;
    info->connection = network_filter_connection_info(&proxy->base);
    info->start_us = event_loop_now_us(proxy->io->loop);
    info->start_wall_us = event_loop_wall_us(proxy->io->loop);
    info->downstream_remote = info->connection->remote;
    info->cluster_name = proxy->cluster->name;
    info->upstream = &proxy->upstream_info;
    info->upstream->cluster_name = proxy->cluster->name;
}

static enum network_filter_verdict on_new_connection(struct network_filter *f) {
    struct tcp_proxy *proxy = from_filter(f);
    count(proxy, TCP_PROXY_DOWNSTREAM_CX_TOTAL);
    count(proxy, TCP_PROXY_DOWNSTREAM_CX_ACTIVE);
    proxy->cluster = pick_cluster(proxy);
    init_info(proxy);
    active(proxy);
    if (proxy->config->max_connection_duration_ms != 0) {
        timer_arm(proxy->io->loop, &proxy->duration_timer,
                  proxy->config->max_connection_duration_ms);
    }
    /* Nothing is read before there is somewhere to send it. */
    connection_read_disable(downstream(proxy), true);
    connect_upstream(proxy);
    return NETWORK_FILTER_STOP;
}

/* ---- downstream to upstream ---- */

static enum network_filter_verdict on_data(struct network_filter *f, struct buffer *data,
                                           bool end_stream) {
    struct tcp_proxy *proxy = from_filter(f);
    active(proxy);
    proxy->info.bytes_received += data->len;
    proxy->info.received.wire += data->len;
    stats_add(proxy->config->stats, proxy->io->index, TCP_PROXY_DOWNSTREAM_CX_RX_BYTES_TOTAL,
              data->len);
    proxy->downstream_ended = proxy->downstream_ended || end_stream;
    if (proxy->is_closing) {
        buffer_clear(data);
    } else if (proxy->upstream_connection == NULL) {
        buffer_move(&proxy->early, data);
    } else {
        connection_write(proxy->upstream_connection, data, end_stream);
        both_ended(proxy);
    }
    return NETWORK_FILTER_STOP;
}

static void write_logs(struct tcp_proxy *proxy) {
    struct log_format_input input = {
        .info = &proxy->info,
        .access_log_type = "TcpConnectionEnd",
        .now_us = event_loop_now_us(proxy->io->loop),
        .now_wall_us = event_loop_wall_us(proxy->io->loop),
    };
    for (uint32_t i = 0; i < proxy->config->access_log_count; i++) {
        access_log_write(proxy->config->access_logs[i], proxy->io, &input);
    }
}

static void on_event(struct network_filter *f, enum connection_event event) {
    struct tcp_proxy *proxy = from_filter(f);
    if (event == CONNECTION_CONNECTED) {
        return;
    }
    proxy->info.end_us = event_loop_now_us(proxy->io->loop);
    proxy->is_closing = true;
    /* A client that is gone still has its last bytes delivered. */
    if (proxy->upstream_connection != NULL &&
        connection_unsent_bytes(proxy->upstream_connection) > 0) {
        count(proxy, TCP_PROXY_UPSTREAM_FLUSH_TOTAL);
    }
    end_upstream(proxy, event == CONNECTION_REMOTE_CLOSE);
    write_logs(proxy);
}

static void on_above_high_watermark(struct network_filter *f) {
    struct tcp_proxy *proxy = from_filter(f);
    if (proxy->upstream_connection != NULL) {
        connection_read_disable(proxy->upstream_connection, true);
    }
}

static void on_below_low_watermark(struct network_filter *f) {
    struct tcp_proxy *proxy = from_filter(f);
    if (proxy->upstream_connection != NULL) {
        connection_read_disable(proxy->upstream_connection, false);
    }
}

static void on_bytes_sent(struct network_filter *f, size_t bytes) {
    (void)bytes;
    active(from_filter(f));
}

static void on_destroy(struct network_filter *f) {
    struct tcp_proxy *proxy = from_filter(f);
    stats_dec(proxy->config->stats, proxy->io->index, TCP_PROXY_DOWNSTREAM_CX_ACTIVE);
    timer_cancel(&proxy->idle_timer);
    timer_cancel(&proxy->duration_timer);
    end_upstream(proxy, false);
    buffer_deinit(&proxy->early);
    arena_deinit(&proxy->arena);
    proxy->magic = 0;
    mem_free(proxy);
}

static const struct network_filter_ops ops = {
    .on_new_connection = on_new_connection,
    .on_data = on_data,
    .on_event = on_event,
    .on_above_high_watermark = on_above_high_watermark,
    .on_below_low_watermark = on_below_low_watermark,
    .on_bytes_sent = on_bytes_sent,
    .on_destroy = on_destroy,
};

struct network_filter *tcp_proxy_create(const void *config, struct io_context *io) {
    struct tcp_proxy *proxy = mem_calloc(1, sizeof(*proxy));
    proxy->base.ops = &ops;
    proxy->magic = TCP_PROXY_MAGIC;
    proxy->config = config;
    proxy->io = io;
    buffer_init(&proxy->early, &io->buffers);
    arena_init_heap(&proxy->arena, 512);
    timer_init(&proxy->idle_timer, on_idle, proxy);
    timer_init(&proxy->duration_timer, on_duration, proxy);
    return &proxy->base;
}
