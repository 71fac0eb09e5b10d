// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>

#include "src/base/check.h"
#include "src/upstream/outlier_detector.h"
#include "src/upstream/upstream_request_internal.h"

/* The counters of one status code, found by name at first use only. */
static const struct status_stat *status_stat(struct worker_cluster *cluster, uint32_t status,
                                             bool is_internal) {
    size_t at = (status + (is_internal ? 1 : 0)) % STATUS_STAT_CACHE;
    struct status_stat *found = &cluster->status_stats[at];
    if (found->status == status && found->is_internal == is_internal) {
        return found;
    }
    char name[48];
    int length = snprintf(name, sizeof(name), "%s.upstream_rq_%u",
                          is_internal ? "internal" : "external", (unsigned)status);
    struct slice full = slice_make(name, (size_t)length);
    struct slice plain = slice_sub(full, sizeof("external.") - 1, SIZE_MAX);
    struct stats_scope *stats = cluster->state->stats;
    found->status = status;
    found->is_internal = is_internal;
    found->index[0] = stats_dynamic(stats, plain, STAT_COUNTER);
    found->index[1] = stats_dynamic(stats, full, STAT_COUNTER);
    return found;
}

static void count_status(struct worker_cluster *cluster, uint32_t thread, uint32_t status,
                         bool is_internal) {
    struct stats_scope *stats = cluster->state->stats;
    stats_inc(stats, thread, CLUSTER_STAT_UPSTREAM_RQ_COMPLETED);
    stats_inc(stats, thread,
              is_internal ? CLUSTER_STAT_INTERNAL_UPSTREAM_RQ_COMPLETED
                          : CLUSTER_STAT_EXTERNAL_UPSTREAM_RQ_COMPLETED);
    if (status < 100 || status > 999) {
        return;
    }
    if (status < 600) {
        uint32_t class = status / 100 - 1;
        stats_inc(stats, thread, CLUSTER_STAT_UPSTREAM_RQ_1XX + class);
        stats_inc(stats, thread,
                  (is_internal ? CLUSTER_STAT_INTERNAL_UPSTREAM_RQ_1XX
                               : CLUSTER_STAT_EXTERNAL_UPSTREAM_RQ_1XX) +
                      class);
    }
    const struct status_stat *stat = status_stat(cluster, status, is_internal);
    stats_dynamic_add(stats, thread, stat->index[0], 1);
    stats_dynamic_add(stats, thread, stat->index[1], 1);
}

static const struct outlier_config *outlier_config_of(const struct io_context *io,
                                                      uint32_t cluster_slot,
                                                      const struct cluster_state *state) {
    const struct cluster_part *part = upstream_cluster_part(io, cluster_slot);
    return part == NULL || part->state != state ? NULL : part->outlier;
}

void upstream_report_response(struct io_context *io, const struct upstream_request *request,
                              uint32_t status) {
    CHECK_MAGIC(request, UPSTREAM_REQUEST_MAGIC);
    struct worker_host *host = request->pool->host;
    struct worker_cluster *cluster = host->cluster;
    count_status(cluster, io->index, status, request->is_internal);
    host_count(host->host, status >= 500 ? HOST_STAT_RQ_ERROR : HOST_STAT_RQ_SUCCESS);
    outlier_detector_report(io, cluster->state,
                            outlier_config_of(io, request->options.cluster_slot, cluster->state),
                            host->host, OUTLIER_RESPONSE, status);
}

void upstream_report_local_reply(struct io_context *io, uint32_t cluster_slot, uint32_t status,
                                 bool is_internal) {
    const struct cluster_part *part = upstream_cluster_part(io, cluster_slot);
    if (part != NULL) {
        count_status(worker_cluster_get(io->upstream, part), io->index, status, is_internal);
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
