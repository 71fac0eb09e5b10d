// SPDX-License-Identifier: Apache-2.0
/*
 * A folder of resource files, watched. A change is taken up when a file has been written and closed,
 * moved in or removed; a file that cannot be used keeps its last good content, with the reason in the
 * log. Main thread, on its event loop.
 */
#ifndef TOOLS_XDS_SERVER_RESOURCE_FOLDER_H
#define TOOLS_XDS_SERVER_RESOURCE_FOLDER_H

#include "tools/xds_server/resource_catalog.h"
#include "tools/xds_server/resource_reader.h"

struct event_loop;
struct resource_folder;

struct resource_folder_options {
    const char *path;
    struct resource_reader_options reader;
    /* The folder's content has changed; `catalog` is the callee's to ref. */
    void (*on_change)(void *arg, struct resource_catalog *catalog);
    void (*on_error)(void *arg, const char *text);
    void *arg;
};

/* Reads the folder, without on_change, and watches it. NULL where it cannot be read or watched; files
 * that are bad are on_error's. */
struct resource_folder *resource_folder_new(struct event_loop *loop,
                                            const struct resource_folder_options *options,
                                            struct error *err);
void resource_folder_free(struct resource_folder *folder);
/* What is there now; valid until the next change. */
struct resource_catalog *resource_folder_catalog(struct resource_folder *folder);

#endif
