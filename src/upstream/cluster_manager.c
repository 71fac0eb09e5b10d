// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/cluster_manager.h"

#include "src/base/check.h"
#include "src/base/log.h"
#include "src/config/config_runtime.h"
#include "src/http/h1/http1_stats.h"
#include "src/http/h2/http2_stats.h"
#include "src/runtime/runtime.h"
#include "src/tls/tls_transport.h"
#include "src/upstream/breaker_runtime.h"
#include "src/upstream/cluster_dns.h"
#include "src/upstream/cluster_manager_internal.h"
#include "src/upstream/health_check/health_checker.h"
#include "src/upstream/host_set.h"
#include "src/upstream/outlier_detector.h"

enum { CLUSTER_MANAGER_MAGIC = 0x434c4d47 };

static const struct stat_def manager_defs[] = {CLUSTER_MANAGER_STATS(STAT_DEF)};
static const struct stat_table manager_stat_table = {"cluster_manager", manager_defs,
                                                     ARRAY_LEN(manager_defs)};

/* The name's copy in `text`, which has room for it. */
static struct slice place_name(uint8_t *text, struct slice name) {
    if (name.len > 0) {
        memcpy(text, name.ptr, name.len);
    }
    return slice_make(text, name.len);
}

static uint64_t now_us(const struct cluster_manager *manager) {
    return event_loop_now_us(manager->control->loop);
}

static void update_gauges(struct cluster_manager *manager) {
    uint32_t thread = manager->control->index;
    stats_set(manager->scope, thread, CLUSTER_MANAGER_STAT_ACTIVE_CLUSTERS, manager->active_count);
    stats_set(manager->scope, thread, CLUSTER_MANAGER_STAT_WARMING_CLUSTERS,
              manager->warming_count);
}

static void on_member(void *arg, struct host *host, bool is_added) {
    struct managed_cluster *cluster = arg;
    host->cluster = is_added ? cluster : NULL;
    outlier_detector_host_changed(cluster->members_state, host, is_added);
    if (cluster->checker == NULL) {
        return;
    }
    if (is_added) {
        // Until its first check has passed.
        atomic_fetch_or_explicit(&host->flags, HOST_FAILED_ACTIVE_HC, memory_order_relaxed);
    }
    health_checker_host_changed(cluster->checker, host, is_added);
}

/* The current assignment of a generation; NULL: none. */
static const struct endpoint_part *assignment_of(const struct cluster_generation *generation) {
    if (generation->part->load_assignment != NULL) {
        return generation->part->load_assignment;
    }
    return generation->input == NULL ? NULL : generation->input->part;
}

static bool is_resolved(const struct cluster_generation *generation) {
    if (generation->dns != NULL) {
        return cluster_dns_is_ready(generation->dns);
    }
    const struct assignment_input *input = generation->input;
    if (input == NULL || input->is_timed_out) {
        return true;
    }
    // A DNS cluster whose assignment is there has its resolver by now.
    return input->part != NULL;
}

static void collect(const struct cluster_generation *generation, struct member_inputs *inputs) {
    const struct endpoint_part *assignment = assignment_of(generation);
    if (generation->dns != NULL) {
        cluster_dns_collect(generation->dns, inputs);
        return;
    }
    for (uint32_t i = 0; assignment != NULL && i < assignment->locality_count; i++) {
        const struct locality_config *locality = &assignment->localities[i];
        for (uint32_t k = 0; k < locality->endpoint_count; k++) {
            struct address address = stored_address_get(&locality->endpoints[k].address);
            if (address.len != 0) {
                member_inputs_add(inputs, &locality->endpoints[k], locality, &address);
            }
        }
    }
}

/* Brings the members in line with what discovery says. */
static enum member_change refresh_members(struct managed_cluster *cluster,
                                          struct cluster_generation *generation) {
    struct member_inputs inputs = {0};
    collect(generation, &inputs);
    struct member_update update = {
        .state = generation->state,
        .cluster = generation->part,
        .assignment = assignment_of(generation),
        .inputs = &inputs,
        .now_us = now_us(cluster->manager),
        .thread = cluster->manager->control->index,
        .on_event = on_member,
        .arg = cluster,
    };
    enum member_change change = cluster_members_update(&cluster->members, &update);
    member_inputs_deinit(&inputs);
    if (change == MEMBERS_CHANGED) {
        stats_inc(generation->state->stats, cluster->manager->control->index,
                  CLUSTER_STAT_MEMBERSHIP_CHANGE);
    }
    return change;
}

static void publish_gauges(const struct managed_cluster *cluster, const struct host_set *set) {
    struct stats_scope *stats = set->state->stats;
    uint32_t thread = cluster->manager->control->index;
    uint32_t max_weight = 0;
    for (uint32_t i = 0; i < cluster->members.count; i++) {
        const struct host *host = cluster->members.items[i].host;
        uint32_t weight = atomic_load_explicit(&host->weight, memory_order_relaxed);
        max_weight = weight > max_weight ? weight : max_weight;
    }
    stats_set(stats, thread, CLUSTER_STAT_MEMBERSHIP_TOTAL, set->host_count);
    stats_set(stats, thread, CLUSTER_STAT_MEMBERSHIP_HEALTHY, set->healthy_count);
    stats_set(stats, thread, CLUSTER_STAT_MEMBERSHIP_DEGRADED, set->degraded_count);
    stats_set(stats, thread, CLUSTER_STAT_MEMBERSHIP_EXCLUDED, set->excluded_count);
    stats_set(stats, thread, CLUSTER_STAT_MAX_HOST_WEIGHT, max_weight);
}

static void publish_hosts(struct managed_cluster *cluster,
                          const struct cluster_generation *generation) {
    list_remove(&cluster->dirty);
    const struct lb_config *lb = &generation->part->lb;
    const struct runtime_value *panic =
        runtime_get(config_runtime(cluster->manager->control), RUNTIME_HEALTHY_PANIC_THRESHOLD,
                    RUNTIME_HAS_INTEGER);
    struct host_set *set = host_set_new(&(struct host_set_options){
        .state = generation->state,
        .name = cluster->name,
        .lb = lb,
        .members = &cluster->members,
        .panic_percent = panic == NULL ? lb->panic_threshold_percent : (double)panic->integer,
    });
    publish_gauges(cluster, set);
    config_store_put(cluster->manager->store, CONFIG_ENDPOINT, generation->part->endpoint_slot,
                     &set->part);
}

static struct cluster_generation *serving(const struct managed_cluster *cluster) {
    return cluster->active != NULL ? cluster->active : cluster->warming;
}

static void rebuild_dirty(void *arg) {
    struct cluster_manager *manager = arg;
    CHECK_MAGIC(manager, CLUSTER_MANAGER_MAGIC);
    while (!list_is_empty(&manager->dirty)) {
        struct managed_cluster *cluster =
            LIST_ENTRY(manager->dirty.next, struct managed_cluster, dirty);
        stats_inc(manager->scope, manager->control->index, CLUSTER_MANAGER_STAT_CLUSTER_UPDATED);
        publish_hosts(cluster, serving(cluster));
    }
}

void cluster_manager_mark_dirty(struct managed_cluster *cluster) {
    if (!list_is_linked(&cluster->dirty)) {
        list_push_back(&cluster->manager->dirty, &cluster->dirty);
    }
    event_loop_defer(cluster->manager->control->loop, &cluster->manager->rebuild);
}

static void generation_free(struct cluster_generation *generation) {
    if (generation == NULL) {
        return;
    }
    cluster_dns_free(generation->dns);
    list_remove(&generation->watcher);
    config_part_unref(&generation->part->part);
    cluster_state_unref(generation->state);
    mem_free(generation);
}

static void release_state(void *object) {
    cluster_state_unref(object);
}

/* A scope below the cluster's, unless it is there. */
static void add_stats(const struct cluster_state *state, struct stats_scope *_Atomic *scope,
                      const char *name, const struct stat_table *table) {
    if (atomic_load_explicit(scope, memory_order_relaxed) != NULL) {
        return;
    }
    struct arena arena;
    arena_init_heap(&arena, 0);
    struct slice prefix =
        arena_printf(&arena, "cluster.%.*s.%s", SLICE_ARG(state->stat_name), name);
    atomic_store_explicit(scope, stats_scope_get(state->manager->stats, prefix, table),
                          memory_order_release);
    arena_deinit(&arena);
}

static void configure_breaker(const struct cluster_generation *generation, int priority) {
    const struct cluster_manager *manager = generation->cluster->manager;
    struct circuit_breaker_thresholds thresholds =
        breaker_thresholds_now(config_store_runtime(manager->store), generation->part->part.name,
                               priority == 1, &generation->part->breakers[priority]);
    circuit_breaker_configure(&generation->state->breakers[priority], manager->control->index,
                              &thresholds);
}

/* Limits of breakers are set when they change: those who take from them look nothing up. */
static void on_swap(void *arg, const struct config_snapshot *previous,
                    const struct config_snapshot *current) {
    struct cluster_manager *manager = arg;
    if (previous != NULL && previous->runtime == current->runtime) {
        return;
    }
    bool has_limits = breaker_runtime_is_used(config_store_runtime(manager->store));
    bool concerns = has_limits || manager->has_runtime_limits;
    manager->has_runtime_limits = has_limits;
    struct slice name;
    void *found;
    size_t at = 0;
    while (concerns && hash_map_next(&manager->clusters, &at, &name, &found)) {
        const struct cluster_generation *generation = serving(found);
        for (int i = 0; generation != NULL && i < 2; i++) {
            configure_breaker(generation, i);
        }
    }
}

/* What of a configuration lives in the state: limits, TLS stats, outlier detection, checks. */
static void configure_state(struct managed_cluster *cluster,
                            const struct cluster_generation *generation) {
    struct cluster_state *state = generation->state;
    for (int i = 0; i < 2; i++) {
        configure_breaker(generation, i);
    }
    bool is_tls = false;
    for (uint32_t i = 0; i < generation->part->socket_count; i++) {
        is_tls = is_tls || generation->part->sockets[i].tls != NULL;
    }
    enum upstream_protocol protocol = generation->part->http.protocol;
    if (is_tls) {
        add_stats(state, &state->ssl_stats, "ssl", &tls_stat_table);
    }
    if (protocol != UPSTREAM_HTTP_2) {
        add_stats(state, &state->http1_stats, "http1", &http1_stat_table);
    }
    if (protocol != UPSTREAM_HTTP_1) {
        add_stats(state, &state->http2_stats, "http2", &http2_stat_table);
    }
    outlier_detector_configure(cluster, state, generation->part->outlier);
}

/* A new checker takes over the hosts that stay. */
static void replace_checker(struct managed_cluster *cluster,
                            const struct cluster_generation *generation) {
    for (uint32_t i = 0; i < cluster->members.count && cluster->checker != NULL; i++) {
        health_checker_host_changed(cluster->checker, cluster->members.items[i].host, false);
    }
    health_checker_free(cluster->checker);
    cluster->checker = NULL;
    if (generation->part->health_checks == NULL) {
        return;
    }
    cluster->checker = health_checker_new(cluster, generation->part);
    for (uint32_t i = 0; i < cluster->members.count; i++) {
        health_checker_host_changed(cluster->checker, cluster->members.items[i].host, true);
    }
}

/* The generation has its hosts: into the store with it. */
static void activate(struct managed_cluster *cluster, struct cluster_generation *generation) {
    struct cluster_manager *manager = cluster->manager;
    struct cluster_generation *old = cluster->active;
    ASSERT(generation == cluster->warming);
    cluster->warming = NULL;
    cluster->active = generation;
    cluster->waits_for_checks = false;
    manager->warming_count--;
    manager->active_count += old == NULL ? 1 : 0;
    stats_set(generation->state->stats, manager->control->index, CLUSTER_STAT_WARMING_STATE, 0);
    publish_hosts(cluster, generation);
    config_store_put(manager->store, CONFIG_CLUSTER, cluster->slot,
                     config_part_ref(&generation->part->part));
    generation_free(old);
    update_gauges(manager);
    if (generation->on_warm != NULL) {
        cluster_warm_fn *on_warm = generation->on_warm;
        generation->on_warm = NULL;
        on_warm(generation->arg, cluster->name);
    }
}

/* Discovery of the warming generation is through. */
static void take_over(struct managed_cluster *cluster) {
    struct cluster_generation *generation = cluster->warming;
    struct cluster_generation *old = cluster->active;
    if (old != NULL && old->state != generation->state) {
        cluster_members_clear(&cluster->members, old->state, on_member, cluster);
    }
    cluster->members_state = generation->state;
    configure_state(cluster, generation);
    // The old checker would take hosts that the new configuration may not want to be checked.
    replace_checker(cluster, generation);
    (void)refresh_members(cluster, generation);
    bool must_wait = old == NULL && cluster->checker != NULL &&
                     generation->part->wait_for_warm_on_init &&
                     !health_checker_is_ready(cluster->checker);
    if (must_wait) {
        cluster->waits_for_checks = true;
        publish_hosts(cluster, generation);
        return;
    }
    activate(cluster, generation);
}

void cluster_manager_checks_done(struct managed_cluster *cluster) {
    if (cluster->waits_for_checks) {
        activate(cluster, cluster->warming);
    }
}

/* News from discovery. */
static void on_discovery(struct cluster_generation *generation) {
    struct managed_cluster *cluster = generation->cluster;
    if (generation == cluster->warming && !cluster->waits_for_checks) {
        if (is_resolved(generation)) {
            take_over(cluster);
        }
        return;
    }
    if (refresh_members(cluster, generation) == MEMBERS_SAME) {
        stats_inc(generation->state->stats, cluster->manager->control->index,
                  CLUSTER_STAT_UPDATE_NO_REBUILD);
        return;
    }
    cluster_manager_mark_dirty(cluster);
}

static void on_dns_change(void *arg) {
    on_discovery(arg);
}

static struct assignment_input *input_get(struct cluster_manager *manager, struct slice name) {
    struct assignment_input *input = hash_map_get(&manager->assignments, name);
    if (input == NULL) {
        input = mem_calloc(1, sizeof(*input) + name.len);
        input->name = place_name(input->text, name);
        list_init(&input->watchers);
        hash_map_put(&manager->assignments, input->name, input);
    }
    return input;
}

static void input_free(struct assignment_input *input) {
    config_part_unref(input->part == NULL ? NULL : &input->part->part);
    mem_free(input);
}

static void start_discovery(struct cluster_generation *generation) {
    const struct cluster_part *part = generation->part;
    struct cluster_manager *manager = generation->cluster->manager;
    if (part->load_assignment == NULL && part->type != CLUSTER_ORIGINAL_DST) {
        generation->input = input_get(manager, generation->input_name);
        list_push_back(&generation->input->watchers, &generation->watcher);
    }
    bool is_dns = part->type == CLUSTER_STRICT_DNS || part->type == CLUSTER_LOGICAL_DNS;
    const struct endpoint_part *assignment = assignment_of(generation);
    if (is_dns && assignment != NULL) {
        generation->dns = cluster_dns_new(&(struct cluster_dns_options){
            .io = manager->control,
            .state = generation->state,
            .cluster = part,
            .assignment = assignment,
            .on_change = on_dns_change,
            .arg = generation,
        });
    }
}

static struct managed_cluster *cluster_get(struct cluster_manager *manager, struct slice name) {
    struct managed_cluster *cluster = hash_map_get(&manager->clusters, name);
    if (cluster == NULL) {
        cluster = mem_calloc(1, sizeof(*cluster) + name.len);
        cluster->manager = manager;
        cluster->name = place_name(cluster->text, name);
        cluster->slot = config_store_slot(manager->store, CONFIG_CLUSTER, name);
        config_store_hold_slot(manager->store, CONFIG_CLUSTER, cluster->slot);
        list_init(&cluster->dirty);
        hash_map_put(&manager->clusters, cluster->name, cluster);
    }
    return cluster;
}

/* A state of that name lives on, unless the stats move to another name. */
static struct cluster_state *state_for(struct cluster_manager *manager, struct cluster_part *part) {
    struct cluster_state *state = hash_map_get(&manager->states, part->part.name);
    if (state != NULL && slice_equal(state->stat_name, part->stat_name)) {
        return cluster_state_ref(state);
    }
    if (state != NULL) {
        hash_map_remove(&manager->states, state->name);
    }
    return cluster_state_new(manager, part);
}

/* A slot of the cluster's own: two clusters may share an assignment, never their hosts. */
static uint32_t hosts_slot(struct cluster_manager *manager, struct cluster_part *part) {
    struct arena arena;
    arena_init_heap(&arena, 0);
    uint32_t slot =
        config_store_slot_for(manager->store, &part->part, CONFIG_ENDPOINT,
                              arena_printf(&arena, "hosts/%.*s", SLICE_ARG(part->part.name)));
    arena_deinit(&arena);
    return slot;
}

static void drop_warming(struct managed_cluster *cluster) {
    if (cluster->warming == NULL) {
        return;
    }
    if (cluster->waits_for_checks) {
        cluster_members_clear(&cluster->members, cluster->warming->state, on_member, cluster);
        cluster->waits_for_checks = false;
    }
    cluster->manager->warming_count--;
    generation_free(cluster->warming);
    cluster->warming = NULL;
}

void cluster_manager_add(struct cluster_manager *manager, struct cluster_part *part,
                         cluster_warm_fn *on_warm, void *arg) {
    CHECK_MAGIC(manager, CLUSTER_MANAGER_MAGIC);
    struct managed_cluster *cluster = cluster_get(manager, part->part.name);
    bool is_new = cluster->active == NULL && cluster->warming == NULL;
    drop_warming(cluster);
    struct cluster_generation *generation = mem_calloc(1, sizeof(*generation));
    list_init(&generation->watcher);
    generation->cluster = cluster;
    generation->part = part;
    generation->state = state_for(manager, part);
    generation->on_warm = on_warm;
    generation->arg = arg;
    part->state = cluster_state_ref(generation->state);
    config_part_on_free(&part->part, release_state, part->state);
    // The slot that the decoder names says whose assignment it is; ours takes its place.
    generation->input_name =
        part->endpoint_slot == CONFIG_SLOT_NONE
            ? part->eds_name
            : config_store_slot_name(manager->store, CONFIG_ENDPOINT, part->endpoint_slot);
    part->endpoint_slot = hosts_slot(manager, part);
    cluster->warming = generation;
    manager->warming_count++;
    stats_inc(manager->scope, manager->control->index,
              is_new ? CLUSTER_MANAGER_STAT_CLUSTER_ADDED : CLUSTER_MANAGER_STAT_CLUSTER_MODIFIED);
    stats_set(part->state->stats, manager->control->index, CLUSTER_STAT_WARMING_STATE, 1);
    start_discovery(generation);
    update_gauges(manager);
    if (is_resolved(generation)) {
        take_over(cluster);
    }
}

static void cluster_free(struct managed_cluster *cluster) {
    struct cluster_manager *manager = cluster->manager;
    struct cluster_generation *holder = serving(cluster);
    uint32_t endpoint_slot = holder->part->endpoint_slot;
    if (config_store_get(manager->store, CONFIG_CLUSTER, cluster->slot) != NULL) {
        config_store_put(manager->store, CONFIG_CLUSTER, cluster->slot, NULL);
    }
    if (config_store_get(manager->store, CONFIG_ENDPOINT, endpoint_slot) != NULL) {
        config_store_put(manager->store, CONFIG_ENDPOINT, endpoint_slot, NULL);
    }
    cluster_members_clear(&cluster->members, holder->state, on_member, cluster);
    health_checker_free(cluster->checker);
    outlier_detector_configure(cluster, holder->state, NULL);
    cluster->waits_for_checks = false;
    drop_warming(cluster);
    if (cluster->active != NULL) {
        manager->active_count--;
        generation_free(cluster->active);
    }
    list_remove(&cluster->dirty);
    hash_map_remove(&manager->clusters, cluster->name);
    config_store_release_slot(manager->store, CONFIG_CLUSTER, cluster->slot);
    mem_free(cluster);
}

void cluster_manager_remove(struct cluster_manager *manager, struct slice name) {
    CHECK_MAGIC(manager, CLUSTER_MANAGER_MAGIC);
    struct managed_cluster *cluster = hash_map_get(&manager->clusters, name);
    if (cluster == NULL) {
        return;
    }
    cluster_free(cluster);
    stats_inc(manager->scope, manager->control->index, CLUSTER_MANAGER_STAT_CLUSTER_REMOVED);
    update_gauges(manager);
}

static void count_assignment(const struct cluster_generation *generation,
                             const struct endpoint_part *part) {
    struct stats_scope *stats = generation->state->stats;
    uint32_t thread = generation->cluster->manager->control->index;
    if (generation->part->type != CLUSTER_EDS) {
        return; /* part of the cluster itself, nobody was asked */
    }
    stats_inc(stats, thread, CLUSTER_STAT_UPDATE_ATTEMPT);
    if (part == NULL) {
        stats_inc(stats, thread, CLUSTER_STAT_UPDATE_FAILURE);
        return;
    }
    stats_inc(stats, thread, CLUSTER_STAT_UPDATE_SUCCESS);
    stats_set(stats, thread, CLUSTER_STAT_VERSION, slice_xxhash64(part->part.version, 0));
}

/* A name server's answers belong to the assignment that asked for them. */
static void restart_dns(struct cluster_generation *generation) {
    enum cluster_type type = generation->part->type;
    if (type != CLUSTER_STRICT_DNS && type != CLUSTER_LOGICAL_DNS) {
        return;
    }
    cluster_dns_free(generation->dns);
    generation->dns = NULL;
    list_remove(&generation->watcher);
    start_discovery(generation);
}

void cluster_manager_set_endpoints(struct cluster_manager *manager, struct slice eds_name,
                                   struct endpoint_part *part) {
    CHECK_MAGIC(manager, CLUSTER_MANAGER_MAGIC);
    struct assignment_input *input = input_get(manager, eds_name);
    struct endpoint_part *old = NULL;
    if (part == NULL) {
        input->is_timed_out = true;
    } else {
        old = input->part;
        input->part = part;
    }
    // A generation may go away when its successor takes over: the list is walked from a copy.
    struct list_node pending;
    list_init(&pending);
    list_splice(&pending, &input->watchers);
    while (!list_is_empty(&pending)) {
        struct cluster_generation *generation =
            LIST_ENTRY(pending.next, struct cluster_generation, watcher);
        list_remove(&generation->watcher);
        list_push_back(&input->watchers, &generation->watcher);
        count_assignment(generation, part);
        restart_dns(generation);
        on_discovery(generation);
    }
    config_part_unref(old == NULL ? NULL : &old->part);
}

bool cluster_manager_has(const struct cluster_manager *manager, struct slice name) {
    return hash_map_get(&manager->clusters, name) != NULL;
}

uint32_t cluster_manager_warming_count(const struct cluster_manager *manager) {
    return manager->warming_count;
}

void cluster_manager_visit(const struct cluster_manager *manager, cluster_visit_fn *fn, void *arg) {
    size_t at = 0;
    struct slice name;
    void *value;
    while (hash_map_next(&manager->clusters, &at, &name, &value)) {
        const struct managed_cluster *cluster = value;
        if (cluster->active != NULL) {
            const struct cluster_part *part = cluster->active->part;
            const struct config_part *hosts =
                config_store_get(manager->store, CONFIG_ENDPOINT, part->endpoint_slot);
            fn(arg, part, part->state, (const struct host_set *)(const void *)hosts, false);
        }
        if (cluster->warming != NULL) {
            fn(arg, cluster->warming->part, cluster->warming->state, NULL, true);
        }
    }
}

void cluster_manager_set_host_flags(struct cluster_manager *manager, struct host *host,
                                    uint32_t set, uint32_t clear) {
    CHECK_MAGIC(manager, CLUSTER_MANAGER_MAGIC);
    struct managed_cluster *cluster = host->cluster;
    if (cluster == NULL) {
        return;
    }
    uint32_t before = host_flags(host);
    enum host_health health_before = host_health(host);
    uint32_t after = (before & ~clear) | set;
    if (after == before) {
        return;
    }
    atomic_store_explicit(&host->flags, after, memory_order_relaxed);
    bool was_checked_bad = (before & (HOST_FAILED_ACTIVE_HC | HOST_PENDING_ACTIVE_HC)) != 0;
    if (was_checked_bad && health_before == HOST_UNHEALTHY && host_health(host) == HOST_HEALTHY) {
        atomic_store_explicit(&host->added_us, now_us(manager), memory_order_relaxed);
    }
    if ((after & HOST_PENDING_DYNAMIC_REMOVAL) != 0 && (after & HOST_FAILED_ACTIVE_HC) != 0) {
        cluster_members_remove(&cluster->members, serving(cluster)->state, host, on_member,
                               cluster);
    }
    cluster_manager_mark_dirty(cluster);
}

struct cluster_manager *cluster_manager_new(struct io_context *control, struct config_store *store,
                                            struct stats_registry *stats) {
    struct cluster_manager *manager = mem_calloc(1, sizeof(*manager));
    manager->magic = CLUSTER_MANAGER_MAGIC;
    manager->control = control;
    manager->store = store;
    manager->stats = stats;
    manager->scope = stats_scope_get(stats, SLICE("cluster_manager"), &manager_stat_table);
    hash_map_init(&manager->clusters);
    hash_map_init(&manager->states);
    hash_map_init(&manager->assignments);
    list_init(&manager->dirty);
    event_deferred_init(&manager->rebuild, rebuild_dirty, manager);
    manager->refs = 1;
    config_store_subscribe(store, control, on_swap, manager);
    return manager;
}

void cluster_manager_release(struct cluster_manager *manager) {
    if (--manager->refs > 0) {
        return;
    }
    hash_map_deinit(&manager->states);
    stats_scope_unref(manager->scope);
    manager->magic = 0;
    mem_free(manager);
}

void cluster_manager_free(struct cluster_manager *manager) {
    if (manager == NULL) {
        return;
    }
    CHECK_MAGIC(manager, CLUSTER_MANAGER_MAGIC);
    size_t at = 0;
    struct slice name;
    void *value;
    while (hash_map_next(&manager->clusters, &at, &name, &value)) {
        cluster_free(value);
    }
    at = 0;
    while (hash_map_next(&manager->assignments, &at, &name, &value)) {
        struct assignment_input *input = value;
        hash_map_remove(&manager->assignments, name);
        input_free(input);
    }
    hash_map_deinit(&manager->clusters);
    hash_map_deinit(&manager->assignments);
    event_loop_defer_cancel(&manager->rebuild);
    cluster_manager_release(manager);
}
