// SPDX-License-Identifier: Apache-2.0
/* The route cache of a stream: found at first use, forgotten when a filter clears it. The route
 * configuration is pinned once per stream; a cleared route is matched in the same one. An open
 * tunnel lets go of it (stream_settle.c). */
#include "src/config/config_store.h"
#include "src/event/io_context.h"
#include "src/stream/http_stream.h"
#include "src/upstream/worker_cluster.h"

const struct route_part *http_stream_route_config(struct http_stream *stream) {
    if (stream->route_config != NULL) {
        return stream->route_config;
    }
    struct io_context *io = stream->conn->io;
    struct config_part *part =
        config_snapshot_part(io->snapshot, CONFIG_ROUTE, stream->conn->config->route_slot);
    if (part != NULL) {
        config_pin(io, part);
        stream->route_config = (struct route_part *)(void *)part;
    }
    return stream->route_config;
}

static uint32_t cluster_slot_of(const struct http_stream *stream) {
    const struct route_action *action = stream->route->cluster;
    struct slice header =
        stream->weighted != NULL ? stream->weighted->cluster_header : action->cluster_header;
    if (slice_is_empty(header)) {
        return stream->weighted != NULL ? stream->weighted->cluster_slot : action->cluster_slot;
    }
    return config_snapshot_find(stream->conn->io->snapshot, CONFIG_CLUSTER,
                                header_map_get_name(stream->request_headers, header));
}

/* The log names the cluster of a request that a filter answered, too. */
static void note_cluster(struct http_stream *stream) {
    struct stream_info *info = &stream->info;
    info->cluster_name =
        stream->weighted != NULL ? stream->weighted->name : stream->route->cluster->cluster_name;
    const struct cluster_part *part =
        upstream_cluster_part(stream->conn->io, cluster_slot_of(stream));
    info->upstream->cluster_name =
        part == NULL ? (struct slice){NULL, 0} : arena_dup_slice(&stream->arena, part->stat_name);
}

static void note_route(struct http_stream *stream) {
    struct stream_info *info = &stream->info;
    info->vhost_metadata = stream->vhost == NULL ? NULL : &stream->vhost->metadata;
    info->vhost_name = stream->vhost == NULL ? (struct slice){NULL, 0} : stream->vhost->name;
    info->route_metadata = stream->route == NULL ? NULL : &stream->route->metadata;
    info->route_name = stream->route == NULL ? (struct slice){NULL, 0} : stream->route->name;
    info->cluster_name = info->upstream->cluster_name = (struct slice){NULL, 0};
    if (stream->route != NULL && stream->route->action == ROUTE_ACTION_CLUSTER) {
        note_cluster(stream);
    }
}

/* Where the runtime leaves a route no weight to draw from, the routes behind it count, as in Envoy. */
static void pick_weighted(struct http_stream *stream, const struct route_request *request) {
    while (stream->route != NULL && stream->route->action == ROUTE_ACTION_CLUSTER &&
           stream->route->cluster->weighted_count > 0) {
        stream->weighted = route_pick_weighted(stream->route->cluster, request);
        if (stream->weighted != NULL) {
            return;
        }
        stream->route =
            route_find_behind(stream->route_config, stream->vhost, stream->route, request);
    }
}

static void find_route(struct http_stream *stream) {
    struct route_request request = {
        .headers = stream->request_headers,
        .connection = stream->info.connection,
        .random = stream->random,
        .io = stream->conn->io,
    };
    stream->vhost = route_find_virtual_host(stream->route_config, &request);
    if (stream->vhost != NULL) {
        stream->route = route_find_in(stream->route_config, stream->vhost, &request);
    }
    pick_weighted(stream, &request);
}

static void find_route_in_time(struct http_stream *stream) {
    struct event_loop *loop = stream->conn->io->loop;
    uint64_t begin_us = event_loop_clock_us(loop);
    find_route(stream);
    stream->info.route_resolution_us += (uint32_t)(event_loop_clock_us(loop) - begin_us);
}

const struct route *http_stream_route(struct http_stream *stream) {
    if (stream->is_route_resolved || stream->request_headers == NULL) {
        return stream->route;
    }
    stream->is_route_resolved = true;
    if (http_stream_route_config(stream) == NULL) {
        return NULL;
    }
    stream->info.route_resolutions++;
    if (stream->conn->config->measures_route) {
        find_route_in_time(stream);
    } else {
        find_route(stream);
    }
    note_route(stream);
    http_stream_timeouts_route(stream);
    return stream->route;
}

void http_stream_clear_route(struct http_stream *stream) {
    stream->is_route_resolved = false;
    stream->vhost = NULL;
    stream->route = NULL;
    stream->weighted = NULL;
    if (stream->chain_created) {
        http_filter_chain_route_changed(&stream->chain);
    }
}

void http_stream_set_route_cluster(struct http_stream *stream, uint32_t cluster_slot,
                                   struct slice name) {
    const struct route *route = http_stream_route(stream);
    if (route == NULL || route->action != ROUTE_ACTION_CLUSTER) {
        return;
    }
    struct route *copy = ARENA_NEW(&stream->arena, struct route);
    struct route_action *action = ARENA_NEW(&stream->arena, struct route_action);
    *copy = *route;
    *action = *route->cluster;
    action->cluster_slot = cluster_slot;
    action->cluster_name = name;
    action->weighted = NULL;
    action->weighted_count = 0;
    copy->cluster = action;
    stream->route = copy;
    stream->weighted = NULL;
    note_route(stream);
}
