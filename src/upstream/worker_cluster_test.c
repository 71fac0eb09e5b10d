// SPDX-License-Identifier: Apache-2.0
/* Real threads: workers send requests while the control thread changes, removes and brings back the
 * cluster under them. Meant for the thread sanitizer. */
#include "src/upstream/worker_cluster.h"

#include <pthread.h>

#include "src/upstream/upstream_test_fixture.h"

enum { WORKERS = 3, REQUESTS = 150, UPDATES = 120 };

struct world {
    struct io_context control;
    struct stats_registry *stats;
    struct config_store *store;
    struct cluster_manager *clusters;
    uint32_t slot;
    _Atomic uint32_t running;
};

struct worker {
    struct world *world;
    struct io_context io;
    struct upstream_manager *upstream;
    struct server server; /* answers on the worker's own loop */
    uint32_t answered, refused, reset;
    pthread_t thread;
};

struct one {
    struct worker *worker;
    struct upstream_request *request;
    struct arena arena;
    struct header_map headers;
    bool is_over;
};

static void one_let_go(struct one *one) {
    upstream_request_end(one->request, HTTP_RESET_LOCAL);
    one->is_over = true;
}
static void one_headers(void *arg, struct header_map *headers, bool end_stream) {
    (void)end_stream;
    ck_assert_uint_eq(http_status_of(headers), 200);
    ((struct one *)arg)->worker->answered++;
}
static void one_reset(void *arg, enum http_reset_reason reason, const char *detail) {
    struct one *one = arg;
    (void)reason;
    (void)detail;
    one->worker->reset++;
    one_let_go(one);
}
static void one_closed(void *arg) {
    one_let_go(arg);
}
static const struct http_stream_sink_ops one_ops = {
    .on_headers = one_headers,
    .on_informational = attempt_informational,
    .on_data = attempt_data,
    .on_trailers = attempt_trailers,
    .on_reset = one_reset,
    .on_stream_closed = one_closed,
    .on_above_high_watermark = server_ignore,
    .on_below_low_watermark = server_ignore,
};

static void send_one(struct worker *worker) {
    struct one one = {.worker = worker};
    arena_init(&one.arena, &worker->io.arena_blocks);
    header_map_init(&one.headers, &one.arena);
    header_map_append(&one.headers, HEADER_METHOD, SLICE("GET"));
    header_map_append(&one.headers, HEADER_SCHEME, SLICE("http"));
    header_map_append(&one.headers, HEADER_AUTHORITY, SLICE("test"));
    header_map_append(&one.headers, HEADER_PATH, SLICE("/"));
    struct upstream_request_options options = {.io = &worker->io,
                                               .arena = &one.arena,
                                               .cluster_slot = worker->world->slot,
                                               .sink = {&one_ops, &one, &one.arena}};
    enum upstream_failure failure;
    one.request = upstream_request_start(&options, &failure);
    if (one.request == NULL) {
        worker->refused++;
        event_loop_run_once(worker->io.loop, 1);
    } else {
        upstream_request_headers(one.request, &one.headers, true);
        for (int turns = 0; !one.is_over && turns < MAX_TURNS; turns++) {
            event_loop_run_once(worker->io.loop, 10);
        }
        ck_assert(one.is_over);
    }
    arena_deinit(&one.arena);
}

static void *run_worker(void *arg) {
    struct worker *worker = arg;
    for (int i = 0; i < REQUESTS; i++) {
        // Each request is a stream of the fake server, which keeps only so many.
        for (uint32_t k = 0; k < worker->server.request_count; k++) {
            struct server_stream *stream = worker->server.streams[k];
            if (stream->is_gone) {
                arena_deinit(&stream->arena);
                mem_free(stream);
                worker->server.streams[k--] =
                    worker->server.streams[--worker->server.request_count];
            }
        }
        send_one(worker);
    }
    atomic_fetch_sub(&worker->world->running, 1);
    while (atomic_load(&worker->world->running) != 0) {
        event_loop_run_once(worker->io.loop, 1);
    }
    return NULL;
}

static void update(struct world *world, struct worker *workers, uint32_t round) {
    struct address addresses[WORKERS];
    uint32_t count = 0;
    for (uint32_t i = 0; i < WORKERS; i++) {
        // One host is missing in each round.
        if (i != round % WORKERS) {
            addresses[count++] = workers[i].server.address;
        }
    }
    if (round % 8 == 7) {
        cluster_manager_remove(world->clusters, SLICE("web"));
        return;
    }
    struct cluster_part *part = make_cluster("web", addresses, count);
    part->lb.policy = round % 2 == 0 ? LB_ROUND_ROBIN : LB_LEAST_REQUEST;
    cluster_manager_add(world->clusters, part, NULL, NULL);
}

static void server_forget(struct server *server) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < server->connection_count; i++) {
        struct server_connection *connection = server->connections[i];
        if (!connection->is_closed) {
            server->connections[kept++] = connection;
            continue;
        }
        http_codec_free(connection->codec);
        connection_free(connection->connection);
        mem_free(connection);
    }
    server->connection_count = kept;
}

static void forget_closed(void *arg) {
    server_forget(arg);
}

START_TEST(cluster_changes_under_running_requests) {
    static struct world world;
    static struct worker workers[WORKERS];
    struct error err = {0};
    ck_assert_int_eq(io_context_init(&world.control, WORKERS, clock_system(), &err), STATUS_OK);
    world.stats = stats_registry_new(WORKERS + 1);
    world.store = config_store_new(&world.control);
    world.clusters = cluster_manager_new(&world.control, world.store, world.stats);
    world.slot = config_store_slot(world.store, CONFIG_CLUSTER, SLICE("web"));
    config_store_hold_slot(world.store, CONFIG_CLUSTER, world.slot); // as a route would
    atomic_store(&world.running, WORKERS);
    for (uint32_t i = 0; i < WORKERS; i++) {
        workers[i].world = &world;
        ck_assert_int_eq(io_context_init(&workers[i].io, i, clock_system(), &err), STATUS_OK);
        workers[i].upstream = upstream_manager_new(&workers[i].io, world.clusters);
        server_init(&workers[i].server, &workers[i].io, false);
    }
    update(&world, workers, 0);
    config_store_publish(world.store);
    for (uint32_t i = 0; i < WORKERS; i++) {
        ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, run_worker, &workers[i]), 0);
    }
    for (uint32_t round = 1; atomic_load(&world.running) != 0; round++) {
        if (round < UPDATES) {
            update(&world, workers, round);
        } else if (round == UPDATES) {
            update(&world, workers, 0);
        }
        for (uint32_t i = 0; i < WORKERS; i++) {
            mailbox_call(workers[i].io.mailbox, forget_closed, &workers[i].server);
        }
        event_loop_run_once(world.control.loop, 1);
    }
    uint32_t answered = 0;
    for (uint32_t i = 0; i < WORKERS; i++) {
        pthread_join(workers[i].thread, NULL);
        answered += workers[i].answered;
        ck_assert_uint_eq(workers[i].answered + workers[i].refused + workers[i].reset, REQUESTS);
    }
    ck_assert_uint_gt(answered, 0);
    for (uint32_t i = 0; i < WORKERS; i++) {
        event_loop_run_once(workers[i].io.loop, 0);
        upstream_manager_free(workers[i].upstream);
        config_store_unsubscribe(world.store, &workers[i].io);
        server_deinit(&workers[i].server);
    }
    config_store_release_slot(world.store, CONFIG_CLUSTER, world.slot);
    cluster_manager_free(world.clusters);
    for (int i = 0; i < 5; i++) {
        event_loop_run_once(world.control.loop, 0);
        for (uint32_t k = 0; k < WORKERS; k++) {
            event_loop_run_once(workers[k].io.loop, 0);
        }
    }
    config_store_free(world.store);
    for (uint32_t i = 0; i < WORKERS; i++) {
        io_context_deinit(&workers[i].io);
    }
    io_context_deinit(&world.control);
    stats_registry_free(world.stats);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("worker_cluster");
    TCase *tests = tcase_create("threads");
    tcase_set_timeout(tests, 50);
    tcase_add_test(tests, cluster_changes_under_running_requests);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
