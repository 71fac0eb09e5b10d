// SPDX-License-Identifier: Apache-2.0
/*
 * envoy.filters.http.header_mutation: edits request and response headers, trailers and the query string
 * as a list of steps, each seeing what the one before did. The filter's own list comes first, then those
 * of the route levels: weighted cluster to route configuration, or the other way round where the most
 * specific is to win. Configuration is immutable in its part's arena; one instance per stream.
 */
#ifndef FILTERS_HTTP_HEADER_MUTATION_HEADER_MUTATION_H
#define FILTERS_HTTP_HEADER_MUTATION_HEADER_MUTATION_H

#include "src/access_log/log_format.h"
#include "src/filter_chain/http_filter.h"

enum header_mutation_kind {
    HEADER_MUTATION_APPEND,
    HEADER_MUTATION_REMOVE,
    HEADER_MUTATION_REMOVE_ON_MATCH,
};
struct header_mutation {
    enum header_mutation_kind kind;
    struct header_op append;
    struct slice remove; /* lower case */
    struct string_matcher remove_on_match;
};
struct header_mutation_list {
    const struct header_mutation *items;
    uint32_t count;
};

struct query_mutation {
    bool is_remove;
    enum header_op_action action;
    struct slice key;               /* as it stands decoded */
    const struct log_format *value; /* NULL where is_remove */
};

/* One `Mutations` message: the filter's, or one of a route level. */
struct header_mutations {
    struct header_mutation_list request, response, request_trailers, response_trailers;
    const struct query_mutation *queries;
    uint32_t query_count;
};

struct header_mutation_config {
    struct header_mutations mutations;
    bool most_specific_wins;
};

enum { HEADER_MUTATION_MAGIC = 0x68646d75, HEADER_MUTATION_LEVELS = 5 };

struct header_mutation_filter {
    struct http_filter base;
    uint32_t magic;
    const struct header_mutation_config *config;
    bool has_levels; /* `levels` was filled */
    uint32_t level_count;
    const struct header_mutations *levels[HEADER_MUTATION_LEVELS]; /* in the order of application */
};

extern const struct http_filter_ops header_mutation_ops;

/* Each step in turn. */
void header_mutation_list_apply(const struct header_mutation_list *list, struct header_map *headers,
                                const struct log_format_input *input);
/* The path with its query string changed, in `arena`. As Envoy does, the parameters come out sorted by
 * name, each with a '='. Escapes of characters that need none are undone, all others stay. */
struct slice query_mutations_apply(const struct query_mutation *mutations, uint32_t count,
                                   struct slice path, const struct log_format_input *input,
                                   struct arena *arena);

#endif
