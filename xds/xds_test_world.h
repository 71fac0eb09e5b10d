// SPDX-License-Identifier: Apache-2.0
/*
 * For tests of the whole client: real decoders and a real store under a virtual clock, with stand-ins for
 * the managers that take clusters and listeners. All that happens goes into one log, a line each, so that
 * a test reads as a dialogue.
 */
#ifndef XDS_XDS_TEST_WORLD_H
#define XDS_XDS_TEST_WORLD_H

#include "xds/decode/decode_test_fixture.h"

#include <stdarg.h>
#include <stdio.h>

#include "src/config/cluster_config.h"
#include "src/event/event_loop.h"
#include "xds/xds.h"
#include "xds/xds_transport.h"

enum { WORLD_LOG_BYTES = 65536, WORLD_CLUSTERS_MAX = 64 };

struct waiting_cluster {
    struct slice name, eds_name; /* of the part */
    struct config_part *part;
    xds_warm_fn *on_warm;
    void *arg;
};

struct world {
    struct virtual_clock clock;
    struct io_context control;
    struct config_store *store;
    struct stats_registry *stats;
    struct file_writer *files;
    struct filter_registry registry;
    struct decode_context decode;
    struct arena arena;
    const struct runtime_config *runtime; /* NULL: no layers */
    struct xds_transport transport;
    struct xds_stream *stream; /* the newest that is open; NULL: none */
    unsigned opened;
    unsigned channels; /* there now */
    char target[256];
    struct waiting_cluster waiting[WORLD_CLUSTERS_MAX];
    uint32_t waiting_count;
    uint32_t listeners_warming;
    bool fails_bind;
    bool is_live;
    struct xds *xds;
    char log[WORLD_LOG_BYTES];
};

static inline void note(struct world *w, const char *format, ...) PRINTF_LIKE(2, 3);
static inline void note(struct world *w, const char *format, ...) {
    size_t len = strlen(w->log);
    va_list args;
    va_start(args, format);
    vsnprintf(w->log + len, sizeof(w->log) - len, format, args);
    va_end(args);
}

/* ---- the managers ---- */

static inline void world_warm(struct world *w, struct slice eds_name) {
    for (uint32_t i = 0; i < w->waiting_count; i++) {
        struct waiting_cluster cluster = w->waiting[i];
        if (slice_equal(cluster.eds_name, eds_name)) {
            w->waiting[i--] = w->waiting[--w->waiting_count];
            note(w, "warm %.*s\n", SLICE_ARG(cluster.name));
            cluster.on_warm(cluster.arg, cluster.name);
            config_part_unref(cluster.part);
        }
    }
}

static inline void world_cluster_add(void *arg, struct cluster_part *part, xds_warm_fn *on_warm,
                                     void *warm_arg) {
    struct world *w = arg;
    note(w, "cluster %.*s %ums\n", SLICE_ARG(part->part.name), part->connect_timeout_ms);
    uint32_t slot = config_store_slot(w->store, CONFIG_CLUSTER, part->part.name);
    config_store_put(w->store, CONFIG_CLUSTER, slot, config_part_ref(&part->part));
    if (part->type != CLUSTER_EDS) {
        on_warm(warm_arg, part->part.name);
        config_part_unref(&part->part);
        return;
    }
    ck_assert_uint_lt(w->waiting_count, WORLD_CLUSTERS_MAX);
    w->waiting[w->waiting_count++] =
        (struct waiting_cluster){part->part.name, part->eds_name, &part->part, on_warm, warm_arg};
}

static inline void world_cluster_remove(void *arg, struct slice name) {
    struct world *w = arg;
    note(w, "no cluster %.*s\n", SLICE_ARG(name));
    config_store_put(w->store, CONFIG_CLUSTER, config_store_slot(w->store, CONFIG_CLUSTER, name),
                     NULL);
}

static inline void world_endpoints_set(void *arg, struct slice eds_name,
                                       struct endpoint_part *part) {
    struct world *w = arg;
    if (slice_starts_with(eds_name, SLICE("inline/"))) {
        config_part_unref(&part->part);
        return;
    }
    note(w, "endpoints %.*s %s\n", SLICE_ARG(eds_name), part == NULL ? "none" : "some");
    config_part_unref(part == NULL ? NULL : &part->part);
    world_warm(w, eds_name);
}

static inline enum status world_listener_put(void *arg, struct listener_part *part,
                                             struct error *err) {
    struct world *w = arg;
    struct config_part *base = (struct config_part *)(void *)part;
    if (w->fails_bind) {
        config_part_unref(base);
        return error_set(err, STATUS_IO, "cannot bind '127.0.0.1:80': Address already in use");
    }
    note(w, "listener %.*s\n", SLICE_ARG(base->name));
    uint32_t slot = config_store_slot(w->store, CONFIG_LISTENER, base->name);
    config_store_put(w->store, CONFIG_LISTENER, slot, base);
    return STATUS_OK;
}

static inline void world_listener_remove(void *arg, struct slice name) {
    struct world *w = arg;
    note(w, "no listener %.*s\n", SLICE_ARG(name));
    config_store_put(w->store, CONFIG_LISTENER, config_store_slot(w->store, CONFIG_LISTENER, name),
                     NULL);
}

static inline void world_listeners_warming(void *arg, uint32_t count) {
    struct world *w = arg;
    w->listeners_warming = count;
}

static inline void world_initialized(void *arg) {
    struct world *w = arg;
    w->is_live = true;
    note(w, "live\n");
}

#endif
