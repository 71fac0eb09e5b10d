// SPDX-License-Identifier: Apache-2.0
#include "xds/decode/access_log.h"

#include "envoy/extensions/access_loggers/file/v3/file.pb-c.h"
#include "envoy/extensions/access_loggers/stream/v3/stream.pb-c.h"
#include "src/access_log/log_format.h"
#include "xds/bootstrap/proto_json.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/ledgers.h"

#define FILE_LOG(name) Envoy__Extensions__AccessLoggers__File__V3__##name
#define STREAM_LOG(name) Envoy__Extensions__AccessLoggers__Stream__V3__##name

static bool compile(struct decoder *d, struct slice text, const struct log_format **format) {
    struct error err = {0};
    if (log_format_compile(text, false, d->config.arena, format, &err) != STATUS_OK) {
        return decoder_error(d, "%s", err.message);
    }
    return true;
}

static bool compile_json(struct decoder *d, const Google__Protobuf__Struct *json,
                         const struct log_format **format) {
    struct proto_json_write_options options = {0};
    struct slice text = proto_json_text(&json->base, &options, d->config.arena);
    struct error err = {0};
    if (log_format_compile_json(text, false, true, d->config.arena, format, &err) != STATUS_OK) {
        return decoder_field_error(d, "json_format", "%s", err.message);
    }
    return true;
}

static bool decode_log_format(struct decoder *d, const CORE(SubstitutionFormatString) *from,
                              const struct log_format **format) {
    struct slice content_type;
    decoder_push(d, "log_format");
    bool is_ok = decode_format(d, from, format, &content_type);
    decoder_pop(d);
    return is_ok;
}

static bool decode_file_format(struct decoder *d, const FILE_LOG(FileAccessLog) *from,
                               const struct log_format **format) {
    switch ((int)from->access_log_format_case) {
    case ENVOY__EXTENSIONS__ACCESS_LOGGERS__FILE__V3__FILE_ACCESS_LOG__ACCESS_LOG_FORMAT_LOG_FORMAT:
        return decode_log_format(d, from->log_format, format);
    case ENVOY__EXTENSIONS__ACCESS_LOGGERS__FILE__V3__FILE_ACCESS_LOG__ACCESS_LOG_FORMAT_FORMAT:
        if (from->format[0] == '\0') {
            break;
        }
        return compile(d, decoder_text(d, from->format), format);
    case ENVOY__EXTENSIONS__ACCESS_LOGGERS__FILE__V3__FILE_ACCESS_LOG__ACCESS_LOG_FORMAT_JSON_FORMAT:
        return compile_json(d, from->json_format, format);
    case ENVOY__EXTENSIONS__ACCESS_LOGGERS__FILE__V3__FILE_ACCESS_LOG__ACCESS_LOG_FORMAT_TYPED_JSON_FORMAT:
        return compile_json(d, from->typed_json_format, format);
    default:
        break;
    }
    return compile(d, slice_from_string(log_format_default_text()), format);
}

static void free_log(void *object) {
    access_log_free(object);
}

static bool make_log(struct decoder *d, struct slice path, const struct log_format *format,
                     const struct access_log_filter *filter, struct access_log **out) {
    struct error err = {0};
    if (d->config.files == NULL) {
        return decoder_error(d, "there is no file writer for access logs");
    }
    if (access_log_file_new(d->config.files, path, format, filter, out, &err) != STATUS_OK) {
        return decoder_error(d, "%s", err.message);
    }
    config_part_on_free(d->config.part, free_log, *out);
    return true;
}

// Stdout and stderr have the same message under two names.
static bool decode_stream(struct decoder *d, const CORE(SubstitutionFormatString) *from,
                          bool is_set, const char *path, const struct access_log_filter *filter,
                          struct access_log **out) {
    const struct log_format *format = NULL;
    bool is_ok = is_set ? decode_log_format(d, from, &format)
                        : compile(d, slice_from_string(log_format_default_text()), &format);
    return is_ok && make_log(d, slice_from_string(path), format, filter, out);
}

static bool decode_logger(struct decoder *d, const LOGGING(AccessLog) *from,
                          const struct access_log_filter *filter, struct access_log **out) {
    struct any_view view;
    if (!decode_any_type(d, from->typed_config, &view)) {
        return false;
    }
    bool is_file = any_is(&view, "envoy.extensions.access_loggers.file.v3.FileAccessLog");
    bool is_stdout = any_is(&view, "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog");
    bool is_stderr = any_is(&view, "envoy.extensions.access_loggers.stream.v3.StderrAccessLog");
    if (!is_file && !is_stdout && !is_stderr) {
        return decode_unknown_extension(d, from->name, &view);
    }
    const ProtobufCMessage *message = decode_any_open(d, &view);
    if (message == NULL) {
        return false;
    }
    if (is_file) {
        const FILE_LOG(FileAccessLog) *file = (const FILE_LOG(FileAccessLog) *)message;
        const struct log_format *format = NULL;
        return decode_file_format(d, file, &format) &&
               make_log(d, slice_from_string(file->path), format, filter, out);
    }
    if (is_stdout) {
        const STREAM_LOG(StdoutAccessLog) *log = (const STREAM_LOG(StdoutAccessLog) *)message;
        bool is_set = log->access_log_format_case != 0;
        return decode_stream(d, log->log_format, is_set, "/dev/stdout", filter, out);
    }
    const STREAM_LOG(StderrAccessLog) *log = (const STREAM_LOG(StderrAccessLog) *)message;
    bool is_set = log->access_log_format_case != 0;
    return decode_stream(d, log->log_format, is_set, "/dev/stderr", filter, out);
}

bool decode_access_log(struct decoder *d, const LOGGING(AccessLog) *from, struct access_log **out) {
    const struct access_log_filter *filter = NULL;
    bool is_ok = true;
    if (from->filter != NULL) {
        decoder_push(d, "filter");
        is_ok = decode_access_log_filter(d, from->filter, &filter);
        decoder_pop(d);
    }
    decoder_push(d, "typed_config");
    is_ok = decode_logger(d, from, filter, out) && is_ok;
    decoder_pop(d);
    return is_ok;
}

bool decode_access_logs(struct decoder *d, LOGGING(AccessLog) *const *from, size_t count,
                        struct access_log *const **out, uint32_t *out_count) {
    struct access_log **logs =
        count == 0 ? NULL : ARENA_NEW_ARRAY(d->config.arena, count, struct access_log *);
    bool is_ok = true;
    for (size_t i = 0; i < count; i++) {
        decoder_push_index(d, "access_log", i);
        is_ok = decode_access_log(d, from[i], &logs[i]) && is_ok;
        decoder_pop_index(d);
    }
    *out = logs;
    *out_count = (uint32_t)count;
    return is_ok;
}

static const struct ledger_field access_log_fields[] = {
    {"name", LEDGER_HARMLESS, "loggers are found by their type"},
    LEDGER_OK("filter"),
    LEDGER_OK("typed_config"),
};
static const struct ledger_field filter_fields[] = {
    LEDGER_OK("status_code_filter"),
    LEDGER_OK("duration_filter"),
    LEDGER_OK("not_health_check_filter"),
    LEDGER_OK("traceable_filter"),
    LEDGER_OK("runtime_filter"),
    LEDGER_OK("and_filter"),
    LEDGER_OK("or_filter"),
    LEDGER_OK("header_filter"),
    LEDGER_OK("response_flag_filter"),
    LEDGER_OK("grpc_status_filter"),
    LEDGER_OK("metadata_filter"),
    LEDGER_OK("log_type_filter"),
    {"extension_filter", LEDGER_REFUSED, "no such extension is built in"},
};
static const struct ledger_field runtime_filter_fields[] = {
    LEDGER_OK("percent_sampled"),
    LEDGER_OK("runtime_key"),
    {"use_independent_randomness", LEDGER_HARMLESS, "each entry is drawn independently"},
};
static const struct ledger_field all_fields[] = {LEDGER_OK("*")};

const struct ledger_message ledger_access_log[] = {
    LEDGER_MESSAGE("envoy.config.accesslog.v3.AccessLog", access_log_fields),
    LEDGER_MESSAGE("envoy.config.accesslog.v3.AccessLogFilter", filter_fields),
    LEDGER_MESSAGE("envoy.config.accesslog.v3.ComparisonFilter", all_fields),
    LEDGER_MESSAGE("envoy.config.accesslog.v3.StatusCodeFilter", all_fields),
    LEDGER_MESSAGE("envoy.config.accesslog.v3.DurationFilter", all_fields),
    LEDGER_MESSAGE("envoy.config.accesslog.v3.NotHealthCheckFilter", all_fields),
    LEDGER_MESSAGE("envoy.config.accesslog.v3.TraceableFilter", all_fields),
    LEDGER_MESSAGE("envoy.config.accesslog.v3.RuntimeFilter", runtime_filter_fields),
    LEDGER_MESSAGE("envoy.config.accesslog.v3.AndFilter", all_fields),
    LEDGER_MESSAGE("envoy.config.accesslog.v3.OrFilter", all_fields),
    LEDGER_MESSAGE("envoy.config.accesslog.v3.HeaderFilter", all_fields),
    LEDGER_MESSAGE("envoy.config.accesslog.v3.ResponseFlagFilter", all_fields),
    LEDGER_MESSAGE("envoy.config.accesslog.v3.GrpcStatusFilter", all_fields),
    LEDGER_MESSAGE("envoy.config.accesslog.v3.MetadataFilter", all_fields),
    LEDGER_MESSAGE("envoy.config.accesslog.v3.LogTypeFilter", all_fields),
    LEDGER_MESSAGE("envoy.type.matcher.v3.MetadataMatcher", all_fields),
    LEDGER_MESSAGE("envoy.type.matcher.v3.MetadataMatcher.PathSegment", all_fields),
    LEDGER_MESSAGE("envoy.type.matcher.v3.ValueMatcher", all_fields),
    LEDGER_MESSAGE("envoy.extensions.access_loggers.file.v3.FileAccessLog", all_fields),
    LEDGER_MESSAGE("envoy.extensions.access_loggers.stream.v3.StdoutAccessLog", all_fields),
    LEDGER_MESSAGE("envoy.extensions.access_loggers.stream.v3.StderrAccessLog", all_fields),
};
const uint32_t ledger_access_log_count = ARRAY_LEN(ledger_access_log);
