// SPDX-License-Identifier: Apache-2.0
/*
 * For the tests of this folder: a control thread's and a worker's io_context run by turns in one thread
 * on virtual time, a store, a cluster manager, and a client's request. Everything is static, so that each
 * test executable has its own.
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
#include "src/upstream/upstream_test_server.h"

enum { MAX_TURNS = 20000 };

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
    part->endpoint_slot = CONFIG_SLOT_NONE;
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
    struct cluster_dns_config *dns = ARENA_NEW(arena, struct cluster_dns_config);
    dns->refresh_ms = 5000;
    part->dns = dns;
    struct endpoint_part *assignment = ARENA_NEW(arena, struct endpoint_part);
    struct locality_config *locality = ARENA_NEW(arena, struct locality_config);
    struct endpoint_config *endpoints = ARENA_NEW_ARRAY(arena, count, struct endpoint_config);
    for (uint32_t i = 0; i < count; i++) {
        endpoints[i].address = stored_address_make(&addresses[i], NULL);
        endpoints[i].weight = 1;
    }
    *locality = (struct locality_config){.endpoints = endpoints, .endpoint_count = count};
    assignment->localities = locality;
    assignment->locality_count = 1;
    assignment->overprovisioning_percent = 140;
    part->load_assignment = assignment;
    return part;
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
