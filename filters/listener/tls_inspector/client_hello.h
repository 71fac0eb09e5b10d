// SPDX-License-Identifier: Apache-2.0
/*
 * Reads the server name and the ALPN list out of a TLS ClientHello (RFC 8446 §4.1.2, RFC 6066 §3,
 * RFC 7301 §3.1) that may come in pieces and spread over records. Pure; nothing is stored between
 * calls: it is given all bytes so far.
 */
#ifndef FILTERS_LISTENER_TLS_INSPECTOR_CLIENT_HELLO_H
#define FILTERS_LISTENER_TLS_INSPECTOR_CLIENT_HELLO_H

#include "src/base/arena.h"

enum client_hello_result {
    CLIENT_HELLO_FOUND,
    CLIENT_HELLO_MORE,    /* could still become one */
    CLIENT_HELLO_NOT_TLS, /* the first byte is no handshake record */
    CLIENT_HELLO_INVALID, /* a handshake record, but no well-formed ClientHello */
};

enum { CLIENT_HELLO_MAX_BYTES = 16384, CLIENT_HELLO_MAX_PROTOCOLS = 32 };

struct client_hello {
    struct slice server_name; /* lower case, in the arena; empty: none */
    struct slice protocols[CLIENT_HELLO_MAX_PROTOCOLS];
    uint32_t protocol_count;
};

enum client_hello_result client_hello_parse(struct slice bytes, struct arena *arena,
                                            struct client_hello *hello);

#endif
