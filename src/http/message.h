// SPDX-License-Identifier: Apache-2.0
/*
 * What both codecs and everything above them agree on about an HTTP message: methods, status codes,
 * syntax checks of names, values, hosts, and the classification of requests (gRPC, upgrade, CONNECT).
 * Pure functions.
 */
#ifndef SRC_HTTP_MESSAGE_H
#define SRC_HTTP_MESSAGE_H

#include "src/http/header_map.h"

enum http_protocol { HTTP_1_0, HTTP_1_1, HTTP_2, HTTP_3 };
const char *http_protocol_name(enum http_protocol protocol); /* "HTTP/1.1", "HTTP/2" */

/* RFC 9110 §5.6.2 token; field names additionally must be lower case in HTTP/2. */
bool http_is_token(struct slice s);
/* RFC 9110 §5.5 field value: no NUL, CR, LF or other controls but HTAB; no surrounding whitespace. */
bool http_is_field_value(struct slice s);
/* RFC 3986 host[:port], no userinfo, port 0-65535; empty is not valid. */
bool http_is_authority(struct slice s);
/* Where ":port" of a host begins, SIZE_MAX without one; the colons of a bracketed IPv6 address begin none. */
size_t http_authority_port_start(struct slice host);
/* Origin form, authority form or asterisk characters: visible ASCII without '#', RFC 3986 set plus
 * what browsers send unescaped where `relaxed`. */
bool http_is_target(struct slice s, bool relaxed);
/* Reason phrase of RFC 9110; "" for unknown codes. */
struct slice http_reason_phrase(uint32_t status);
/* The three digits of :status; 0 when absent or malformed. */
uint32_t http_status_of(const struct header_map *headers);
/* Bytes of one direction of a stream, as Envoy's meters count them. */
struct message_bytes {
    uint64_t wire; /* all, framing included */
    uint64_t
        header; /* HTTP/2: HEADERS frames; HTTP/1.1: field lines, what comes in without a blank */
    uint64_t fields; /* HTTP/2: names and values before compression; HTTP/1.1: as header */
};

/* content-type application/grpc with "+…" or nothing after it, in lower case as Envoy wants it. */
bool http_is_grpc(const struct header_map *headers);
bool http_is_connect(const struct header_map *headers);
/* HTTP/1.1 Upgrade + Connection: upgrade, or extended CONNECT (:protocol). */
bool http_is_upgrade(const struct header_map *headers);
bool http_is_head(const struct header_map *headers);
/* `token` is one of the comma-separated elements of the header, case-insensitively. */
bool http_header_has_token(const struct header_map *headers, enum header_id id, struct slice token);
/* grpc-status for an HTTP status (gRPC's http-grpc-status-mapping). */
uint32_t http_to_grpc_status(uint32_t http_status);
uint32_t grpc_to_http_status(uint32_t grpc_status);
/* Percent-encoded as grpc-message wants it. */
struct slice grpc_message_encode(struct arena *arena, struct slice message);
/* IMF-fixdate of a Unix time: 29 bytes. */
enum { HTTP_DATE_LEN = 29 };
void http_format_date(uint64_t unix_s, char text[HTTP_DATE_LEN]);

#endif
