// SPDX-License-Identifier: Apache-2.0
/*
 * Tells when a file was replaced: inotify on its directory, so that a rename into place is seen and the
 * file need not be there yet. One kernel object for all watches. Control thread; callbacks come from the
 * loop and may add or remove any watch.
 */
#ifndef XDS_FILE_WATCHER_H
#define XDS_FILE_WATCHER_H

#include <stdbool.h>

#include "src/base/error.h"
#include "src/base/slice.h"

struct event_loop;
struct file_watch;
struct file_watcher;

typedef void file_watch_fn(void *arg);

struct file_watcher *file_watcher_new(struct event_loop *loop, struct error *err);
void file_watcher_free(struct file_watcher *watcher); /* its watches are removed before */

/* Calls `fn` when something was moved to `path`; where `path` ends in '/', when anything was moved into
 * that directory. `on_modify`: also when a written file was closed. STATUS_IO where the directory cannot
 * be watched. */
enum status file_watcher_add(struct file_watcher *watcher, struct slice path, bool on_modify,
                             file_watch_fn *fn, void *arg, struct file_watch **watch,
                             struct error *err) MUST_USE;
void file_watch_remove(struct file_watch *watch); /* NULL allowed */

#endif
