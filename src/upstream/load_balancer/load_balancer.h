// SPDX-License-Identifier: Apache-2.0
/*
 * Host selection. A policy is a const table of functions; what it needs per thread (cursors, schedules)
 * lies in a struct load_balancer, one per cluster and io_context, brought up to date lazily when the
 * host set's version changed. Priority, panic and locality are chosen here, alike for all policies; a
 * policy picks from one host list, or from the table that it built for a priority on the control thread.
 */
#ifndef SRC_UPSTREAM_LOAD_BALANCER_LOAD_BALANCER_H
#define SRC_UPSTREAM_LOAD_BALANCER_LOAD_BALANCER_H

#include "src/base/random.h"
#include "src/upstream/host.h"
#include "src/upstream/load_balancer/edf_scheduler.h"

struct lb_context;

/* Per-thread state of one host list. */
struct lb_list {
    const struct host_list *hosts;
    uint64_t cursor;
    bool is_scheduled; /* `edf` holds the list */
    struct edf_scheduler edf;
};

struct lb_priority {
    struct lb_list all, healthy, degraded;
    struct lb_list *localities; /* healthy at 2n, degraded at 2n + 1 */
    uint32_t locality_count;
    struct edf_scheduler healthy_localities, degraded_localities;
};

struct load_balancer {
    const struct load_balancer_factory *factory;
    struct lb_config config;
    uint64_t version; /* of the host set that the state below is for; 0: none */
    uint64_t seed;
    struct lb_priority *priorities;
    uint32_t priority_count;
    /* Facts of the running pick. */
    struct random *random;
    uint64_t now_us;
    uint64_t newest_host_us;
};

struct load_balancer_factory {
    const char *name; /* "round_robin" */
    /* Control thread, NULL: none. The table for one priority, in the host set's arena. */
    const void *(*build_table)(struct arena *arena, const struct lb_config *config,
                               const struct host_priority *priority);
    /* NULL where the table is used. `list` is not empty. */
    struct host *(*pick)(struct load_balancer *lb, struct lb_list *list);
    /* NULL where lists are used. Attempt 0 is the first; NULL for an empty table. */
    struct host *(*pick_from_table)(const void *table, uint64_t hash, uint32_t attempt);
};

extern const struct load_balancer_factory round_robin_load_balancer;
extern const struct load_balancer_factory least_request_load_balancer;
extern const struct load_balancer_factory random_load_balancer;
extern const struct load_balancer_factory ring_hash_load_balancer;
extern const struct load_balancer_factory maglev_load_balancer;

/* config->factory, else the built-in of config->policy. */
const struct load_balancer_factory *load_balancer_factory_of(const struct lb_config *config);

void load_balancer_init(struct load_balancer *lb, const struct lb_config *config, uint64_t seed);
void load_balancer_deinit(struct load_balancer *lb);

/* The host to use, or NULL; borrowed from `hosts`. *panic_picks counts choices made in panic. Changes
 * nothing but the thread's own state. */
struct host *load_balancer_pick(struct load_balancer *lb, const struct host_set *hosts,
                                const struct lb_context *context, struct random *random,
                                uint64_t now_us, uint32_t *panic_picks);

/* For policies: weight of a host under slow start. */
double load_balancer_host_weight(const struct load_balancer *lb, const struct host *host);
/* Whether the list needs a schedule: weights differ, or a host is in its slow start. */
bool load_balancer_is_weighted(const struct load_balancer *lb, const struct lb_list *list);
/* Picks by schedule, filled first where it is not. `weigh` gives an entry's weight until its next turn. */
typedef double lb_weigh_fn(const struct load_balancer *lb, const struct host *host);
struct host *load_balancer_pick_scheduled(struct load_balancer *lb, struct lb_list *list,
                                          lb_weigh_fn *weigh);

/* For tables: a host and its share of all weights, locality weights counted in. */
struct weighted_host {
    struct host *host;
    double weight;
};
struct weighted_hosts {
    struct weighted_host *items;
    uint32_t count;
    double min_weight, max_weight;
};
/* Of the healthy hosts (in panic: all); free `items` with mem_free. */
struct weighted_hosts weighted_hosts_of(const struct host_priority *priority,
                                        bool locality_weighted);
/* What a host is hashed by: metadata envoy.lb hash_key, hostname, or address. */
struct slice load_balancer_hash_key(const struct host *host, bool use_hostname);

#endif
