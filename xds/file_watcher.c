// SPDX-License-Identifier: Apache-2.0
#include "xds/file_watcher.h"

#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "src/base/check.h"
#include "src/base/list.h"
#include "src/event/event_loop.h"

enum { EVENT_BUFFER_BYTES = 16 * 1024 };

struct file_watch {
    struct list_node node;
    struct file_watcher *watcher;
    int descriptor;
    bool on_modify;
    bool is_due;
    char *name; /* in the directory; "": any */
    file_watch_fn *fn;
    void *arg;
};

struct file_watcher {
    struct event_loop *loop;
    struct event_watch event;
    int fd;
    struct list_node watches;
};

static bool concerns(const struct file_watch *watch, const struct inotify_event *event) {
    bool is_kind = (event->mask & IN_MOVED_TO) != 0 ||
                   (watch->on_modify && (event->mask & IN_CLOSE_WRITE) != 0);
    return event->wd == watch->descriptor && is_kind &&
           (watch->name[0] == '\0' || (event->len > 0 && strcmp(watch->name, event->name) == 0));
}

static void mark_due(struct file_watcher *watcher, const struct inotify_event *event) {
    LIST_FOR_EACH (node, &watcher->watches) {
        struct file_watch *watch = LIST_ENTRY(node, struct file_watch, node);
        // After lost events everything may have changed.
        if ((event->mask & IN_Q_OVERFLOW) != 0 || concerns(watch, event)) {
            watch->is_due = true;
        }
    }
}

static struct file_watch *next_due(const struct file_watcher *watcher) {
    LIST_FOR_EACH (node, &watcher->watches) {
        struct file_watch *watch = LIST_ENTRY(node, struct file_watch, node);
        if (watch->is_due) {
            return watch;
        }
    }
    return NULL;
}

static void on_readable(void *arg, unsigned flags) {
    struct file_watcher *watcher = arg;
    _Alignas(struct inotify_event) char buffer[EVENT_BUFFER_BYTES];
    (void)flags;
    ssize_t got;
    while ((got = read(watcher->fd, buffer, sizeof(buffer))) > 0) {
        for (char *at = buffer; at < buffer + got;) {
            const struct inotify_event *event = (const struct inotify_event *)(void *)at;
            mark_due(watcher, event);
            at += sizeof(*event) + event->len;
        }
    }
    // Any callback may change the list.
    struct file_watch *watch;
    while ((watch = next_due(watcher)) != NULL) {
        watch->is_due = false;
        watch->fn(watch->arg);
    }
}

struct file_watcher *file_watcher_new(struct event_loop *loop, struct error *err) {
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0) {
        error_set(err, STATUS_IO, "inotify: %s", strerror(errno));
        return NULL;
    }
    struct file_watcher *watcher = mem_calloc(1, sizeof(*watcher));
    watcher->loop = loop;
    watcher->fd = fd;
    list_init(&watcher->watches);
    if (event_loop_watch_level(loop, &watcher->event, fd, on_readable, watcher) != STATUS_OK) {
        error_set(err, STATUS_IO, "inotify: cannot be watched");
        (void)close(fd);
        mem_free(watcher);
        return NULL;
    }
    return watcher;
}

void file_watcher_free(struct file_watcher *watcher) {
    if (watcher == NULL) {
        return;
    }
    ASSERT(list_is_empty(&watcher->watches));
    event_loop_unwatch(watcher->loop, &watcher->event);
    (void)close(watcher->fd);
    mem_free(watcher);
}

static char *directory_of(struct slice path, size_t *name_at) {
    size_t slash = slice_rfind_byte(path, '/');
    if (slash == SIZE_MAX) {
        *name_at = 0;
        return mem_dup_string(".", 1);
    }
    *name_at = slash + 1;
    return mem_dup_string((const char *)path.ptr, slash == 0 ? 1 : slash);
}

enum status file_watcher_add(struct file_watcher *watcher, struct slice path, bool on_modify,
                             file_watch_fn *fn, void *arg, struct file_watch **out,
                             struct error *err) {
    size_t name_at;
    char *directory = directory_of(path, &name_at);
    // Several watches of one directory share a descriptor, whose mask must only grow.
    uint32_t mask = IN_MOVED_TO | IN_MASK_ADD | (on_modify ? (uint32_t)IN_CLOSE_WRITE : 0);
    int descriptor = inotify_add_watch(watcher->fd, directory, mask);
    if (descriptor < 0) {
        error_set(err, STATUS_IO, "unable to add filesystem watch for file %.*s: %s",
                  SLICE_ARG(path), strerror(errno));
        mem_free(directory);
        return STATUS_IO;
    }
    mem_free(directory);
    struct file_watch *watch = mem_calloc(1, sizeof(*watch));
    struct slice name = slice_sub(path, name_at, SIZE_MAX);
    watch->watcher = watcher;
    watch->descriptor = descriptor;
    watch->on_modify = on_modify;
    watch->name = mem_dup_string((const char *)name.ptr, name.len);
    watch->fn = fn;
    watch->arg = arg;
    list_push_back(&watcher->watches, &watch->node);
    *out = watch;
    return STATUS_OK;
}

static bool is_used(const struct file_watcher *watcher, int descriptor) {
    LIST_FOR_EACH (node, &watcher->watches) {
        if (LIST_ENTRY(node, struct file_watch, node)->descriptor == descriptor) {
            return true;
        }
    }
    return false;
}

void file_watch_remove(struct file_watch *watch) {
    if (watch == NULL) {
        return;
    }
    struct file_watcher *watcher = watch->watcher;
    list_remove(&watch->node);
    if (!is_used(watcher, watch->descriptor)) {
        (void)inotify_rm_watch(watcher->fd, watch->descriptor);
    }
    mem_free(watch->name);
    mem_free(watch);
}
