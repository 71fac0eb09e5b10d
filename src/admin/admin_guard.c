// SPDX-License-Identifier: Apache-2.0
#include "src/admin/admin_connection.h"

/* Host part of an authority, without port and brackets. */
static struct slice host_part(struct slice authority) {
    if (slice_starts_with(authority, SLICE("["))) {
        size_t end = slice_find_byte(authority, ']');
        return end == SIZE_MAX ? authority : slice_sub(authority, 1, end - 1);
    }
    size_t colon = slice_find_byte(authority, ':');
    return colon == SIZE_MAX ? authority : slice_sub(authority, 0, colon);
}

/* A name that someone else's DNS cannot point at this machine. */
static bool is_own_name(struct slice authority) {
    struct slice host = host_part(authority);
    struct address address;
    return slice_equal_nocase(host, SLICE("localhost")) ||
           slice_ends_with_nocase(host, SLICE(".localhost")) ||
           address_from_ip(&address, host, 0, NULL) == STATUS_OK;
}

/* A page of another origin sends its own; "null" is one too. */
static bool is_foreign_origin(struct slice origin, struct slice authority) {
    struct slice scheme = SLICE("http://");
    if (origin.ptr == NULL) {
        return false;
    }
    return !slice_starts_with_nocase(origin, scheme) ||
           !slice_equal_nocase(slice_sub(origin, scheme.len, SIZE_MAX), authority);
}

const char *admin_guard_refusal(const struct admin_options *options, const struct address *remote,
                                const struct header_map *headers) {
    if (!options->is_edge) {
        return NULL;
    }
    struct slice authority = header_map_get(headers, HEADER_AUTHORITY);
    if (is_foreign_origin(header_map_get_name(headers, SLICE("origin")), authority)) {
        return "request from another origin not allowed";
    }
    if (!address_is_ip(remote)) { /* a Unix socket: its mode says who may ask */
        return NULL;
    }
    if (!address_is_loopback(remote) && options->allow_path_count == 0) {
        return "request from another machine not allowed: no allow_paths";
    }
    if (!is_own_name(authority)) {
        return "request for another host not allowed";
    }
    return NULL;
}
