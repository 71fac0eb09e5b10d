// SPDX-License-Identifier: Apache-2.0
#include "src/route/route_index.h"

#include <stdlib.h>

#include "src/base/check.h"
#include "src/route/route_table.h"

#define ROUTE_NONE_NUMBER UINT32_MAX
enum { MIN_INDEXED_ROUTES = 12 };

/* Chains of routes with the same path text; a chain is in ascending order. */
struct path_table {
    uint32_t *heads; /* route number or ROUTE_NONE_NUMBER, by bucket */
    uint32_t mask;
    uint32_t count; /* routes in it */
};

struct route_index {
    struct path_table exact;
    struct path_table prefix;
    uint32_t *lengths; /* of prefixes, distinct, ascending */
    uint32_t length_count;
    uint32_t others; /* head of the chain of all that is not indexed */
    uint32_t *next;  /* by route: the next one of its chain */
};

enum index_place { PLACE_EXACT, PLACE_PREFIX, PLACE_OTHER };

#define HASH_START UINT64_C(0xcbf29ce484222325)

static uint64_t hash_step(uint64_t hash, uint8_t byte) {
    return (hash ^ byte) * UINT64_C(0x100000001b3);
}

static uint32_t hash_bucket(uint64_t hash, uint32_t mask) {
    return (uint32_t)(hash ^ hash >> 29) & mask;
}

static uint64_t hash_path(struct slice path) {
    uint64_t hash = HASH_START;
    for (size_t i = 0; i < path.len; i++) {
        hash = hash_step(hash, path.ptr[i]);
    }
    return hash;
}

static enum index_place place_of(const struct route_match *match) {
    if (match->case_insensitive || match->path.len > UINT16_MAX) {
        return PLACE_OTHER;
    }
    switch (match->kind) {
    case ROUTE_MATCH_PATH:
        return PLACE_EXACT;
    case ROUTE_MATCH_PREFIX:
    case ROUTE_MATCH_PATH_SEPARATED_PREFIX:
        return PLACE_PREFIX;
    case ROUTE_MATCH_SAFE_REGEX:
    case ROUTE_MATCH_CONNECT:
    case ROUTE_MATCH_URI_TEMPLATE:
        return PLACE_OTHER;
    }
    return PLACE_OTHER;
}

static int compare_uint32(const void *a, const void *b) {
    uint32_t left = *(const uint32_t *)a;
    uint32_t right = *(const uint32_t *)b;
    return left < right ? -1 : (left > right ? 1 : 0);
}

/* Counts, and the distinct lengths of prefixes in *lengths (heap). */
struct index_plan {
    uint32_t exact, prefix, other;
    uint32_t *lengths;
    uint32_t length_count;
};

static void plan_lengths(struct index_plan *plan) {
    qsort(plan->lengths, plan->prefix, sizeof(uint32_t), compare_uint32);
    for (uint32_t i = 0; i < plan->prefix; i++) {
        if (plan->length_count == 0 || plan->lengths[plan->length_count - 1] != plan->lengths[i]) {
            plan->lengths[plan->length_count++] = plan->lengths[i];
        }
    }
}

static struct index_plan plan_index(const struct virtual_host *vhost) {
    struct index_plan plan = {.lengths = mem_calloc(vhost->route_count, sizeof(uint32_t))};
    for (uint32_t i = 0; i < vhost->route_count; i++) {
        switch (place_of(&vhost->routes[i].match)) {
        case PLACE_EXACT:
            plan.exact++;
            break;
        case PLACE_PREFIX:
            plan.lengths[plan.prefix++] = (uint32_t)vhost->routes[i].match.path.len;
            break;
        case PLACE_OTHER:
            plan.other++;
            break;
        }
    }
    plan_lengths(&plan);
    return plan;
}

// A lookup costs a step for each kind of chain, a walk one for each route.
static bool beats_walk(const struct index_plan *plan) {
    uint32_t indexed = plan->exact + plan->prefix;
    return indexed >= MIN_INDEXED_ROUTES && plan->length_count <= ROUTE_INDEX_MAX_LENGTHS &&
           indexed > 2 * plan->length_count && plan->other <= indexed;
}

static void table_init(struct path_table *table, uint32_t count, struct arena *arena) {
    uint32_t buckets = 4;
    while (buckets < 2 * count) {
        buckets *= 2;
    }
    table->heads = ARENA_NEW_ARRAY(arena, buckets, uint32_t);
    for (uint32_t i = 0; i < buckets; i++) {
        table->heads[i] = ROUTE_NONE_NUMBER;
    }
    table->mask = buckets - 1;
}

// Open addressing: the bucket whose chain has this text, or the empty one where it would be.
static uint32_t *table_bucket(const struct path_table *table, const struct virtual_host *vhost,
                              uint64_t hash, struct slice text) {
    uint32_t at = hash_bucket(hash, table->mask);
    while (table->heads[at] != ROUTE_NONE_NUMBER &&
           !slice_equal(vhost->routes[table->heads[at]].match.path, text)) {
        at = (at + 1) & table->mask;
    }
    return &table->heads[at];
}

// Routes come in descending order, so that each goes in front of its chain.
static void push_route(struct route_index *index, const struct virtual_host *vhost,
                       uint32_t number) {
    const struct route_match *match = &vhost->routes[number].match;
    enum index_place place = place_of(match);
    uint32_t *head = &index->others;
    if (place != PLACE_OTHER) {
        struct path_table *table = place == PLACE_EXACT ? &index->exact : &index->prefix;
        head = table_bucket(table, vhost, hash_path(match->path), match->path);
        table->count++;
    }
    index->next[number] = *head;
    *head = number;
}

const void *route_index_new(const struct virtual_host *vhost, struct arena *arena) {
    if (vhost->route_count < MIN_INDEXED_ROUTES) {
        return NULL;
    }
    struct index_plan plan = plan_index(vhost);
    struct route_index *index = NULL;
    if (beats_walk(&plan)) {
        index = ARENA_NEW(arena, struct route_index);
        index->lengths = ARENA_NEW_ARRAY(arena, plan.length_count, uint32_t);
        if (plan.length_count > 0) {
            memcpy(index->lengths, plan.lengths, plan.length_count * sizeof(uint32_t));
        }
        index->length_count = plan.length_count;
        index->next = ARENA_NEW_ARRAY(arena, vhost->route_count, uint32_t);
        index->others = ROUTE_NONE_NUMBER;
        table_init(&index->exact, plan.exact, arena);
        table_init(&index->prefix, plan.prefix, arena);
        for (uint32_t i = vhost->route_count; i > 0; i--) {
            push_route(index, vhost, i - 1);
        }
    }
    mem_free(plan.lengths);
    return index;
}

static void cursor_add(struct route_cursor *cursor, uint32_t head) {
    if (head != ROUTE_NONE_NUMBER) {
        cursor->heads[cursor->count++] = head;
    }
}

void route_cursor_init(struct route_cursor *cursor, const struct route_index *index,
                       const struct virtual_host *vhost, struct slice path) {
    cursor->index = index;
    cursor->count = 0;
    cursor_add(cursor, index->others);
    uint64_t hash = HASH_START;
    size_t done = 0;
    for (uint32_t i = 0; i < index->length_count && index->lengths[i] <= path.len; i++) {
        for (; done < index->lengths[i]; done++) {
            hash = hash_step(hash, path.ptr[done]);
        }
        cursor_add(cursor, *table_bucket(&index->prefix, vhost, hash, slice_sub(path, 0, done)));
    }
    if (index->exact.count > 0) {
        for (; done < path.len; done++) {
            hash = hash_step(hash, path.ptr[done]);
        }
        cursor_add(cursor, *table_bucket(&index->exact, vhost, hash, path));
    }
}

bool route_cursor_next(struct route_cursor *cursor, uint32_t *route) {
    if (cursor->count == 0) {
        return false;
    }
    uint32_t least = 0;
    for (uint32_t i = 1; i < cursor->count; i++) {
        if (cursor->heads[i] < cursor->heads[least]) {
            least = i;
        }
    }
    *route = cursor->heads[least];
    cursor->heads[least] = cursor->index->next[*route];
    if (cursor->heads[least] == ROUTE_NONE_NUMBER) {
        cursor->heads[least] = cursor->heads[--cursor->count];
    }
    return true;
}
