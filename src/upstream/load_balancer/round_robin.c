// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/load_balancer/load_balancer.h"

static struct host *pick(struct load_balancer *lb, struct lb_list *list) {
    if (load_balancer_is_weighted(lb, list)) {
        return load_balancer_pick_scheduled(lb, list, load_balancer_host_weight);
    }
    return list->hosts->hosts[list->cursor++ % list->hosts->count];
}

const struct load_balancer_factory round_robin_load_balancer = {
    .name = "round_robin",
    .pick = pick,
};
