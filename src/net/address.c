// SPDX-License-Identifier: Apache-2.0
#include "src/net/address.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "src/base/arena.h"

enum { IP_TEXT_BYTES = 64, UNIX_PATH_BYTES = sizeof(((struct sockaddr_un *)NULL)->sun_path) };

static const uint8_t v4_mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

static struct slice strip_brackets(struct slice ip) {
    if (ip.len >= 2 && ip.ptr[0] == '[' && ip.ptr[ip.len - 1] == ']') {
        return slice_sub(ip, 1, ip.len - 2);
    }
    return ip;
}

size_t stored_address_room(const struct address *address) {
    return address->len <= sizeof(struct sockaddr_in6) ? 0 : sizeof(*address);
}

struct stored_address stored_address_make(const struct address *address, void *room) {
    struct stored_address compact = {.len = address->len};
    if (stored_address_room(address) > 0) {
        *(struct address *)room = *address;
        compact.full = room;
    } else {
        memcpy(&compact.ip, &address->any, address->len);
    }
    return compact;
}

struct stored_address stored_address_keep(const struct address *address, struct arena *arena) {
    size_t room = stored_address_room(address);
    return stored_address_make(address, room == 0 ? NULL : arena_alloc(arena, room));
}

struct stored_address stored_address_dup(const struct stored_address *from, struct arena *arena) {
    return from->full == NULL ? *from : stored_address_keep(from->full, arena);
}

struct address stored_address_get(const struct stored_address *compact) {
    struct address address = {.len = compact->len};
    if (compact->full != NULL) {
        return *compact->full;
    }
    memcpy(&address.any, &compact->ip, compact->len);
    return address;
}

enum status address_from_ip(struct address *address, struct slice ip, uint16_t port,
                            struct error *err) {
    struct slice bare = strip_brackets(ip);
    char text[IP_TEXT_BYTES];
    struct address result;

    memset(&result, 0, sizeof(result));
    if (bare.len == 0 || bare.len >= sizeof(text) || slice_find_byte(bare, 0) != SIZE_MAX) {
        return error_set(err, STATUS_INVALID, "malformed IP address: %.*s", SLICE_ARG(ip));
    }
    memcpy(text, bare.ptr, bare.len);
    text[bare.len] = '\0';
    if (inet_pton(AF_INET, text, &result.v4.sin_addr) == 1 && bare.len == ip.len) {
        result.len = sizeof(result.v4);
        result.v4.sin_family = AF_INET;
        result.v4.sin_port = htons(port);
    } else if (inet_pton(AF_INET6, text, &result.v6.sin6_addr) == 1) {
        result.len = sizeof(result.v6);
        result.v6.sin6_family = AF_INET6;
        result.v6.sin6_port = htons(port);
    } else {
        return error_set(err, STATUS_INVALID, "malformed IP address: %.*s", SLICE_ARG(ip));
    }
    *address = result;
    return STATUS_OK;
}

enum status address_from_text(struct address *address, struct slice text, struct error *err) {
    size_t colon = slice_rfind_byte(text, ':');
    if (colon == SIZE_MAX) {
        return error_set(err, STATUS_INVALID, "malformed address (no port): %.*s", SLICE_ARG(text));
    }
    struct slice ip = slice_sub(text, 0, colon);
    struct slice digits = slice_sub(text, colon + 1, text.len);
    uint64_t port = 0;

    if (slice_parse_uint64(digits, &port) != STATUS_OK || port > UINT16_MAX) {
        return error_set(err, STATUS_INVALID, "malformed port: %.*s", SLICE_ARG(text));
    }
    if (slice_find_byte(ip, ':') != SIZE_MAX && (ip.ptr[0] != '[' || ip.ptr[ip.len - 1] != ']')) {
        return error_set(err, STATUS_INVALID, "IPv6 address needs brackets: %.*s", SLICE_ARG(text));
    }
    return address_from_ip(address, ip, (uint16_t)port, err);
}

enum status address_from_unix_path(struct address *address, struct slice path, struct error *err) {
    bool is_abstract = path.len > 0 && path.ptr[0] == '@';
    struct address result;

    if (path.len == 0 || path.len >= UNIX_PATH_BYTES) {
        return error_set(err, STATUS_INVALID, "Unix path is empty or longer than %d bytes: %.*s",
                         UNIX_PATH_BYTES - 1, SLICE_ARG(path));
    }
    if (slice_find_byte(path, 0) != SIZE_MAX) {
        return error_set(err, STATUS_INVALID, "Unix path holds a NUL byte");
    }
    memset(&result, 0, sizeof(result));
    result.un.sun_family = AF_UNIX;
    memcpy(result.un.sun_path, path.ptr, path.len);
    result.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len);
    if (is_abstract) {
        result.un.sun_path[0] = '\0';
    } else {
        result.len++;
    }
    *address = result;
    return STATUS_OK;
}

static bool is_v4(const struct address *address) {
    return address->len >= sizeof(address->v4) && address->any.sa_family == AF_INET;
}

static bool is_v6(const struct address *address) {
    return address->len >= sizeof(address->v6) && address->any.sa_family == AF_INET6;
}

bool address_is_ip(const struct address *address) {
    return is_v4(address) || is_v6(address);
}

bool address_is_unix(const struct address *address) {
    return address->len >= sizeof(sa_family_t) && address->any.sa_family == AF_UNIX;
}

uint16_t address_port(const struct address *address) {
    if (is_v4(address)) {
        return ntohs(address->v4.sin_port);
    }
    return is_v6(address) ? ntohs(address->v6.sin6_port) : 0;
}

void address_set_port(struct address *address, uint16_t port) {
    if (is_v4(address)) {
        address->v4.sin_port = htons(port);
    } else if (is_v6(address)) {
        address->v6.sin6_port = htons(port);
    }
}

/* The path without its end NUL; an abstract name keeps its leading NUL; empty for an unnamed peer. */
static struct slice unix_name(const struct address *address) {
    size_t head = offsetof(struct sockaddr_un, sun_path);
    size_t len = address->len > head ? address->len - head : 0;

    if (len > 0 && address->un.sun_path[0] != '\0') {
        len = strnlen(address->un.sun_path, len);
    }
    return slice_make(address->un.sun_path, len);
}

bool address_equal(const struct address *a, const struct address *b) {
    if (a->len == 0 || b->len == 0) {
        return a->len == b->len;
    }
    if (a->any.sa_family != b->any.sa_family) {
        return false;
    }
    if (is_v4(a)) {
        return a->v4.sin_port == b->v4.sin_port && a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
    }
    if (is_v6(a)) {
        return a->v6.sin6_port == b->v6.sin6_port && a->v6.sin6_scope_id == b->v6.sin6_scope_id &&
               memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof(a->v6.sin6_addr)) == 0;
    }
    return address_is_unix(a) && slice_equal(unix_name(a), unix_name(b));
}

/* The network-order bytes: 4 for IPv4 and v4-mapped IPv6, 16 for IPv6, none otherwise. */
static struct slice ip_bytes(const struct address *address) {
    if (is_v4(address)) {
        return slice_make(&address->v4.sin_addr, 4);
    }
    if (!is_v6(address)) {
        return slice_make(NULL, 0);
    }
    struct slice all = slice_make(&address->v6.sin6_addr, 16);
    if (memcmp(all.ptr, v4_mapped_prefix, sizeof(v4_mapped_prefix)) == 0) {
        return slice_sub(all, sizeof(v4_mapped_prefix), 4);
    }
    return all;
}

bool address_equal_ip(const struct address *a, const struct address *b) {
    return address_is_ip(a) && address_is_ip(b) && slice_equal(ip_bytes(a), ip_bytes(b));
}

static struct slice unix_text(const struct address *address, char text[ADDRESS_TEXT_BYTES]) {
    struct slice name = unix_name(address);
    memcpy(text, name.ptr, name.len);
    if (name.len > 0 && text[0] == '\0') {
        text[0] = '@';
    }
    text[name.len] = '\0';
    return slice_make(text, name.len);
}

/* Twice per request; inet_ntop would go through printf. */
static struct slice v4_text(const struct in_addr *ip, char text[ADDRESS_TEXT_BYTES]) {
    const uint8_t *bytes = (const uint8_t *)ip;
    size_t len = 0;
    for (size_t i = 0; i < 4; i++) {
        uint8_t byte = bytes[i];
        if (byte >= 100) {
            text[len++] = (char)('0' + byte / 100);
        }
        if (byte >= 10) {
            text[len++] = (char)('0' + byte / 10 % 10);
        }
        text[len++] = (char)('0' + byte % 10);
        text[len++] = i < 3 ? '.' : '\0';
    }
    return slice_make(text, len - 1);
}

struct slice address_ip_text(const struct address *address, char text[ADDRESS_TEXT_BYTES]) {
    text[0] = '\0';
    if (address_is_unix(address)) {
        return unix_text(address, text);
    }
    if (is_v4(address)) {
        return v4_text(&address->v4.sin_addr, text);
    }
    if (is_v6(address)) {
        (void)inet_ntop(AF_INET6, &address->v6.sin6_addr, text, ADDRESS_TEXT_BYTES);
    }
    return slice_from_string(text);
}

struct slice address_to_text(const struct address *address, char text[ADDRESS_TEXT_BYTES]) {
    char ip[ADDRESS_TEXT_BYTES];
    if (!address_is_ip(address)) {
        return address_ip_text(address, text);
    }
    struct slice bare = address_ip_text(address, ip);
    int len = snprintf(text, ADDRESS_TEXT_BYTES, is_v4(address) ? "%.*s:%u" : "[%.*s]:%u",
                       SLICE_ARG(bare), address_port(address));
    return slice_make(text, (size_t)len);
}

bool address_is_loopback(const struct address *address) {
    struct slice bytes = ip_bytes(address);
    if (bytes.len == 4) {
        return bytes.ptr[0] == 127;
    }
    return bytes.len == 16 && IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
}

bool address_is_private(const struct address *address) {
    struct slice bytes = ip_bytes(address);
    const uint8_t *b = bytes.ptr;

    if (address_is_loopback(address)) {
        return true;
    }
    if (bytes.len == 4) {
        return b[0] == 10 || (b[0] == 172 && (b[1] & 0xf0) == 16) || (b[0] == 192 && b[1] == 168);
    }
    return bytes.len == 16 && (b[0] & 0xfe) == 0xfc;
}

/* Clears all bits after the first `bits`. */
static void mask_bytes(uint8_t *bytes, size_t len, uint32_t bits) {
    for (size_t i = 0; i < len; i++) {
        size_t from = i * 8;
        if (bits <= from) {
            bytes[i] = 0;
        } else if (bits < from + 8) {
            bytes[i] = (uint8_t)(bytes[i] & (0xff00u >> (bits - from)));
        }
    }
}

enum status cidr_init(struct cidr *cidr, struct slice ip, uint32_t prefix_bits, struct error *err) {
    struct address address;
    struct cidr result = {.is_v6 = false};

    TRY(address_from_ip(&address, ip, 0, err));
    size_t len = is_v6(&address) ? 16 : 4;
    if (prefix_bits > len * 8) {
        return error_set(err, STATUS_INVALID, "prefix length %u is too long for %.*s", prefix_bits,
                         SLICE_ARG(ip));
    }
    if (len == 16) {
        memcpy(result.bytes, &address.v6.sin6_addr, len);
    } else {
        memcpy(result.bytes, &address.v4.sin_addr, len);
    }
    result.is_v6 = len == 16;
    result.prefix_bits = (uint8_t)prefix_bits;
    mask_bytes(result.bytes, len, prefix_bits);
    *cidr = result;
    return STATUS_OK;
}

bool cidr_contains(const struct cidr *cidr, const struct address *address) {
    size_t len = cidr->is_v6 ? 16 : 4;
    uint8_t bytes[16];
    struct slice ip = ip_bytes(address);

    if (cidr->is_v6 && is_v6(address)) {
        ip = slice_make(&address->v6.sin6_addr, 16);
    }
    if (ip.len != len) {
        return false;
    }
    memcpy(bytes, ip.ptr, len);
    mask_bytes(bytes, len, cidr->prefix_bits);
    return memcmp(bytes, cidr->bytes, len) == 0;
}
