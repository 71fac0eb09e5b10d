// SPDX-License-Identifier: Apache-2.0
#include "tools/xds_server/resource_catalog.h"

#include <stdlib.h>

#include "src/base/check.h"

/* ---- types ---- */

struct known_type {
    struct slice name;
    struct slice short_name;
    unsigned rank;
    bool is_wildcard;
};

enum { RANK_LAST_NAMED = 2, RANK_OTHER = 7 };

static const struct known_type known_types[] = {
    {SLICE_INIT("envoy.config.cluster.v3.Cluster"), SLICE_INIT("cds"), 0, true},
    {SLICE_INIT("envoy.config.endpoint.v3.ClusterLoadAssignment"), SLICE_INIT("eds"), 1, false},
    {SLICE_INIT("envoy.extensions.transport_sockets.tls.v3.Secret"), SLICE_INIT("sds"), 2, false},
    {SLICE_INIT("envoy.config.listener.v3.Listener"), SLICE_INIT("lds"), 3, true},
    {SLICE_INIT("envoy.config.route.v3.ScopedRouteConfiguration"), SLICE_INIT("srds"), 4, true},
    {SLICE_INIT("envoy.config.route.v3.RouteConfiguration"), SLICE_INIT("rds"), 5, false},
    {SLICE_INIT("envoy.config.route.v3.VirtualHost"), SLICE_INIT("vhds"), 6, false},
    {SLICE_INIT("envoy.service.runtime.v3.Runtime"), SLICE_INIT("rtds"), RANK_OTHER, false},
    {SLICE_INIT("envoy.config.core.v3.TypedExtensionConfig"), SLICE_INIT("ecds"), RANK_OTHER,
     false},
};

static struct slice full_name(struct slice type_url) {
    size_t slash = slice_rfind_byte(type_url, '/');
    return slash == SIZE_MAX ? type_url : slice_sub(type_url, slash + 1, SIZE_MAX);
}

static const struct known_type *find_known(struct slice type_url) {
    struct slice name = full_name(type_url);
    for (size_t i = 0; i < ARRAY_LEN(known_types); i++) {
        if (slice_equal(name, known_types[i].name)) {
            return &known_types[i];
        }
    }
    return NULL;
}

unsigned resource_type_rank(struct slice type_url) {
    const struct known_type *known = find_known(type_url);
    return known == NULL ? RANK_OTHER : known->rank;
}

bool resource_type_is_wildcard(struct slice type_url) {
    const struct known_type *known = find_known(type_url);
    return known != NULL && known->is_wildcard;
}

struct slice resource_type_short_name(struct slice type_url) {
    const struct known_type *known = find_known(type_url);
    return known == NULL ? full_name(type_url) : known->short_name;
}

/* ---- parts ---- */

struct resource_part *resource_part_new(void) {
    struct resource_part *part = mem_calloc(1, sizeof(*part));
    part->refs = 1;
    arena_init_heap(&part->arena, 0);
    return part;
}

struct resource_part *resource_part_ref(struct resource_part *part) {
    part->refs++;
    return part;
}

void resource_part_unref(struct resource_part *part) {
    if (part == NULL || --part->refs > 0) {
        return;
    }
    arena_deinit(&part->arena);
    mem_free(part);
}

/* ---- catalogs ---- */

struct resource_catalog *resource_catalog_new(void) {
    struct resource_catalog *catalog = mem_calloc(1, sizeof(*catalog));
    catalog->refs = 1;
    return catalog;
}

struct resource_catalog *resource_catalog_ref(struct resource_catalog *catalog) {
    catalog->refs++;
    return catalog;
}

void resource_catalog_unref(struct resource_catalog *catalog) {
    if (catalog == NULL || --catalog->refs > 0) {
        return;
    }
    for (uint32_t i = 0; i < catalog->type_count; i++) {
        hash_map_deinit(&catalog->types[i].by_name);
        mem_free(catalog->types[i].resources);
    }
    for (uint32_t i = 0; i < catalog->part_count; i++) {
        resource_part_unref(catalog->parts[i]);
    }
    mem_free(catalog->types);
    mem_free(catalog->parts);
    mem_free(catalog);
}

static struct catalog_type *find_type(const struct resource_catalog *catalog,
                                      struct slice type_url) {
    for (uint32_t i = 0; i < catalog->type_count; i++) {
        if (slice_equal(catalog->types[i].type_url, type_url)) {
            return &catalog->types[i];
        }
    }
    return NULL;
}

const struct catalog_type *resource_catalog_type(const struct resource_catalog *catalog,
                                                 struct slice type_url) {
    return find_type(catalog, type_url);
}

const struct catalog_resource *catalog_type_find(const struct catalog_type *type,
                                                 struct slice name) {
    return type == NULL ? NULL : hash_map_get(&type->by_name, name);
}

static struct catalog_type *obtain_type(struct resource_catalog *catalog, struct slice type_url) {
    struct catalog_type *type = find_type(catalog, type_url);
    if (type != NULL) {
        return type;
    }
    catalog->types =
        mem_realloc(catalog->types, (catalog->type_count + 1) * sizeof(*catalog->types));
    type = &catalog->types[catalog->type_count++];
    *type = (struct catalog_type){.type_url = type_url};
    hash_map_init(&type->by_name);
    return type;
}

static void add_resource(struct resource_catalog *catalog,
                         const struct catalog_resource *resource) {
    struct catalog_type *type = obtain_type(catalog, resource->type_url);
    if (type->count == type->capacity) {
        type->capacity = type->capacity == 0 ? 16 : type->capacity * 2;
        type->resources = mem_realloc(type->resources, type->capacity * sizeof(*type->resources));
    }
    type->resources[type->count++] = resource;
    (void)hash_map_put(&type->by_name, resource->name, (void *)(uintptr_t)resource);
}

static void keep_part(struct resource_catalog *catalog, struct resource_part *part) {
    catalog->parts =
        mem_realloc(catalog->parts, (catalog->part_count + 1) * sizeof(struct resource_part *));
    catalog->parts[catalog->part_count++] = resource_part_ref(part);
}

enum status resource_catalog_add(struct resource_catalog *catalog, struct resource_part *part,
                                 struct error *err) {
    for (uint32_t i = 0; i < part->count; i++) {
        const struct catalog_resource *resource = &part->resources[i];
        const struct catalog_type *type = find_type(catalog, resource->type_url);
        if (catalog_type_find(type, resource->name) != NULL) {
            return error_set(err, STATUS_INVALID, "%s: %.*s '%.*s' is also in another file",
                             part->path, SLICE_ARG(full_name(resource->type_url)),
                             SLICE_ARG(resource->name));
        }
    }
    for (uint32_t i = 0; i < part->count; i++) {
        add_resource(catalog, &part->resources[i]);
    }
    keep_part(catalog, part);
    return STATUS_OK;
}

static int compare_names(const void *a, const void *b) {
    const struct catalog_resource *const *left = a;
    const struct catalog_resource *const *right = b;
    return slice_compare((*left)->name, (*right)->name);
}

void resource_catalog_finish(struct resource_catalog *catalog) {
    for (uint32_t i = 0; i < catalog->type_count; i++) {
        struct catalog_type *type = &catalog->types[i];
        qsort(type->resources, type->count, sizeof(*type->resources), compare_names);
    }
}

/* ---- rollout ---- */

static void add_missing(struct resource_catalog *catalog, const struct resource_catalog *from,
                        bool is_early) {
    for (uint32_t i = 0; i < from->type_count; i++) {
        const struct catalog_type *type = &from->types[i];
        if ((resource_type_rank(type->type_url) <= RANK_LAST_NAMED) != is_early) {
            continue;
        }
        for (uint32_t j = 0; j < type->count; j++) {
            const struct catalog_resource *resource = type->resources[j];
            const struct catalog_type *present = find_type(catalog, type->type_url);
            if (catalog_type_find(present, resource->name) == NULL) {
                add_resource(catalog, resource);
            }
        }
    }
}

struct resource_catalog *resource_catalog_compose(struct resource_catalog *old,
                                                  struct resource_catalog *target,
                                                  enum rollout_step step) {
    if (step == ROLLOUT_BREAK) {
        return resource_catalog_ref(target);
    }
    struct resource_catalog *catalog = resource_catalog_new();
    for (uint32_t i = 0; i < target->part_count; i++) {
        keep_part(catalog, target->parts[i]);
    }
    for (uint32_t i = 0; i < old->part_count; i++) {
        keep_part(catalog, old->parts[i]);
    }
    add_missing(catalog, target, true);
    add_missing(catalog, old, true);
    add_missing(catalog, step == ROLLOUT_MAKE ? old : target, false);
    resource_catalog_finish(catalog);
    return catalog;
}

static bool contains_all(const struct resource_catalog *a, const struct resource_catalog *b,
                         unsigned from_rank) {
    for (uint32_t i = 0; i < b->type_count; i++) {
        const struct catalog_type *wanted = &b->types[i];
        const struct catalog_type *present = find_type(a, wanted->type_url);
        if (resource_type_rank(wanted->type_url) < from_rank) {
            continue;
        }
        for (uint32_t j = 0; j < wanted->count; j++) {
            const struct catalog_resource *found =
                catalog_type_find(present, wanted->resources[j]->name);
            if (found == NULL || found->hash != wanted->resources[j]->hash) {
                return false;
            }
        }
    }
    return true;
}

bool resource_catalog_equal(const struct resource_catalog *a, const struct resource_catalog *b) {
    return contains_all(a, b, 0) && contains_all(b, a, 0);
}

bool resource_catalog_names_equally(const struct resource_catalog *a,
                                    const struct resource_catalog *b) {
    return contains_all(a, b, RANK_LAST_NAMED + 1) && contains_all(b, a, RANK_LAST_NAMED + 1);
}
