// SPDX-License-Identifier: Apache-2.0
/*
 * The grammar of RFC 9112 heads, a line at a time: request line, status line, field line, and the
 * body framing that a complete head asks for. Nothing here is lenient: what the RFC lets a recipient
 * repair is refused. Pure functions over slices; texts go into the message's arena.
 */
#ifndef SRC_HTTP_H1_H1_PARSE_H
#define SRC_HTTP_H1_H1_PARSE_H

#include "src/http/codec.h"

/* Why a message is refused: status for a request's answer, Envoy's detail. NULL detail: accepted. */
struct h1_fault {
    uint32_t status;
    const char *detail;
};
#define H1_FINE ((struct h1_fault){0, NULL})
#define H1_FAULT(code, why) ((struct h1_fault){(code), (why)})
#define H1_CODEC_ERROR H1_FAULT(400, "http1.codec_error")

struct h1_request_line {
    struct slice method, target;
    enum http_protocol protocol;
};
/* The method is static text, the target points into `line`. Fault 426: HTTP/1.0 is not accepted. */
struct h1_fault h1_parse_request_line(struct slice line, bool accept_http_10,
                                      struct h1_request_line *out);

struct h1_status_line {
    uint32_t status;
    struct slice digits; /* into `line` */
    enum http_protocol protocol;
};
struct h1_fault h1_parse_status_line(struct slice line, struct h1_status_line *out);

struct h1_field {
    enum header_id id;
    struct slice name, value; /* name: static text or in the arena, lower case; value: arena */
};
/* Copies into `arena`. */
struct h1_fault h1_parse_field(struct slice line, struct arena *arena, struct h1_field *out);

/* Absolute-form: splits "http://host/path". */
struct h1_fault h1_split_absolute(struct slice target, struct arena *arena, struct slice *scheme,
                                  struct slice *authority, struct slice *path);

/* Decimal digits up to 2^63-1. */
bool h1_parse_content_length(struct slice value, uint64_t *length);

enum h1_framing_kind { H1_FRAMING_NONE, H1_FRAMING_LENGTH, H1_FRAMING_CHUNKED };
struct h1_framing {
    enum h1_framing_kind kind;
    uint64_t length;
    bool must_close; /* the framing was in doubt: nothing may follow on this connection */
};
/* From content-length and transfer-encoding; takes both out of the map where they are meaningless. */
struct h1_fault h1_framing_of(struct header_map *headers, enum http_protocol protocol,
                              bool allow_chunked_length, struct h1_framing *out);

/* Hop-by-hop rules on a request's Connection header as Envoy applies them at decode: nominated
 * headers are removed, security-relevant ones cannot be nominated; "h2c" upgrades are taken out. */
struct h1_fault h1_sanitize_connection(struct header_map *headers);
void h1_drop_h2c_upgrade(struct header_map *headers);
/* Takes the elements equal to `token` out of the Connection header. */
void h1_remove_connection_token(struct header_map *headers, struct slice token);

/* RFC 9110 §6.5.1: a trailer that could change framing, routing or authority. */
bool h1_is_forbidden_trailer(enum header_id id);

#endif
