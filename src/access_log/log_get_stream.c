// SPDX-License-Identifier: Apache-2.0
/* Operators about the exchange itself: numbers, names, flags, status, ids. */
#include <stdlib.h>
#include <unistd.h>

#include "src/access_log/json_text.h"
#include "src/access_log/log_operator.h"
#include "src/base/check.h"
#include "src/base/random.h"

static const struct stream_info no_info;
static const struct connection_info no_connection;

const struct stream_info *log_info(const struct log_format_input *input) {
    return input->info == NULL ? &no_info : input->info;
}

const struct connection_info *log_connection(const struct log_format_input *input) {
    const struct connection_info *connection = log_info(input)->connection;
    return connection == NULL ? &no_connection : connection;
}

const struct transport_peer *log_peer(const struct log_format_input *input, bool is_upstream) {
    return is_upstream ? upstream_info_peer(stream_info_upstream(log_info(input)))
                       : connection_info_peer(log_connection(input));
}

const struct header_map *log_request_headers(const struct log_format_input *input) {
    return input->request_headers != NULL ? input->request_headers
                                          : log_info(input)->request_headers;
}

const struct header_map *log_response_headers(const struct log_format_input *input) {
    return input->response_headers != NULL ? input->response_headers
                                           : log_info(input)->response_headers;
}

const struct header_map *log_response_trailers(const struct log_format_input *input) {
    return input->response_trailers != NULL ? input->response_trailers
                                            : log_info(input)->response_trailers;
}

uint8_t *log_value_room(struct log_value *value, const struct log_format_input *input,
                        size_t *len) {
    struct arena *arena = log_info(input)->arena;
    if (*len > sizeof(value->scratch) && arena != NULL) {
        return arena_alloc_bytes(arena, *len);
    }
    *len = *len < sizeof(value->scratch) ? *len : sizeof(value->scratch);
    return (uint8_t *)value->scratch;
}

static const uint8_t *field_of(const void *object, uint32_t offset) {
    return (const uint8_t *)object + offset;
}

static const uint8_t *fact_of(const struct stream_info *info, uint32_t offset) {
    return offset < LOG_UPSTREAM_FACT
               ? field_of(info, offset)
               : field_of(stream_info_upstream(info), offset - LOG_UPSTREAM_FACT);
}

static uint64_t u64_of(const struct stream_info *info, uint32_t offset) {
    uint64_t number;
    memcpy(&number, fact_of(info, offset), sizeof(number));
    return number;
}

// param: offset in stream_info, or with LOG_UPSTREAM_FACT.
void log_get_u64(const struct log_op *op, const struct log_format_input *input,
                 struct log_value *value) {
    log_value_number(value, u64_of(log_info(input), op->param));
}

void log_get_u32(const struct log_op *op, const struct log_format_input *input,
                 struct log_value *value) {
    uint32_t number;
    memcpy(&number, fact_of(log_info(input), op->param), sizeof(number));
    log_value_number(value, number);
}

void log_get_info_text(const struct log_op *op, const struct log_format_input *input,
                       struct log_value *value) {
    struct slice text;
    memcpy(&text, fact_of(log_info(input), op->param), sizeof(text));
    log_value_text(value, text);
}

// param: offset in connection_info; param2 != 0: it is a number.
void log_get_connection_text(const struct log_op *op, const struct log_format_input *input,
                             struct log_value *value) {
    const struct connection_info *connection = log_connection(input);
    if (op->param2 != 0) {
        uint64_t number;
        memcpy(&number, field_of(connection, op->param), sizeof(number));
        log_value_number(value, number);
        return;
    }
    struct slice text;
    memcpy(&text, field_of(connection, op->param), sizeof(text));
    log_value_text(value, text);
}

// param: offset in transport_peer; param2: the upstream's.
void log_get_peer_text(const struct log_op *op, const struct log_format_input *input,
                       struct log_value *value) {
    struct slice text;
    memcpy(&text, field_of(log_peer(input, op->param2 != 0), op->param), sizeof(text));
    log_value_text(value, text);
}

// param: enum transport_fact; param2: the upstream's.
void log_get_peer_fact(const struct log_op *op, const struct log_format_input *input,
                       struct log_value *value) {
    log_value_text(value, transport_peer_fact(log_peer(input, op->param2 != 0),
                                              (enum transport_fact)op->param));
}

// param: offsets in stream_info of begin (low half) and end; param2: nanoseconds of the unit.
void log_get_duration(const struct log_op *op, const struct log_format_input *input,
                      struct log_value *value) {
    const struct stream_info *info = log_info(input);
    uint64_t begin = u64_of(info, op->param & 0xffff);
    uint64_t end = u64_of(info, op->param >> 16);
    if (begin == 0 || end == 0 || end < begin) {
        log_value_none(value);
        return;
    }
    log_value_number(value, (end - begin) * 1000 / op->param2);
}

void log_get_constant(const struct log_op *op, const struct log_format_input *input,
                      struct log_value *value) {
    (void)input;
    value->kind = LOG_VALUE_TEXT;
    value->text = op->text;
}

void log_get_absent(const struct log_op *op, const struct log_format_input *input,
                    struct log_value *value) {
    (void)op;
    (void)input;
    log_value_none(value);
}

void log_get_zero(const struct log_op *op, const struct log_format_input *input,
                  struct log_value *value) {
    (void)op;
    (void)input;
    log_value_number(value, 0);
}

void log_get_protocol(const struct log_op *op, const struct log_format_input *input,
                      struct log_value *value) {
    (void)op;
    const struct stream_info *info = log_info(input);
    log_value_text(value, info->is_http ? slice_from_string(http_protocol_name(info->protocol))
                                        : SLICE(""));
}

void log_get_upstream_protocol(const struct log_op *op, const struct log_format_input *input,
                               struct log_value *value) {
    (void)op;
    const struct upstream_info *upstream = stream_info_upstream(log_info(input));
    log_value_text(value, upstream->has_protocol
                              ? slice_from_string(http_protocol_name(upstream->protocol))
                              : SLICE(""));
}

static void set_flags_without_arena(const struct stream_info *info, bool long_form,
                                    const struct log_format_input *input, struct log_value *value) {
    struct arena arena;
    arena_init_heap(&arena, 0);
    struct stream_info view = {.response_flags = info->response_flags,
                               .response_code = info->response_code,
                               .arena = &arena};
    struct slice text = stream_info_flags_text(&view, long_form);
    size_t len = text.len;
    uint8_t *room = log_value_room(value, input, &len);
    memcpy(room, text.ptr, len);
    log_value_text(value, slice_make(room, len));
    arena_deinit(&arena);
}

// param: long form.
void log_get_flags(const struct log_op *op, const struct log_format_input *input,
                   struct log_value *value) {
    const struct stream_info *info = log_info(input);
    if (info->arena == NULL && info->response_flags != 0) {
        set_flags_without_arena(info, op->param != 0, input, value);
    } else {
        log_value_text(value, stream_info_flags_text(info, op->param != 0));
    }
}

static bool is_space(uint8_t c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

// A log's columns are often cut at spaces.
static void set_without_spaces(struct log_value *value, const struct log_format_input *input,
                               struct slice text) {
    size_t len = text.len;
    uint8_t *room = log_value_room(value, input, &len);
    for (size_t i = 0; i < len; i++) {
        room[i] = is_space(text.ptr[i]) ? '_' : text.ptr[i];
    }
    log_value_text(value, slice_make(room, len));
}

// param: keep spaces.
void log_get_details(const struct log_op *op, const struct log_format_input *input,
                     struct log_value *value) {
    struct slice details = log_info(input)->response_code_details;
    if (op->param != 0) {
        log_value_text(value, details);
    } else {
        set_without_spaces(value, input, details);
    }
}

enum status log_compile_details(struct log_op *op, struct slice args, struct arena *arena,
                                struct error *err) {
    (void)arena;
    (void)err;
    op->param = slice_equal(args, SLICE("ALLOW_WHITESPACES")) ? 1 : 0;
    return STATUS_OK;
}

// param: of the upstream connection.
void log_get_failure_reason(const struct log_op *op, const struct log_format_input *input,
                            struct log_value *value) {
    set_without_spaces(value, input,
                       op->param != 0
                           ? stream_info_upstream(log_info(input))->transport_failure_reason
                           : log_connection(input)->transport_failure_reason);
}

// Only the last connection is known; a request that was not retried has no other.
void log_get_upstream_connection(const struct log_op *op, const struct log_format_input *input,
                                 struct log_value *value) {
    (void)op;
    const struct upstream_info *upstream = stream_info_upstream(log_info(input));
    if (upstream->host.len == 0) {
        log_value_none(value);
        return;
    }
    size_t at = sizeof(value->scratch);
    uint64_t number = upstream->connection_id;
    do {
        value->scratch[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    log_value_text(value, slice_make(value->scratch + at, sizeof(value->scratch) - at));
}

// Milliseconds, as the kernel measured it.
void log_get_cx_rtt(const struct log_op *op, const struct log_format_input *input,
                    struct log_value *value) {
    (void)op;
    log_value_number(value, log_connection(input)->rtt_us / 1000);
}

void log_get_termination(const struct log_op *op, const struct log_format_input *input,
                         struct log_value *value) {
    (void)op;
    log_value_text(value, slice_from_string(log_connection(input)->termination_details));
}

void log_get_close_type(const struct log_op *op, const struct log_format_input *input,
                        struct log_value *value) {
    (void)op;
    log_value_text(value,
                   log_info(input)->downstream_reset ? SLICE("RemoteReset") : SLICE("Normal"));
}

// A stream of HTTP is never told how its connection ended, as in Envoy.
void log_get_upstream_close_type(const struct log_op *op, const struct log_format_input *input,
                                 struct log_value *value) {
    (void)op;
    const struct stream_info *info = log_info(input);
    bool is_reset =
        !info->is_http && stream_info_has_flag(info, RESPONSE_FLAG_UPSTREAM_REMOTE_RESET);
    if (!info->is_http || stream_info_upstream(info)->host.len > 0) {
        log_value_text(value, is_reset ? SLICE("RemoteReset") : SLICE("Normal"));
    } else {
        log_value_none(value);
    }
}

// Of internal listeners' addresses only, which nothing here has.
void log_get_upstream_endpoint_id(const struct log_op *op, const struct log_format_input *input,
                                  struct log_value *value) {
    (void)op;
    bool is_connected = stream_info_upstream(log_info(input))->local.len > 0;
    value->kind = is_connected ? LOG_VALUE_TEXT : LOG_VALUE_NONE;
    value->text = SLICE("");
}

// param: the time.
void log_get_route_resolution(const struct log_op *op, const struct log_format_input *input,
                              struct log_value *value) {
    const struct stream_info *info = log_info(input);
    if (!info->is_http || info->route_resolutions == 0) {
        log_value_none(value);
    } else {
        log_value_number(value,
                         op->param != 0 ? info->route_resolution_us : info->route_resolutions);
    }
}

void log_get_log_type(const struct log_op *op, const struct log_format_input *input,
                      struct log_value *value) {
    (void)op;
    log_value_text(value, slice_from_string(
                              input->access_log_type == NULL ? "NotSet" : input->access_log_type));
}

void log_get_local_reply(const struct log_op *op, const struct log_format_input *input,
                         struct log_value *value) {
    (void)op;
    value->kind = LOG_VALUE_BLOCK;
    value->text = input->local_reply_body;
}

// param: raw, without the alternative name for stats. A cluster that was not found has no name.
void log_get_cluster(const struct log_op *op, const struct log_format_input *input,
                     struct log_value *value) {
    const struct stream_info *info = log_info(input);
    struct slice name = stream_info_upstream(info)->cluster_name;
    log_value_text(value, op->param != 0 && name.len > 0 && info->cluster_name.len > 0
                              ? info->cluster_name
                              : name);
}

void log_get_server_name(const struct log_op *op, const struct log_format_input *input,
                         struct log_value *value) {
    (void)op;
    const struct connection_info *connection = log_connection(input);
    log_value_text(value, connection->requested_server_name.len > 0
                              ? connection->requested_server_name
                              : connection_info_peer(connection)->sni);
}

static void set_uuid(struct log_value *value, uint64_t seed) {
    struct random random;
    random_init_seed(&random, seed);
    random_uuid(&random, value->scratch);
    log_value_text(value, slice_make(value->scratch, UUID_TEXT_LEN));
}

static uint64_t stream_seed(const struct stream_info *info) {
    uint64_t facts[] = {info->stream_id, info->start_wall_us, info->start_us};
    return slice_xxhash64(slice_make(facts, sizeof(facts)), 0);
}

// The request's id where it has one, else a number that stays the same for all its lines.
void log_get_stream_id(const struct log_op *op, const struct log_format_input *input,
                       struct log_value *value) {
    (void)op;
    const struct stream_info *info = log_info(input);
    log_value_text(value, info->request_id);
    if (value->kind == LOG_VALUE_NONE) {
        set_uuid(value, stream_seed(info));
    }
}

// Another one each time that it is asked.
void log_get_unique_id(const struct log_op *op, const struct log_format_input *input,
                       struct log_value *value) {
    uint64_t facts[] = {input->now_us, input->now_wall_us, (uint64_t)(uintptr_t)op,
                        (uint64_t)(uintptr_t)input->info};
    set_uuid(value, slice_xxhash64(slice_make(facts, sizeof(facts)), stream_seed(log_info(input))));
}

static bool status_in(const struct header_map *headers, uint32_t *status) {
    uint64_t number;
    if (headers == NULL ||
        slice_parse_uint64(header_map_get(headers, HEADER_GRPC_STATUS), &number) != STATUS_OK ||
        number > UINT32_MAX) {
        return false;
    }
    *status = (uint32_t)number;
    return true;
}

bool log_grpc_status(const struct log_format_input *input, bool only_grpc, uint32_t *status) {
    const struct header_map *request = log_request_headers(input);
    if (only_grpc && (request == NULL || !http_is_grpc(request))) {
        return false;
    }
    if (status_in(log_response_trailers(input), status) ||
        status_in(log_response_headers(input), status)) {
        return true;
    }
    uint32_t code = log_info(input)->response_code;
    if (code == 0) {
        return false;
    }
    *status = http_to_grpc_status(code);
    return true;
}

struct grpc_name {
    struct slice camel, snake;
};
static const struct grpc_name grpc_names[] = {
    {SLICE_INIT("OK"), SLICE_INIT("OK")},
    {SLICE_INIT("Canceled"), SLICE_INIT("CANCELLED")},
    {SLICE_INIT("Unknown"), SLICE_INIT("UNKNOWN")},
    {SLICE_INIT("InvalidArgument"), SLICE_INIT("INVALID_ARGUMENT")},
    {SLICE_INIT("DeadlineExceeded"), SLICE_INIT("DEADLINE_EXCEEDED")},
    {SLICE_INIT("NotFound"), SLICE_INIT("NOT_FOUND")},
    {SLICE_INIT("AlreadyExists"), SLICE_INIT("ALREADY_EXISTS")},
    {SLICE_INIT("PermissionDenied"), SLICE_INIT("PERMISSION_DENIED")},
    {SLICE_INIT("ResourceExhausted"), SLICE_INIT("RESOURCE_EXHAUSTED")},
    {SLICE_INIT("FailedPrecondition"), SLICE_INIT("FAILED_PRECONDITION")},
    {SLICE_INIT("Aborted"), SLICE_INIT("ABORTED")},
    {SLICE_INIT("OutOfRange"), SLICE_INIT("OUT_OF_RANGE")},
    {SLICE_INIT("Unimplemented"), SLICE_INIT("UNIMPLEMENTED")},
    {SLICE_INIT("Internal"), SLICE_INIT("INTERNAL")},
    {SLICE_INIT("Unavailable"), SLICE_INIT("UNAVAILABLE")},
    {SLICE_INIT("DataLoss"), SLICE_INIT("DATA_LOSS")},
    {SLICE_INIT("Unauthenticated"), SLICE_INIT("UNAUTHENTICATED")},
};

// param: enum log_grpc_form. A number without a name is printed as it is.
void log_get_grpc(const struct log_op *op, const struct log_format_input *input,
                  struct log_value *value) {
    uint32_t status;
    if (!log_grpc_status(input, true, &status)) {
        log_value_none(value);
    } else if (op->param == LOG_GRPC_NUMBER || status >= ARRAY_LEN(grpc_names)) {
        log_value_number(value, status);
    } else {
        log_value_text(value, op->param == LOG_GRPC_CAMEL ? grpc_names[status].camel
                                                          : grpc_names[status].snake);
    }
}

enum status log_compile_grpc(struct log_op *op, struct slice args, struct arena *arena,
                             struct error *err) {
    (void)arena;
    if (args.len == 0 || slice_equal(args, SLICE("CAMEL_STRING"))) {
        op->param = LOG_GRPC_CAMEL;
    } else if (slice_equal(args, SLICE("SNAKE_STRING"))) {
        op->param = LOG_GRPC_SNAKE;
    } else if (slice_equal(args, SLICE("NUMBER"))) {
        op->param = LOG_GRPC_NUMBER;
    } else {
        return error_set(err, STATUS_INVALID,
                         "GrpcStatusFormatter only supports CAMEL_STRING, SNAKE_STRING or NUMBER. "
                         "Got: %.*s",
                         SLICE_ARG(args));
    }
    return STATUS_OK;
}

// The sum of names and values of a message's headers; param: enum log_header_source.
void log_get_map_bytes(const struct log_op *op, const struct log_format_input *input,
                       struct log_value *value) {
    const struct header_map *map =
        op->param == LOG_FROM_REQUEST
            ? log_request_headers(input)
            : (op->param == LOG_FROM_RESPONSE ? log_response_headers(input)
                                              : log_response_trailers(input));
    enum { ENTRY_OVERHEAD_BYTES = 32 }; // counted in header_map.bytes (RFC 9113 §6.5.2)
    log_value_number(value, map == NULL ? 0 : map->bytes - ENTRY_OVERHEAD_BYTES * map->live);
}

enum status log_compile_environment(struct log_op *op, struct slice args, struct arena *arena,
                                    struct error *err) {
    (void)err;
    const char *text = getenv(arena_dup_string(arena, args));
    op->text = text == NULL ? SLICE("-") : arena_dup_slice(arena, slice_from_string(text));
    return STATUS_OK;
}

enum status log_compile_hostname(struct log_op *op, struct slice args, struct arena *arena,
                                 struct error *err) {
    (void)args;
    (void)err;
    char name[256] = "";
    if (gethostname(name, sizeof(name) - 1) != 0 || name[0] == '\0') {
        op->text = SLICE("-");
    } else {
        op->text = arena_dup_slice(arena, slice_from_string(name));
    }
    return STATUS_OK;
}

// The first of its operators that has a value.
void log_get_coalesce(const struct log_op *op, const struct log_format_input *input,
                      struct log_value *value) {
    log_value_none(value);
    for (uint32_t i = 0; i < op->child_count; i++) {
        log_op_get(&op->children[i], input, value);
        bool is_empty = value->kind == LOG_VALUE_NONE ||
                        (value->kind != LOG_VALUE_NUMBER && value->text.len == 0);
        if (!is_empty) {
            return;
        }
    }
    log_value_none(value);
}

static enum status compile_alternative(struct log_op *op, const struct json_text *item,
                                       struct arena *arena, struct error *err) {
    struct slice command = item->text;
    struct slice args = {NULL, 0};
    uint64_t max_length = LOG_NO_MAX_LENGTH;
    if (item->kind == JSON_OBJECT) {
        const struct json_text *name = json_text_member(item, SLICE("command"));
        const struct json_text *param = json_text_member(item, SLICE("param"));
        const struct json_text *max = json_text_member(item, SLICE("max_length"));
        command = name != NULL && name->kind == JSON_STRING ? name->text : SLICE("");
        args = param != NULL && param->kind == JSON_STRING ? param->text : args;
        if (max != NULL && (slice_parse_uint64(max->raw, &max_length) != STATUS_OK ||
                            max_length >= LOG_NO_MAX_LENGTH)) {
            return error_set(err, STATUS_INVALID, "COALESCE: max_length must be a number");
        }
    }
    if (slice_is_empty(command)) {
        return error_set(err, STATUS_INVALID, "COALESCE: an operator has no command");
    }
    return log_op_compile(op, command, args, (uint32_t)max_length, arena, err);
}

enum status log_compile_coalesce(struct log_op *op, struct slice args, struct arena *arena,
                                 struct error *err) {
    struct json_text *root;
    if (json_text_parse(args, arena, &root, err) != STATUS_OK) {
        return error_set(err, STATUS_INVALID, "COALESCE: failed to parse JSON configuration");
    }
    const struct json_text *list = json_text_member(root, SLICE("operators"));
    if (list == NULL || list->kind != JSON_ARRAY || list->count == 0) {
        return error_set(err, STATUS_INVALID,
                         "COALESCE: JSON configuration must contain 'operators' array");
    }
    struct log_op *children = ARENA_NEW_ARRAY(arena, list->count, struct log_op);
    uint32_t count = 0;
    for (const struct json_text *item = list->first; item != NULL; item = item->next) {
        TRY(compile_alternative(&children[count++], item, arena, err));
        if (children[count - 1].get == log_get_coalesce) {
            return error_set(err, STATUS_INVALID, "COALESCE: must not be nested");
        }
    }
    op->children = children;
    op->child_count = count;
    return STATUS_OK;
}
