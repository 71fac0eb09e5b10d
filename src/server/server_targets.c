// SPDX-License-Identifier: Apache-2.0
#include "src/server/server_targets.h"

#include "src/listener/listener_manager.h"
#include "src/server/server_internal.h"
#include "src/upstream/cluster_manager.h"

static void cluster_add(void *arg, struct cluster_part *part, xds_warm_fn *on_warm,
                        void *warm_arg) {
    const struct server *server = arg;
    cluster_manager_add(server->clusters, part, on_warm, warm_arg);
}

static void cluster_remove(void *arg, struct slice name) {
    const struct server *server = arg;
    cluster_manager_remove(server->clusters, name);
}

static void endpoints_set(void *arg, struct slice eds_name, struct endpoint_part *part) {
    const struct server *server = arg;
    cluster_manager_set_endpoints(server->clusters, eds_name, part);
}

static enum status listener_put(void *arg, struct listener_part *part, struct error *err) {
    const struct server *server = arg;
    return listener_manager_put(server->listeners, part, err);
}

static void listener_remove(void *arg, struct slice name) {
    const struct server *server = arg;
    listener_manager_remove(server->listeners, name);
}

static void listeners_warming(void *arg, uint32_t count) {
    const struct server *server = arg;
    listener_manager_set_warming(server->listeners, count);
}

struct xds_targets server_targets(struct server *server) {
    return (struct xds_targets){
        .arg = server,
        .cluster_add = cluster_add,
        .cluster_remove = cluster_remove,
        .endpoints_set = endpoints_set,
        .listener_put = listener_put,
        .listener_remove = listener_remove,
        .listeners_warming = listeners_warming,
    };
}
