// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/health_check/health_checker.h"

#include "src/base/check.h"
#include "src/base/log.h"
#include "src/config/config_runtime.h"
#include "src/event/timer.h"
#include "src/runtime/runtime_key.h"
#include "src/upstream/cluster_manager_internal.h"
#include "src/upstream/health_check/health_probe.h"
#include "src/upstream/outlier_detector.h"

enum { HEALTH_CHECKER_MAGIC = 0x48434b31 };

/* One host under one of the cluster's checks. */
struct health_session {
    struct list_node node;
    struct health_checker *checker;
    const struct health_check_config *config;
    struct host *host; /* one reference */
    struct health_probe *probe;
    struct timer timer; /* the next probe */
    uint32_t good_run, bad_run;
    bool is_first; /* the first result decides alone */
    bool is_unhealthy;
};

struct health_checker {
    uint32_t magic;
    struct managed_cluster *cluster;
    struct cluster_part *part; /* one reference */
    const struct health_check_list *configs;
    struct io_context *io;
    struct stats_scope *stats;
    struct list_node sessions;
    uint32_t unprobed_count;
    struct event_deferred ready;
};

static void count(const struct health_checker *checker, enum health_check_stat stat) {
    stats_inc(checker->stats, checker->io->index, stat);
}

static void set_gauges(const struct health_checker *checker) {
    uint64_t healthy = 0;
    LIST_FOR_EACH (node, &checker->sessions) {
        const struct health_session *session = LIST_ENTRY(node, struct health_session, node);
        healthy += !session->is_first && !session->is_unhealthy ? 1 : 0;
    }
    stats_set(checker->stats, checker->io->index, HEALTH_CHECK_STAT_HEALTHY, healthy);
}

static bool is_cluster_unused(const struct health_checker *checker) {
    return stats_value(checker->part->state->stats, CLUSTER_STAT_UPSTREAM_CX_TOTAL) == 0;
}

static uint32_t or_default(uint32_t value, uint32_t fallback) {
    return value == 0 ? fallback : value;
}

/* Envoy's choice of the interval: around a change of health, while down, without traffic. */
static uint64_t next_delay_ms(const struct health_session *session, bool is_success) {
    const struct health_check_config *config = session->config;
    uint32_t interval = config->interval_ms;
    if (is_cluster_unused(session->checker)) {
        interval = or_default(config->no_traffic_interval_ms, 60000);
        if (is_success && !session->is_unhealthy) {
            interval = or_default(config->no_traffic_healthy_interval_ms, interval);
        }
    } else if (!is_success) {
        bool is_edge = !session->is_unhealthy;
        uint32_t unhealthy = or_default(config->unhealthy_interval_ms, config->interval_ms);
        interval = is_edge ? or_default(config->unhealthy_edge_interval_ms, unhealthy) : unhealthy;
    } else if (session->is_unhealthy) {
        interval = or_default(config->healthy_edge_interval_ms, config->interval_ms);
    }
    struct random *random = &session->checker->io->random;
    uint64_t jitter = random_below(random, config->interval_jitter_ms);
    jitter += random_below(random, (uint64_t)interval * config->interval_jitter_percent / 100);
    const struct runtime_table *runtime = config_runtime(session->checker->io);
    uint64_t max = runtime_integer(runtime, RUNTIME_HEALTH_CHECK_MAX_INTERVAL, UINT64_MAX);
    uint64_t min = runtime_integer(runtime, RUNTIME_HEALTH_CHECK_MIN_INTERVAL, 0);
    uint64_t delay = interval + jitter < max ? interval + jitter : max;
    delay = delay > min ? delay : min;
    return delay == 0 ? 1 : delay;
}

static void note_first(struct health_session *session) {
    struct health_checker *checker = session->checker;
    if (!session->is_first) {
        return;
    }
    session->is_first = false;
    if (--checker->unprobed_count == 0) {
        event_loop_defer(checker->io->loop, &checker->ready);
    }
}

static void change_flags(struct health_session *session, uint32_t set, uint32_t clear) {
    cluster_manager_set_host_flags(session->checker->cluster->manager, session->host, set, clear);
}

static void on_good(struct health_session *session) {
    session->bad_run = 0;
    session->good_run++;
    bool decides = session->is_first || session->good_run >= session->config->healthy_threshold;
    if (session->is_unhealthy && !decides) {
        return;
    }
    if (session->is_unhealthy) {
        LOG(HC, INFO, "%.*s is healthy", SLICE_ARG(session->host->address_text));
    }
    session->is_unhealthy = false;
    change_flags(session, 0, HOST_FAILED_ACTIVE_HC | HOST_PENDING_ACTIVE_HC);
    outlier_detector_host_checked(session->checker->part->state, session->host);
}

static void on_bad(struct health_session *session, enum health_verdict verdict) {
    session->good_run = 0;
    session->bad_run++;
    // An answer that says "no" counts at once; silence and lost connections by number.
    bool decides = session->is_first || verdict == HEALTH_VERDICT_REFUSED ||
                   session->bad_run >= session->config->unhealthy_threshold;
    if (!decides) {
        return;
    }
    if (!session->is_unhealthy) {
        LOG(HC, INFO, "%.*s is unhealthy", SLICE_ARG(session->host->address_text));
    }
    session->is_unhealthy = true;
    change_flags(session, HOST_FAILED_ACTIVE_HC, HOST_PENDING_ACTIVE_HC);
}

static void on_verdict(void *arg, enum health_verdict verdict) {
    struct health_session *session = arg;
    struct health_checker *checker = session->checker;
    CHECK_MAGIC(checker, HEALTH_CHECKER_MAGIC);
    session->probe = NULL;
    bool is_success = verdict == HEALTH_VERDICT_GOOD;
    count(checker, is_success ? HEALTH_CHECK_STAT_SUCCESS : HEALTH_CHECK_STAT_FAILURE);
    if (verdict == HEALTH_VERDICT_NETWORK) {
        count(checker, HEALTH_CHECK_STAT_NETWORK_FAILURE);
    }
    // Armed before the flags change: a host kept only for its health leaves with them, and we with it.
    bool was_unhealthy = session->is_unhealthy;
    timer_arm(checker->io->loop, &session->timer, next_delay_ms(session, is_success));
    struct host *host = host_ref(session->host);
    if (is_success) {
        on_good(session);
    } else {
        on_bad(session, verdict);
    }
    if (host->checker == session) {
        note_first(session);
        if (was_unhealthy != session->is_unhealthy) {
            timer_arm(checker->io->loop, &session->timer, next_delay_ms(session, is_success));
        }
    }
    set_gauges(checker);
    host_unref(host);
}

static void on_due(void *arg) {
    struct health_session *session = arg;
    struct health_checker *checker = session->checker;
    CHECK_MAGIC(checker, HEALTH_CHECKER_MAGIC);
    count(checker, HEALTH_CHECK_STAT_ATTEMPT);
    session->probe = health_probe_start(&(struct health_probe_options){
        .io = checker->io,
        .cluster = checker->part,
        .config = session->config,
        .host = session->host,
        .done = on_verdict,
        .arg = session,
    });
}

static void on_ready(void *arg) {
    struct health_checker *checker = arg;
    CHECK_MAGIC(checker, HEALTH_CHECKER_MAGIC);
    cluster_manager_checks_done(checker->cluster);
}

static void session_new(struct health_checker *checker, struct host *host) {
    struct health_session *session = mem_calloc(1, sizeof(*session));
    session->checker = checker;
    session->config = &checker->configs->items[0];
    session->host = host_ref(host);
    session->is_first = true;
    // The host's health may be known from a checker of an older configuration.
    session->is_unhealthy = (host_flags(host) & HOST_FAILED_ACTIVE_HC) != 0;
    timer_init(&session->timer, on_due, session);
    list_push_back(&checker->sessions, &session->node);
    checker->unprobed_count++;
    host->checker = session;
    uint64_t delay = random_below(&checker->io->random, session->config->initial_jitter_ms);
    timer_arm(checker->io->loop, &session->timer, delay);
}

static void session_free(struct health_session *session) {
    struct health_checker *checker = session->checker;
    timer_cancel(&session->timer);
    health_probe_cancel(session->probe);
    if (session->is_first) {
        session->is_first = false;
        if (--checker->unprobed_count == 0) {
            event_loop_defer(checker->io->loop, &checker->ready);
        }
    }
    session->host->checker = NULL;
    host_unref(session->host);
    list_remove(&session->node);
    mem_free(session);
}

void health_checker_host_changed(struct health_checker *checker, struct host *host, bool is_added) {
    CHECK_MAGIC(checker, HEALTH_CHECKER_MAGIC);
    if (is_added) {
        session_new(checker, host);
    } else if (host->checker != NULL) {
        session_free(host->checker);
    }
    set_gauges(checker);
}

bool health_checker_is_ready(const struct health_checker *checker) {
    return checker->unprobed_count == 0;
}

struct health_checker *health_checker_new(struct managed_cluster *cluster,
                                          struct cluster_part *part) {
    struct health_checker *checker = mem_calloc(1, sizeof(*checker));
    checker->magic = HEALTH_CHECKER_MAGIC;
    checker->cluster = cluster;
    checker->part = part;
    config_part_ref(&part->part);
    checker->configs = part->health_checks;
    CHECK(checker->configs->count > 0);
    checker->io = cluster->manager->control;
    list_init(&checker->sessions);
    event_deferred_init(&checker->ready, on_ready, checker);
    struct arena arena;
    arena_init_heap(&arena, 0);
    checker->stats = stats_scope_get(
        cluster->manager->stats,
        arena_printf(&arena, "cluster.%.*s.health_check", SLICE_ARG(part->stat_name)),
        &health_check_stat_table);
    arena_deinit(&arena);
    return checker;
}

void health_checker_free(struct health_checker *checker) {
    if (checker == NULL) {
        return;
    }
    CHECK_MAGIC(checker, HEALTH_CHECKER_MAGIC);
    while (!list_is_empty(&checker->sessions)) {
        session_free(LIST_ENTRY(checker->sessions.next, struct health_session, node));
    }
    event_loop_defer_cancel(&checker->ready);
    stats_scope_unref(checker->stats);
    config_part_unref(&checker->part->part);
    checker->magic = 0;
    mem_free(checker);
}
