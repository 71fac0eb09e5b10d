// SPDX-License-Identifier: Apache-2.0
/* What the overload manager finds, carried out: the actions that are no check on the data path. */
#include "src/overload/overload_manager.h"
#include "src/server/server_internal.h"

void server_shrink_heap(struct server *server) {
    if (!overload_is_saturated(&server->overload_state, OVERLOAD_SHRINK_HEAP)) {
        return;
    }
    for (uint32_t i = 0; i < server->concurrency; i++) {
        worker_shrink_heap(server->workers[i]);
    }
    heap_trim_start(&server->heap_trim);
    overload_manager_count_shrink(server->overload);
}

static void on_change(void *arg, enum overload_action action, bool is_saturated) {
    struct server *server = arg;
    if (action == OVERLOAD_SHRINK_HEAP) {
        server_shrink_heap(server);
    }
    if (action != OVERLOAD_STOP_ACCEPTING_CONNECTIONS) {
        return;
    }
    for (uint32_t i = 0; i < server->concurrency; i++) {
        worker_pause_accepting(server->workers[i], is_saturated);
    }
}

void server_start_overload(struct server *server) {
    if (server->settings.overload == NULL) {
        return;
    }
    struct overload_manager_options options = {
        .control = &server->control,
        .config = server->settings.overload,
        .state = &server->overload_state,
        .stats = server->stats,
        .on_change = on_change,
        .arg = server,
    };
    server->overload = overload_manager_new(&options);
    overload_manager_start(server->overload);
}
