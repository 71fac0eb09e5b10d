// SPDX-License-Identifier: Apache-2.0
/*
 * Upgrades have two forms on the wire: "Upgrade: x" and 101 in HTTP/1.1 (RFC 9110 §7.8), extended CONNECT
 * with :protocol and 200 in HTTP/2 (RFC 8441). Inside, all filters see the HTTP/1.1 form; these pure
 * functions translate at the two HTTP/2 edges. Plain CONNECT is no upgrade and stays as it is.
 */
#ifndef SRC_HTTP_UPGRADE_H
#define SRC_HTTP_UPGRADE_H

#include "src/http/header_map.h"

/* An extended CONNECT? */
bool upgrade_is_http2_request(const struct header_map *headers);
/* In place: extended CONNECT becomes GET with Upgrade and Connection. */
void upgrade_request_to_http1(struct header_map *headers);
/* In place: the HTTP/1.1 form becomes extended CONNECT. */
void upgrade_request_to_http2(struct header_map *headers);
/* In place, for a request that was an upgrade to `protocol`: 2xx becomes 101 with Upgrade and Connection. */
void upgrade_response_to_http1(struct header_map *headers, struct slice protocol);
/* In place: 101 becomes 200, Upgrade and Connection go. */
void upgrade_response_to_http2(struct header_map *headers);

#endif
