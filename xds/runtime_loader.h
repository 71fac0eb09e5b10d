// SPDX-License-Identifier: Apache-2.0
/*
 * Fills the runtime's layers: from the bootstrap, from folders whenever the link to them is replaced, from
 * the admin interface, and from management servers (RTDS). Owned by the xds. Control thread.
 */
#ifndef XDS_RUNTIME_LOADER_H
#define XDS_RUNTIME_LOADER_H

#include "src/config/runtime_config.h"
#include "xds/resource_type.h"

struct file_watcher;
struct runtime_loader;
struct xds_client;

struct runtime_loader_options {
    const struct decode_context *decode; /* its store has the runtime */
    const struct runtime_config *config; /* outlives the loader */
    struct file_watcher *files;
    struct xds_client *client;
    /* Something of what runtime_loader_is_ready depends on has changed. */
    void (*on_ready)(void *arg);
    void *arg;
};

/* All layers but those of management servers are there afterwards. */
struct runtime_loader *runtime_loader_new(const struct runtime_loader_options *options,
                                          struct error *err);
/* Before the client. */
void runtime_loader_free(struct runtime_loader *loader);

/* Asks the management servers. */
enum status runtime_loader_start(struct runtime_loader *loader, struct error *err) MUST_USE;
/* Each of them answered, or need not be waited for any longer. */
bool runtime_loader_is_ready(const struct runtime_loader *loader);

struct runtime_change {
    struct slice key;
    struct slice text; /* empty: no override any more */
};
/* STATUS_NOT_FOUND: there is no admin layer. */
enum status runtime_loader_modify(struct runtime_loader *loader,
                                  const struct runtime_change *changes, uint32_t count) MUST_USE;

#endif
