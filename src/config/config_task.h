// SPDX-License-Identifier: Apache-2.0
/*
 * Work on the control thread that lives with a listener: what an extension has to do from the time that
 * its configuration is taken until nobody uses it any more, draining connections included (a key set is
 * fetched and kept fresh). An extension adds it while it parses; whoever brings the part into service
 * starts and stops it. Its storage is the part's. Control thread.
 */
#ifndef SRC_CONFIG_CONFIG_TASK_H
#define SRC_CONFIG_CONFIG_TASK_H

#include <stdbool.h>

struct config_part;
struct config_task;
struct io_context;

struct config_task_ops {
    /* Once, when all clusters of the start are there; `io` is the control thread's. Never for a
     * configuration that is only checked. */
    void (*start)(struct config_task *task, struct io_context *io);
    /* Once after start: nothing may go on behind it. Maybe long before the part is freed. */
    void (*stop)(struct config_task *task);
};

struct config_task {
    const struct config_task_ops *ops;
    /* The part goes into service after config_task_done; until then its predecessor serves. */
    bool is_awaited;
    /* the starter's */
    struct config_task *next;
    bool is_running, is_done;
    void (*on_done)(void *arg); /* runs nothing of the task's */
    void *arg;
};

/* `ops` and `is_awaited` are set. Only for a CONFIG_LISTENER part: nobody starts others. */
void config_part_add_task(struct config_part *part, struct config_task *task);
/* What an awaited task is waited for has come, or will not for now. From within start too; again: nothing. */
void config_task_done(struct config_task *task);

#endif
