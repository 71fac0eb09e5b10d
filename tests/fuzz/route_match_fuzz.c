// SPDX-License-Identifier: Apache-2.0
// Target functions: host_index_new, route_find_virtual_host, route_index_new, route_find_in.
// Oracle: a plain reading of Envoy's rules, domain by domain and route by route.
// Input: lines; "d<domain>", "r<kind><path>" (kind: p prefix, e exact, s separated; upper case: case
// does not count), "h<host>", "q<path>". Each q is asked with the last h.
#include "src/route/route_test_model.h"

enum { MAX_DOMAINS = 64, MAX_ROUTES = 128 };

struct world {
    struct route_model model;
    struct virtual_host vhosts[MAX_DOMAINS];
    const struct virtual_host *pointers[MAX_DOMAINS];
    struct slice domains[MAX_DOMAINS];
    uint32_t domain_count;
    struct route routes[MAX_ROUTES];
    uint32_t route_count;
    struct slice host;
    bool is_built;
    struct virtual_host indexed, linear;
};

static struct slice lower(struct world *w, struct slice text) {
    uint8_t *copy = arena_alloc_bytes(&w->model.arena, text.len);
    for (size_t i = 0; i < text.len; i++) {
        copy[i] = ascii_lower(text.ptr[i]);
    }
    return slice_make(copy, text.len);
}

// How well a domain fits: 0 not, else more is better (exact, suffixes, prefixes, any).
static size_t rank(struct slice domain, struct slice host) {
    enum { EXACT = 3 << 20, SUFFIX = 2 << 20, PREFIX = 1 << 20 };
    if (slice_equal(domain, SLICE("*"))) {
        return 1;
    }
    if (domain.len > 0 && domain.ptr[0] == '*') {
        struct slice tail = slice_sub(domain, 1, SIZE_MAX);
        return host.len > tail.len && slice_ends_with(host, tail) ? SUFFIX + tail.len : 0;
    }
    if (domain.len > 0 && domain.ptr[domain.len - 1] == '*') {
        struct slice head = slice_sub(domain, 0, domain.len - 1);
        return host.len > head.len && slice_starts_with(host, head) ? PREFIX + head.len : 0;
    }
    return slice_equal(domain, host) ? EXACT : 0;
}

static const struct virtual_host *expected_vhost(struct world *w) {
    struct slice host = lower(w, w->host);
    const struct virtual_host *best = NULL;
    size_t best_rank = 0;
    for (uint32_t i = 0; i < w->domain_count; i++) {
        size_t one = rank(w->domains[i], host);
        if (one > best_rank) {
            best_rank = one;
            best = &w->vhosts[i];
        }
    }
    return best;
}

static bool expected_match(struct world *w, const struct route_match *match, struct slice path) {
    size_t end = 0;
    while (end < path.len && path.ptr[end] != '?' && path.ptr[end] != '#') {
        end++;
    }
    path = slice_sub(path, 0, end);
    path = match->case_insensitive ? lower(w, path) : path;
    switch (match->kind) {
    case ROUTE_MATCH_PATH:
        return slice_equal(path, match->path);
    case ROUTE_MATCH_PREFIX:
        return slice_starts_with(path, match->path);
    default:
        return slice_equal(path, match->path) ||
               (slice_starts_with(path, match->path) && path.ptr[match->path.len] == '/');
    }
}

static const struct route *expected_route(struct world *w, struct slice path) {
    for (uint32_t i = 0; i < w->route_count; i++) {
        if (expected_match(w, &w->routes[i].match, path)) {
            return &w->routes[i];
        }
    }
    return NULL;
}

static void build(struct world *w) {
    w->model.part.vhosts = w->pointers;
    w->model.part.vhost_count = w->domain_count;
    w->model.part.hosts = host_index_new(&w->model.part, &w->model.arena);
    w->linear = (struct virtual_host){.routes = w->routes, .route_count = w->route_count};
    w->indexed = w->linear;
    w->indexed.route_index = route_index_new(&w->indexed, &w->model.arena);
    w->is_built = true;
}

static void ask(struct world *w, struct slice path) {
    if (!w->is_built) {
        build(w);
    }
    route_model_request(&w->model, w->host, path);
    const struct route_request *request = &w->model.request;
    CHECK(route_find_virtual_host(&w->model.part, request) == expected_vhost(w));
    const struct route *expected = expected_route(w, path);
    CHECK(route_find_in(&w->model.part, &w->linear, request) == expected);
    CHECK(route_find_in(&w->model.part, &w->indexed, request) == expected);
}

static void add_domain(struct world *w, struct slice domain) {
    domain = lower(w, domain);
    for (uint32_t i = 0; i < w->domain_count; i++) {
        if (slice_equal(w->domains[i], domain)) {
            return; // the decoder refuses duplicates
        }
    }
    if (w->is_built || w->domain_count == MAX_DOMAINS || domain.len == 0) {
        return;
    }
    uint32_t at = w->domain_count++;
    w->domains[at] = domain;
    w->vhosts[at] = (struct virtual_host){.domains = &w->domains[at], .domain_count = 1};
    w->pointers[at] = &w->vhosts[at];
}

static void add_route(struct world *w, struct slice line) {
    if (w->is_built || w->route_count == MAX_ROUTES || line.len == 0) {
        return;
    }
    uint8_t letter = line.ptr[0];
    struct slice path = slice_sub(line, 1, SIZE_MAX);
    enum route_match_kind kind = ROUTE_MATCH_PREFIX;
    kind = ascii_lower(letter) == 'e' ? ROUTE_MATCH_PATH : kind;
    kind = ascii_lower(letter) == 's' ? ROUTE_MATCH_PATH_SEPARATED_PREFIX : kind;
    bool is_insensitive = letter != ascii_lower(letter);
    struct route *route = &w->routes[w->route_count++];
    *route = route_model_route(kind, is_insensitive ? lower(w, path) : path);
    route->match.case_insensitive = is_insensitive;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 8192) {
        return 0;
    }
    struct world *w = mem_calloc(1, sizeof(*w));
    route_model_init(&w->model);
    w->host = SLICE("");
    struct slice rest = slice_make(data, size);
    struct slice line;
    while (slice_split(&rest, '\n', &line)) {
        struct slice text = slice_sub(line, 1, SIZE_MAX);
        switch (line.len > 0 ? line.ptr[0] : 0) {
        case 'd':
            add_domain(w, text);
            break;
        case 'r':
            add_route(w, text);
            break;
        case 'h':
            w->host = text;
            break;
        case 'q':
            ask(w, text);
            break;
        default:
            break;
        }
    }
    route_model_deinit(&w->model);
    mem_free(w);
    return 0;
}
