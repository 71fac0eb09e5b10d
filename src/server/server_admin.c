// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "sallyport_version.h"
#include "src/admin/admin_params.h"
#include "src/base/check.h"
#include "src/base/log.h"
#include "src/server/server_internal.h"
#include "xds/xds.h"

static enum admin_state admin_state_of(void *arg) {
    const struct server *server = arg;
    switch (server->state) {
    case SERVER_LIVE:
        return ADMIN_STATE_LIVE;
    case SERVER_DRAINING:
        return ADMIN_STATE_DRAINING;
    case SERVER_PRE_INITIALIZING:
        return ADMIN_STATE_PRE_INITIALIZING;
    case SERVER_INITIALIZING:
        return ADMIN_STATE_INITIALIZING;
    }
    return ADMIN_STATE_LIVE;
}

static void admin_quit(void *arg) {
    server_shutdown(arg, true);
}

static void admin_drain_listeners(void *arg, const struct admin_drain *drain) {
    server_drain_listeners(arg, drain);
}

static void admin_set_health_failed(void *arg, bool failed) {
    server_set_health_failed(arg, failed);
}

static void admin_reopen_logs(void *arg) {
    server_reopen_logs(arg);
}

static enum status admin_config_dump(void *arg, const struct config_dump_query *query,
                                     struct buffer *out) {
    const struct server *server = arg;
    struct xds_dump_query dump = {
        .resource = query->resource,
        .mask = query->mask,
        .name_regex = query->name_regex,
        .include_eds = query->include_eds,
    };
    return xds_config_dump(server->xds, &dump, out);
}

static enum status admin_runtime_modify(void *arg, const struct admin_param *changes,
                                        uint32_t count) {
    const struct server *server = arg;
    struct runtime_change *list = mem_calloc(count, sizeof(*list));
    for (uint32_t i = 0; i < count; i++) {
        list[i] = (struct runtime_change){.key = changes[i].name, .text = changes[i].value};
    }
    enum status status = xds_runtime_modify(server->xds, list, count);
    mem_free(list);
    return status;
}

static const struct admin_callbacks callbacks = {
    .state = admin_state_of,
    .quit = admin_quit,
    .drain_listeners = admin_drain_listeners,
    .set_health_failed = admin_set_health_failed,
    .reopen_logs = admin_reopen_logs,
    .config_dump = admin_config_dump,
    .runtime_modify = admin_runtime_modify,
};

static enum status write_address(const struct server *server, struct error *err) {
    const char *path = server->options->admin_address_path;
    if (path == NULL) {
        return STATUS_OK;
    }
    FILE *file = fopen(path, "we");
    if (file == NULL) {
        return error_set(err, STATUS_IO, "cannot write the admin address to '%s'", path);
    }
    char text[ADDRESS_TEXT_BYTES];
    struct slice address = address_to_text(admin_address(server->admin), text);
    bool written = fprintf(file, "%.*s", SLICE_ARG(address)) > 0;
    return fclose(file) == 0 && written
               ? STATUS_OK
               : error_set(err, STATUS_IO, "cannot write the admin address to '%s'", path);
}

enum status server_start_admin(struct server *server, struct error *err) {
    if (!server->settings.has_admin) {
        return STATUS_OK;
    }
    char *node = arena_dup_string(&server->bootstrap_part->arena, server->settings.node_json);
    server->facts = (struct admin_server_facts){
        .version = SALLYPORT_REVISION "/1.40.0/Clean/RELEASE/BoringSSL",
        .node_json = node,
        .start_us = server->start_us,
        .first_epoch_start_us = server->start_us,
    };
    struct admin_options options = {
        .control = &server->control,
        .address = server->settings.admin_address,
        .unix_mode = server->settings.admin_unix_mode,
        .allow_paths = server->settings.admin_allow_paths,
        .allow_path_count = server->settings.admin_allow_path_count,
        .access_logs = server->settings.admin_access_logs,
        .access_log_count = server->settings.admin_access_log_count,
        .stats = server->stats,
        .clusters = server->clusters,
        .store = server->store,
        .facts = &server->facts,
        .callbacks = &callbacks,
        .arg = server,
        .is_edge = server->options->edge_defaults,
    };
    server->admin = admin_new(&options, err);
    if (server->admin == NULL) {
        return STATUS_IO;
    }
    return write_address(server, err);
}
