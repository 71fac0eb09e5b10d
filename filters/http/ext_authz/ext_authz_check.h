// SPDX-License-Identifier: Apache-2.0
/*
 * A check and its answer as plain values, and their protobuf form (CheckRequest, CheckResponse of
 * envoy.service.auth.v3). Everything lies in the stream's arena. What the service sends is checked before
 * it is unpacked: size by the call, nesting, text without NUL and in UTF-8.
 */
#ifndef FILTERS_HTTP_EXT_AUTHZ_EXT_AUTHZ_CHECK_H
#define FILTERS_HTTP_EXT_AUTHZ_EXT_AUTHZ_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/arena.h"
#include "src/base/status.h"

struct address;

struct authz_pair {
    struct slice name, value;
};

/* A value of the metadata that goes with a check, or comes with an answer. */
struct authz_metadata {
    struct slice space; /* of a check; empty in an answer */
    struct slice key;   /* dotted path */
    struct slice value; /* JSON text; strings without quotes */
    bool is_string;
};

struct authz_peer {
    const struct address *address; /* NULL: none */
    struct slice service, principal, certificate;
};

struct authz_check {
    struct authz_peer source, destination;
    uint64_t start_wall_us;
    uint64_t stream_id;
    struct slice method, path, host, scheme, protocol;
    uint64_t size;
    const struct authz_pair *headers; /* names may repeat where `raw_headers` */
    uint32_t header_count;
    bool raw_headers;
    struct slice body;
    bool body_as_bytes;
    const struct authz_pair *context_extensions;
    uint32_t context_extension_count;
    const struct authz_metadata *metadata,
        *route_metadata; /* entries of one space follow each other */
    uint32_t metadata_count, route_metadata_count;
    bool has_tls_session;
    struct slice sni;
};

enum authz_verdict { AUTHZ_VERDICT_ERROR, AUTHZ_VERDICT_OK, AUTHZ_VERDICT_DENIED };

enum authz_header_action {
    AUTHZ_HEADER_SET,
    AUTHZ_HEADER_ADD,
    AUTHZ_HEADER_APPEND_IF_EXISTS, /* joined to the value that is there */
    AUTHZ_HEADER_ADD_IF_ABSENT,
    AUTHZ_HEADER_SET_IF_EXISTS,
};
struct authz_header {
    struct slice name; /* lower case */
    struct slice value;
    enum authz_header_action action;
};
struct authz_headers {
    struct authz_header *items;
    uint32_t count;
};

struct authz_response {
    enum authz_verdict verdict;
    uint32_t status; /* of a denial or error; 0: the default */
    struct slice body;
    struct authz_headers request;  /* OK: changes to the request */
    struct authz_headers response; /* OK: changes to the client's response */
    struct authz_headers reply;    /* denial, error: headers of the local reply */
    const struct slice *remove;    /* request headers, lower case */
    uint32_t remove_count;
    const struct authz_pair *query_set;
    uint32_t query_set_count;
    const struct slice *query_remove;
    uint32_t query_remove_count;
    const struct authz_metadata *metadata;
    uint32_t metadata_count;
    bool has_invalid_action; /* a header action that the API does not know */
};

struct slice authz_message_encode(const struct authz_check *check, struct arena *arena);
/* STATUS_INVALID on bytes that are no CheckResponse; *response is then an error. */
enum status authz_message_decode(struct slice bytes, struct arena *arena,
                                 struct authz_response *response) MUST_USE;

/* Bytes that are no UTF-8 become '!'. */
struct slice authz_utf8(struct slice text, struct arena *arena);
/* A copy in ASCII lower case. */
struct slice authz_lower(struct slice text, struct arena *arena);

#endif
