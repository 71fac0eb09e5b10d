// SPDX-License-Identifier: Apache-2.0
/* The thread that writes all log files, the hand-over from workers to it, and the logger on top. */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "src/access_log/access_log.h"
#include "src/access_log/file_sink.h"
#include "src/access_log/log_format_internal.h"
#include "src/base/check.h"
#include "src/event/io_context.h"
#include "src/stats/stats.h"

enum {
    FILE_WRITER_MAGIC = 0x66777274,
    DEFAULT_FLUSH_BYTES = 64 * 1024,
    DEFAULT_FLUSH_INTERVAL_MS = 10000,
    LINE_SCRATCH_BYTES = 4096,
    RETRY_MS = 50,    /* a full pipe is tried again */
    FINAL_TRIES = 20, /* and at the end given up after these */
};

#define FILESYSTEM_STATS(X)                                                                        \
    X(WRITE_BUFFERED, "write_buffered", COUNTER, "Lines taken into a log's buffer")                \
    X(WRITE_COMPLETED, "write_completed", COUNTER, "Blocks of lines written to a file")            \
    X(WRITE_FAILED, "write_failed", COUNTER, "Blocks of lines that could not be written")          \
    X(FLUSHED_BY_TIMER, "flushed_by_timer", COUNTER, "Blocks handed over by the flush interval")   \
    X(REOPEN_FAILED, "reopen_failed", COUNTER, "Log files that could not be opened anew")          \
    X(LINES_DROPPED, "access_logs_dropped", COUNTER, "Lines given up: queue full or write failed") \
    X(WRITE_TOTAL_BUFFERED, "write_total_buffered", GAUGE, "Bytes not yet written")
#define FILESYSTEM_STAT_ENUM(id, name, kind, doc) STAT_ENUM(FILESYSTEM, id),
enum filesystem_stat { FILESYSTEM_STATS(FILESYSTEM_STAT_ENUM) };

static const struct stat_def filesystem_defs[] = {FILESYSTEM_STATS(STAT_DEF)};
static const struct stat_table filesystem_table = {"filesystem", filesystem_defs,
                                                   ARRAY_LEN(filesystem_defs)};

struct file_writer {
    uint32_t magic;
    struct file_writer_options options;
    struct stats_scope *stats;
    _Atomic(struct file_sink *) sinks; /* grows at the head, on the control thread */
    struct file_sink_counts counts;
    _Atomic bool is_stopping;
    int wake_fd;
    pthread_t thread;
};

struct file_log {
    struct access_log base;
    struct file_writer *writer;
    struct file_sink *sink;
    const struct log_format *format;
};

static struct file_sink *first_sink(struct file_writer *writer) {
    return atomic_load_explicit(&writer->sinks, memory_order_acquire);
}

static bool write_all(struct file_writer *writer) {
    bool is_done = true;
    for (struct file_sink *sink = first_sink(writer); sink != NULL; sink = sink->next) {
        is_done = file_sink_write(sink, &writer->counts) && is_done;
    }
    return is_done;
}

static void wait_for_work(struct file_writer *writer, bool is_done) {
    struct pollfd poll_fd = {.fd = writer->wake_fd, .events = POLLIN};
    uint64_t ignored;
    if (poll(&poll_fd, 1, is_done ? -1 : RETRY_MS) > 0) {
        ssize_t got = read(writer->wake_fd, &ignored, sizeof(ignored));
        (void)got; // nothing depends on how often it was woken
    }
}

static void *run(void *arg) {
    struct file_writer *writer = arg;
    CHECK_MAGIC(writer, FILE_WRITER_MAGIC);
    while (!atomic_load_explicit(&writer->is_stopping, memory_order_acquire)) {
        wait_for_work(writer, write_all(writer));
    }
    return NULL;
}

static void wake(struct file_writer *writer) {
    uint64_t one = 1;
    ssize_t got = write(writer->wake_fd, &one, sizeof(one));
    (void)got; // it only fails when the counter is full, and then the thread is awake
}

// Signals are the control thread's: the file thread must not be the one to take them.
static int start_thread(struct file_writer *writer) {
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failure = pthread_create(&writer->thread, NULL, run, writer);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure;
}

struct file_writer *file_writer_new(const struct file_writer_options *options,
                                    struct stats_registry *stats, struct error *err) {
    struct file_writer *writer = mem_calloc(1, sizeof(*writer));
    writer->magic = FILE_WRITER_MAGIC;
    writer->options = *options;
    if (writer->options.flush_bytes == 0) {
        writer->options.flush_bytes = DEFAULT_FLUSH_BYTES;
    }
    if (writer->options.flush_interval_ms == 0) {
        writer->options.flush_interval_ms = DEFAULT_FLUSH_INTERVAL_MS;
    }
    writer->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (writer->wake_fd < 0 || start_thread(writer) != 0) {
        if (writer->wake_fd >= 0) {
            close(writer->wake_fd);
        }
        mem_free(writer);
        error_set(err, STATUS_IO, "cannot start the log file thread");
        return NULL;
    }
    // After the last failure, so that nothing has to be given back.
    if (stats != NULL) {
        writer->stats = stats_scope_get(stats, SLICE("filesystem"), &filesystem_table);
    }
    return writer;
}

static void push_block(struct file_writer *writer, struct file_sink *sink,
                       struct log_gather *gather) {
    struct log_block *block = gather->block;
    gather->block = NULL;
    if (file_sink_push(sink, block, &writer->counts)) {
        wake(writer);
    }
}

static void write_remaining(struct file_writer *writer) {
    for (struct file_sink *sink = first_sink(writer); sink != NULL; sink = sink->next) {
        for (uint32_t i = 0; i < writer->options.threads; i++) {
            if (sink->gathers[i].block != NULL) {
                push_block(writer, sink, &sink->gathers[i]);
            }
        }
    }
    for (int i = 0; i < FINAL_TRIES && !write_all(writer); i++) {
        struct timespec pause = {.tv_nsec = 5 * 1000 * 1000};
        nanosleep(&pause, NULL);
    }
}

void file_writer_free(struct file_writer *writer) {
    if (writer == NULL) {
        return;
    }
    CHECK_MAGIC(writer, FILE_WRITER_MAGIC);
    atomic_store_explicit(&writer->is_stopping, true, memory_order_release);
    wake(writer);
    pthread_join(writer->thread, NULL);
    write_remaining(writer);
    for (struct file_sink *sink = first_sink(writer); sink != NULL;) {
        struct file_sink *next = sink->next;
        file_sink_free(sink);
        sink = next;
    }
    if (writer->stats != NULL) {
        stats_scope_unref(writer->stats);
    }
    close(writer->wake_fd);
    writer->magic = 0;
    mem_free(writer);
}

void file_writer_reopen(struct file_writer *writer) {
    CHECK_MAGIC(writer, FILE_WRITER_MAGIC);
    for (struct file_sink *sink = first_sink(writer); sink != NULL; sink = sink->next) {
        atomic_fetch_add_explicit(&sink->reopens_wanted, 1, memory_order_release);
    }
    wake(writer);
}

static uint64_t take_count(_Atomic uint64_t *counter) {
    return atomic_exchange_explicit(counter, 0, memory_order_relaxed);
}

static void fold_counts(struct file_writer *writer, uint32_t thread) {
    struct file_sink_counts *counts = &writer->counts;
    struct stats_scope *stats = writer->stats;
    stats_add(stats, thread, FILESYSTEM_WRITE_COMPLETED, take_count(&counts->completed));
    stats_add(stats, thread, FILESYSTEM_WRITE_FAILED, take_count(&counts->failed));
    stats_add(stats, thread, FILESYSTEM_REOPEN_FAILED, take_count(&counts->reopen_failed));
    stats_add(stats, thread, FILESYSTEM_LINES_DROPPED, take_count(&counts->dropped_lines));
    stats_sub(stats, thread, FILESYSTEM_WRITE_TOTAL_BUFFERED, take_count(&counts->bytes_done));
}

void file_writer_flush(struct file_writer *writer, struct io_context *io) {
    CHECK_MAGIC(writer, FILE_WRITER_MAGIC);
    CHECK(io->index < writer->options.threads);
    for (struct file_sink *sink = first_sink(writer); sink != NULL; sink = sink->next) {
        if (sink->gathers[io->index].block != NULL) {
            push_block(writer, sink, &sink->gathers[io->index]);
            stats_inc(writer->stats, io->index, FILESYSTEM_FLUSHED_BY_TIMER);
        }
    }
    fold_counts(writer, io->index);
}

static struct log_block *block_new(size_t capacity) {
    struct log_block *block = mem_alloc(sizeof(*block) + capacity);
    *block = (struct log_block){.capacity = capacity};
    return block;
}

// Room for a line of `len` bytes at the end of the thread's block, which is handed over when it has not.
static struct log_block *block_for(struct file_log *log, struct log_gather *gather, size_t len,
                                   uint64_t now_us) {
    struct log_block *block = gather->block;
    if (block != NULL && len > block->capacity - block->used) {
        push_block(log->writer, log->sink, gather);
        block = NULL;
    }
    if (block == NULL) {
        size_t capacity = log->writer->options.flush_bytes;
        block = block_new(len > capacity ? len : capacity);
        gather->block = block;
        gather->since_us = now_us;
    }
    block->lines++;
    return block;
}

static void hand_over_if_due(struct file_log *log, struct log_gather *gather, uint64_t now_us) {
    const struct file_writer_options *options = &log->writer->options;
    bool is_old = now_us > gather->since_us &&
                  now_us - gather->since_us >= (uint64_t)options->flush_interval_ms * 1000;
    if (is_old || gather->block->used >= options->flush_bytes) {
        push_block(log->writer, log->sink, gather);
    }
}

static void file_log_write(struct access_log *base, struct io_context *io,
                           const struct log_format_input *input) {
    struct file_log *log = CONTAINER_OF(base, struct file_log, base);
    struct log_gather *gather = &log->sink->gathers[io->index];
    uint8_t scratch[LINE_SCRATCH_BYTES];
    struct log_output out;
    struct buffer spill;
    ASSERT(io->index < log->writer->options.threads);
    buffer_init(&spill, &io->buffers);
    log_output_init(&out, scratch, sizeof(scratch), &spill, NULL);
    log_format_put(log->format, input, &out, true);
    size_t len = spill.len + out.used;
    struct log_block *block = block_for(log, gather, len, input->now_us);
    buffer_copy_out(&spill, 0, block->bytes + block->used, spill.len);
    memcpy(block->bytes + block->used + spill.len, out.ptr, out.used);
    block->used += len;
    buffer_deinit(&spill);
    stats_inc(log->writer->stats, io->index, FILESYSTEM_WRITE_BUFFERED);
    stats_add(log->writer->stats, io->index, FILESYSTEM_WRITE_TOTAL_BUFFERED, len);
    hand_over_if_due(log, gather, input->now_us);
}

static void file_log_free(struct access_log *base) {
    mem_free(CONTAINER_OF(base, struct file_log, base));
}

static const struct access_log_ops file_log_ops = {.log = file_log_write, .free = file_log_free};

static struct file_sink *find_sink(struct file_writer *writer, struct slice path) {
    for (struct file_sink *sink = first_sink(writer); sink != NULL; sink = sink->next) {
        if (slice_equal(slice_from_string(sink->path), path)) {
            return sink;
        }
    }
    return NULL;
}

enum status access_log_file_new(struct file_writer *writer, struct slice path,
                                const struct log_format *format,
                                const struct access_log_filter *filter, struct access_log **log,
                                struct error *err) {
    CHECK_MAGIC(writer, FILE_WRITER_MAGIC);
    struct file_sink *sink = find_sink(writer, path);
    if (sink == NULL) {
        sink = file_sink_open(path, writer->options.threads, err);
        if (sink == NULL) {
            return STATUS_IO;
        }
        sink->next = atomic_load_explicit(&writer->sinks, memory_order_relaxed);
        atomic_store_explicit(&writer->sinks, sink, memory_order_release);
    }
    struct file_log *made = mem_calloc(1, sizeof(*made));
    made->base = (struct access_log){
        .ops = &file_log_ops,
        .filter = filter,
        .asks_route_time = log_format_asks_route_time(format),
    };
    made->writer = writer;
    made->sink = sink;
    made->format = format;
    *log = &made->base;
    return STATUS_OK;
}
