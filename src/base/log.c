// SPDX-License-Identifier: Apache-2.0
#include "src/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "src/base/check.h"
#include "src/base/log_line.h"

enum { MESSAGE_STACK_BYTES = 1024 };

#define DEFAULT_FORMAT "[%Y-%m-%d %T.%e][%t][%l][%n] [%g:%#] %v"

/* Where lines go. Set by log_open and log_close while no other thread logs; a reopened file takes the
 * old one's number, so writers need no lock. */
struct log_sink {
    int fd;
    bool escape;
    char *path;   /* NULL: stderr */
    char *format; /* NULL: the default */
    const char *version;
    _Atomic uint64_t last_ns; /* when the last message came, for %i and its kin */
};

static struct log_sink sink = {.fd = STDERR_FILENO, .version = ""};

#define LOG_COMPONENT_LEVEL(name, text) [LOG_##name] = LOG_INFO,
_Atomic unsigned char log_levels[LOG_COMPONENT_COUNT] = {LOG_COMPONENTS(LOG_COMPONENT_LEVEL)};
#undef LOG_COMPONENT_LEVEL

#define LOG_COMPONENT_NAME(name, text) [LOG_##name] = text,
static const char *const component_names[] = {LOG_COMPONENTS(LOG_COMPONENT_NAME)};
#undef LOG_COMPONENT_NAME

static const char *const level_names[] = {"trace", "debug",    "info", "warning",
                                          "error", "critical", "off"};

struct component_alias {
    const char *name;
    enum log_component component;
};

/* Envoy's loggers (1.40) that have no counterpart of the same name here. */
static const struct component_alias aliases[] = {
    {"a2a", LOG_FILTER},
    {"ai_protocol_manager", LOG_FILTER},
    {"alternate_protocols_cache", LOG_HTTP},
    {"assert", LOG_MISC},
    {"aws", LOG_HTTP},
    {"backtrace", LOG_MISC},
    {"basic_auth", LOG_FILTER},
    {"cache_filter", LOG_FILTER},
    {"client", LOG_HTTP},
    {"compression", LOG_FILTER},
    {"credential_injector", LOG_FILTER},
    {"decompression", LOG_FILTER},
    {"dubbo", LOG_FILTER},
    {"dynamic_modules", LOG_FILTER},
    {"envoy_bug", LOG_MISC},
    {"ext_authz", LOG_FILTER},
    {"ext_proc", LOG_FILTER},
    {"forward_proxy", LOG_UPSTREAM},
    {"geolocation", LOG_FILTER},
    {"golang", LOG_FILTER},
    {"happy_eyeballs", LOG_CONNECTION},
    {"health_checker", LOG_HC},
    {"hystrix", LOG_STATS},
    {"io", LOG_CONNECTION},
    {"ip_tagging", LOG_FILTER},
    {"json_rpc", LOG_FILTER},
    {"kafka", LOG_FILTER},
    {"key_value_store", LOG_CONFIG},
    {"local_rate_limit", LOG_FILTER},
    {"lua", LOG_FILTER},
    {"matcher", LOG_ROUTER},
    {"mcp", LOG_FILTER},
    {"mongo", LOG_FILTER},
    {"multi_connection", LOG_CONNECTION},
    {"notification", LOG_MISC},
    {"oauth2", LOG_FILTER},
    {"quic", LOG_CONNECTION},
    {"quic_stream", LOG_CONNECTION},
    {"rate_limit_quota", LOG_FILTER},
    {"rds", LOG_CONFIG},
    {"redis", LOG_FILTER},
    {"rocketmq", LOG_FILTER},
    {"sse", LOG_FILTER},
    {"stats_sinks", LOG_STATS},
    {"tap", LOG_FILTER},
    {"testing", LOG_MISC},
    {"thrift", LOG_FILTER},
    {"udp", LOG_CONNECTION},
    {"wasm", LOG_FILTER},
    {"websocket", LOG_HTTP},
};

static int open_file(const char *path) {
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

enum status log_open(const char *path, const char *format, bool escape, struct error *err) {
    int fd = STDERR_FILENO;
    if (path != NULL) {
        fd = open_file(path);
        if (fd < 0) {
            return error_set(err, STATUS_IO, "cannot open log file %s: %s", path, strerror(errno));
        }
    }
    log_close();
    sink.fd = fd;
    sink.escape = escape;
    sink.path = path == NULL ? NULL : mem_dup_string(path, strlen(path));
    sink.format = format == NULL ? NULL : mem_dup_string(format, strlen(format));
    return STATUS_OK;
}

void log_reopen(void) {
    if (sink.path == NULL) {
        return;
    }
    int fd = open_file(sink.path);
    if (fd < 0) {
        LOG(FILE, ERROR, "cannot reopen log file %s: %s", sink.path, strerror(errno));
        return;
    }
    if (dup3(fd, sink.fd, O_CLOEXEC) < 0) {
        LOG(FILE, ERROR, "cannot reopen log file %s: %s", sink.path, strerror(errno));
    }
    close(fd);
}

void log_close(void) {
    if (sink.path != NULL) {
        close(sink.fd);
    }
    mem_free(sink.path);
    mem_free(sink.format);
    sink.fd = STDERR_FILENO;
    sink.escape = false;
    sink.path = NULL;
    sink.format = NULL;
}

void log_set_version(const char *version) {
    sink.version = version;
}

void log_set_level(enum log_level level) {
    for (unsigned i = 0; i < LOG_COMPONENT_COUNT; i++) {
        log_set_component_level((enum log_component)i, level);
    }
}

void log_set_component_level(enum log_component component, enum log_level level) {
    atomic_store_explicit(&log_levels[component], (unsigned char)level, memory_order_relaxed);
}

enum log_level log_get_level(enum log_component component) {
    return (enum log_level)atomic_load_explicit(&log_levels[component], memory_order_relaxed);
}

enum status log_level_parse(struct slice name, enum log_level *level) {
    for (unsigned i = 0; i < ARRAY_LEN(level_names); i++) {
        if (slice_equal(name, slice_from_string(level_names[i]))) {
            *level = (enum log_level)i;
            return STATUS_OK;
        }
    }
    if (slice_equal(name, SLICE("warn"))) {
        *level = LOG_WARN;
        return STATUS_OK;
    }
    if (slice_equal(name, SLICE("err"))) {
        *level = LOG_ERROR;
        return STATUS_OK;
    }
    return STATUS_INVALID;
}

enum status log_component_parse(struct slice name, enum log_component *component) {
    for (unsigned i = 0; i < LOG_COMPONENT_COUNT; i++) {
        if (slice_equal(name, slice_from_string(component_names[i]))) {
            *component = (enum log_component)i;
            return STATUS_OK;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(aliases); i++) {
        if (slice_equal(name, slice_from_string(aliases[i].name))) {
            *component = aliases[i].component;
            return STATUS_OK;
        }
    }
    return STATUS_NOT_FOUND;
}

const char *log_level_name(enum log_level level) {
    return level_names[level];
}

const char *log_component_name(enum log_component component) {
    return component_names[component];
}

static void read_times(struct log_record *record) {
    struct timespec wall;
    clock_gettime(CLOCK_REALTIME, &wall);
    record->wall_s = wall.tv_sec;
    record->wall_ns = (uint32_t)wall.tv_nsec;
    uint64_t now_ns = (uint64_t)wall.tv_sec * 1000000000 + record->wall_ns;
    uint64_t last_ns = atomic_exchange_explicit(&sink.last_ns, now_ns, memory_order_relaxed);
    record->elapsed_ns = last_ns == 0 || last_ns > now_ns ? 0 : now_ns - last_ns;
}

// The line goes out in one write, so that lines of several threads and processes do not mix; the rest
// of a short write (a full disk or pipe) is lost rather than waited for.
static void write_line(enum log_component component, enum log_level level, const char *file,
                       int line_number, struct slice message) {
    struct log_record record = {
        .component = component_names[component],
        .level = level_names[level],
        .version = sink.version,
        .file = file,
        .line = line_number,
        .message = message,
    };
    read_times(&record);
    struct log_line line;
    log_line_init(&line);
    log_line_format(&line, sink.format != NULL ? sink.format : DEFAULT_FORMAT, &record);
    if (sink.escape) {
        log_line_escape(&line);
    }
    log_line_append(&line, SLICE("\n"));
    ssize_t ignored = write(sink.fd, line.data, line.len);
    (void)ignored;
    log_line_deinit(&line);
}

void log_write(enum log_component component, enum log_level level, const char *file, int line,
               const char *format, ...) {
    int saved_errno = errno;
    char text[MESSAGE_STACK_BYTES];
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len >= (int)sizeof(text)) {
        char *longer = mem_alloc((size_t)len + 1);
        len = vsnprintf(longer, (size_t)len + 1, format, again);
        write_line(component, level, file, line, slice_make(longer, len < 0 ? 0 : (size_t)len));
        mem_free(longer);
    } else {
        write_line(component, level, file, line, slice_make(text, len < 0 ? 0 : (size_t)len));
    }
    va_end(again);
    errno = saved_errno;
}
