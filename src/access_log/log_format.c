// SPDX-License-Identifier: Apache-2.0
#include "src/access_log/log_format.h"

#include "src/access_log/log_format_internal.h"
#include "src/base/check.h"

enum { SCRATCH_BYTES = 2048, HEADER_SCRATCH_BYTES = 512 };

static bool is_command_byte(uint8_t c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* A command as it stands in the text. */
struct command_text {
    struct slice name;
    struct slice args; /* ptr NULL: none */
    uint32_t max_length;
    size_t len; /* of all of it */
};

// What follows name and arguments: "%" or ":N%".
static bool read_tail(struct slice text, size_t at, struct command_text *command) {
    command->max_length = LOG_NO_MAX_LENGTH;
    if (at < text.len && text.ptr[at] == ':') {
        size_t end = at + 1;
        while (end < text.len && text.ptr[end] >= '0' && text.ptr[end] <= '9') {
            end++;
        }
        uint64_t number;
        if (slice_parse_uint64(slice_sub(text, at + 1, end - at - 1), &number) != STATUS_OK) {
            return false;
        }
        command->max_length = number < LOG_NO_MAX_LENGTH ? (uint32_t)number : LOG_NO_MAX_LENGTH - 1;
        at = end;
    }
    command->len = at + 1;
    return at < text.len && text.ptr[at] == '%';
}

// The arguments end at the first ')' that a tail follows: they may have '%' and ')' themselves.
static bool read_args(struct slice text, size_t open, struct command_text *command) {
    for (size_t at = open + 1; at < text.len && text.ptr[at] != '\n'; at++) {
        if (text.ptr[at] == ')' && read_tail(text, at + 1, command)) {
            command->args = slice_sub(text, open + 1, at - open - 1);
            return true;
        }
    }
    return false;
}

// `text` begins with '%'.
static bool read_command(struct slice text, struct command_text *command) {
    size_t at = 1;
    while (at < text.len && is_command_byte(text.ptr[at])) {
        at++;
    }
    command->name = slice_sub(text, 1, at - 1);
    command->args = (struct slice){NULL, 0};
    if (at == 1) {
        return false;
    }
    if (at < text.len && text.ptr[at] == '(') {
        return read_args(text, at, command);
    }
    return read_tail(text, at, command);
}

static void add_literal(struct log_ops *ops, struct arena *arena, const uint8_t *text, size_t len) {
    if (len > 0) {
        ops->items[ops->count++] =
            (struct log_op){.text = arena_dup_slice(arena, slice_make(text, len))};
    }
}

// Every operator takes at least three bytes of the text, and a literal before and after it.
static size_t max_ops(struct slice text) {
    size_t percents = 0;
    for (size_t i = 0; i < text.len; i++) {
        percents += text.ptr[i] == '%' ? 1 : 0;
    }
    return percents + 1;
}

enum status log_ops_compile(struct slice text, struct arena *arena, struct log_ops *ops,
                            struct error *err) {
    uint8_t *literal = mem_alloc(text.len + 1);
    size_t literal_len = 0;
    enum status status = STATUS_OK;
    ops->items = ARENA_NEW_ARRAY(arena, max_ops(text), struct log_op);
    ops->count = 0;
    for (size_t at = 0; at < text.len;) {
        bool is_percent = text.ptr[at] == '%';
        bool is_escaped = is_percent && at + 1 < text.len && text.ptr[at + 1] == '%';
        if (!is_percent || is_escaped) {
            literal[literal_len++] = text.ptr[at];
            at += is_escaped ? 2 : 1;
            continue;
        }
        add_literal(ops, arena, literal, literal_len);
        literal_len = 0;
        struct command_text command;
        if (!read_command(slice_sub(text, at, SIZE_MAX), &command)) {
            status = error_set(
                err, STATUS_INVALID,
                "Incorrect configuration: %.*s. Couldn't find valid command at position %zu",
                SLICE_ARG(text), at);
            break;
        }
        status = log_op_compile(&ops->items[ops->count], command.name, command.args,
                                command.max_length, arena, err);
        if (status != STATUS_OK) {
            break;
        }
        ops->count++;
        at += command.len;
    }
    add_literal(ops, arena, literal, literal_len);
    mem_free(literal);
    return status;
}

bool log_text_asks_route_time(struct slice text) {
    return slice_find(text, SLICE("ROUTE_RESOLUTION_TIME_US")) != SIZE_MAX;
}

bool log_format_asks_route_time(const struct log_format *format) {
    return format->asks_route_time;
}

enum status log_format_compile(struct slice text, bool omit_empty_values, struct arena *arena,
                               const struct log_format **format, struct error *err) {
    struct log_format *made = ARENA_NEW(arena, struct log_format);
    made->omit_empty = omit_empty_values;
    made->asks_route_time = log_text_asks_route_time(text);
    TRY(log_ops_compile(text, arena, &made->ops, err));
    *format = made;
    return STATUS_OK;
}

static void put_value(struct log_output *out, const struct log_value *value, bool omit_empty) {
    switch (value->kind) {
    case LOG_VALUE_NONE:
        log_output_bytes(out, omit_empty ? SLICE("") : SLICE("-"));
        return;
    case LOG_VALUE_NUMBER:
        log_output_number(out, value->number);
        return;
    case LOG_VALUE_TEXT:
    case LOG_VALUE_JSON:
        log_output_one_line(out, value->text);
        return;
    case LOG_VALUE_BLOCK:
        log_output_bytes(out, value->text);
        return;
    }
}

void log_format_put(const struct log_format *format, const struct log_format_input *input,
                    struct log_output *out, bool is_line) {
    if (format->json != NULL) {
        log_json_put(format->json, input, out, format->omit_empty);
        log_output_bytes(out, SLICE("\n"));
        return;
    }
    struct log_value value;
    for (uint32_t i = 0; i < format->ops.count; i++) {
        const struct log_op *op = &format->ops.items[i];
        if (op->get == NULL) {
            log_output_bytes(out, op->text);
            continue;
        }
        log_op_get(op, input, &value);
        if (is_line && value.kind == LOG_VALUE_BLOCK) {
            value.kind = LOG_VALUE_TEXT;
        }
        put_value(out, &value, format->omit_empty);
    }
}

void log_format_write(const struct log_format *format, const struct log_format_input *input,
                      struct buffer *out) {
    uint8_t scratch[SCRATCH_BYTES];
    struct log_output output;
    log_output_init(&output, scratch, sizeof(scratch), out, NULL);
    log_format_put(format, input, &output, true);
    log_output_finish(&output);
}

bool log_format_is_constant(const struct log_format *format, struct slice *text) {
    if (format->json != NULL || format->ops.count > 1) {
        return false;
    }
    if (format->ops.count == 0) {
        *text = SLICE("");
        return true;
    }
    *text = format->ops.items[0].text;
    return format->ops.items[0].get == NULL;
}

struct slice log_format_text(const struct log_format *format, const struct log_format_input *input,
                             struct arena *arena) {
    struct slice text;
    if (log_format_is_constant(format, &text)) {
        return text;
    }
    uint8_t scratch[HEADER_SCRATCH_BYTES];
    struct log_output output;
    log_output_init(&output, scratch, sizeof(scratch), NULL, arena);
    log_format_put(format, input, &output, false);
    struct slice written = slice_make(output.ptr, output.used);
    return output.ptr == scratch ? arena_dup_slice(arena, written) : written;
}

const char *log_format_default_text(void) {
    return "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" "
           "%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% "
           "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" "
           "\"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" "
           "\"%UPSTREAM_HOST%\"\n";
}
