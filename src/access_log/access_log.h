// SPDX-License-Identifier: Apache-2.0
/*
 * An access logger of a listener, connection manager or tcp_proxy: filter, format, sink. Created from
 * configuration on the control thread, immutable but for its sink, used by all workers; one reference
 * per owning part.
 */
#ifndef SRC_ACCESS_LOG_ACCESS_LOG_H
#define SRC_ACCESS_LOG_ACCESS_LOG_H

#include "src/access_log/log_format.h"
#include "src/base/random.h"
#include "src/config/common_config.h"
#include "src/matcher/header_matcher.h"

struct access_log;
struct file_sink;
struct file_writer;
struct io_context;

/* AccessLogFilter, compiled; a tree. */
enum access_log_filter_kind {
    ACCESS_LOG_FILTER_STATUS_CODE,
    ACCESS_LOG_FILTER_DURATION,
    ACCESS_LOG_FILTER_NOT_HEALTH_CHECK,
    ACCESS_LOG_FILTER_TRACEABLE,
    ACCESS_LOG_FILTER_RUNTIME,
    ACCESS_LOG_FILTER_AND,
    ACCESS_LOG_FILTER_OR,
    ACCESS_LOG_FILTER_HEADER,
    ACCESS_LOG_FILTER_RESPONSE_FLAG,
    ACCESS_LOG_FILTER_GRPC_STATUS,
    ACCESS_LOG_FILTER_METADATA,
    ACCESS_LOG_FILTER_LOG_TYPE,
};
struct access_log_filter {
    enum access_log_filter_kind kind;
    enum { COMPARE_EQ, COMPARE_GE, COMPARE_LE, COMPARE_NE } compare;
    struct config_integer comparand;
    uint64_t log_types; /* a bit for each number of the API's enum AccessLogType */
    /* The key's integer counts in the fraction's own denominator: `scale` of them are a million. */
    struct config_fraction fraction;
    uint32_t scale;
    const struct access_log_filter *const *children;
    uint32_t child_count;
    struct header_matcher header;
    uint64_t response_flags; /* 0: any flag */
    uint32_t grpc_statuses;  /* bit per code */
    bool exclude;
    struct slice metadata_filter, metadata_path;
    struct string_matcher metadata_value;
    bool match_if_key_not_found;
};
bool access_log_filter_matches(const struct access_log_filter *filter,
                               const struct log_format_input *input, struct io_context *io);

/* A logger's behaviour; extension loggers (gRPC, OTLP) add their own. */
struct access_log_ops {
    void (*log)(struct access_log *log, struct io_context *io,
                const struct log_format_input *input);
    void (*free)(struct access_log *log);
};
struct access_log {
    const struct access_log_ops *ops;
    const struct access_log_filter *filter; /* NULL: all */
    bool asks_route_time;                   /* log_format_asks_route_time */
};
/* Applies the filter, then logs. */
void access_log_write(struct access_log *log, struct io_context *io,
                      const struct log_format_input *input);
void access_log_free(struct access_log *log); /* by the owning part, through config_part_on_free */

/* File, stdout, stderr. The writer owns one thread and one queue per distinct path; lines are gathered
 * per worker and flushed by interval or size; when the queue is over its bound lines are dropped and
 * counted (filesystem.write_failed / access_logs_dropped). */
struct file_writer_options {
    uint32_t flush_interval_ms; /* 10,000 */
    uint32_t flush_bytes;       /* 64 KiB */
    uint32_t threads;           /* io_contexts */
};
struct stats_registry;
struct file_writer *file_writer_new(const struct file_writer_options *options,
                                    struct stats_registry *stats, struct error *err);
void file_writer_free(struct file_writer *writer);   /* flushes */
void file_writer_reopen(struct file_writer *writer); /* SIGUSR1 */
/* Flushes what `io` has gathered; for the worker's periodic timer and its end. */
void file_writer_flush(struct file_writer *writer, struct io_context *io);

enum status access_log_file_new(struct file_writer *writer, struct slice path,
                                const struct log_format *format,
                                const struct access_log_filter *filter, struct access_log **log,
                                struct error *err) MUST_USE;

#endif
