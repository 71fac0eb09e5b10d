// SPDX-License-Identifier: Apache-2.0
#include "xds/transport/file_transport.h"

#include "src/base/check.h"
#include "src/config/validation.h"
#include "xds/bootstrap/bootstrap_loader.h"
#include "xds/file_watcher.h"

struct file_transport {
    struct file_transport_options options;
    char *path;
    struct file_watch *watch;
};

static void deliver(struct file_transport *transport, const struct resource_file *file,
                    struct arena *arena) {
    struct discovery_resource *resources =
        ARENA_NEW_ARRAY(arena, file->count, struct discovery_resource);
    for (uint32_t i = 0; i < file->count; i++) {
        resources[i].name = file->entries[i].name;
        resources[i].is_wrapped = file->entries[i].name.len > 0;
        resources[i].type_url = file->entries[i].type_url;
        resources[i].value = file->entries[i].value;
        resources[i].has_body = true;
    }
    struct discovery_response response = {.variant = DISCOVERY_SOTW,
                                          .version = file->version,
                                          .resources = resources,
                                          .resource_count = file->count};
    transport->options.handler->on_response(transport->options.arg, &response);
}

void file_transport_read(struct file_transport *transport) {
    struct arena arena;
    struct validation v;
    struct resource_file file;
    struct error err;
    arena_init_heap(&arena, 0);
    validation_init(&v, &arena, SLICE(""));
    enum status status = resource_file_load(transport->path, transport->options.reject_unknown,
                                            &arena, &file, &v, &err);
    if (status == STATUS_OK) {
        deliver(transport, &file, &arena);
    } else {
        err.status = status;
        transport->options.handler->on_failure(transport->options.arg, &err);
    }
    arena_deinit(&arena);
}

static void on_change(void *arg) {
    file_transport_read(arg);
}

static enum status watch(struct file_transport *transport, struct error *err) {
    const struct file_transport_options *options = &transport->options;
    struct slice path = options->path;
    char *directory = NULL;
    if (options->watched_directory.len > 0) {
        struct slice from = options->watched_directory;
        directory = mem_alloc(from.len + 1);
        memcpy(directory, from.ptr, from.len);
        directory[from.len] = '/';
        path = slice_make(directory, from.len + 1);
    }
    enum status status = file_watcher_add(options->watcher, path, false, on_change, transport,
                                          &transport->watch, err);
    mem_free(directory);
    return status;
}

enum status file_transport_new(const struct file_transport_options *options,
                               struct file_transport **out, struct error *err) {
    struct file_transport *transport = mem_calloc(1, sizeof(*transport));
    transport->options = *options;
    transport->path = mem_dup_string((const char *)options->path.ptr, options->path.len);
    enum status status = watch(transport, err);
    if (status != STATUS_OK) {
        file_transport_free(transport);
        return status;
    }
    *out = transport;
    return STATUS_OK;
}

void file_transport_free(struct file_transport *transport) {
    if (transport == NULL) {
        return;
    }
    file_watch_remove(transport->watch);
    mem_free(transport->path);
    mem_free(transport);
}
