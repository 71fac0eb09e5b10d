// SPDX-License-Identifier: Apache-2.0
#include "filters/listener/tls_inspector/client_hello.h"

enum {
    RECORD_HANDSHAKE = 22,
    RECORD_HEADER_BYTES = 5,
    RECORD_MAX_BYTES = 16384,
    HANDSHAKE_CLIENT_HELLO = 1,
    HANDSHAKE_HEADER_BYTES = 4,
    CLIENT_HELLO_FIXED_BYTES = 34, /* version and random */
    EXTENSION_SERVER_NAME = 0,
    EXTENSION_ALPN = 16,
    NAME_TYPE_HOST = 0,
};

/* Takes `len` bytes off *rest; false when there are fewer. */
static bool take(struct slice *rest, size_t len, struct slice *out) {
    if (rest->len < len) {
        return false;
    }
    *out = slice_make(rest->ptr, len);
    *rest = slice_make(rest->ptr + len, rest->len - len);
    return true;
}

static bool take_number(struct slice *rest, size_t bytes, size_t *value) {
    struct slice field;
    if (!take(rest, bytes, &field)) {
        return false;
    }
    *value = 0;
    for (size_t i = 0; i < bytes; i++) {
        *value = *value << 8 | field.ptr[i];
    }
    return true;
}

/* A vector with a length prefix of `prefix` bytes. */
static bool take_vector(struct slice *rest, size_t prefix, struct slice *out) {
    size_t len = 0;
    return take_number(rest, prefix, &len) && take(rest, len, out);
}

static bool parse_server_name(struct slice extension, struct arena *arena,
                              struct client_hello *hello) {
    struct slice list;
    if (!take_vector(&extension, 2, &list) || extension.len != 0) {
        return false;
    }
    while (list.len > 0) {
        size_t type = 0;
        struct slice name;
        if (!take_number(&list, 1, &type) || !take_vector(&list, 2, &name) || name.len == 0) {
            return false;
        }
        if (type != NAME_TYPE_HOST || hello->server_name.len > 0) {
            continue;
        }
        if (slice_find_byte(name, '\0') != SIZE_MAX) {
            return false;
        }
        uint8_t *lower = arena_alloc_bytes(arena, name.len);
        for (size_t i = 0; i < name.len; i++) {
            lower[i] = ascii_lower(name.ptr[i]);
        }
        hello->server_name = slice_make(lower, name.len);
    }
    return true;
}

static bool parse_alpn(struct slice extension, struct arena *arena, struct client_hello *hello) {
    struct slice list;
    if (!take_vector(&extension, 2, &list) || extension.len != 0) {
        return false;
    }
    while (list.len > 0) {
        struct slice protocol;
        if (!take_vector(&list, 1, &protocol) || protocol.len == 0) {
            return false;
        }
        if (hello->protocol_count < CLIENT_HELLO_MAX_PROTOCOLS) {
            hello->protocols[hello->protocol_count++] = arena_dup_slice(arena, protocol);
        }
    }
    return true;
}

static bool parse_extensions(struct slice rest, struct arena *arena, struct client_hello *hello) {
    struct slice extensions;
    if (rest.len == 0) {
        return true; /* TLS 1.2 and older may have none */
    }
    if (!take_vector(&rest, 2, &extensions) || rest.len != 0) {
        return false;
    }
    while (extensions.len > 0) {
        size_t type = 0;
        struct slice extension;
        if (!take_number(&extensions, 2, &type) || !take_vector(&extensions, 2, &extension)) {
            return false;
        }
        bool is_valid = true;
        if (type == EXTENSION_SERVER_NAME) {
            is_valid = parse_server_name(extension, arena, hello);
        } else if (type == EXTENSION_ALPN) {
            is_valid = parse_alpn(extension, arena, hello);
        }
        if (!is_valid) {
            return false;
        }
    }
    return true;
}

static bool parse_body(struct slice body, struct arena *arena, struct client_hello *hello) {
    struct slice field;
    return take(&body, CLIENT_HELLO_FIXED_BYTES, &field) &&
           take_vector(&body, 1, &field) && /* session id */
           take_vector(&body, 2, &field) && /* cipher suites */
           take_vector(&body, 1, &field) && /* compression */
           parse_extensions(body, arena, hello);
}

/* The handshake message out of its records. FOUND: *message is whole. */
static enum client_hello_result gather(struct slice bytes, struct arena *arena,
                                       struct slice *message) {
    uint8_t *out = arena_alloc_bytes(arena, bytes.len + 1);
    size_t have = 0;
    while (bytes.len > 0) {
        struct slice header, fragment;
        if (bytes.ptr[0] != RECORD_HANDSHAKE) {
            return have == 0 ? CLIENT_HELLO_NOT_TLS : CLIENT_HELLO_INVALID;
        }
        if (bytes.len >= 2 && bytes.ptr[1] != 3) {
            return CLIENT_HELLO_INVALID;
        }
        if (!take(&bytes, RECORD_HEADER_BYTES, &header)) {
            return CLIENT_HELLO_MORE;
        }
        size_t len = (size_t)header.ptr[3] << 8 | header.ptr[4];
        if (len == 0 || len > RECORD_MAX_BYTES) {
            return CLIENT_HELLO_INVALID;
        }
        bool is_whole = take(&bytes, len, &fragment);
        if (!is_whole) {
            fragment = bytes;
            bytes = slice_sub(bytes, bytes.len, 0);
        }
        memcpy(out + have, fragment.ptr, fragment.len);
        have += fragment.len;
        if (have > 0 && out[0] != HANDSHAKE_CLIENT_HELLO) {
            return CLIENT_HELLO_INVALID;
        }
        if (have < HANDSHAKE_HEADER_BYTES) {
            continue;
        }
        size_t body = (size_t)out[1] << 16 | (size_t)out[2] << 8 | out[3];
        if (body + HANDSHAKE_HEADER_BYTES > CLIENT_HELLO_MAX_BYTES) {
            return CLIENT_HELLO_INVALID;
        }
        if (have >= body + HANDSHAKE_HEADER_BYTES) {
            *message = slice_make(out + HANDSHAKE_HEADER_BYTES, body);
            return CLIENT_HELLO_FOUND;
        }
    }
    return CLIENT_HELLO_MORE;
}

enum client_hello_result client_hello_parse(struct slice bytes, struct arena *arena,
                                            struct client_hello *hello) {
    *hello = (struct client_hello){.protocol_count = 0};
    struct slice message;
    enum client_hello_result result = gather(bytes, arena, &message);
    if (result != CLIENT_HELLO_FOUND) {
        return result;
    }
    return parse_body(message, arena, hello) ? CLIENT_HELLO_FOUND : CLIENT_HELLO_INVALID;
}
