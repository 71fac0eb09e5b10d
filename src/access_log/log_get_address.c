// SPDX-License-Identifier: Apache-2.0
/* Operators about addresses and upstream host names. */
#include "src/access_log/log_operator.h"

/* `room` for one that is kept in a shorter form. */
static const struct address *address_of(enum log_address_which which,
                                        const struct log_format_input *input,
                                        struct address *room) {
    const struct stream_info *info = log_info(input);
    const struct connection_info *connection = log_connection(input);
    switch (which) {
    case LOG_ADDRESS_REMOTE:
        return info->downstream_remote != NULL ? info->downstream_remote : connection->remote;
    case LOG_ADDRESS_DIRECT_REMOTE:
        return connection->direct_remote;
    case LOG_ADDRESS_LOCAL:
        return connection->local;
    case LOG_ADDRESS_UPSTREAM_HOST:
        *room = stored_address_get(&stream_info_upstream(info)->host);
        return room;
    case LOG_ADDRESS_UPSTREAM_REMOTE:
        *room = stored_address_get(&stream_info_upstream(info)->host);
        return stream_info_upstream(info)->local.len > 0 ? room : NULL;
    case LOG_ADDRESS_UPSTREAM_LOCAL:
        *room = stored_address_get(&stream_info_upstream(info)->local);
        return room;
    }
    return NULL;
}

static char *put_decimal(char *at, uint32_t number) {
    char digits[10];
    size_t from = sizeof(digits);
    do {
        digits[--from] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    memcpy(at, digits + from, sizeof(digits) - from);
    return at + sizeof(digits) - from;
}

// Nearly every line has an IPv4 address; the general way goes through printf twice.
static struct slice v4_text(const struct address *address, bool has_port, char *text) {
    uint8_t bytes[4];
    memcpy(bytes, &address->v4.sin_addr, sizeof(bytes));
    char *at = text;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        at = put_decimal(at, bytes[i]);
        *at++ = i + 1 < sizeof(bytes) ? '.' : ':';
    }
    at = has_port ? put_decimal(at, address_port(address)) : at - 1;
    return slice_make(text, (size_t)(at - text));
}

static void set_address(struct log_value *value, const struct address *address,
                        enum log_address_form form) {
    _Static_assert(sizeof(value->scratch) >= ADDRESS_TEXT_BYTES, "an address fits");
    if (address == NULL || address->len == 0) {
        log_value_none(value);
        return;
    }
    if (address->any.sa_family == AF_INET && form != LOG_ADDRESS_PORT) {
        log_value_text(value, v4_text(address, form == LOG_ADDRESS_FULL, value->scratch));
        return;
    }
    switch (form) {
    case LOG_ADDRESS_FULL:
        log_value_text(value, address_to_text(address, value->scratch));
        return;
    case LOG_ADDRESS_IP:
        log_value_text(value, address_ip_text(address, value->scratch));
        return;
    case LOG_ADDRESS_PORT:
        if (!address_is_ip(address)) {
            log_value_none(value);
        } else {
            log_value_number(value, address_port(address));
        }
        return;
    }
}

// param: enum log_address_which; param2: enum log_address_form.
void log_get_address(const struct log_op *op, const struct log_format_input *input,
                     struct log_value *value) {
    struct address room;
    set_address(value, address_of((enum log_address_which)op->param, input, &room),
                (enum log_address_form)op->param2);
}

static struct slice without_port(struct slice name) {
    size_t colon = slice_rfind_byte(name, ':');
    size_t bracket = slice_rfind_byte(name, ']');
    bool has_port = colon != SIZE_MAX && (bracket == SIZE_MAX || bracket < colon);
    return has_port ? slice_sub(name, 0, colon) : name;
}

// A host without a name is known by its address. param: without port.
void log_get_host_name(const struct log_op *op, const struct log_format_input *input,
                       struct log_value *value) {
    const struct upstream_info *upstream = stream_info_upstream(log_info(input));
    if (upstream->host_name.len == 0) {
        struct address host = stored_address_get(&upstream->host);
        set_address(value, &host, op->param != 0 ? LOG_ADDRESS_IP : LOG_ADDRESS_FULL);
        return;
    }
    log_value_text(value, op->param != 0 ? without_port(upstream->host_name) : upstream->host_name);
}
