// SPDX-License-Identifier: Apache-2.0
#include "tools/xds_server/resource_folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "src/base/check.h"
#include "src/event/event_loop.h"
#include "src/event/timer.h"
#include "xds/bootstrap/bootstrap_loader.h"

enum {
    SETTLE_MS = 20, /* a copy of several files is one change */
    EVENTS_BYTES = 16 * 1024,
    FILE_MAX_BYTES = 256 * 1024 * 1024,
};

struct folder_file {
    struct list_node node; /* sorted by path */
    char *path;
    uint64_t content_hash; /* of the last attempt, good or bad */
    bool is_read;
    bool is_present;            /* seen in the scan at hand */
    struct resource_part *part; /* last good; NULL: none yet */
};

struct resource_folder {
    struct event_loop *loop;
    struct resource_folder_options options;
    char *path;
    int inotify_fd;
    struct event_watch watch;
    struct timer settle;
    struct list_node files;
    struct resource_catalog *catalog;
};

static void report(struct resource_folder *folder, const struct error *err) {
    folder->options.on_error(folder->options.arg, err->message);
}

/* ---- files ---- */

static void free_file(struct folder_file *file) {
    list_remove(&file->node);
    resource_part_unref(file->part);
    mem_free(file->path);
    mem_free(file);
}

static struct folder_file *obtain_file(struct resource_folder *folder, const char *path) {
    struct list_node *position = &folder->files;
    LIST_FOR_EACH (node, &folder->files) {
        struct folder_file *file = LIST_ENTRY(node, struct folder_file, node);
        int order = strcmp(file->path, path);
        if (order == 0) {
            return file;
        }
        if (order > 0) {
            position = node;
            break;
        }
    }
    struct folder_file *file = mem_calloc(1, sizeof(*file));
    file->path = mem_dup_string(path, strlen(path));
    list_insert_before(position, &file->node);
    return file;
}

// Returns true where the file has new good content.
static bool read_file(struct resource_folder *folder, struct folder_file *file) {
    struct arena arena;
    struct slice content;
    struct error err = {0};
    struct resource_part *part = NULL;
    arena_init_heap(&arena, 0);
    enum status status = config_file_read(file->path, FILE_MAX_BYTES, &arena, &content, &err);
    if (status == STATUS_OK) {
        uint64_t hash = slice_xxhash64(content, 0);
        if (file->is_read && file->content_hash == hash) {
            arena_deinit(&arena);
            return false;
        }
        file->is_read = true;
        file->content_hash = hash;
        status = resource_part_read(file->path, content, &folder->options.reader, &part, &err);
    }
    arena_deinit(&arena);
    if (status != STATUS_OK) {
        report(folder, &err);
        return false;
    }
    resource_part_unref(file->part);
    file->part = part;
    return true;
}

/* ---- scanning ---- */

static bool scan_entries(struct resource_folder *folder, DIR *dir) {
    bool is_changed = false;
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        struct slice name = slice_from_string(entry->d_name);
        char *path = NULL;
        if (!resource_file_is_wanted(name) ||
            asprintf(&path, "%s/%s", folder->path, entry->d_name) < 0) {
            continue;
        }
        struct folder_file *file = obtain_file(folder, path);
        free(path);
        file->is_present = true;
        is_changed = read_file(folder, file) || is_changed;
    }
    return is_changed;
}

static bool drop_absent(struct resource_folder *folder) {
    bool is_changed = false;
    LIST_FOR_EACH_SAFE (node, &folder->files) {
        struct folder_file *file = LIST_ENTRY(node, struct folder_file, node);
        if (!file->is_present) {
            is_changed = is_changed || file->part != NULL;
            free_file(file);
        } else {
            file->is_present = false;
        }
    }
    return is_changed;
}

static void build_catalog(struct resource_folder *folder) {
    struct resource_catalog *catalog = resource_catalog_new();
    LIST_FOR_EACH (node, &folder->files) {
        struct folder_file *file = LIST_ENTRY(node, struct folder_file, node);
        struct error err = {0};
        if (file->part != NULL && resource_catalog_add(catalog, file->part, &err) != STATUS_OK) {
            report(folder, &err);
        }
    }
    resource_catalog_finish(catalog);
    resource_catalog_unref(folder->catalog);
    folder->catalog = catalog;
}

static enum status scan(struct resource_folder *folder, bool *is_changed, struct error *err) {
    DIR *dir = opendir(folder->path);
    if (dir == NULL) {
        return error_set(err, STATUS_IO, "cannot read folder %s: %s", folder->path,
                         strerror(errno));
    }
    *is_changed = scan_entries(folder, dir);
    closedir(dir);
    *is_changed = drop_absent(folder) || *is_changed;
    if (*is_changed || folder->catalog == NULL) {
        build_catalog(folder);
    }
    return STATUS_OK;
}

/* ---- watching ---- */

static void on_settled(void *arg) {
    struct resource_folder *folder = arg;
    struct error err = {0};
    bool is_changed = false;
    if (scan(folder, &is_changed, &err) != STATUS_OK) {
        report(folder, &err);
    } else if (is_changed) {
        folder->options.on_change(folder->options.arg, folder->catalog);
    }
}

static void on_inotify(void *arg, unsigned flags) {
    struct resource_folder *folder = arg;
    char events[EVENTS_BYTES];
    (void)flags;
    while (read(folder->inotify_fd, events, sizeof(events)) > 0) {
    }
    timer_arm(folder->loop, &folder->settle, SETTLE_MS);
}

static enum status watch_folder(struct resource_folder *folder, struct error *err) {
    folder->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (folder->inotify_fd < 0 || inotify_add_watch(folder->inotify_fd, folder->path,
                                                    IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM |
                                                        IN_DELETE | IN_CREATE | IN_ONLYDIR) < 0) {
        return error_set(err, STATUS_IO, "cannot watch folder %s: %s", folder->path,
                         strerror(errno));
    }
    return event_loop_watch_level(folder->loop, &folder->watch, folder->inotify_fd, on_inotify,
                                  folder);
}

struct resource_folder *resource_folder_new(struct event_loop *loop,
                                            const struct resource_folder_options *options,
                                            struct error *err) {
    struct resource_folder *folder = mem_calloc(1, sizeof(*folder));
    bool is_changed;
    folder->loop = loop;
    folder->options = *options;
    folder->path = mem_dup_string(options->path, strlen(options->path));
    folder->inotify_fd = -1;
    list_init(&folder->files);
    timer_init(&folder->settle, on_settled, folder);
    // Watched before it is read, so that no change falls between.
    if (watch_folder(folder, err) != STATUS_OK || scan(folder, &is_changed, err) != STATUS_OK) {
        resource_folder_free(folder);
        return NULL;
    }
    return folder;
}

void resource_folder_free(struct resource_folder *folder) {
    if (folder == NULL) {
        return;
    }
    timer_cancel(&folder->settle);
    event_loop_unwatch(folder->loop, &folder->watch);
    if (folder->inotify_fd >= 0) {
        close(folder->inotify_fd);
    }
    LIST_FOR_EACH_SAFE (node, &folder->files) {
        free_file(LIST_ENTRY(node, struct folder_file, node));
    }
    resource_catalog_unref(folder->catalog);
    mem_free(folder->path);
    mem_free(folder);
}

struct resource_catalog *resource_folder_catalog(struct resource_folder *folder) {
    return folder->catalog;
}
