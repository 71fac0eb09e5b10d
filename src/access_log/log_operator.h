// SPDX-License-Identifier: Apache-2.0
/*
 * One %COMMAND% operator, compiled: a function that gets a value and its arguments. The table of all
 * commands is log_operator_table.c, the functions are in the log_get_*.c files by what they ask.
 * Private to src/access_log.
 */
#ifndef SRC_ACCESS_LOG_LOG_OPERATOR_H
#define SRC_ACCESS_LOG_LOG_OPERATOR_H

#include "src/access_log/log_format.h"

enum log_value_kind {
    LOG_VALUE_NONE,
    LOG_VALUE_TEXT,
    LOG_VALUE_NUMBER,
    LOG_VALUE_JSON,  /* `text` is a JSON value; a text format prints it as it is */
    LOG_VALUE_BLOCK, /* text that may have lines of its own: a local reply's body */
};

/* A value borrows from the request, or lies in `scratch`. */
struct log_value {
    enum log_value_kind kind;
    struct slice text;
    uint64_t number;
    char scratch[512];
};

struct log_op;
typedef void log_get_fn(const struct log_op *op, const struct log_format_input *input,
                        struct log_value *value);

#define LOG_NO_MAX_LENGTH UINT32_MAX

/* A fact is named by its offset in stream_info, or by this and its offset in upstream_info. */
enum { LOG_UPSTREAM_FACT = 0x8000 };

struct log_op {
    log_get_fn *get;   /* NULL: `text` is literal */
    struct slice text; /* literal, or the first argument */
    struct slice alt;  /* second argument */
    uint32_t param;    /* which of the function's things; meaning by function */
    uint32_t param2;
    uint32_t max_length; /* bytes of a text value */
    const struct log_op *children;
    uint32_t child_count;
};

/* What a command may be followed by. */
enum log_syntax {
    LOG_SYNTAX_BARE,
    LOG_SYNTAX_ARGS = 1,          /* arguments are allowed */
    LOG_SYNTAX_ARGS_REQUIRED = 3, /* and required */
    LOG_SYNTAX_LENGTH = 4,        /* ":N" is allowed */
};

typedef enum status log_compile_fn(struct log_op *op, struct slice args, struct arena *arena,
                                   struct error *err);
struct log_command {
    struct slice name;
    uint32_t syntax;
    log_get_fn *get;
    log_compile_fn *compile; /* NULL: the arguments are op->text */
    uint32_t param;
    uint32_t param2;
};
/* NULL: no such command. */
const struct log_command *log_command_find(struct slice name);
/* Compiles command, arguments (ptr NULL: none) and length into *op. */
enum status log_op_compile(struct log_op *op, struct slice name, struct slice args,
                           uint32_t max_length, struct arena *arena, struct error *err) MUST_USE;
/* The value of an operator, cut to its length. */
void log_op_get(const struct log_op *op, const struct log_format_input *input,
                struct log_value *value);

/* ---- helpers of the getters ---- */

const struct stream_info *log_info(const struct log_format_input *input);           /* never NULL */
const struct connection_info *log_connection(const struct log_format_input *input); /* never NULL */
const struct transport_peer *log_peer(const struct log_format_input *input, bool is_upstream);
const struct header_map *log_request_headers(const struct log_format_input *input); /* or NULL */
const struct header_map *log_response_headers(const struct log_format_input *input);
const struct header_map *log_response_trailers(const struct log_format_input *input);
static inline void log_value_none(struct log_value *value) {
    value->kind = LOG_VALUE_NONE;
}
/* NONE where `text` is empty. */
static inline void log_value_text(struct log_value *value, struct slice text) {
    value->kind = text.len > 0 ? LOG_VALUE_TEXT : LOG_VALUE_NONE;
    value->text = text;
}
static inline void log_value_number(struct log_value *value, uint64_t number) {
    value->kind = LOG_VALUE_NUMBER;
    value->number = number;
}
/* `len` bytes for a value: the scratch, else the stream's arena; *len shrinks where there is none. */
uint8_t *log_value_room(struct log_value *value, const struct log_format_input *input, size_t *len);
/* A number of the response's gRPC status; false where the exchange is none of gRPC or has none. */
bool log_grpc_status(const struct log_format_input *input, bool only_grpc, uint32_t *status);

/* ---- getters and compilers, by file ---- */

log_get_fn log_get_u64, log_get_u32, log_get_info_text, log_get_connection_text, log_get_peer_text,
    log_get_peer_fact, log_get_upstream_close_type, log_get_upstream_endpoint_id,
    log_get_route_resolution, log_get_duration, log_get_constant, log_get_absent, log_get_zero,
    log_get_protocol, log_get_upstream_protocol, log_get_flags, log_get_details,
    log_get_failure_reason, log_get_termination, log_get_grpc, log_get_log_type,
    log_get_local_reply, log_get_stream_id, log_get_unique_id, log_get_close_type, log_get_cluster,
    log_get_server_name, log_get_coalesce, log_get_map_bytes, log_get_upstream_connection,
    log_get_cx_rtt;
log_get_fn log_get_header, log_get_path, log_get_query_param, log_get_query, log_get_xfcc;
log_get_fn log_get_address, log_get_host_name;
log_get_fn log_get_time, log_get_handshake, log_get_certificate_time;
log_get_fn log_get_dynamic_metadata, log_get_route_metadata, log_get_filter_state;

log_compile_fn log_compile_header, log_compile_path, log_compile_xfcc, log_compile_query,
    log_compile_details, log_compile_duration, log_compile_time, log_compile_metadata,
    log_compile_metadata_path, log_compile_state, log_compile_environment, log_compile_hostname,
    log_compile_grpc, log_compile_coalesce;

enum log_address_which {
    LOG_ADDRESS_REMOTE,
    LOG_ADDRESS_DIRECT_REMOTE,
    LOG_ADDRESS_LOCAL,
    LOG_ADDRESS_UPSTREAM_HOST,   /* chosen */
    LOG_ADDRESS_UPSTREAM_REMOTE, /* and connected to */
    LOG_ADDRESS_UPSTREAM_LOCAL,
};
enum log_address_form { LOG_ADDRESS_FULL, LOG_ADDRESS_IP, LOG_ADDRESS_PORT };
enum log_header_source { LOG_FROM_REQUEST, LOG_FROM_RESPONSE, LOG_FROM_TRAILERS };
enum log_time_source { LOG_TIME_START, LOG_TIME_EMIT, LOG_TIME_LOCAL = 2 /* bit */ };
enum log_grpc_form { LOG_GRPC_CAMEL, LOG_GRPC_SNAKE, LOG_GRPC_NUMBER };

#endif
