// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/load_balancer/load_balancer.h"

static struct host *pick(struct load_balancer *lb, struct lb_list *list) {
    return list->hosts->hosts[random_below(lb->random, list->hosts->count)];
}

const struct load_balancer_factory random_load_balancer = {
    .name = "random",
    .pick = pick,
};
