// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/load_balancer/load_balancer.h"

#include <math.h>

static uint32_t active_requests(const struct host *host) {
    return atomic_load_explicit(&host->active_requests, memory_order_relaxed);
}

static double weigh(const struct load_balancer *lb, const struct host *host) {
    double weight = load_balancer_host_weight(lb, host);
    double bias = lb->config.active_request_bias;
    double load = (double)active_requests(host) + 1.0;
    // The usual biases need no pow().
    if (bias > 0 && (bias < 1.0 || bias > 1.0)) {
        load = pow(load, bias);
    }
    return bias > 0 ? weight / load : weight;
}

static struct host *pick(struct load_balancer *lb, struct lb_list *list) {
    if (load_balancer_is_weighted(lb, list)) {
        return load_balancer_pick_scheduled(lb, list, weigh);
    }
    uint32_t choices = lb->config.choice_count < 2 ? 2 : lb->config.choice_count;
    struct host *best = NULL;
    uint32_t best_active = 0;
    for (uint32_t i = 0; i < choices; i++) {
        struct host *host = list->hosts->hosts[random_below(lb->random, list->hosts->count)];
        uint32_t active = active_requests(host);
        if (best == NULL || active < best_active) {
            best = host;
            best_active = active;
        }
    }
    return best;
}

const struct load_balancer_factory least_request_load_balancer = {
    .name = "least_request",
    .pick = pick,
};
