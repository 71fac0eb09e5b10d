// SPDX-License-Identifier: Apache-2.0
#include "filters/http/header_mutation/header_mutation.h"

#include "src/base/check.h"
#include "src/route/header_mutation.h"

static struct header_mutation_filter *self(struct http_filter *f) {
    struct header_mutation_filter *filter = CONTAINER_OF(f, struct header_mutation_filter, base);
    CHECK_MAGIC(filter, HEADER_MUTATION_MAGIC);
    return filter;
}

// The host stands under its HTTP/2 name in our maps.
static void remove_name(struct header_map *headers, struct slice name) {
    (void)header_map_remove_name(headers, name);
    if (slice_equal(name, SLICE("host"))) {
        (void)header_map_remove(headers, HEADER_AUTHORITY);
    }
}

static void remove_matching(struct header_map *headers, const struct string_matcher *matcher) {
    const struct header_entry *entry;
    for (uint32_t at = 0; (entry = header_map_next(headers, &at)) != NULL;) {
        if (string_matcher_matches(matcher, header_entry_name(entry))) {
            header_map_remove_at(headers, at - 1);
        }
    }
}

void header_mutation_list_apply(const struct header_mutation_list *list, struct header_map *headers,
                                const struct log_format_input *input) {
    for (uint32_t i = 0; i < list->count; i++) {
        const struct header_mutation *step = &list->items[i];
        switch (step->kind) {
        case HEADER_MUTATION_APPEND: {
            struct header_ops one = {.add = &step->append, .add_count = 1};
            header_ops_apply(&one, headers, input);
            break;
        }
        case HEADER_MUTATION_REMOVE:
            remove_name(headers, step->remove);
            break;
        case HEADER_MUTATION_REMOVE_ON_MATCH:
            remove_matching(headers, &step->remove_on_match);
            break;
        }
    }
}

/* The levels in the order in which they apply, the filter's own first. Asked for once: what the request
 * got, the response gets too. */
static void find_levels(struct header_mutation_filter *filter) {
    if (filter->has_levels) {
        return;
    }
    filter->has_levels = true;
    const void *found[HEADER_MUTATION_LEVELS - 1];
    uint32_t count = http_filter_route_levels(&filter->base, found, HEADER_MUTATION_LEVELS - 1);
    filter->levels[0] = &filter->config->mutations;
    for (uint32_t i = 0; i < count; i++) {
        filter->levels[1 + i] = found[filter->config->most_specific_wins ? i : count - 1 - i];
    }
    filter->level_count = 1 + count;
}

/* The router needs these; a list may have taken them away. NULL: nothing is missing. */
static const char *missing_request_header(const struct header_map *headers) {
    if (!header_map_has(headers, HEADER_METHOD)) {
        return ":method";
    }
    bool is_plain_connect = slice_equal(header_map_get(headers, HEADER_METHOD), SLICE("CONNECT")) &&
                            !header_map_has(headers, HEADER_PROTOCOL);
    if (is_plain_connect) {
        return header_map_has(headers, HEADER_AUTHORITY) ? NULL : ":authority";
    }
    return header_map_has(headers, HEADER_PATH) ? NULL : ":path";
}

static void reply_missing(struct http_filter *f, uint32_t status, const char *direction,
                          const char *name, enum response_flag flag) {
    struct arena *arena = http_filter_arena(f);
    struct local_reply reply = {
        .status = status,
        .body = arena_printf(arena, "missing required header: %s", name),
        .details =
            arena_printf(arena, "filter_removed_required_%s_headers{missing_required_header:_%s}",
                         direction, name),
        .grpc_status = -1,
        .flag = flag,
    };
    http_filter_local_reply(f, &reply);
}

static void mutate_query(const struct header_mutations *level, struct header_map *headers,
                         const struct log_format_input *input) {
    if (level->query_count > 0 && header_map_has(headers, HEADER_PATH)) {
        header_map_set(headers, HEADER_PATH,
                       query_mutations_apply(level->queries, level->query_count,
                                             header_map_get(headers, HEADER_PATH), input,
                                             headers->arena));
    }
}

static enum http_filter_verdict decode_headers(struct http_filter *f, struct header_map *headers,
                                               bool end_stream) {
    (void)end_stream;
    struct header_mutation_filter *filter = self(f);
    find_levels(filter);
    struct log_format_input input = {0};
    http_filter_log_input(f, &input);
    input.request_headers = headers;
    const char *was_missing = missing_request_header(headers);
    for (uint32_t i = 0; i < filter->level_count; i++) {
        header_mutation_list_apply(&filter->levels[i]->request, headers, &input);
        mutate_query(filter->levels[i], headers, &input);
    }
    const char *missing = missing_request_header(headers);
    if (missing != NULL && was_missing == NULL) {
        reply_missing(f, 503, "request", missing, RESPONSE_FLAG_DOWNSTREAM_PROTOCOL_ERROR);
        return HTTP_FILTER_HOLD;
    }
    return HTTP_FILTER_CONTINUE;
}

static enum http_filter_verdict decode_trailers(struct http_filter *f,
                                                struct header_map *trailers) {
    struct header_mutation_filter *filter = self(f);
    find_levels(filter);
    struct log_format_input input = {0};
    http_filter_log_input(f, &input);
    for (uint32_t i = 0; i < filter->level_count; i++) {
        header_mutation_list_apply(&filter->levels[i]->request_trailers, trailers, &input);
    }
    return HTTP_FILTER_CONTINUE;
}

static enum http_filter_verdict encode_headers(struct http_filter *f, struct header_map *headers,
                                               bool end_stream) {
    (void)end_stream;
    struct header_mutation_filter *filter = self(f);
    find_levels(filter);
    struct log_format_input input = {0};
    http_filter_log_input(f, &input);
    input.response_headers = headers;
    struct slice status = header_map_get(headers, HEADER_STATUS);
    for (uint32_t i = 0; i < filter->level_count; i++) {
        header_mutation_list_apply(&filter->levels[i]->response, headers, &input);
    }
    if (!header_map_has(headers, HEADER_STATUS) && status.ptr != NULL) {
        /* A local reply that lost its status cannot be replaced by another: it keeps it. */
        header_map_set(headers, HEADER_STATUS, status);
        reply_missing(f, 502, "response", ":status", RESPONSE_FLAG_COUNT);
        return HTTP_FILTER_CONTINUE;
    }
    return HTTP_FILTER_CONTINUE;
}

static enum http_filter_verdict encode_trailers(struct http_filter *f,
                                                struct header_map *trailers) {
    struct header_mutation_filter *filter = self(f);
    find_levels(filter);
    struct log_format_input input = {0};
    http_filter_log_input(f, &input);
    input.response_trailers = trailers;
    for (uint32_t i = 0; i < filter->level_count; i++) {
        header_mutation_list_apply(&filter->levels[i]->response_trailers, trailers, &input);
    }
    return HTTP_FILTER_CONTINUE;
}

static void on_route_changed(struct http_filter *f) {
    self(f)->has_levels = false;
}

const struct http_filter_ops header_mutation_ops = {
    .decode_headers = decode_headers,
    .decode_trailers = decode_trailers,
    .encode_headers = encode_headers,
    .encode_trailers = encode_trailers,
    .on_route_changed = on_route_changed,
};
