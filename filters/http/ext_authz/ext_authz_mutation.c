// SPDX-License-Identifier: Apache-2.0
/* What an answer may change in a request, and doing it. A change that would break the message (bad
 * syntax, framing) is never made, whatever the configuration says. */
#include <stdlib.h>

#include "filters/http/ext_authz/ext_authz.h"
#include "src/base/check.h"
#include "src/http/char_class.h"
#include "src/http/path.h"
#include "src/matcher/regex.h"

enum permission { PERMITTED, PASSED_OVER, FORBIDDEN };

static bool is_connection_header(struct slice name) {
    static const struct slice names[] = {
        SLICE_INIT("connection"), SLICE_INIT("content-length"),
        SLICE_INIT("keep-alive"), SLICE_INIT("proxy-connection"),
        SLICE_INIT("te"),         SLICE_INIT("transfer-encoding"),
        SLICE_INIT("upgrade"),    SLICE_INIT("http2-settings"),
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (slice_equal(name, names[i])) {
            return true;
        }
    }
    return false;
}

static bool is_pseudo(struct slice name) {
    return name.len > 0 && name.ptr[0] == ':';
}

bool authz_header_is_response_safe(const struct authz_header *header) {
    return http_is_token(header->name) && http_is_field_value(header->value) &&
           !is_connection_header(header->name);
}

static bool is_well_formed(const struct authz_header *header) {
    struct slice name = header->name, value = header->value;
    if (!is_pseudo(name)) {
        return http_is_token(name) && http_is_field_value(value);
    }
    if (slice_equal(name, SLICE(":path"))) {
        return value.len > 0 && http_is_target(value, true);
    }
    if (slice_equal(name, SLICE(":authority"))) {
        return http_is_authority(value);
    }
    if (slice_equal(name, SLICE(":method"))) {
        return http_is_token(value) && !slice_equal(value, SLICE("CONNECT"));
    }
    if (slice_equal(name, SLICE(":scheme"))) {
        return slice_equal(value, SLICE("http")) || slice_equal(value, SLICE("https"));
    }
    return false;
}

/* ---- the configured rules ---- */

static bool is_routing_header(struct slice name) {
    return slice_equal(name, SLICE("host")) || slice_equal(name, SLICE(":authority")) ||
           slice_equal(name, SLICE(":scheme")) || slice_equal(name, SLICE(":method"));
}

static bool rules_allow(const struct authz_mutation_rules *rules, struct slice name) {
    if (rules->disallow != NULL && regex_full_match(rules->disallow, name)) {
        return false;
    }
    if (rules->allow != NULL && regex_full_match(rules->allow, name)) {
        return true;
    }
    if (rules->disallow_all || (rules->disallow_system && is_pseudo(name)) ||
        (!rules->allow_envoy && slice_starts_with(name, SLICE("x-envoy")))) {
        return false;
    }
    return rules->allow_all_routing || !is_routing_header(name);
}

static enum permission permission_of(const struct ext_authz *authz, struct slice name) {
    const struct authz_mutation_rules *rules = authz->config->rules;
    if (rules == NULL || rules_allow(rules, name)) {
        return PERMITTED;
    }
    return rules->disallow_is_error ? FORBIDDEN : PASSED_OVER;
}

/* ---- headers ---- */

static void join_value(struct header_map *headers, const struct authz_header *header) {
    struct slice old = header_map_get_name(headers, header->name);
    if (old.ptr == NULL) {
        return;
    }
    struct slice joined = header_map_get_joined(headers, header->name, SLICE(","), headers->arena);
    struct slice value = joined.len == 0
                             ? header->value
                             : arena_printf(headers->arena, "%.*s,%.*s", SLICE_ARG(joined),
                                            SLICE_ARG(header->value));
    header_map_set_name(headers, header->name, value);
}

static void set_header(struct header_map *headers, const struct authz_header *header) {
    bool is_host = slice_equal(header->name, SLICE("host"));
    header_map_set_name(headers, is_host ? SLICE(":authority") : header->name, header->value);
}

static void apply_header(struct header_map *headers, const struct authz_header *header) {
    bool is_single = is_pseudo(header->name) || slice_equal(header->name, SLICE("host"));
    switch (header->action) {
    case AUTHZ_HEADER_SET:
    case AUTHZ_HEADER_ADD_IF_ABSENT:
    case AUTHZ_HEADER_SET_IF_EXISTS:
        set_header(headers, header);
        break;
    case AUTHZ_HEADER_ADD:
        if (!is_single) {
            header_map_append_name(headers, header->name, header->value);
        }
        break;
    case AUTHZ_HEADER_APPEND_IF_EXISTS:
        if (!is_single) {
            join_value(headers, header);
        }
        break;
    }
}

/* Envoy's order: what replaces, what adds, what joins. */
static int order_of(enum authz_header_action action) {
    switch (action) {
    case AUTHZ_HEADER_SET:
    case AUTHZ_HEADER_ADD_IF_ABSENT:
    case AUTHZ_HEADER_SET_IF_EXISTS:
        return 0;
    case AUTHZ_HEADER_ADD:
        return 1;
    case AUTHZ_HEADER_APPEND_IF_EXISTS:
        return 2;
    }
    return 0;
}

static enum status check_header(const struct ext_authz *authz, const struct authz_header *header,
                                bool *applies) {
    *applies = false;
    bool host_is_bad =
        slice_equal(header->name, SLICE("host")) && !http_is_authority(header->value);
    if (!is_well_formed(header) || host_is_bad) {
        /* A pseudo header that does not exist has nothing to break: passed over. */
        return is_pseudo(header->name) && header_id_of(header->name) == HEADER_OTHER
                   ? STATUS_OK
                   : STATUS_INVALID;
    }
    switch (permission_of(authz, header->name)) {
    case PERMITTED:
        *applies = !is_connection_header(header->name);
        break;
    case PASSED_OVER:
        break;
    case FORBIDDEN:
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

static enum status apply_headers(const struct ext_authz *authz, struct header_map *headers) {
    const struct authz_headers *list = &authz->response.request;
    bool *applies = ARENA_NEW_ARRAY(headers->arena, list->count, bool);
    for (uint32_t i = 0; i < list->count; i++) {
        TRY(check_header(authz, &list->items[i], &applies[i]));
    }
    for (int order = 0; order <= 2; order++) {
        for (uint32_t i = 0; i < list->count; i++) {
            if (applies[i] && order_of(list->items[i].action) == order) {
                apply_header(headers, &list->items[i]);
            }
        }
    }
    return STATUS_OK;
}

static enum status remove_headers(const struct ext_authz *authz, struct header_map *headers) {
    const struct authz_response *response = &authz->response;
    for (uint32_t i = 0; i < response->remove_count; i++) {
        struct slice name = response->remove[i];
        if (is_pseudo(name) || slice_equal(name, SLICE("host")) || !http_is_token(name) ||
            is_connection_header(name)) {
            continue;
        }
        switch (permission_of(authz, name)) {
        case PERMITTED:
            (void)header_map_remove_name(headers, name);
            break;
        case PASSED_OVER:
            break;
        case FORBIDDEN:
            return STATUS_INVALID;
        }
    }
    return STATUS_OK;
}

/* ---- query ---- */

struct query_item {
    struct slice key, value;
    uint32_t order; /* qsort is not stable */
    bool is_dropped;
};

static int compare_items(const void *left, const void *right) {
    const struct query_item *a = left, *b = right;
    int by_key = slice_compare(a->key, b->key);
    return by_key != 0 ? by_key : (a->order > b->order) - (a->order < b->order);
}

static uint32_t split_query(struct slice query, struct query_item *items) {
    uint32_t count = 0;
    struct slice part;
    while (slice_split(&query, '&', &part)) {
        if (part.len == 0) {
            continue;
        }
        size_t equals = slice_find_byte(part, '=');
        items[count] = (struct query_item){
            .key = slice_sub(part, 0, equals),
            .value = equals == SIZE_MAX ? SLICE("") : slice_sub(part, equals + 1, SIZE_MAX),
            .order = count,
        };
        count++;
    }
    return count;
}

static void drop_key(struct query_item *items, uint32_t count, struct slice key) {
    for (uint32_t i = 0; i < count; i++) {
        items[i].is_dropped = items[i].is_dropped || slice_equal(items[i].key, key);
    }
}

static struct slice join_query(struct slice path, const struct query_item *items, uint32_t count,
                               struct arena *arena) {
    size_t len = path.len;
    for (uint32_t i = 0; i < count; i++) {
        len += items[i].is_dropped ? 0 : items[i].key.len + items[i].value.len + 2;
    }
    uint8_t *text = arena_alloc_bytes(arena, len);
    memcpy(text, path.ptr, path.len);
    size_t at = path.len;
    for (uint32_t i = 0; i < count; i++) {
        if (items[i].is_dropped) {
            continue;
        }
        text[at] = at == path.len ? '?' : '&';
        at++;
        memcpy(text + at, items[i].key.ptr, items[i].key.len);
        at += items[i].key.len;
        text[at++] = '=';
        if (items[i].value.len > 0) {
            memcpy(text + at, items[i].value.ptr, items[i].value.len);
        }
        at += items[i].value.len;
    }
    return slice_make(text, at);
}

struct slice authz_mutate_query(const struct authz_response *response, struct slice path,
                                struct arena *arena) {
    struct slice query = path_query(path);
    uint32_t room = response->query_set_count + 1;
    for (size_t i = 0; i < query.len; i++) {
        room += query.ptr[i] == '&';
    }
    struct query_item *items = ARENA_NEW_ARRAY(arena, room, struct query_item);
    uint32_t count = split_query(query, items);
    for (uint32_t i = 0; i < response->query_set_count; i++) {
        const struct authz_pair *pair = &response->query_set[i];
        drop_key(items, count, pair->name);
        items[count] = (struct query_item){pair->name, pair->value, count, false};
        count++;
    }
    for (uint32_t i = 0; i < response->query_remove_count; i++) {
        drop_key(items, count, response->query_remove[i]);
    }
    qsort(items, count, sizeof(*items), compare_items);
    return join_query(path_without_query(path), items, count, arena);
}

/* ---- the path ---- */

/* Characters that need no escape, and escapes. */
static bool is_query_text(struct slice text) {
    for (size_t i = 0; i < text.len; i++) {
        if (!char_is(text.ptr[i], CHAR_UNRESERVED) && text.ptr[i] != '%' && text.ptr[i] != '+') {
            return false;
        }
    }
    return true;
}

/* What would end the parameter, the query or the request line is escaped. */
static struct slice escape_query_text(struct slice text, struct arena *arena) {
    static const char hex[] = "0123456789ABCDEF";
    uint8_t *out = arena_alloc_bytes(arena, text.len * 3);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (char_is(c, CHAR_URI) && c != '&' && c != '#') {
            out[len++] = c;
            continue;
        }
        out[len++] = '%';
        out[len++] = (uint8_t)hex[c >> 4];
        out[len++] = (uint8_t)hex[c & 15];
    }
    return slice_make(out, len);
}

static enum status apply_query(struct ext_authz *authz, struct header_map *headers) {
    struct authz_response *response = &authz->response;
    struct slice path = header_map_get(headers, HEADER_PATH);
    if (response->query_set_count + response->query_remove_count == 0 || path.ptr == NULL) {
        return STATUS_OK;
    }
    struct authz_pair *set =
        ARENA_NEW_ARRAY(headers->arena, response->query_set_count, struct authz_pair);
    for (uint32_t i = 0; i < response->query_set_count; i++) {
        const struct authz_pair *pair = &response->query_set[i];
        if (authz->config->validate_mutations &&
            (!is_query_text(pair->name) || !is_query_text(pair->value))) {
            return STATUS_INVALID;
        }
        set[i].name = escape_query_text(pair->name, headers->arena);
        set[i].value = escape_query_text(pair->value, headers->arena);
    }
    response->query_set = set;
    header_map_set(headers, HEADER_PATH, authz_mutate_query(response, path, headers->arena));
    return STATUS_OK;
}

enum status authz_apply_request(struct ext_authz *authz, struct header_map *headers) {
    TRY(apply_headers(authz, headers));
    TRY(remove_headers(authz, headers));
    TRY(apply_query(authz, headers));
    bool is_too_large = (headers->max_bytes > 0 && headers->bytes > headers->max_bytes) ||
                        (headers->max_count > 0 && headers->live > headers->max_count);
    return is_too_large ? STATUS_LIMIT : STATUS_OK;
}
