// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "src/base/check.h"
#include "src/upstream/outlier_detector.h"
#include "src/upstream/upstream_request_internal.h"

/* What the counters of a group are called, and where its row of the static ones begins. */
static const struct {
    const char *prefix;
    uint32_t completed, first_class;
} groups[] = {
    [STATUS_GROUP_EXTERNAL] = {"external", CLUSTER_STAT_EXTERNAL_UPSTREAM_RQ_COMPLETED,
                               CLUSTER_STAT_EXTERNAL_UPSTREAM_RQ_1XX},
    [STATUS_GROUP_INTERNAL] = {"internal", CLUSTER_STAT_INTERNAL_UPSTREAM_RQ_COMPLETED,
                               CLUSTER_STAT_INTERNAL_UPSTREAM_RQ_1XX},
    [STATUS_GROUP_RETRY] = {"retry", CLUSTER_STAT_RETRY_UPSTREAM_RQ_COMPLETED,
                            CLUSTER_STAT_RETRY_UPSTREAM_RQ_1XX},
};

/* The counters of one status code, found by name at first use only. */
static const struct status_stat *status_stat(struct worker_cluster *cluster, uint32_t status,
                                             enum status_group group) {
    struct status_stat *found = &cluster->status_stats[(status + group) % STATUS_STAT_CACHE];
    if (found->status == status && found->group == group) {
        return found;
    }
    char name[48];
    int length =
        snprintf(name, sizeof(name), "%s.upstream_rq_%u", groups[group].prefix, (unsigned)status);
    struct slice full = slice_make(name, (size_t)length);
    struct stats_scope *stats = cluster->state->stats;
    found->status = status;
    found->group = group;
    found->index[1] = stats_dynamic(stats, full, STAT_COUNTER);
    if (group != STATUS_GROUP_RETRY) {
        struct slice plain = slice_sub(full, sizeof("external.") - 1, SIZE_MAX);
        found->index[0] = stats_dynamic(stats, plain, STAT_COUNTER);
    }
    return found;
}

/* Answers that are tried again are counted in their group only. */
static void count_status(struct worker_cluster *cluster, uint32_t thread, uint32_t status,
                         enum status_group group) {
    struct stats_scope *stats = cluster->state->stats;
    bool is_final = group != STATUS_GROUP_RETRY;
    stats_inc(stats, thread, groups[group].completed);
    if (is_final) {
        stats_inc(stats, thread, CLUSTER_STAT_UPSTREAM_RQ_COMPLETED);
    }
    if (status < 100 || status > 999) {
        return;
    }
    if (status < 600) {
        uint32_t class = status / 100 - 1;
        stats_inc(stats, thread, groups[group].first_class + class);
        if (is_final) {
            stats_inc(stats, thread, CLUSTER_STAT_UPSTREAM_RQ_1XX + class);
        }
    }
    const struct status_stat *stat = status_stat(cluster, status, group);
    stats_dynamic_add(stats, thread, stat->index[1], 1);
    if (is_final) {
        stats_dynamic_add(stats, thread, stat->index[0], 1);
    }
}

static enum status_group group_of(bool is_internal) {
    return is_internal ? STATUS_GROUP_INTERNAL : STATUS_GROUP_EXTERNAL;
}

static const struct outlier_config *outlier_config_of(const struct io_context *io,
                                                      uint32_t cluster_slot,
                                                      const struct cluster_state *state) {
    const struct cluster_part *part = upstream_cluster_part(io, cluster_slot);
    return part == NULL || part->state != state ? NULL : part->outlier;
}

static void report_answer(struct io_context *io, const struct upstream_request *request,
                          uint32_t status, enum status_group group) {
    CHECK_MAGIC(request, UPSTREAM_REQUEST_MAGIC);
    struct worker_host *host = request->pool->host;
    struct worker_cluster *cluster = host->cluster;
    bool is_error = status >= 500 || group == STATUS_GROUP_RETRY;
    count_status(cluster, io->index, status, group);
    host_count(host->host, is_error ? HOST_STAT_RQ_ERROR : HOST_STAT_RQ_SUCCESS);
    outlier_detector_report(io, cluster->state,
                            outlier_config_of(io, request->cluster_slot, cluster->state),
                            host->host, OUTLIER_RESPONSE, status);
}

void upstream_report_response(struct io_context *io, const struct upstream_request *request,
                              uint32_t status) {
    report_answer(io, request, status, group_of(request->is_internal));
}

void upstream_report_retried(struct io_context *io, const struct upstream_request *request,
                             uint32_t status) {
    report_answer(io, request, status, STATUS_GROUP_RETRY);
}

void upstream_report_interim(struct io_context *io, const struct upstream_request *request,
                             uint32_t status) {
    CHECK_MAGIC(request, UPSTREAM_REQUEST_MAGIC);
    count_status(request->pool->host->cluster, io->index, status, group_of(request->is_internal));
}

void upstream_report_local_reply(struct io_context *io, uint32_t cluster_slot, uint32_t status,
                                 bool is_internal) {
    const struct cluster_part *part = upstream_cluster_part(io, cluster_slot);
    if (part != NULL) {
        count_status(worker_cluster_get(io->upstream, part), io->index, status,
                     group_of(is_internal));
    }
}

void upstream_report_local_failure(struct io_context *io, struct host *host, uint32_t cluster_slot,
                                   bool timed_out) {
    host_count(host, HOST_STAT_RQ_ERROR);
    if (timed_out) {
        host_count(host, HOST_STAT_RQ_TIMEOUT);
    }
    struct worker_host *worker = host->workers[io->index];
    if (worker == NULL) {
        return;
    }
    struct cluster_state *state = worker->cluster->state;
    outlier_detector_report(io, state, outlier_config_of(io, cluster_slot, state), host,
                            timed_out ? OUTLIER_LOCAL_TIMEOUT : OUTLIER_LOCAL_FAILURE, 0);
}

bool upstream_retry_acquire(struct io_context *io, uint32_t cluster_slot, bool priority_high) {
    const struct cluster_part *part = upstream_cluster_part(io, cluster_slot);
    if (part == NULL) {
        return false;
    }
    struct circuit_breaker *breaker = &part->state->breakers[priority_high ? 1 : 0];
    if (circuit_breaker_try(breaker, io->index, BREAKER_RETRIES)) {
        return true;
    }
    stats_inc(part->state->stats, io->index, CLUSTER_STAT_UPSTREAM_RQ_RETRY_OVERFLOW);
    return false;
}

void upstream_retry_release(struct io_context *io, uint32_t cluster_slot, bool priority_high) {
    const struct cluster_part *part = upstream_cluster_part(io, cluster_slot);
    if (part != NULL) {
        struct circuit_breaker *breaker = &part->state->breakers[priority_high ? 1 : 0];
        circuit_breaker_release_if_any(breaker, io->index, BREAKER_RETRIES);
    }
}

struct stats_scope *upstream_cluster_stats(struct io_context *io, uint32_t cluster_slot) {
    const struct cluster_part *part = upstream_cluster_part(io, cluster_slot);
    return part == NULL ? NULL : part->state->stats;
}
