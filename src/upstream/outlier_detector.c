// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/outlier_detector.h"

#include <math.h>

#include "src/base/check.h"
#include "src/base/list.h"
#include "src/base/log.h"
#include "src/config/config_runtime.h"
#include "src/event/event_loop.h"
#include "src/event/mailbox.h"
#include "src/event/timer.h"
#include "src/runtime/runtime_key.h"
#include "src/upstream/cluster_manager_internal.h"

enum { OUTLIER_DETECTOR_MAGIC = 0x4f55544c };

/* What a host was found out by; the order is that of the tables below. */
enum outlier_cause {
    OUTLIER_CONSECUTIVE_5XX,
    OUTLIER_CONSECUTIVE_GATEWAY,
    OUTLIER_CONSECUTIVE_LOCAL,
    OUTLIER_SUCCESS_RATE,
    OUTLIER_FAILURE_PERCENTAGE,
    OUTLIER_LOCAL_SUCCESS_RATE,
    OUTLIER_LOCAL_FAILURE_PERCENTAGE,
    OUTLIER_CAUSE_COUNT,
};

static const struct {
    const char *name;
    enum outlier_stat detected, enforced;
} causes[OUTLIER_CAUSE_COUNT] = {
    [OUTLIER_CONSECUTIVE_5XX] = {"consecutive 5xx", OUTLIER_STAT_EJECTIONS_DETECTED_CONSECUTIVE_5XX,
                                 OUTLIER_STAT_EJECTIONS_ENFORCED_CONSECUTIVE_5XX},
    [OUTLIER_CONSECUTIVE_GATEWAY] = {"consecutive gateway failures",
                                     OUTLIER_STAT_EJECTIONS_DETECTED_CONSECUTIVE_GATEWAY_FAILURE,
                                     OUTLIER_STAT_EJECTIONS_ENFORCED_CONSECUTIVE_GATEWAY_FAILURE},
    [OUTLIER_CONSECUTIVE_LOCAL] =
        {"consecutive local failures",
         OUTLIER_STAT_EJECTIONS_DETECTED_CONSECUTIVE_LOCAL_ORIGIN_FAILURE,
         OUTLIER_STAT_EJECTIONS_ENFORCED_CONSECUTIVE_LOCAL_ORIGIN_FAILURE},
    [OUTLIER_SUCCESS_RATE] = {"success rate", OUTLIER_STAT_EJECTIONS_DETECTED_SUCCESS_RATE,
                              OUTLIER_STAT_EJECTIONS_ENFORCED_SUCCESS_RATE},
    [OUTLIER_FAILURE_PERCENTAGE] = {"failure percentage",
                                    OUTLIER_STAT_EJECTIONS_DETECTED_FAILURE_PERCENTAGE,
                                    OUTLIER_STAT_EJECTIONS_ENFORCED_FAILURE_PERCENTAGE},
    [OUTLIER_LOCAL_SUCCESS_RATE] = {"local success rate",
                                    OUTLIER_STAT_EJECTIONS_DETECTED_LOCAL_ORIGIN_SUCCESS_RATE,
                                    OUTLIER_STAT_EJECTIONS_ENFORCED_LOCAL_ORIGIN_SUCCESS_RATE},
    [OUTLIER_LOCAL_FAILURE_PERCENTAGE] =
        {"local failure percentage",
         OUTLIER_STAT_EJECTIONS_DETECTED_LOCAL_ORIGIN_FAILURE_PERCENTAGE,
         OUTLIER_STAT_EJECTIONS_ENFORCED_LOCAL_ORIGIN_FAILURE_PERCENTAGE},
};

struct outlier_host {
    struct list_node node;
    struct host *host; /* a member: leaves us before it goes */
    bool is_ejected;
    uint32_t times; /* ejected in a row, less one for each good interval */
    uint64_t return_us;
    /* Of the interval that just ended. */
    uint32_t requests[2], successes[2]; /* external, local */
};

struct outlier_detector {
    uint32_t magic;
    struct managed_cluster *cluster; /* NULL: stopped */
    struct cluster_state *state;
    struct outlier_config configured;
    struct outlier_config config; /* with what the runtime says, as of the last event */
    struct stats_scope *stats;
    struct timer timer;
    struct list_node hosts;
    uint32_t host_count, ejected_count;
};

static struct io_context *control_of(const struct outlier_detector *detector) {
    return detector->state->control;
}

static void count(const struct outlier_detector *detector, enum outlier_stat stat) {
    stats_inc(detector->stats, control_of(detector)->index, stat);
}

static void apply_runtime(struct outlier_detector *detector) {
    const struct runtime_table *runtime = config_runtime(control_of(detector));
    struct outlier_config *config = &detector->config;
    const struct {
        enum runtime_known_key key;
        uint32_t *value;
    } fields[] = {
        {RUNTIME_OUTLIER_INTERVAL_MS, &config->interval_ms},
        {RUNTIME_OUTLIER_BASE_EJECTION_TIME_MS, &config->base_ejection_time_ms},
        {RUNTIME_OUTLIER_MAX_EJECTION_TIME_MS, &config->max_ejection_time_ms},
        {RUNTIME_OUTLIER_MAX_EJECTION_TIME_JITTER_MS, &config->max_ejection_time_jitter_ms},
        {RUNTIME_OUTLIER_MAX_EJECTION_PERCENT, &config->max_ejection_percent},
        {RUNTIME_OUTLIER_ENFORCING_CONSECUTIVE_5XX, &config->enforcing_consecutive_5xx},
        {RUNTIME_OUTLIER_ENFORCING_CONSECUTIVE_GATEWAY_FAILURE,
         &config->enforcing_consecutive_gateway_failure},
        {RUNTIME_OUTLIER_ENFORCING_CONSECUTIVE_LOCAL_ORIGIN_FAILURE,
         &config->enforcing_consecutive_local_origin_failure},
        {RUNTIME_OUTLIER_ENFORCING_SUCCESS_RATE, &config->enforcing_success_rate},
        {RUNTIME_OUTLIER_SUCCESS_RATE_MINIMUM_HOSTS, &config->success_rate_minimum_hosts},
        {RUNTIME_OUTLIER_SUCCESS_RATE_REQUEST_VOLUME, &config->success_rate_request_volume},
        {RUNTIME_OUTLIER_SUCCESS_RATE_STDEV_FACTOR, &config->success_rate_stdev_factor},
        {RUNTIME_OUTLIER_ENFORCING_FAILURE_PERCENTAGE, &config->enforcing_failure_percentage},
        {RUNTIME_OUTLIER_FAILURE_PERCENTAGE_THRESHOLD, &config->failure_percentage_threshold},
        {RUNTIME_OUTLIER_FAILURE_PERCENTAGE_MINIMUM_HOSTS,
         &config->failure_percentage_minimum_hosts},
        {RUNTIME_OUTLIER_FAILURE_PERCENTAGE_REQUEST_VOLUME,
         &config->failure_percentage_request_volume},
    };
    *config = detector->configured;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        uint64_t value = runtime_integer(runtime, fields[i].key, *fields[i].value);
        *fields[i].value = value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
    }
    // A timer without an interval would never rest.
    config->interval_ms = config->interval_ms == 0 ? 1 : config->interval_ms;
}

static void set_flag(struct outlier_detector *detector, struct outlier_host *entry, bool ejected) {
    entry->is_ejected = ejected;
    detector->ejected_count += ejected ? 1 : UINT32_MAX;
    stats_set(detector->stats, control_of(detector)->index, OUTLIER_STAT_EJECTIONS_ACTIVE,
              detector->ejected_count);
    cluster_manager_set_host_flags(detector->cluster->manager, entry->host,
                                   ejected ? HOST_FAILED_OUTLIER : 0,
                                   ejected ? 0 : HOST_FAILED_OUTLIER);
}

static void eject(struct outlier_detector *detector, struct outlier_host *entry) {
    const struct outlier_config *config = &detector->config;
    if (entry->times < UINT32_MAX &&
        (uint64_t)entry->times * config->base_ejection_time_ms <
            (uint64_t)config->max_ejection_time_ms + config->base_ejection_time_ms) {
        entry->times++;
    }
    uint64_t time_ms = (uint64_t)entry->times * config->base_ejection_time_ms;
    uint64_t max_ms = config->max_ejection_time_ms > config->base_ejection_time_ms
                          ? config->max_ejection_time_ms
                          : config->base_ejection_time_ms;
    time_ms = time_ms > max_ms ? max_ms : time_ms;
    time_ms += random_below(&control_of(detector)->random, config->max_ejection_time_jitter_ms);
    entry->return_us = event_loop_now_us(control_of(detector)->loop) + time_ms * 1000;
    set_flag(detector, entry, true);
}

static void detected(struct outlier_detector *detector, struct outlier_host *entry,
                     enum outlier_cause cause, uint32_t enforcing_percent) {
    count(detector, causes[cause].detected);
    count(detector, OUTLIER_STAT_EJECTIONS_TOTAL);
    if (entry->is_ejected) {
        return;
    }
    uint64_t ejected_share = (uint64_t)detector->ejected_count * 100;
    if (ejected_share >= (uint64_t)detector->config.max_ejection_percent * detector->host_count) {
        count(detector, OUTLIER_STAT_EJECTIONS_OVERFLOW);
        return;
    }
    if (random_below(&control_of(detector)->random, 100) >= enforcing_percent) {
        return;
    }
    LOG(UPSTREAM, INFO, "cluster '%.*s': ejecting %.*s for its %s",
        SLICE_ARG(detector->state->name), SLICE_ARG(entry->host->address_text), causes[cause].name);
    count(detector, causes[cause].enforced);
    count(detector, OUTLIER_STAT_EJECTIONS_ENFORCED_TOTAL);
    if (cause == OUTLIER_CONSECUTIVE_5XX) {
        count(detector, OUTLIER_STAT_EJECTIONS_CONSECUTIVE_5XX);
    } else if (cause == OUTLIER_SUCCESS_RATE) {
        count(detector, OUTLIER_STAT_EJECTIONS_SUCCESS_RATE);
    }
    eject(detector, entry);
}

/* From a worker: a run of errors reached its threshold. */
struct outlier_mail {
    struct mail mail;
    struct cluster_state *state; /* one reference each */
    struct host *host;
    enum outlier_cause cause;
};

static void deliver(struct mail *mail) {
    struct outlier_mail *news = CONTAINER_OF(mail, struct outlier_mail, mail);
    struct outlier_detector *detector =
        atomic_load_explicit(&news->state->outlier, memory_order_relaxed);
    struct outlier_host *entry = news->host->outlier;
    if (detector != NULL && detector->cluster != NULL && entry != NULL) {
        const struct outlier_config *config = &detector->config;
        apply_runtime(detector);
        uint32_t enforcing = news->cause == OUTLIER_CONSECUTIVE_5XX
                                 ? config->enforcing_consecutive_5xx
                             : news->cause == OUTLIER_CONSECUTIVE_GATEWAY
                                 ? config->enforcing_consecutive_gateway_failure
                                 : config->enforcing_consecutive_local_origin_failure;
        detected(detector, entry, news->cause, enforcing);
    }
    host_unref(news->host);
    cluster_state_unref(news->state);
    mem_free(news);
}

static void tell(struct cluster_state *state, struct host *host, enum outlier_cause cause) {
    struct outlier_mail *news = mem_calloc(1, sizeof(*news));
    news->mail.deliver = deliver;
    news->state = cluster_state_ref(state);
    news->host = host_ref(host);
    news->cause = cause;
    mailbox_post(state->control->mailbox, &news->mail);
}

/* Of a worker: the runtime may say what makes a run. */
struct report {
    const struct io_context *io;
    struct cluster_state *state;
    const struct outlier_config *config;
    struct host *host;
};

static void count_run(const struct report *report, _Atomic uint32_t *run, uint32_t configured,
                      enum runtime_known_key key, enum outlier_cause cause) {
    uint64_t threshold = runtime_integer(config_runtime(report->io), key, configured);
    uint32_t length = atomic_fetch_add_explicit(run, 1, memory_order_relaxed) + 1;
    if (threshold != 0 && length == threshold) {
        atomic_store_explicit(run, 0, memory_order_relaxed);
        tell(report->state, report->host, cause);
    }
}

/* No store where it is zero already: the line stays shared among the threads. */
static void end_run(_Atomic uint32_t *run) {
    if (atomic_load_explicit(run, memory_order_relaxed) != 0) {
        atomic_store_explicit(run, 0, memory_order_relaxed);
    }
}

static void add_one(_Atomic uint32_t *counter) {
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static void report_status(const struct report *report, uint32_t status) {
    struct host *host = report->host;
    add_one(&host->outlier_requests);
    if (status < 500) {
        add_one(&host->outlier_successes);
        end_run(&host->outlier_consecutive_5xx);
        end_run(&host->outlier_consecutive_gateway);
        return;
    }
    if (status >= 502 && status <= 504) {
        count_run(report, &host->outlier_consecutive_gateway,
                  report->config->consecutive_gateway_failure,
                  RUNTIME_OUTLIER_CONSECUTIVE_GATEWAY_FAILURE, OUTLIER_CONSECUTIVE_GATEWAY);
    } else {
        end_run(&host->outlier_consecutive_gateway);
    }
    count_run(report, &host->outlier_consecutive_5xx, report->config->consecutive_5xx,
              RUNTIME_OUTLIER_CONSECUTIVE_5XX, OUTLIER_CONSECUTIVE_5XX);
}

static void report_local(const struct report *report, bool is_success) {
    struct host *host = report->host;
    add_one(&host->outlier_local_requests);
    if (is_success) {
        add_one(&host->outlier_local_successes);
        end_run(&host->outlier_consecutive_local);
        return;
    }
    count_run(report, &host->outlier_consecutive_local,
              report->config->consecutive_local_origin_failure,
              RUNTIME_OUTLIER_CONSECUTIVE_LOCAL_ORIGIN_FAILURE, OUTLIER_CONSECUTIVE_LOCAL);
}

void outlier_detector_report(struct io_context *io, struct cluster_state *state,
                             const struct outlier_config *config, struct host *host,
                             enum outlier_event event, uint32_t status) {
    if (config == NULL) {
        return;
    }
    const struct report report = {.io = io, .state = state, .config = config, .host = host};
    bool is_split = config->split_external_local_origin_errors;
    switch (event) {
    case OUTLIER_RESPONSE:
        report_status(&report, status);
        if (is_split) {
            report_local(&report, true);
        }
        return;
    case OUTLIER_LOCAL_SUCCESS:
        if (is_split) {
            report_local(&report, true);
        }
        return;
    case OUTLIER_LOCAL_FAILURE:
    case OUTLIER_LOCAL_TIMEOUT:
        if (is_split) {
            report_local(&report, false);
        } else {
            report_status(&report, event == OUTLIER_LOCAL_TIMEOUT ? 504 : 503);
        }
        return;
    }
}

static void take_interval(struct outlier_host *entry) {
    struct host *host = entry->host;
    entry->requests[0] = atomic_exchange_explicit(&host->outlier_requests, 0, memory_order_relaxed);
    entry->successes[0] =
        atomic_exchange_explicit(&host->outlier_successes, 0, memory_order_relaxed);
    entry->requests[1] =
        atomic_exchange_explicit(&host->outlier_local_requests, 0, memory_order_relaxed);
    entry->successes[1] =
        atomic_exchange_explicit(&host->outlier_local_successes, 0, memory_order_relaxed);
}

static double success_percent(const struct outlier_host *entry, int origin) {
    return 100.0 * entry->successes[origin] / entry->requests[origin];
}

static bool has_volume(const struct outlier_host *entry, int origin, uint32_t volume) {
    return !entry->is_ejected && entry->requests[origin] != 0 && entry->requests[origin] >= volume;
}

/* Hosts far below the mean of all are out. */
static void judge_success_rate(struct outlier_detector *detector, int origin) {
    const struct outlier_config *config = &detector->config;
    uint32_t volume = config->success_rate_request_volume;
    double sum = 0;
    double squares = 0;
    uint32_t number = 0;
    LIST_FOR_EACH (node, &detector->hosts) {
        const struct outlier_host *entry = LIST_ENTRY(node, struct outlier_host, node);
        if (has_volume(entry, origin, volume)) {
            double rate = success_percent(entry, origin);
            sum += rate;
            squares += rate * rate;
            number++;
        }
    }
    if (number == 0 || number < config->success_rate_minimum_hosts) {
        return;
    }
    double mean = sum / number;
    double variance = squares / number - mean * mean;
    double deviation = variance > 0 ? sqrt(variance) : 0;
    double threshold = mean - deviation * config->success_rate_stdev_factor / 1000.0;
    LIST_FOR_EACH_SAFE (node, &detector->hosts) {
        struct outlier_host *entry = LIST_ENTRY(node, struct outlier_host, node);
        if (has_volume(entry, origin, volume) && success_percent(entry, origin) < threshold) {
            detected(detector, entry,
                     origin == 0 ? OUTLIER_SUCCESS_RATE : OUTLIER_LOCAL_SUCCESS_RATE,
                     config->enforcing_success_rate);
        }
    }
}

static void judge_failure_percentage(struct outlier_detector *detector, int origin) {
    const struct outlier_config *config = &detector->config;
    uint32_t volume = config->failure_percentage_request_volume;
    uint32_t number = 0;
    LIST_FOR_EACH (node, &detector->hosts) {
        number += has_volume(LIST_ENTRY(node, struct outlier_host, node), origin, volume) ? 1 : 0;
    }
    if (number == 0 || number < config->failure_percentage_minimum_hosts) {
        return;
    }
    LIST_FOR_EACH_SAFE (node, &detector->hosts) {
        struct outlier_host *entry = LIST_ENTRY(node, struct outlier_host, node);
        if (has_volume(entry, origin, volume) &&
            100.0 - success_percent(entry, origin) >= config->failure_percentage_threshold) {
            detected(detector, entry,
                     origin == 0 ? OUTLIER_FAILURE_PERCENTAGE : OUTLIER_LOCAL_FAILURE_PERCENTAGE,
                     config->enforcing_failure_percentage);
        }
    }
}

static void bring_back(struct outlier_detector *detector, struct outlier_host *entry) {
    end_run(&entry->host->outlier_consecutive_5xx);
    end_run(&entry->host->outlier_consecutive_gateway);
    end_run(&entry->host->outlier_consecutive_local);
    set_flag(detector, entry, false);
}

static void on_interval(void *arg) {
    struct outlier_detector *detector = arg;
    CHECK_MAGIC(detector, OUTLIER_DETECTOR_MAGIC);
    struct io_context *io = control_of(detector);
    uint64_t now = event_loop_now_us(io->loop);
    apply_runtime(detector);
    LIST_FOR_EACH_SAFE (node, &detector->hosts) {
        struct outlier_host *entry = LIST_ENTRY(node, struct outlier_host, node);
        take_interval(entry);
        if (entry->is_ejected && now >= entry->return_us) {
            bring_back(detector, entry);
        } else if (!entry->is_ejected && entry->times > 0) {
            entry->times--;
        }
    }
    int origins = detector->config.split_external_local_origin_errors ? 2 : 1;
    for (int origin = 0; origin < origins; origin++) {
        judge_success_rate(detector, origin);
        judge_failure_percentage(detector, origin);
    }
    timer_arm(io->loop, &detector->timer, detector->config.interval_ms);
}

void outlier_detector_host_checked(struct cluster_state *state, struct host *host) {
    struct outlier_detector *detector = atomic_load_explicit(&state->outlier, memory_order_relaxed);
    struct outlier_host *entry = host->outlier;
    if (detector == NULL || detector->cluster == NULL || entry == NULL || !entry->is_ejected ||
        !detector->config.successful_active_health_check_uneject_host) {
        return;
    }
    LOG(UPSTREAM, INFO, "cluster '%.*s': %.*s is back, its health check succeeded",
        SLICE_ARG(detector->state->name), SLICE_ARG(host->address_text));
    bring_back(detector, entry);
}

void outlier_detector_host_changed(struct cluster_state *state, struct host *host, bool is_added) {
    struct outlier_detector *detector = atomic_load_explicit(&state->outlier, memory_order_relaxed);
    if (detector == NULL || detector->cluster == NULL) {
        return;
    }
    if (is_added) {
        struct outlier_host *entry = mem_calloc(1, sizeof(*entry));
        entry->host = host;
        host->outlier = entry;
        list_push_back(&detector->hosts, &entry->node);
        detector->host_count++;
        return;
    }
    struct outlier_host *entry = host->outlier;
    if (entry == NULL) {
        return;
    }
    if (entry->is_ejected) {
        set_flag(detector, entry, false);
    }
    host->outlier = NULL;
    list_remove(&entry->node);
    mem_free(entry);
    detector->host_count--;
}

static void stop(struct outlier_detector *detector) {
    timer_cancel(&detector->timer);
    while (!list_is_empty(&detector->hosts)) {
        struct outlier_host *entry = LIST_ENTRY(detector->hosts.next, struct outlier_host, node);
        outlier_detector_host_changed(detector->state, entry->host, false);
    }
    detector->cluster = NULL;
}

static struct outlier_detector *detector_new(struct managed_cluster *cluster,
                                             struct cluster_state *state) {
    struct outlier_detector *detector = mem_calloc(1, sizeof(*detector));
    detector->magic = OUTLIER_DETECTOR_MAGIC;
    detector->state = state;
    list_init(&detector->hosts);
    timer_init(&detector->timer, on_interval, detector);
    struct arena arena;
    arena_init_heap(&arena, 0);
    detector->stats = stats_scope_get(
        cluster->manager->stats,
        arena_printf(&arena, "cluster.%.*s.outlier_detection", SLICE_ARG(state->stat_name)),
        &outlier_stat_table);
    arena_deinit(&arena);
    atomic_store_explicit(&state->outlier, detector, memory_order_release);
    return detector;
}

void outlier_detector_configure(struct managed_cluster *cluster, struct cluster_state *state,
                                const struct outlier_config *config) {
    struct outlier_detector *detector = atomic_load_explicit(&state->outlier, memory_order_relaxed);
    if (config == NULL) {
        if (detector != NULL && detector->cluster != NULL) {
            stop(detector);
        }
        return;
    }
    if (detector == NULL) {
        detector = detector_new(cluster, state);
    }
    bool is_new = detector->cluster == NULL;
    detector->cluster = cluster;
    detector->configured = *config;
    apply_runtime(detector);
    timer_arm(state->control->loop, &detector->timer, detector->config.interval_ms);
    for (uint32_t i = 0; i < cluster->members.count && is_new; i++) {
        if (cluster->members.items[i].host->outlier == NULL) {
            outlier_detector_host_changed(state, cluster->members.items[i].host, true);
        }
    }
}

void outlier_detector_free(struct outlier_detector *detector) {
    if (detector == NULL) {
        return;
    }
    CHECK_MAGIC(detector, OUTLIER_DETECTOR_MAGIC);
    stop(detector);
    stats_scope_unref(detector->stats);
    detector->magic = 0;
    mem_free(detector);
}
