// SPDX-License-Identifier: Apache-2.0
#include "src/route/host_index.h"

#include <stdlib.h>

#include "src/base/check.h"
#include "src/route/route_table.h"

/* One configured domain; `text` is what is compared, without the '*'. */
struct domain_entry {
    struct slice text;
    struct slice domain;
    const struct virtual_host *vhost;
    uint32_t hash;
    uint32_t next; /* 1 + entry of the same bucket, 0: none */
};

/* A hash table over the domains of one kind. */
struct domain_table {
    struct domain_entry *entries;
    uint32_t count;
    uint32_t *buckets; /* 1 + entry, 0: empty */
    uint32_t mask;
    size_t *lengths; /* distinct, longest first */
    uint32_t length_count;
};

enum domain_kind { DOMAIN_EXACT, DOMAIN_SUFFIX, DOMAIN_PREFIX, DOMAIN_KIND_COUNT, DOMAIN_ANY };

struct host_index {
    struct domain_table tables[DOMAIN_KIND_COUNT];
    const struct virtual_host *any;
    struct slice any_domain;
};

// Domains are the configuration's; a client cannot add to a bucket, so that no seed is needed.
static uint32_t hash_nocase(struct slice text) {
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < text.len; i++) {
        hash = (hash ^ ascii_lower(text.ptr[i])) * UINT64_C(0x100000001b3);
    }
    return (uint32_t)(hash ^ hash >> 32);
}

static enum domain_kind kind_of(struct slice domain, struct slice *text) {
    *text = domain;
    if (slice_equal(domain, SLICE("*"))) {
        return DOMAIN_ANY;
    }
    if (domain.len > 0 && domain.ptr[0] == '*') {
        *text = slice_sub(domain, 1, SIZE_MAX);
        return DOMAIN_SUFFIX;
    }
    if (domain.len > 0 && domain.ptr[domain.len - 1] == '*') {
        *text = slice_sub(domain, 0, domain.len - 1);
        return DOMAIN_PREFIX;
    }
    return DOMAIN_EXACT;
}

static void count_domains(const struct route_part *part, uint32_t counts[DOMAIN_KIND_COUNT]) {
    for (uint32_t i = 0; i < part->vhost_count; i++) {
        for (uint32_t j = 0; j < part->vhosts[i]->domain_count; j++) {
            struct slice text;
            enum domain_kind kind = kind_of(part->vhosts[i]->domains[j], &text);
            if (kind != DOMAIN_ANY) {
                counts[kind]++;
            }
        }
    }
}

static void table_init(struct domain_table *table, uint32_t count, struct arena *arena) {
    if (count == 0) {
        return;
    }
    uint32_t buckets = 4;
    while (buckets < count + count / 2) {
        buckets *= 2;
    }
    table->entries = ARENA_NEW_ARRAY(arena, count, struct domain_entry);
    table->buckets = ARENA_NEW_ARRAY(arena, buckets, uint32_t);
    table->mask = buckets - 1;
}

static const struct domain_entry *table_find(const struct domain_table *table, struct slice text) {
    uint32_t hash = hash_nocase(text);
    for (uint32_t at = table->buckets[hash & table->mask]; at != 0;) {
        const struct domain_entry *entry = &table->entries[at - 1];
        if (entry->hash == hash && slice_equal_nocase(entry->text, text)) {
            return entry;
        }
        at = entry->next;
    }
    return NULL;
}

static void table_add(struct domain_table *table, struct slice text, struct slice domain,
                      const struct virtual_host *vhost) {
    if (table_find(table, text) != NULL) {
        return; // the first one wins, should the decoder let a duplicate through
    }
    uint32_t hash = hash_nocase(text);
    uint32_t *bucket = &table->buckets[hash & table->mask];
    table->entries[table->count++] = (struct domain_entry){text, domain, vhost, hash, *bucket};
    *bucket = table->count;
}

static int compare_longest_first(const void *a, const void *b) {
    size_t left = *(const size_t *)a;
    size_t right = *(const size_t *)b;
    return left < right ? 1 : (left > right ? -1 : 0);
}

static void table_finish(struct domain_table *table, struct arena *arena) {
    if (table->count == 0) {
        return;
    }
    table->lengths = ARENA_NEW_ARRAY(arena, table->count, size_t);
    for (uint32_t i = 0; i < table->count; i++) {
        table->lengths[i] = table->entries[i].text.len;
    }
    qsort(table->lengths, table->count, sizeof(size_t), compare_longest_first);
    uint32_t used = 0;
    for (uint32_t i = 0; i < table->count; i++) {
        if (used == 0 || table->lengths[used - 1] != table->lengths[i]) {
            table->lengths[used++] = table->lengths[i];
        }
    }
    table->length_count = used;
}

const struct host_index *host_index_new(const struct route_part *part, struct arena *arena) {
    struct host_index *index = ARENA_NEW(arena, struct host_index);
    uint32_t counts[DOMAIN_KIND_COUNT] = {0};
    count_domains(part, counts);
    for (int kind = 0; kind < DOMAIN_KIND_COUNT; kind++) {
        table_init(&index->tables[kind], counts[kind], arena);
    }
    for (uint32_t i = 0; i < part->vhost_count; i++) {
        const struct virtual_host *vhost = part->vhosts[i];
        for (uint32_t j = 0; j < vhost->domain_count; j++) {
            struct slice text;
            enum domain_kind kind = kind_of(vhost->domains[j], &text);
            if (kind != DOMAIN_ANY) {
                table_add(&index->tables[kind], text, vhost->domains[j], vhost);
            } else if (index->any == NULL) {
                index->any = vhost;
                index->any_domain = vhost->domains[j];
            }
        }
    }
    for (int kind = 0; kind < DOMAIN_KIND_COUNT; kind++) {
        table_finish(&index->tables[kind], arena);
    }
    return index;
}

// A wildcard stands for at least one character: "*.a.com" is not ".a.com".
static const struct domain_entry *find_wildcard(const struct domain_table *table, struct slice host,
                                                bool is_suffix) {
    for (uint32_t i = 0; i < table->length_count; i++) {
        size_t len = table->lengths[i];
        if (len >= host.len) {
            continue;
        }
        const struct domain_entry *entry =
            table_find(table, slice_sub(host, is_suffix ? host.len - len : 0, len));
        if (entry != NULL) {
            return entry;
        }
    }
    return NULL;
}

static const struct domain_entry *find_named(const struct host_index *index, struct slice host) {
    const struct domain_table *exact = &index->tables[DOMAIN_EXACT];
    const struct domain_entry *entry = NULL;
    if (exact->count > 0 && host.len <= exact->lengths[0]) {
        entry = table_find(exact, host);
    }
    if (entry == NULL) {
        entry = find_wildcard(&index->tables[DOMAIN_SUFFIX], host, true);
    }
    if (entry == NULL) {
        entry = find_wildcard(&index->tables[DOMAIN_PREFIX], host, false);
    }
    return entry;
}

const struct virtual_host *host_index_find(const struct host_index *index, struct slice host,
                                           struct slice *domain) {
    const struct domain_entry *entry = find_named(index, host);
    if (entry != NULL) {
        *domain = entry->domain;
        return entry->vhost;
    }
    *domain = index->any_domain;
    return index->any;
}

const struct virtual_host *host_index_only_default(const struct host_index *index) {
    for (int kind = 0; kind < DOMAIN_KIND_COUNT; kind++) {
        if (index->tables[kind].count > 0) {
            return NULL;
        }
    }
    return index->any;
}
