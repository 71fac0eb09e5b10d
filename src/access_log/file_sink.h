// SPDX-License-Identifier: Apache-2.0
/*
 * One log file as its writers see it. Each io_context gathers lines in a block of its own and hands full
 * blocks over on a lock-free stack; the file thread writes them in order. A sink lives as long as its
 * file_writer: a path is met again after a configuration update, and a worker may still hold lines.
 * Private to src/access_log.
 */
#ifndef SRC_ACCESS_LOG_FILE_SINK_H
#define SRC_ACCESS_LOG_FILE_SINK_H

#include <stdatomic.h>

#include "src/base/error.h"
#include "src/base/slice.h"

/* Lines of one thread, whole. */
struct log_block {
    struct log_block *next;
    uint32_t lines;
    size_t used;
    size_t capacity;
    size_t written; /* by the file thread */
    uint8_t bytes[];
};

/* Of one thread, on a cache line of its own. */
struct log_gather {
    _Alignas(64) struct log_block *block; /* NULL: nothing gathered */
    uint64_t since_us;                    /* of the oldest line in it */
};

/* Events of the file thread, which has no cell in the stats: folded in by the next flush. */
struct file_sink_counts {
    _Atomic uint64_t completed;
    _Atomic uint64_t failed;
    _Atomic uint64_t reopen_failed;
    _Atomic uint64_t dropped_lines;
    _Atomic uint64_t bytes_done; /* written or given up */
};

struct file_sink {
    struct file_sink *next; /* set before publication */
    char *path;
    _Atomic(struct log_block *) pending; /* newest first */
    _Atomic uint64_t queued_bytes;
    _Atomic uint32_t reopens_wanted;
    uint32_t reopens_done;     /* file thread */
    struct log_block *backlog; /* file thread: oldest first, taken off `pending` */
    int fd;                    /* file thread, once published */
    bool is_regular;           /* a write never waits for a reader */
    struct log_gather gathers[];
};

struct file_sink *file_sink_open(struct slice path, uint32_t threads, struct error *err);
void file_sink_free(struct file_sink *sink);
/* Any thread. False: the queue is full and the block was given up (and freed). */
bool file_sink_push(struct file_sink *sink, struct log_block *block,
                    struct file_sink_counts *counts);
/* File thread: writes what it can without waiting; false when something is left for later. */
bool file_sink_write(struct file_sink *sink, struct file_sink_counts *counts);

#endif
