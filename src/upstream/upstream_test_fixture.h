// SPDX-License-Identifier: Apache-2.0
/*
 * For the tests of this folder: a control thread's and a worker's io_context run by turns in one thread
 * on virtual time, a store, a cluster manager, and fake upstream servers over loopback that speak with
 * our own server codecs. Everything is static, so that each test executable has its own.
 */
#ifndef SRC_UPSTREAM_UPSTREAM_TEST_FIXTURE_H
#define SRC_UPSTREAM_UPSTREAM_TEST_FIXTURE_H

#include <check.h>
#include <stdlib.h>
#include <unistd.h>

#include "src/base/check.h"
#include "src/event/event_loop.h"
#include "src/event/mailbox.h"
#include "src/net/connection.h"
#include "src/net/socket.h"
#include "src/upstream/cluster_manager.h"
#include "src/upstream/cluster_state.h"
#include "src/upstream/upstream.h"

enum { MAX_SERVER_STREAMS = 64, MAX_TURNS = 20000 };

struct fixture {
    struct virtual_clock clock;
    struct io_context control, worker;
    struct stats_registry *stats;
    struct config_store *store;
    struct cluster_manager *clusters;
    struct upstream_manager *upstream;
};

static inline void fixture_turn(struct fixture *f) {
    event_loop_run_once(f->control.loop, 0);
    event_loop_run_once(f->worker.loop, 0);
}

static inline void fixture_turns(struct fixture *f, int count) {
    for (int i = 0; i < count; i++) {
        fixture_turn(f);
    }
}

/* Turns the loops until the condition holds; a test that waits for what never comes fails. */
#define RUN_UNTIL(f, condition)                                                                    \
    do {                                                                                           \
        int turns_left_ = MAX_TURNS;                                                               \
        while (!(condition) && turns_left_-- > 0) {                                                \
            fixture_turn(f);                                                                       \
        }                                                                                          \
        ck_assert_msg(condition, "never: %s", #condition);                                         \
    } while (0)

static inline void fixture_advance(struct fixture *f, uint64_t ms) {
    virtual_clock_advance(&f->clock, ms * 1000);
    fixture_turns(f, 20);
}

static inline void fixture_init(struct fixture *f) {
    struct error err = {0};
    virtual_clock_init(&f->clock, UINT64_C(1700000000000000));
    ck_assert_int_eq(io_context_init(&f->worker, 0, &f->clock.base, &err), STATUS_OK);
    ck_assert_int_eq(io_context_init(&f->control, 1, &f->clock.base, &err), STATUS_OK);
    random_init_seed(&f->worker.random, 1);
    random_init_seed(&f->control.random, 2);
    f->stats = stats_registry_new(2);
    f->store = config_store_new(&f->control);
    f->clusters = cluster_manager_new(&f->control, f->store, f->stats);
    f->upstream = upstream_manager_new(&f->worker, f->clusters);
}

static inline void fixture_deinit(struct fixture *f) {
    upstream_manager_free(f->upstream);
    config_store_unsubscribe(f->store, &f->worker);
    cluster_manager_free(f->clusters);
    fixture_turns(f, 3);
    config_store_free(f->store);
    fixture_turns(f, 3);
    io_context_deinit(&f->worker);
    io_context_deinit(&f->control);
    stats_registry_free(f->stats);
}

/* ---- configuration ---- */

static inline struct cluster_part *make_cluster(const char *name, const struct address *addresses,
                                                uint32_t count) {
    struct cluster_part *part =
        config_part_new(CONFIG_CLUSTER, sizeof(*part), slice_from_string(name));
    struct arena *arena = &part->part.arena;
    part->stat_name = part->part.name;
    part->eds_name = part->part.name;
    part->connect_timeout_ms = 5000;
    part->per_connection_buffer_limit_bytes = 1 << 20;
    part->lb = (struct lb_config){.choice_count = 2,
                                  .active_request_bias = 1.0,
                                  .min_ring_size = 1024,
                                  .max_ring_size = 8 << 20,
                                  .table_size = 65537,
                                  .panic_threshold_percent = 50,
                                  .slow_start_aggression = 1.0,
                                  .slow_start_min_percent = 10};
    for (int i = 0; i < 2; i++) {
        part->breakers[i] = (struct circuit_breaker_thresholds){.max_connections = 1024,
                                                                .max_pending_requests = 1024,
                                                                .max_requests = 1024,
                                                                .max_retries = 3,
                                                                .max_connection_pools = UINT32_MAX};
    }
    part->http.idle_timeout_ms = 3600000;
    part->dns_refresh_ms = 5000;
    struct endpoint_part *assignment = ARENA_NEW(arena, struct endpoint_part);
    struct locality_config *locality = ARENA_NEW(arena, struct locality_config);
    struct endpoint_config *endpoints = ARENA_NEW_ARRAY(arena, count, struct endpoint_config);
    for (uint32_t i = 0; i < count; i++) {
        endpoints[i].address = addresses[i];
        endpoints[i].weight = 1;
    }
    *locality = (struct locality_config){.endpoints = endpoints, .endpoint_count = count};
    assignment->localities = locality;
    assignment->locality_count = 1;
    assignment->overprovisioning_percent = 140;
    part->load_assignment = assignment;
    return part;
}

/* ---- a fake upstream ---- */

struct server_stream {
    struct server *server;
    struct http_codec_stream *stream;
    struct server_connection *connection;
    struct arena arena;
    bool is_complete;
    size_t body_bytes;
    bool is_gone;
};

struct server_connection {
    struct server *server;
    struct connection *connection;
    struct http_codec *codec;
    bool is_closed;
};

struct server {
    struct io_context *io;
    int fd;
    struct address address;
    struct event_watch watch;
    bool is_http2;
    bool answers;    /* at once, 200 without a body */
    bool says_close; /* with "connection: close" */
    uint32_t connection_count, request_count;
    struct server_connection *connections[MAX_SERVER_STREAMS];
    struct server_stream *streams[MAX_SERVER_STREAMS];
};

static inline void server_answer(struct server_stream *stream, uint32_t status) {
    struct header_map headers;
    header_map_init(&headers, &stream->arena);
    header_map_set_uint(&headers, HEADER_STATUS, status);
    if (stream->server->says_close) {
        header_map_append(&headers, HEADER_CONNECTION, SLICE("close"));
    }
    ck_assert_int_eq(http_stream_encode_headers(stream->stream, &headers, true), STATUS_OK);
}

static inline void server_complete(struct server_stream *stream) {
    stream->is_complete = true;
    if (stream->server->answers) {
        server_answer(stream, 200);
    }
}

static inline void server_on_headers(void *arg, struct header_map *headers, bool end_stream) {
    (void)headers;
    if (end_stream) {
        server_complete(arg);
    }
}

static inline void server_on_data_frame(void *arg, struct buffer *data, bool end_stream) {
    struct server_stream *stream = arg;
    stream->body_bytes += data->len;
    buffer_clear(data);
    if (end_stream) {
        server_complete(stream);
    }
}

static inline void server_on_trailers(void *arg, struct header_map *trailers) {
    (void)trailers;
    server_complete(arg);
}

static inline void server_on_reset(void *arg, enum http_reset_reason reason, const char *detail) {
    (void)reason;
    (void)detail;
    ((struct server_stream *)arg)->is_gone = true;
}

static inline void server_on_closed(void *arg) {
    ((struct server_stream *)arg)->is_gone = true;
}

static inline void server_ignore(void *arg) {
    (void)arg;
}

static const struct http_stream_sink_ops server_sink_ops = {
    .on_headers = server_on_headers,
    .on_data = server_on_data_frame,
    .on_trailers = server_on_trailers,
    .on_reset = server_on_reset,
    .on_stream_closed = server_on_closed,
    .on_above_high_watermark = server_ignore,
    .on_below_low_watermark = server_ignore,
};

static inline bool server_on_new_stream(void *arg, struct http_codec_stream *codec_stream,
                                        struct http_stream_sink *sink) {
    struct server_connection *connection = arg;
    struct server *server = connection->server;
    ck_assert_uint_lt(server->request_count, MAX_SERVER_STREAMS);
    struct server_stream *stream = mem_calloc(1, sizeof(*stream));
    stream->server = server;
    stream->connection = connection;
    stream->stream = codec_stream;
    arena_init_heap(&stream->arena, 0);
    server->streams[server->request_count++] = stream;
    *sink = (struct http_stream_sink){&server_sink_ops, stream, &stream->arena};
    return true;
}

static inline void server_on_bad_request(void *arg, struct http_codec_stream *stream,
                                         uint32_t status, const char *detail) {
    (void)arg;
    (void)stream;
    ck_abort_msg("bad request %u: %s", (unsigned)status, detail);
}

static inline void server_on_output(void *arg) {
    connection_output_added(((struct server_connection *)arg)->connection);
}

static const struct http_codec_callbacks server_codec_callbacks = {
    .on_new_stream = server_on_new_stream,
    .on_bad_request = server_on_bad_request,
    .on_output = server_on_output,
};

static inline void server_on_data(void *arg, struct buffer *input, bool end_stream) {
    struct server_connection *connection = arg;
    (void)end_stream;
    struct error err = {0};
    ck_assert_msg(http_codec_dispatch(connection->codec, input, &err) == STATUS_OK, "%s",
                  err.message);
}

static inline void server_on_event(void *arg, enum connection_event event) {
    struct server_connection *connection = arg;
    if (event != CONNECTION_CONNECTED && !connection->is_closed) {
        connection->is_closed = true;
        http_codec_connection_lost(connection->codec, HTTP_RESET_CONNECTION_TERMINATION, "closed");
    }
}

static const struct connection_callbacks server_callbacks = {
    .on_data = server_on_data,
    .on_event = server_on_event,
};

static inline void server_accept(void *arg, unsigned flags) {
    struct server *server = arg;
    (void)flags;
    int fd;
    struct address remote;
    struct error err = {0};
    while (socket_accept(server->fd, &fd, &remote, &err) == STATUS_OK) {
        struct server_connection *connection = mem_calloc(1, sizeof(*connection));
        connection->server = server;
        struct connection_options options = {.io = server->io,
                                             .transport = raw_transport_new(),
                                             .callbacks = &server_callbacks,
                                             .arg = connection};
        connection->connection =
            connection_new_server(&options, fd, &server->address, &remote, NULL, &err);
        ck_assert_ptr_nonnull(connection->connection);
        struct http_codec_options codec = {.io = server->io,
                                           .callbacks = &server_codec_callbacks,
                                           .arg = connection,
                                           .output = connection_output(connection->connection)};
        connection->codec = server->is_http2
                                ? http2_server_codec_new(&codec, &(struct http2_options){0})
                                : http1_server_codec_new(&codec, &(struct http1_options){0});
        ck_assert_uint_lt(server->connection_count, MAX_SERVER_STREAMS);
        server->connections[server->connection_count++] = connection;
    }
}

static inline void server_init(struct server *server, struct io_context *io, bool is_http2) {
    *server = (struct server){.io = io, .is_http2 = is_http2, .answers = true};
    struct error err = {0};
    struct address any;
    ck_assert_int_eq(address_from_text(&any, SLICE("127.0.0.1:0"), &err), STATUS_OK);
    ck_assert_int_eq(socket_listen(&any, &(struct socket_listen_options){0}, &server->fd, &err),
                     STATUS_OK);
    ck_assert_int_eq(socket_local_address(server->fd, &server->address, &err), STATUS_OK);
    ck_assert_int_eq(
        event_loop_watch_level(io->loop, &server->watch, server->fd, server_accept, server),
        STATUS_OK);
}

static inline void server_close_connection(struct server_connection *connection) {
    if (!connection->is_closed) {
        connection_close(connection->connection, CONNECTION_CLOSE_NOW);
    }
}

static inline uint32_t server_open_connections(const struct server *server) {
    uint32_t open = 0;
    for (uint32_t i = 0; i < server->connection_count; i++) {
        open += server->connections[i]->is_closed ? 0 : 1;
    }
    return open;
}

static inline void server_deinit(struct server *server) {
    event_loop_unwatch(server->io->loop, &server->watch);
    close(server->fd);
    for (uint32_t i = 0; i < server->connection_count; i++) {
        struct server_connection *connection = server->connections[i];
        http_codec_connection_lost(connection->codec, HTTP_RESET_CONNECTION_TERMINATION, "end");
        http_codec_free(connection->codec);
        connection_free(connection->connection);
        mem_free(connection);
    }
    for (uint32_t i = 0; i < server->request_count; i++) {
        arena_deinit(&server->streams[i]->arena);
        mem_free(server->streams[i]);
    }
}

/* ---- a client's request ---- */

struct attempt {
    struct fixture *f;
    struct arena arena;
    struct header_map headers;
    struct upstream_info info;
    struct upstream_request *request;
    enum upstream_failure failure;
    bool is_ready, has_ended, is_closed, is_reset;
    uint32_t status;
    enum http_reset_reason reason;
    bool is_in_call; /* of upstream_request_start: no callback may come */
};

static inline void attempt_headers(void *arg, struct header_map *headers, bool end_stream) {
    struct attempt *attempt = arg;
    attempt->status = http_status_of(headers);
    attempt->has_ended = end_stream;
}
static inline void attempt_informational(void *arg, struct header_map *headers) {
    (void)arg;
    (void)headers;
}
static inline void attempt_data(void *arg, struct buffer *data, bool end_stream) {
    buffer_clear(data);
    ((struct attempt *)arg)->has_ended = end_stream;
}
static inline void attempt_trailers(void *arg, struct header_map *trailers) {
    (void)trailers;
    ((struct attempt *)arg)->has_ended = true;
}
static inline void attempt_let_go(struct attempt *attempt) {
    ck_assert(!attempt->is_in_call);
    upstream_request_end(attempt->request, HTTP_RESET_LOCAL);
    attempt->request = NULL;
}
static inline void attempt_reset(void *arg, enum http_reset_reason reason, const char *detail) {
    struct attempt *attempt = arg;
    (void)detail;
    attempt->is_reset = true;
    attempt->reason = reason;
    attempt_let_go(attempt);
}
static inline void attempt_closed(void *arg) {
    struct attempt *attempt = arg;
    attempt->is_closed = true;
    attempt_let_go(attempt);
}
static inline void attempt_ready(void *arg) {
    struct attempt *attempt = arg;
    ck_assert(!attempt->is_in_call);
    attempt->is_ready = true;
}
static const struct http_stream_sink_ops attempt_sink_ops = {
    .on_headers = attempt_headers,
    .on_informational = attempt_informational,
    .on_data = attempt_data,
    .on_trailers = attempt_trailers,
    .on_reset = attempt_reset,
    .on_stream_closed = attempt_closed,
    .on_above_high_watermark = server_ignore,
    .on_below_low_watermark = server_ignore,
};

/* GET / to the cluster; true when it was accepted. */
static inline bool attempt_start(struct attempt *attempt, struct fixture *f, const char *cluster) {
    *attempt = (struct attempt){.f = f};
    arena_init(&attempt->arena, &f->worker.arena_blocks);
    header_map_init(&attempt->headers, &attempt->arena);
    header_map_append(&attempt->headers, HEADER_METHOD, SLICE("GET"));
    header_map_append(&attempt->headers, HEADER_SCHEME, SLICE("http"));
    header_map_append(&attempt->headers, HEADER_AUTHORITY, SLICE("test"));
    header_map_append(&attempt->headers, HEADER_PATH, SLICE("/"));
    struct upstream_request_options options = {
        .io = &f->worker,
        .arena = &attempt->arena,
        .cluster_slot = config_store_slot(f->store, CONFIG_CLUSTER, slice_from_string(cluster)),
        .info = &attempt->info,
        .downstream_protocol = HTTP_1_1,
        .sink = {&attempt_sink_ops, attempt, &attempt->arena},
        .on_pool_ready = attempt_ready,
    };
    attempt->is_in_call = true;
    attempt->request = upstream_request_start(&options, &attempt->failure);
    if (attempt->request != NULL) {
        upstream_request_headers(attempt->request, &attempt->headers, true);
    }
    attempt->is_in_call = false;
    return attempt->request != NULL;
}

static inline void attempt_deinit(struct attempt *attempt) {
    if (attempt->request != NULL) {
        upstream_request_end(attempt->request, HTTP_RESET_LOCAL);
    }
    arena_deinit(&attempt->arena);
}

static inline uint64_t cluster_stat(struct fixture *f, const char *cluster,
                                    enum cluster_stat stat) {
    uint32_t slot = config_store_slot(f->store, CONFIG_CLUSTER, slice_from_string(cluster));
    struct config_part *part = config_store_get(f->store, CONFIG_CLUSTER, slot);
    ck_assert_ptr_nonnull(part);
    return stats_value(((struct cluster_part *)(void *)part)->state->stats, (uint32_t)stat);
}

static inline int run_suite(Suite *suite) {
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
