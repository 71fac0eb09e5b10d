// SPDX-License-Identifier: Apache-2.0
#include "xds/decode/decode_common.h"

enum { MAX_PORT = 65535 };

static bool check_socket_address(struct decoder *d, const CORE(SocketAddress) *from) {
    if (from->protocol != ENVOY__CONFIG__CORE__V3__SOCKET_ADDRESS__PROTOCOL__TCP) {
        return decoder_field_error(d, "protocol", "only TCP is supported");
    }
    if (from->port_specifier_case ==
        ENVOY__CONFIG__CORE__V3__SOCKET_ADDRESS__PORT_SPECIFIER_NAMED_PORT) {
        return decoder_field_error(d, "named_port", "named ports are not supported");
    }
    if (from->port_value > MAX_PORT) {
        return decoder_field_error(d, "port_value", "value must be less than or equal to 65535");
    }
    return true;
}

static uint16_t port_of(const CORE(SocketAddress) *from) {
    return from->port_specifier_case ==
                   ENVOY__CONFIG__CORE__V3__SOCKET_ADDRESS__PORT_SPECIFIER_PORT_VALUE
               ? (uint16_t)from->port_value
               : 0;
}

bool decode_socket_address(struct decoder *d, const CORE(SocketAddress) *from,
                           struct address *out) {
    if (!check_socket_address(d, from)) {
        return false;
    }
    struct slice ip = slice_from_string(from->address);
    if (address_from_ip(out, ip, port_of(from), NULL) != STATUS_OK) {
        return decoder_field_error(d, "address",
                                   "malformed IP address: %s. Consider setting resolver_name or "
                                   "setting cluster type to 'STRICT_DNS' or 'LOGICAL_DNS'",
                                   from->address);
    }
    return true;
}

static bool decode_pipe(struct decoder *d, const CORE(Pipe) *from, struct address *out) {
    struct error err = {0};
    if (address_from_unix_path(out, slice_from_string(from->path), &err) != STATUS_OK) {
        return decoder_field_error(d, "path", "%s", err.message);
    }
    return true;
}

bool decode_address(struct decoder *d, const CORE(Address) *from, struct address *out) {
    bool is_ok;
    switch ((int)from->address_case) {
    case ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_SOCKET_ADDRESS:
        decoder_push(d, "socket_address");
        is_ok = decode_socket_address(d, from->socket_address, out);
        decoder_pop(d);
        return is_ok;
    case ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_PIPE:
        decoder_push(d, "pipe");
        is_ok = decode_pipe(d, from->pipe, out);
        decoder_pop(d);
        return is_ok;
    case ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_ENVOY_INTERNAL_ADDRESS:
        return decoder_field_error(d, "envoy_internal_address",
                                   "internal addresses are not supported");
    default:
        return decoder_error(d, "address is required");
    }
}

bool decode_endpoint_address(struct decoder *d, const CORE(Address) *from, struct address *out,
                             struct slice *dns_name, uint16_t *port) {
    *dns_name = SLICE("");
    *port = 0;
    if (from->address_case != ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_SOCKET_ADDRESS) {
        return decode_address(d, from, out);
    }
    decoder_push(d, "socket_address");
    const CORE(SocketAddress) *socket = from->socket_address;
    bool is_ok = check_socket_address(d, socket);
    if (is_ok) {
        *port = port_of(socket);
        if (address_from_ip(out, slice_from_string(socket->address), *port, NULL) != STATUS_OK) {
            *out = (struct address){0};
            *dns_name = decoder_text(d, socket->address);
        }
    }
    decoder_pop(d);
    return is_ok;
}
