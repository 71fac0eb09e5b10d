// SPDX-License-Identifier: Apache-2.0
/*
 * One probe of one host: connects, asks, judges the answer, closes. Owned by its session, which hears of
 * the verdict once (the probe is gone then) or cancels. Control thread.
 */
#ifndef SRC_UPSTREAM_HEALTH_CHECK_HEALTH_PROBE_H
#define SRC_UPSTREAM_HEALTH_CHECK_HEALTH_PROBE_H

#include "src/config/health_check_config.h"
#include "src/event/io_context.h"
#include "src/upstream/host.h"

struct health_probe;

enum health_verdict {
    HEALTH_VERDICT_GOOD,
    HEALTH_VERDICT_REFUSED,   /* an answer, but not the one that was wanted */
    HEALTH_VERDICT_RETRIABLE, /* such an answer, of a status that counts by number */
    HEALTH_VERDICT_NETWORK,   /* no connection, or lost */
    HEALTH_VERDICT_TIMEOUT,
};
typedef void health_verdict_fn(void *arg, enum health_verdict verdict);

struct health_probe_options {
    struct io_context *io;
    const struct cluster_part *cluster;
    const struct health_check_config *config;
    const struct host *host;
    health_verdict_fn *done; /* never from within the start */
    void *arg;
};
struct health_probe *health_probe_start(const struct health_probe_options *options);
void health_probe_cancel(struct health_probe *probe); /* NULL allowed */

#endif
