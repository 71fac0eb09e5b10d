// SPDX-License-Identifier: Apache-2.0
/* The HTTP form: the client's request line and a few of its headers go to the service, the status says
 * the verdict, chosen headers of the answer go on. */
#include "filters/http/ext_authz/ext_authz.h"
#include "src/access_log/log_format.h"
#include "src/base/check.h"

#define HEADERS_TO_REMOVE SLICE("x-envoy-auth-headers-to-remove")

/* Headers of the connection or of the body's length: the call makes its own. */
static bool is_framing(struct slice name) {
    static const struct slice names[] = {
        SLICE_INIT("connection"),        SLICE_INIT("content-length"), SLICE_INIT("expect"),
        SLICE_INIT("http2-settings"),    SLICE_INIT("keep-alive"),     SLICE_INIT("te"),
        SLICE_INIT("proxy-connection"),  SLICE_INIT("trailer"),        SLICE_INIT("upgrade"),
        SLICE_INIT("transfer-encoding"),
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (slice_equal(name, names[i])) {
            return true;
        }
    }
    return false;
}

static struct slice request_path(const struct authz_service *service,
                                 const struct authz_check *check, struct arena *arena) {
    if (service->path_override.len > 0) {
        return service->path_override;
    }
    if (service->path_prefix.len == 0) {
        return check->path;
    }
    return arena_printf(arena, "%.*s%.*s", SLICE_ARG(service->path_prefix), SLICE_ARG(check->path));
}

static void add_pseudo_headers(const struct ext_authz *authz, const struct authz_check *check,
                               struct header_map *headers) {
    const struct header_map *request = http_filter_request_headers(&authz->base);
    /* Over HTTP/2 a WebSocket begins with CONNECT; the service is asked about the GET that it means. */
    bool is_extended_connect = header_map_has(request, HEADER_PROTOCOL);
    header_map_append(headers, HEADER_METHOD,
                      is_extended_connect ? SLICE("GET") : header_map_get(request, HEADER_METHOD));
    struct slice path = request_path(authz->service, check, headers->arena);
    if (path.len > 0) {
        header_map_append(headers, HEADER_PATH, path);
    }
    header_map_append(headers, HEADER_AUTHORITY, header_map_get(request, HEADER_AUTHORITY));
    header_map_append(headers, HEADER_SCHEME, SLICE("http"));
}

void authz_http_request(const struct ext_authz *authz, const struct authz_check *check,
                        struct header_map *headers) {
    struct arena *arena = http_filter_arena(&authz->base);
    const struct authz_service *service = authz->service;
    header_map_init(headers, arena);
    add_pseudo_headers(authz, check, headers);
    header_map_set_uint(headers, HEADER_CONTENT_LENGTH, check->body.len);
    for (uint32_t i = 0; i < check->header_count; i++) {
        struct slice name = check->headers[i].name;
        if (name.ptr[0] != ':' && !is_framing(name)) {
            header_map_append_name(headers, name, check->headers[i].value);
        }
    }
    struct log_format_input input;
    http_filter_log_input(&authz->base, &input);
    for (uint32_t i = 0; i < service->add_count; i++) {
        struct slice value = log_format_text(service->add[i].value, &input, arena);
        if (http_is_field_value(value) && !is_framing(service->add[i].name)) {
            header_map_set_name(headers, service->add[i].name, value);
        }
    }
    header_map_set(headers, HEADER_X_ENVOY_INTERNAL, SLICE("true"));
    if (service->timeout_ms > 0) {
        header_map_set_uint(headers, HEADER_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS, service->timeout_ms);
    }
}

/* ---- the answer ---- */

static void add_header(struct authz_headers *list, const struct header_entry *entry,
                       struct arena *arena, enum authz_header_action action) {
    list->items[list->count++] = (struct authz_header){
        .name = arena_dup_slice(arena, header_entry_name(entry)),
        .value = arena_dup_slice(arena, header_entry_value(entry)),
        .action = action,
    };
}

/* Room for `count` headers, twice for the request: set and added. */
static void make_room(struct authz_response *response, uint32_t count, struct arena *arena) {
    response->request.items = ARENA_NEW_ARRAY(arena, (size_t)count * 2, struct authz_header);
    response->response.items = ARENA_NEW_ARRAY(arena, count, struct authz_header);
    response->reply.items = ARENA_NEW_ARRAY(arena, count, struct authz_header);
}

static bool goes_to_denied_client(const struct authz_service *service, struct slice name) {
    if (service->client_headers.count == 0) {
        return true;
    }
    return slice_equal(name, SLICE("www-authenticate")) || slice_equal(name, SLICE("location")) ||
           authz_matchers_match(&service->client_headers, name);
}

static void take_header(const struct authz_service *service, const struct header_entry *entry,
                        struct arena *arena, struct authz_response *response) {
    if (response->verdict == AUTHZ_VERDICT_DENIED) {
        if (goes_to_denied_client(service, header_entry_name(entry))) {
            add_header(&response->reply, entry, arena, AUTHZ_HEADER_SET);
        }
        return;
    }
    if (authz_matchers_match(&service->upstream_headers, header_entry_name(entry))) {
        add_header(&response->request, entry, arena, AUTHZ_HEADER_SET);
    }
    if (authz_matchers_match(&service->upstream_headers_to_append, header_entry_name(entry))) {
        add_header(&response->request, entry, arena, AUTHZ_HEADER_ADD);
    }
    if (authz_matchers_match(&service->client_headers_on_success, header_entry_name(entry))) {
        add_header(&response->response, entry, arena, AUTHZ_HEADER_ADD);
    }
}

static void take_metadata(const struct authz_service *service, const struct header_map *headers,
                          struct arena *arena, struct authz_response *response) {
    struct authz_metadata *items = ARENA_NEW_ARRAY(arena, headers->live, struct authz_metadata);
    const struct header_entry *entry;
    for (uint32_t i = 0; (entry = header_map_next(headers, &i)) != NULL;) {
        if (entry->name_ptr[0] != ':' &&
            authz_matchers_match(&service->dynamic_metadata, header_entry_name(entry))) {
            items[response->metadata_count++] = (struct authz_metadata){
                .key = arena_dup_slice(arena, header_entry_name(entry)),
                .value = authz_utf8(arena_dup_slice(arena, header_entry_value(entry)), arena),
                .is_string = true,
            };
        }
    }
    response->metadata = items;
}

/* The names in all values of the header that lists what the request shall lose. */
static void take_removals(const struct header_map *headers, struct arena *arena,
                          struct authz_response *response) {
    struct slice list = header_map_get_joined(headers, HEADERS_TO_REMOVE, SLICE(","), arena);
    struct slice rest = list, part;
    uint32_t count = 0;
    while (slice_split(&rest, ',', &part)) {
        count++;
    }
    struct slice *names = ARENA_NEW_ARRAY(arena, count, struct slice);
    while (slice_split(&list, ',', &part)) {
        part = slice_trim(part);
        if (part.len > 0) {
            names[response->remove_count++] = authz_lower(part, arena);
        }
    }
    response->remove = names;
}

void authz_http_response(const struct ext_authz *authz, const struct http_call_result *result,
                         struct authz_response *response) {
    struct arena *arena = http_filter_arena(&authz->base);
    uint32_t status = result->outcome == HTTP_CALL_RESPONSE ? http_status_of(result->headers) : 0;
    if (status < 200 || status >= 500) {
        return; /* stays an error */
    }
    bool is_ok = status == 200;
    response->verdict = is_ok ? AUTHZ_VERDICT_OK : AUTHZ_VERDICT_DENIED;
    response->status = status;
    make_room(response, result->headers->live, arena);
    const struct header_entry *entry;
    for (uint32_t i = 0; (entry = header_map_next(result->headers, &i)) != NULL;) {
        if (entry->name_ptr[0] != ':' && !is_framing(header_entry_name(entry)) &&
            !slice_equal(header_entry_name(entry), HEADERS_TO_REMOVE)) {
            take_header(authz->service, entry, arena, response);
        }
    }
    take_metadata(authz->service, result->headers, arena, response);
    if (is_ok) {
        take_removals(result->headers, arena, response);
    } else if (result->body != NULL && result->body->len > 0) {
        uint8_t *bytes = arena_alloc_bytes(arena, result->body->len);
        buffer_copy_out(result->body, 0, bytes, result->body->len);
        response->body = slice_make(bytes, result->body->len);
    }
}
