// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/load_balancer/load_balancer.h"

#include "src/upstream/upstream_test_fixture.h"

static struct fixture f;

static void setup(void) {
    fixture_init(&f);
}
static void teardown(void) {
    fixture_deinit(&f);
}

enum { MAX_HOSTS = 16 };

struct host_spec {
    const char *address;
    uint32_t weight, priority;
    enum health_status health;
    const char *zone;
    uint32_t zone_weight;
};

static uint16_t port_of(const struct host *host) {
    struct address address = stored_address_get(&host->address);
    return address_port(&address);
}

static struct cluster_part *part_of(const struct host_spec *specs, uint32_t count,
                                    const struct lb_config *lb) {
    struct address addresses[MAX_HOSTS];
    for (uint32_t i = 0; i < count; i++) {
        ck_assert_int_eq(
            address_from_text(&addresses[i], slice_from_string(specs[i].address), NULL), STATUS_OK);
    }
    struct cluster_part *part = make_cluster("c", addresses, 0);
    struct arena *arena = &part->part.arena;
    struct endpoint_part *assignment = ARENA_NEW(arena, struct endpoint_part);
    struct locality_config *localities = ARENA_NEW_ARRAY(arena, count, struct locality_config);
    for (uint32_t i = 0; i < count; i++) {
        struct endpoint_config *endpoint = ARENA_NEW(arena, struct endpoint_config);
        endpoint->address = stored_address_make(&addresses[i], NULL);
        endpoint->weight = specs[i].weight == 0 ? 1 : specs[i].weight;
        endpoint->health = specs[i].health;
        localities[i] = (struct locality_config){.priority = specs[i].priority,
                                                 .weight = specs[i].zone_weight,
                                                 .locality.zone = slice_from_string(specs[i].zone),
                                                 .endpoints = endpoint,
                                                 .endpoint_count = 1};
    }
    assignment->localities = localities;
    assignment->locality_count = count;
    part->load_assignment = assignment;
    part->lb.policy = lb->policy;
    part->lb.locality_weighted = lb->locality_weighted;
    if (lb->min_ring_size != 0) {
        part->lb.min_ring_size = lb->min_ring_size;
    }
    if (lb->slow_start_window_ms != 0) {
        part->lb.slow_start_window_ms = lb->slow_start_window_ms;
    }
    return part;
}

static const struct host_set *publish(struct cluster_part *part) {
    cluster_manager_add(f.clusters, part, NULL, NULL);
    fixture_turns(&f, 3);
    const struct config_part *set = config_store_get(f.store, CONFIG_ENDPOINT, part->endpoint_slot);
    return (const struct host_set *)(const void *)set;
}

/* How often each address (its last digit) was chosen. */
static void draw(const struct cluster_part *part, const struct host_set *set, uint32_t times,
                 uint32_t counts[MAX_HOSTS]) {
    struct load_balancer lb;
    load_balancer_init(&lb, &part->lb, 0);
    struct lb_context context = {0};
    memset(counts, 0, MAX_HOSTS * sizeof(uint32_t));
    uint32_t panics = 0;
    for (uint32_t i = 0; i < times; i++) {
        struct host *host = load_balancer_pick(&lb, set, &context, &f.worker.random,
                                               event_loop_now_us(f.worker.loop), &panics);
        ck_assert_ptr_nonnull(host);
        counts[port_of(host) % MAX_HOSTS]++;
    }
    load_balancer_deinit(&lb);
}

START_TEST(round_robin_takes_turns) {
    const struct host_spec specs[] = {
        {.address = "10.0.0.1:16"}, {.address = "10.0.0.1:17"}, {.address = "10.0.0.1:18"}};
    struct cluster_part *part = part_of(specs, 3, &(struct lb_config){.policy = LB_ROUND_ROBIN});
    uint32_t counts[MAX_HOSTS];
    draw(part, publish(part), 300, counts);
    ck_assert(counts[0] == 100 && counts[1] == 100 && counts[2] == 100);
}
END_TEST

START_TEST(round_robin_weights_are_interleaved) {
    const struct host_spec specs[] = {{.address = "10.0.0.1:16", .weight = 1},
                                      {.address = "10.0.0.1:17", .weight = 2}};
    struct cluster_part *part = part_of(specs, 2, &(struct lb_config){.policy = LB_ROUND_ROBIN});
    const struct host_set *set = publish(part);
    struct load_balancer lb;
    load_balancer_init(&lb, &part->lb, 0);
    char order[13] = {0};
    uint32_t panics = 0;
    for (int i = 0; i < 12; i++) {
        struct host *host =
            load_balancer_pick(&lb, set, &(struct lb_context){0}, &f.worker.random, 0, &panics);
        order[i] = port_of(host) == 16 ? '1' : '2';
    }
    load_balancer_deinit(&lb);
    ck_assert_str_eq(order, "212212212212");
}
END_TEST

START_TEST(least_request_avoids_the_busy_host) {
    const struct host_spec specs[] = {{.address = "10.0.0.1:16"}, {.address = "10.0.0.1:17"}};
    struct cluster_part *part = part_of(specs, 2, &(struct lb_config){.policy = LB_LEAST_REQUEST});
    const struct host_set *set = publish(part);
    atomic_store(&set->priorities[0].all.hosts[0]->active_requests, 5);
    uint32_t counts[MAX_HOSTS];
    draw(part, set, 1000, counts);
    atomic_store(&set->priorities[0].all.hosts[0]->active_requests, 0);
    // Only where both choices fall on the busy one.
    ck_assert_uint_gt(counts[0], 150);
    ck_assert_uint_lt(counts[0], 350);
}
END_TEST

START_TEST(unhealthy_hosts_spill_to_the_next_priority) {
    // Two of three healthy: 1.4 * 66 % = 93 % stay.
    const struct host_spec specs[] = {{.address = "10.0.0.1:16"},
                                      {.address = "10.0.0.1:17"},
                                      {.address = "10.0.0.1:18", .health = HEALTH_UNHEALTHY},
                                      {.address = "10.0.0.1:19", .priority = 1}};
    struct cluster_part *part = part_of(specs, 4, &(struct lb_config){.policy = LB_ROUND_ROBIN});
    const struct host_set *set = publish(part);
    ck_assert_uint_eq(set->priorities[0].healthy_load, 93);
    ck_assert_uint_eq(set->priorities[1].healthy_load, 7);
    uint32_t counts[MAX_HOSTS];
    draw(part, set, 10000, counts);
    ck_assert_uint_eq(counts[2], 0);
    ck_assert_uint_gt(counts[3], 500);
    ck_assert_uint_lt(counts[3], 900);
}
END_TEST

START_TEST(few_healthy_hosts_are_a_panic) {
    const struct host_spec specs[] = {{.address = "10.0.0.1:16"},
                                      {.address = "10.0.0.1:17", .health = HEALTH_UNHEALTHY},
                                      {.address = "10.0.0.1:18", .health = HEALTH_UNHEALTHY}};
    struct cluster_part *part = part_of(specs, 3, &(struct lb_config){.policy = LB_ROUND_ROBIN});
    const struct host_set *set = publish(part);
    ck_assert(set->priorities[0].is_panic);
    uint32_t counts[MAX_HOSTS];
    draw(part, set, 300, counts);
    ck_assert(counts[0] == 100 && counts[1] == 100 && counts[2] == 100);
}
END_TEST

START_TEST(degraded_hosts_serve_what_healthy_ones_cannot) {
    const struct host_spec specs[] = {{.address = "10.0.0.1:16"},
                                      {.address = "10.0.0.1:17", .health = HEALTH_DEGRADED},
                                      {.address = "10.0.0.1:18", .health = HEALTH_DEGRADED}};
    struct cluster_part *part = part_of(specs, 3, &(struct lb_config){.policy = LB_ROUND_ROBIN});
    const struct host_set *set = publish(part);
    ck_assert_uint_eq(set->priorities[0].healthy_load, 46);
    ck_assert_uint_eq(set->priorities[0].degraded_load, 54);
}
END_TEST

START_TEST(locality_weights_share_the_requests) {
    const struct host_spec specs[] = {{.address = "10.0.0.1:16", .zone = "a", .zone_weight = 1},
                                      {.address = "10.0.0.1:17", .zone = "b", .zone_weight = 3}};
    struct cluster_part *part =
        part_of(specs, 2, &(struct lb_config){.policy = LB_ROUND_ROBIN, .locality_weighted = true});
    uint32_t counts[MAX_HOSTS];
    draw(part, publish(part), 400, counts);
    ck_assert(counts[0] == 100 && counts[1] == 300);
}
END_TEST

START_TEST(hash_policies_keep_their_mapping_when_a_host_leaves) {
    const struct host_spec specs[] = {{.address = "10.0.0.1:16"},
                                      {.address = "10.0.0.1:17"},
                                      {.address = "10.0.0.1:18"},
                                      {.address = "10.0.0.1:19"}};
    enum lb_policy policy = _i == 0 ? LB_RING_HASH : LB_MAGLEV;
    enum { KEYS = 1000 };
    uint16_t before[KEYS];
    for (uint32_t count = 4; count >= 3; count--) {
        struct cluster_part *part = part_of(specs, count, &(struct lb_config){.policy = policy});
        const struct host_set *set = publish(part);
        struct load_balancer lb;
        load_balancer_init(&lb, &part->lb, 7);
        uint32_t panics = 0;
        uint32_t moved = 0;
        uint32_t counts[4] = {0};
        for (uint64_t key = 0; key < KEYS; key++) {
            struct lb_context context = {.has_hash = true,
                                         .hash = slice_xxhash64(slice_make(&key, sizeof(key)), 0)};
            struct host *host =
                load_balancer_pick(&lb, set, &context, &f.worker.random, 0, &panics);
            uint16_t port = port_of(host);
            counts[port - 16]++;
            if (count == 4) {
                before[key] = port;
            } else if (before[key] != 19 && before[key] != port) {
                moved++;
            }
        }
        load_balancer_deinit(&lb);
        for (uint32_t i = 0; i < count; i++) {
            ck_assert_uint_gt(counts[i], KEYS / count / 2);
        }
        // Neither moves more than a few keys that it need not: three hosts have more points each.
        ck_assert_uint_le(moved, KEYS / 5);
    }
}
END_TEST

static bool refuse_first(void *arg, const struct host *host) {
    (void)arg;
    return port_of(host) == 16;
}

START_TEST(refused_host_is_not_chosen_while_attempts_last) {
    const struct host_spec specs[] = {{.address = "10.0.0.1:16"}, {.address = "10.0.0.1:17"}};
    struct cluster_part *part = part_of(specs, 2, &(struct lb_config){.policy = LB_ROUND_ROBIN});
    const struct host_set *set = publish(part);
    struct load_balancer lb;
    load_balancer_init(&lb, &part->lb, 0);
    struct lb_context context = {.refuse = refuse_first, .max_attempts = 3};
    uint32_t panics = 0;
    for (int i = 0; i < 10; i++) {
        struct host *host = load_balancer_pick(&lb, set, &context, &f.worker.random, 0, &panics);
        ck_assert_uint_eq(port_of(host), 17);
    }
    load_balancer_deinit(&lb);
}
END_TEST

START_TEST(override_host_is_used_where_it_is_alive) {
    const struct host_spec specs[] = {{.address = "10.0.0.1:16"}, {.address = "10.0.0.1:17"}};
    struct cluster_part *part = part_of(specs, 2, &(struct lb_config){.policy = LB_ROUND_ROBIN});
    const struct host_set *set = publish(part);
    struct load_balancer lb;
    load_balancer_init(&lb, &part->lb, 0);
    struct lb_context context = {.override_host = SLICE("10.0.0.1:17")};
    uint32_t panics = 0;
    for (int i = 0; i < 5; i++) {
        struct host *host = load_balancer_pick(&lb, set, &context, &f.worker.random, 0, &panics);
        ck_assert_uint_eq(port_of(host), 17);
    }
    context = (struct lb_context){.override_host = SLICE("10.0.0.9:1"), .override_strict = true};
    ck_assert_ptr_null(load_balancer_pick(&lb, set, &context, &f.worker.random, 0, &panics));
    load_balancer_deinit(&lb);
}
END_TEST

START_TEST(slow_start_gives_a_new_host_less) {
    const struct host_spec specs[] = {{.address = "10.0.0.1:16"}, {.address = "10.0.0.1:17"}};
    const struct lb_config lb = {.policy = LB_ROUND_ROBIN, .slow_start_window_ms = 100000};
    (void)publish(part_of(specs, 1, &lb));
    fixture_advance(&f, 200000);
    struct cluster_part *part = part_of(specs, 2, &lb);
    const struct host_set *set = publish(part);
    fixture_advance(&f, 25000);
    uint32_t counts[MAX_HOSTS];
    draw(part, set, 500, counts);
    ck_assert_uint_ge(counts[1], 95);
    ck_assert_uint_le(counts[1], 105);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("load_balancer");
    TCase *tests = tcase_create("all");
    tcase_add_checked_fixture(tests, setup, teardown);
    tcase_add_test(tests, round_robin_takes_turns);
    tcase_add_test(tests, round_robin_weights_are_interleaved);
    tcase_add_test(tests, least_request_avoids_the_busy_host);
    tcase_add_test(tests, unhealthy_hosts_spill_to_the_next_priority);
    tcase_add_test(tests, few_healthy_hosts_are_a_panic);
    tcase_add_test(tests, degraded_hosts_serve_what_healthy_ones_cannot);
    tcase_add_test(tests, locality_weights_share_the_requests);
    tcase_add_loop_test(tests, hash_policies_keep_their_mapping_when_a_host_leaves, 0, 2);
    tcase_add_test(tests, refused_host_is_not_chosen_while_attempts_last);
    tcase_add_test(tests, override_host_is_used_where_it_is_alive);
    tcase_add_test(tests, slow_start_gives_a_new_host_less);
    suite_add_tcase(suite, tests);
    return run_suite(suite);
}
