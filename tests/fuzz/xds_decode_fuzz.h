// SPDX-License-Identifier: Apache-2.0
/*
 * What the fuzz targets of the xDS decoders share. Oracle: the same bytes give the same outcome and the
 * same canonical hash; what is refused leaves nothing and says why; what is taken carries the name that
 * was read off the wire. No file is written: there is no writer for access logs.
 */
#ifndef TESTS_FUZZ_XDS_DECODE_FUZZ_H
#define TESTS_FUZZ_XDS_DECODE_FUZZ_H

#include "src/base/check.h"
#include "src/event/io_context.h"
#include "src/filter_chain/http_filter.h"
#include "src/filter_chain/network_filter.h"
#include "src/stats/stats.h"
#include "xds/decode/http_connection_manager.h"
#include "xds/resource_type.h"

static const struct http_filter_factory fuzz_router = {
    .name = "envoy.filters.http.router",
    .type_url = "envoy.extensions.filters.http.router.v3.Router",
    .per_route_type_url = "envoy.extensions.filters.http.cors.v3.CorsPolicy",
    .is_terminal = true,
};
static const struct http_filter_factory *const fuzz_http[] = {&fuzz_router, NULL};
static const struct network_filter_factory fuzz_hcm = {
    .name = "envoy.filters.network.http_connection_manager",
    .type_url = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
    .is_terminal = true,
    .parse = http_connection_manager_parse,
};
static const struct network_filter_factory *const fuzz_network[] = {&fuzz_hcm, NULL};

static inline enum status fuzz_decode_once(const struct resource_type *type, struct slice raw,
                                           uint64_t *hash) {
    struct io_context control;
    struct arena arena;
    struct validation v;
    struct decode_result result;
    struct filter_registry registry = {.http = fuzz_http, .network = fuzz_network};
    CHECK(io_context_init(&control, 0, clock_system(), NULL) == STATUS_OK);
    struct stats_registry *stats = stats_registry_new(1);
    struct config_store *store = config_store_new(&control);
    struct decode_context context = {
        .store = store, .stats = stats, .registry = &registry, .edge_defaults = true};
    struct decode_options options = {.keep_raw = true};
    arena_init_heap(&arena, 0);
    validation_init(&v, &arena, resource_name(type, raw));
    enum status status = resource_decode(type, &context, &options, raw, &v, &result);
    CHECK((status == STATUS_OK) == (result.part != NULL));
    CHECK((status == STATUS_OK) == (v.error_count == 0));
    *hash = result.hash;
    if (status == STATUS_OK) {
        CHECK(slice_equal(result.part->name, resource_name(type, raw)));
        CHECK(slice_equal(result.part->raw, raw));
    }
    decode_result_release(&result);
    config_store_free(store);
    stats_registry_free(stats);
    io_context_deinit(&control);
    arena_deinit(&arena);
    return status;
}

static inline int fuzz_decode(const struct resource_type *type, const uint8_t *data, size_t size) {
    uint64_t first, second;
    enum status status = fuzz_decode_once(type, slice_make(data, size), &first);
    CHECK(fuzz_decode_once(type, slice_make(data, size), &second) == status);
    CHECK(first == second);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
