// SPDX-License-Identifier: Apache-2.0
/* Operators about times, and the points in time that durations lie between. */
#include <stddef.h>

#include "src/access_log/log_operator.h"
#include "src/access_log/log_time.h"
#include "src/base/check.h"

static void set_time(struct log_value *value, struct slice format, uint64_t wall_us,
                     bool is_local) {
    size_t len = log_time_format(format, wall_us, is_local, value->scratch, sizeof(value->scratch));
    log_value_text(value, slice_make(value->scratch, len));
}

// param: enum log_time_source, perhaps with LOG_TIME_LOCAL.
void log_get_time(const struct log_op *op, const struct log_format_input *input,
                  struct log_value *value) {
    bool is_emit = (op->param & LOG_TIME_EMIT) != 0;
    set_time(value, op->text, is_emit ? input->now_wall_us : log_info(input)->start_wall_us,
             (op->param & LOG_TIME_LOCAL) != 0);
}

enum status log_compile_time(struct log_op *op, struct slice args, struct arena *arena,
                             struct error *err) {
    if (log_time_has_newline(args)) {
        return error_set(err, STATUS_INVALID,
                         "Invalid header configuration. Format string contains newline.");
    }
    op->text = arena_dup_slice(arena, args);
    return STATUS_OK;
}

void log_get_handshake(const struct log_op *op, const struct log_format_input *input,
                       struct log_value *value) {
    (void)op;
    const struct connection_info *connection = log_connection(input);
    if (connection->handshake_done_us == 0 ||
        connection->handshake_done_us < connection->accepted_us) {
        log_value_none(value);
        return;
    }
    log_value_number(value, (connection->handshake_done_us - connection->accepted_us) / 1000);
}

// param: enum transport_fact; param2: the upstream's. RFC 3339 text, as TLS gives it.
void log_get_certificate_time(const struct log_op *op, const struct log_format_input *input,
                              struct log_value *value) {
    struct slice text =
        transport_peer_fact(log_peer(input, op->param2 != 0), (enum transport_fact)op->param);
    uint64_t wall_us;
    if (log_time_parse_rfc3339(text, &wall_us)) {
        set_time(value, op->text, wall_us, false);
    } else {
        log_value_text(value, text);
    }
}

struct time_point {
    struct slice name;
    uint32_t offset; /* in stream_info; or with LOG_UPSTREAM_FACT */
};

static const struct time_point time_points[] = {
    {SLICE_INIT("DS_RX_BEG"), offsetof(struct stream_info, start_us)},
    {SLICE_INIT("DS_RX_END"), offsetof(struct stream_info, last_rx_us)},
    {SLICE_INIT("US_TX_BEG"), LOG_UPSTREAM_FACT + offsetof(struct upstream_info, first_tx_us)},
    {SLICE_INIT("US_TX_END"), LOG_UPSTREAM_FACT + offsetof(struct upstream_info, last_tx_us)},
    {SLICE_INIT("US_RX_BEG"), LOG_UPSTREAM_FACT + offsetof(struct upstream_info, first_rx_us)},
    {SLICE_INIT("US_RX_END"), LOG_UPSTREAM_FACT + offsetof(struct upstream_info, last_rx_us)},
    {SLICE_INIT("DS_TX_BEG"), offsetof(struct stream_info, first_tx_us)},
    {SLICE_INIT("DS_TX_END"), offsetof(struct stream_info, last_tx_us)},
};

static bool find_point(struct slice name, uint32_t *offset) {
    for (size_t i = 0; i < ARRAY_LEN(time_points); i++) {
        if (slice_equal(time_points[i].name, name)) {
            *offset = time_points[i].offset;
            return true;
        }
    }
    return false;
}

static bool find_unit(struct slice name, uint32_t *nanoseconds) {
    if (slice_equal(name, SLICE("ms"))) {
        *nanoseconds = 1000000;
    } else if (slice_equal(name, SLICE("us"))) {
        *nanoseconds = 1000;
    } else if (slice_equal(name, SLICE("ns"))) {
        *nanoseconds = 1;
    } else {
        return false;
    }
    return true;
}

// A point that nobody knows is no error to Envoy: it may be one that a filter sets.
enum status log_compile_duration(struct log_op *op, struct slice args, struct arena *arena,
                                 struct error *err) {
    (void)arena;
    struct slice rest = args;
    struct slice begin;
    struct slice end;
    struct slice unit;
    if (!slice_split(&rest, ':', &begin) || !slice_split(&rest, ':', &end) ||
        !slice_split(&rest, ':', &unit) || slice_find_byte(rest, ':') != SIZE_MAX || rest.len > 0) {
        return error_set(err, STATUS_INVALID, "Invalid common duration configuration: %.*s.",
                         SLICE_ARG(args));
    }
    if (!find_unit(unit, &op->param2)) {
        return error_set(err, STATUS_INVALID, "Invalid common duration precision: %.*s.",
                         SLICE_ARG(unit));
    }
    uint32_t from;
    uint32_t to;
    if (!find_point(begin, &from) || !find_point(end, &to)) {
        op->get = log_get_absent;
        return STATUS_OK;
    }
    op->param = from | to << 16;
    return STATUS_OK;
}
