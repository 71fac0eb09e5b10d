// SPDX-License-Identifier: Apache-2.0
/*
 * Route configurations made by hand, for the tests of this folder and the route fuzzer. Everything lies
 * in one arena; failures abort. Test code only.
 */
#ifndef SRC_ROUTE_ROUTE_TEST_MODEL_H
#define SRC_ROUTE_ROUTE_TEST_MODEL_H

#include "src/base/check.h"
#include "src/route/route_table.h"

struct route_model {
    struct arena arena;
    struct route_part part;
    struct header_map headers;
    struct route_request request;
};

static inline void route_model_init(struct route_model *model) {
    memset(model, 0, sizeof(*model));
    arena_init_heap(&model->arena, 0);
    header_map_init(&model->headers, &model->arena);
    model->request.headers = &model->headers;
}

static inline void route_model_deinit(struct route_model *model) {
    arena_deinit(&model->arena);
}

/* A request of method GET. */
static inline void route_model_request(struct route_model *model, struct slice host,
                                       struct slice path) {
    header_map_set(&model->headers, HEADER_METHOD, SLICE("GET"));
    header_map_set(&model->headers, HEADER_SCHEME, SLICE("http"));
    header_map_set(&model->headers, HEADER_AUTHORITY, host);
    header_map_set(&model->headers, HEADER_PATH, path);
}

/* Virtual hosts named by their own domains, a comma-separated list each; without routes. */
static inline void route_model_vhosts(struct route_model *model, const char *const *domain_lists,
                                      uint32_t count) {
    struct virtual_host *vhosts = ARENA_NEW_ARRAY(&model->arena, count, struct virtual_host);
    const struct virtual_host **pointers = (const struct virtual_host **)arena_calloc(
        &model->arena, count, sizeof(struct virtual_host *));
    for (uint32_t i = 0; i < count; i++) {
        struct slice rest = slice_from_string(domain_lists[i]);
        struct slice *domains = ARENA_NEW_ARRAY(&model->arena, 16, struct slice);
        vhosts[i].name = rest;
        while (slice_split(&rest, ',', &domains[vhosts[i].domain_count])) {
            CHECK(++vhosts[i].domain_count < 16);
        }
        vhosts[i].domains = domains;
        pointers[i] = &vhosts[i];
    }
    model->part.vhosts = pointers;
    model->part.vhost_count = count;
    model->part.hosts = host_index_new(&model->part, &model->arena);
}

static inline struct route route_model_route(enum route_match_kind kind, struct slice path) {
    return (struct route){
        .name = path,
        .match = {.kind = kind, .path = path, .tls_presented = -1, .tls_validated = -1},
    };
}

#endif
