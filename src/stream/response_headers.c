// SPDX-License-Identifier: Apache-2.0
#include "src/stream/response_headers.h"

#include "src/http/message.h"

static void set_server(const struct response_head *head) {
    switch (head->config->server_transformation) {
    case SERVER_OVERWRITE:
        header_map_set(head->headers, HEADER_SERVER, head->config->server_name);
        break;
    case SERVER_APPEND_IF_ABSENT:
        if (!header_map_has(head->headers, HEADER_SERVER)) {
            header_map_append(head->headers, HEADER_SERVER, head->config->server_name);
        }
        break;
    case SERVER_PASS_THROUGH:
        break;
    }
}

static void set_date(const struct response_head *head) {
    if (!header_map_has(head->headers, HEADER_DATE)) {
        char *date = (char *)arena_alloc_bytes(head->headers->arena, HTTP_DATE_LEN);
        http_format_date(head->wall_us / 1000000, date);
        header_map_append(head->headers, HEADER_DATE, slice_make(date, HTTP_DATE_LEN));
    }
}

static void append_via(const struct response_head *head) {
    struct slice via = head->config->via;
    if (via.len == 0) {
        return;
    }
    struct slice present = header_map_get(head->headers, HEADER_VIA);
    header_map_set(head->headers, HEADER_VIA,
                   present.len == 0 ? via
                                    : arena_printf(head->headers->arena, "%.*s, %.*s",
                                                   SLICE_ARG(present), SLICE_ARG(via)));
}

void response_headers_mutate(const struct response_head *head) {
    struct header_map *headers = head->headers;
    if (!head->is_upgrade) {
        header_map_remove(headers, HEADER_CONNECTION);
        header_map_remove(headers, HEADER_UPGRADE);
    }
    header_map_remove(headers, HEADER_TRANSFER_ENCODING);
    header_map_remove(headers, HEADER_KEEP_ALIVE);
    header_map_remove(headers, HEADER_PROXY_CONNECTION);
    set_date(head);
    set_server(head);
    append_via(head);
    if (head->keep_request_id && head->request_id.len > 0) {
        header_map_set(headers, HEADER_X_REQUEST_ID, head->request_id);
    }
}
