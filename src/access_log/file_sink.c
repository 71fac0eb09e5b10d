// SPDX-License-Identifier: Apache-2.0
#include "src/access_log/file_sink.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/check.h"

enum {
    /* Over this the newest blocks are given up; the oldest lines say how the trouble began. */
    MAX_QUEUED_BYTES = 16 << 20,
};

// stdout and stderr are the process's own: opening their names fails where they are sockets.
static int open_path(const char *path) {
    if (strcmp(path, "/dev/stdout") == 0) {
        return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 0);
    }
    if (strcmp(path, "/dev/stderr") == 0) {
        return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    }
    // Without O_NONBLOCK a FIFO that nobody reads would hold up the caller.
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0644);
}

static bool is_regular(int fd) {
    struct stat stat;
    return fstat(fd, &stat) == 0 && (S_ISREG(stat.st_mode) || S_ISCHR(stat.st_mode)) &&
           isatty(fd) == 0;
}

struct file_sink *file_sink_open(struct slice path, uint32_t threads, struct error *err) {
    char *name = mem_dup_string((const char *)path.ptr, path.len);
    int fd = open_path(name);
    if (fd < 0) {
        error_set(err, STATUS_IO, "unable to open file '%s': %s", name, strerror(errno));
        mem_free(name);
        return NULL;
    }
    size_t bytes = sizeof(struct file_sink) + threads * sizeof(struct log_gather);
    struct file_sink *sink = mem_alloc_aligned(_Alignof(struct file_sink), bytes);
    memset(sink, 0, bytes);
    sink->path = name;
    sink->fd = fd;
    sink->is_regular = is_regular(fd);
    return sink;
}

static void free_blocks(struct log_block *block) {
    while (block != NULL) {
        struct log_block *next = block->next;
        mem_free(block);
        block = next;
    }
}

void file_sink_free(struct file_sink *sink) {
    free_blocks(sink->backlog);
    free_blocks(atomic_load(&sink->pending));
    if (sink->fd >= 0) {
        close(sink->fd);
    }
    mem_free(sink->path);
    mem_free(sink);
}

static void count(_Atomic uint64_t *counter, uint64_t n) {
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

// Done with a block, one way or the other.
static void finish_block(struct file_sink *sink, struct log_block *block, bool is_written,
                         struct file_sink_counts *counts) {
    count(&counts->bytes_done, block->used);
    count(is_written ? &counts->completed : &counts->failed, 1);
    if (!is_written) {
        count(&counts->dropped_lines, block->lines);
    }
    atomic_fetch_sub_explicit(&sink->queued_bytes, block->used, memory_order_relaxed);
    mem_free(block);
}

bool file_sink_push(struct file_sink *sink, struct log_block *block,
                    struct file_sink_counts *counts) {
    uint64_t before =
        atomic_fetch_add_explicit(&sink->queued_bytes, block->used, memory_order_relaxed);
    if (before > MAX_QUEUED_BYTES) {
        finish_block(sink, block, false, counts);
        return false;
    }
    struct log_block *head = atomic_load_explicit(&sink->pending, memory_order_relaxed);
    do {
        block->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&sink->pending, &head, block,
                                                    memory_order_release, memory_order_relaxed));
    return true;
}

// The stack is newest first; behind the backlog it goes oldest first.
static void take_pending(struct file_sink *sink) {
    struct log_block *taken = atomic_exchange_explicit(&sink->pending, NULL, memory_order_acquire);
    struct log_block *ordered = NULL;
    while (taken != NULL) {
        struct log_block *next = taken->next;
        taken->next = ordered;
        ordered = taken;
        taken = next;
    }
    struct log_block **end = &sink->backlog;
    while (*end != NULL) {
        end = &(*end)->next;
    }
    *end = ordered;
}

// A pipe takes PIPE_BUF bytes at once where it says that it is writable; more could wait for its
// reader, and with it all other files.
static bool may_write(const struct file_sink *sink) {
    struct pollfd poll_fd = {.fd = sink->fd, .events = POLLOUT};
    return sink->is_regular || poll(&poll_fd, 1, 0) != 0;
}

enum write_result { WRITE_DONE, WRITE_LATER, WRITE_FAILED };

static enum write_result write_block(struct file_sink *sink, struct log_block *block) {
    while (block->written < block->used) {
        if (!may_write(sink)) {
            return WRITE_LATER;
        }
        size_t left = block->used - block->written;
        size_t len = sink->is_regular || left < PIPE_BUF ? left : PIPE_BUF;
        ssize_t got = write(sink->fd, block->bytes + block->written, len);
        if (got >= 0) {
            block->written += (size_t)got;
        } else if (errno == EAGAIN) {
            return WRITE_LATER;
        } else if (errno != EINTR) {
            return WRITE_FAILED;
        }
    }
    return WRITE_DONE;
}

// A file that cannot be opened anew goes on as it was: lines in a rotated file are not lost.
static void reopen(struct file_sink *sink, struct file_sink_counts *counts) {
    uint32_t wanted = atomic_load_explicit(&sink->reopens_wanted, memory_order_acquire);
    if (wanted == sink->reopens_done) {
        return;
    }
    sink->reopens_done = wanted;
    int fd = open_path(sink->path);
    if (fd < 0) {
        count(&counts->reopen_failed, 1);
        return;
    }
    close(sink->fd);
    sink->fd = fd;
    sink->is_regular = is_regular(fd);
}

bool file_sink_write(struct file_sink *sink, struct file_sink_counts *counts) {
    bool is_done = true;
    take_pending(sink);
    while (sink->backlog != NULL && is_done) {
        struct log_block *block = sink->backlog;
        enum write_result result = write_block(sink, block);
        is_done = result != WRITE_LATER;
        if (is_done) {
            sink->backlog = block->next;
            finish_block(sink, block, result == WRITE_DONE, counts);
        }
    }
    reopen(sink, counts);
    return is_done;
}
