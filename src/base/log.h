// SPDX-License-Identifier: Apache-2.0
/*
 * The application log: levels and components as Envoy names them, spdlog format subset, one line per
 * message, which goes out as one write. Thread safe, but for log_open and log_close, which are called
 * while no other thread logs. This is the one piece of process-wide state: it exists before everything
 * else (what comes before log_open goes to stderr) and outlives it.
 */
#ifndef SRC_BASE_LOG_H
#define SRC_BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>

#include "src/base/error.h"
#include "src/base/slice.h"

enum log_level {
    LOG_TRACE,
    LOG_DEBUG,
    LOG_INFO,
    LOG_WARN,
    LOG_ERROR,
    LOG_CRITICAL,
    LOG_OFF,
};

/* Components; the names are Envoy's logger ids. */
#define LOG_COMPONENTS(X)                                                                          \
    X(MAIN, "main")                                                                                \
    X(ADMIN, "admin")                                                                              \
    X(CONFIG, "config")                                                                            \
    X(CONNECTION, "connection")                                                                    \
    X(CONN_HANDLER, "conn_handler")                                                                \
    X(DNS, "dns")                                                                                  \
    X(FILE, "file")                                                                                \
    X(FILTER, "filter")                                                                            \
    X(GRPC, "grpc")                                                                                \
    X(HC, "hc")                                                                                    \
    X(HTTP, "http")                                                                                \
    X(HTTP2, "http2")                                                                              \
    X(INIT, "init")                                                                                \
    X(JWT, "jwt")                                                                                  \
    X(MISC, "misc")                                                                                \
    X(POOL, "pool")                                                                                \
    X(RBAC, "rbac")                                                                                \
    X(ROUTER, "router")                                                                            \
    X(RUNTIME, "runtime")                                                                          \
    X(SECRET, "secret")                                                                            \
    X(STATS, "stats")                                                                              \
    X(TLS, "tls")                                                                                  \
    X(TRACING, "tracing")                                                                          \
    X(UPSTREAM, "upstream")
enum log_component {
#define LOG_COMPONENT_ENUM(name, text) LOG_##name,
    LOG_COMPONENTS(LOG_COMPONENT_ENUM)
#undef LOG_COMPONENT_ENUM
        LOG_COMPONENT_COUNT,
};

/* Opens the log, instead of what was open. `format` is an spdlog pattern (log_line.h), NULL: Envoy's
 * default; `path` NULL: stderr; `escape`: each line is C-escaped (--log-format-escaped). */
enum status log_open(const char *path, const char *format, bool escape, struct error *err) MUST_USE;
/* Opens the file of log_open again after a rotation; no-op for stderr. */
void log_reopen(void);
/* Back to stderr and the default format. */
void log_close(void);
/* What %N shows; kept by reference. Empty before. */
void log_set_version(const char *version);
void log_set_level(enum log_level level); /* all components */
void log_set_component_level(enum log_component component, enum log_level level);
enum log_level log_get_level(enum log_component component);
/* Envoy's names: trace debug info warning error critical off (also "warn", "err"). */
enum status log_level_parse(struct slice name, enum log_level *level) MUST_USE;
/* STATUS_NOT_FOUND for a name that is no component (Envoy's other loggers are known and mapped). */
enum status log_component_parse(struct slice name, enum log_component *component) MUST_USE;
const char *log_level_name(enum log_level level);
const char *log_component_name(enum log_component component);

/* For log_is_enabled only, which stands before each message of the hot path. */
extern _Atomic unsigned char log_levels[LOG_COMPONENT_COUNT];
static inline bool log_is_enabled(enum log_component component, enum log_level level) {
    return level >=
           (enum log_level)atomic_load_explicit(&log_levels[component], memory_order_relaxed);
}
void log_write(enum log_component component, enum log_level level, const char *file, int line,
               const char *format, ...) PRINTF_LIKE(5, 6);

/* LOG(CONFIG, WARN, "text %d", n) */
#define LOG(component, level, ...)                                                                 \
    (log_is_enabled(LOG_##component, LOG_##level)                                                  \
         ? log_write(LOG_##component, LOG_##level, __FILE__, __LINE__, __VA_ARGS__)                \
         : (void)0)

#endif
