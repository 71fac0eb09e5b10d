// SPDX-License-Identifier: Apache-2.0
#include "src/http/upgrade.h"

#include "src/http/message.h"

bool upgrade_is_http2_request(const struct header_map *headers) {
    return header_map_has(headers, HEADER_PROTOCOL) && http_is_connect(headers);
}

void upgrade_request_to_http1(struct header_map *headers) {
    struct slice protocol = header_map_get(headers, HEADER_PROTOCOL);
    header_map_set(headers, HEADER_METHOD, SLICE("GET"));
    header_map_remove(headers, HEADER_PROTOCOL);
    header_map_set(headers, HEADER_UPGRADE, protocol);
    header_map_set(headers, HEADER_CONNECTION, SLICE("upgrade"));
}

void upgrade_request_to_http2(struct header_map *headers) {
    struct slice protocol = header_map_get(headers, HEADER_UPGRADE);
    header_map_set(headers, HEADER_METHOD, SLICE("CONNECT"));
    header_map_set(headers, HEADER_PROTOCOL, protocol);
    header_map_remove(headers, HEADER_UPGRADE);
    header_map_remove(headers, HEADER_CONNECTION);
    /* A tunnel has no length (RFC 8441 §5). */
    header_map_remove(headers, HEADER_CONTENT_LENGTH);
}

void upgrade_response_to_http1(struct header_map *headers, struct slice protocol) {
    if (http_status_of(headers) / 100 != 2) {
        return;
    }
    header_map_set(headers, HEADER_STATUS, SLICE("101"));
    header_map_set(headers, HEADER_UPGRADE, protocol);
    header_map_set(headers, HEADER_CONNECTION, SLICE("upgrade"));
    header_map_remove(headers, HEADER_CONTENT_LENGTH);
}

void upgrade_response_to_http2(struct header_map *headers) {
    if (http_status_of(headers) == 101) {
        header_map_set(headers, HEADER_STATUS, SLICE("200"));
    }
    header_map_remove(headers, HEADER_UPGRADE);
    header_map_remove(headers, HEADER_CONNECTION);
}
