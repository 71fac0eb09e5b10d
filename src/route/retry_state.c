// SPDX-License-Identifier: Apache-2.0
#include "src/route/retry_state.h"

#include <limits.h>

#include "src/base/check.h"

enum {
    BASE_INTERVAL_MS = 25,
    MAX_INTERVAL_FACTOR = 10,
    HTTP_CONFLICT = 409,
    /* A client that may send these headers is trusted; the bound is against mistakes. */
    MAX_HEADER_TOKENS = 64,
    RETRY_ON_ANY_GRPC = RETRY_ON_GRPC_CANCELLED | RETRY_ON_GRPC_DEADLINE_EXCEEDED |
                        RETRY_ON_GRPC_RESOURCE_EXHAUSTED | RETRY_ON_GRPC_UNAVAILABLE |
                        RETRY_ON_GRPC_INTERNAL,
};

struct retry_on_name {
    struct slice name;
    uint32_t bit;
};

static const struct retry_on_name http_names[] = {
    {SLICE_INIT("5xx"), RETRY_ON_5XX},
    {SLICE_INIT("gateway-error"), RETRY_ON_GATEWAY_ERROR},
    {SLICE_INIT("reset"), RETRY_ON_RESET},
    {SLICE_INIT("reset-before-request"), RETRY_ON_RESET_BEFORE_REQUEST},
    {SLICE_INIT("connect-failure"), RETRY_ON_CONNECT_FAILURE},
    {SLICE_INIT("envoy-ratelimited"), RETRY_ON_ENVOY_RATELIMITED},
    {SLICE_INIT("retriable-4xx"), RETRY_ON_RETRIABLE_4XX},
    {SLICE_INIT("refused-stream"), RETRY_ON_REFUSED_STREAM},
    {SLICE_INIT("retriable-status-codes"), RETRY_ON_RETRIABLE_STATUS_CODES},
    {SLICE_INIT("retriable-headers"), RETRY_ON_RETRIABLE_HEADERS},
    {SLICE_INIT("http3-post-connect-failure"), RETRY_ON_HTTP3_POST_CONNECT_FAILURE},
};

static const struct retry_on_name grpc_names[] = {
    {SLICE_INIT("cancelled"), RETRY_ON_GRPC_CANCELLED},
    {SLICE_INIT("deadline-exceeded"), RETRY_ON_GRPC_DEADLINE_EXCEEDED},
    {SLICE_INIT("internal"), RETRY_ON_GRPC_INTERNAL},
    {SLICE_INIT("resource-exhausted"), RETRY_ON_GRPC_RESOURCE_EXHAUSTED},
    {SLICE_INIT("unavailable"), RETRY_ON_GRPC_UNAVAILABLE},
};

// Unknown names are passed over, as in Envoy.
static uint32_t parse_names(struct slice text, const struct retry_on_name *names, size_t count) {
    uint32_t bits = 0;
    struct slice token;
    while (slice_split(&text, ',', &token)) {
        token = slice_trim(token);
        for (size_t i = 0; i < count; i++) {
            if (slice_equal(token, names[i].name)) {
                bits |= names[i].bit;
            }
        }
    }
    return bits;
}

static bool parse_uint32(struct slice text, uint32_t *value) {
    uint64_t number;
    if (slice_parse_uint64(slice_trim(text), &number) != STATUS_OK || number > UINT32_MAX) {
        return false;
    }
    *value = (uint32_t)number;
    return true;
}

static void parse_codes(struct retry_state *state, struct slice text, struct arena *arena) {
    uint32_t *codes = ARENA_NEW_ARRAY(arena, MAX_HEADER_TOKENS, uint32_t);
    uint32_t count = 0;
    struct slice token;
    while (count < MAX_HEADER_TOKENS && slice_split(&text, ',', &token)) {
        if (parse_uint32(token, &codes[count])) {
            count++;
        }
    }
    state->extra_codes = codes;
    state->extra_code_count = count;
}

static struct slice lower_copy(struct slice text, struct arena *arena) {
    uint8_t *copy = arena_alloc_bytes(arena, text.len);
    for (size_t i = 0; i < text.len; i++) {
        copy[i] = ascii_lower(text.ptr[i]);
    }
    return slice_make(copy, text.len);
}

static void parse_header_names(struct retry_state *state, struct slice text, struct arena *arena) {
    struct slice *names = ARENA_NEW_ARRAY(arena, MAX_HEADER_TOKENS, struct slice);
    uint32_t count = 0;
    struct slice token;
    while (count < MAX_HEADER_TOKENS && slice_split(&text, ',', &token)) {
        token = slice_trim(token);
        if (token.len > 0) {
            names[count++] = lower_copy(token, arena);
        }
    }
    state->extra_headers = names;
    state->extra_header_count = count;
}

static void apply_policy(struct retry_state *state, const struct retry_policy *policy) {
    state->base_interval_ms = BASE_INTERVAL_MS;
    state->max_interval_ms = BASE_INTERVAL_MS * MAX_INTERVAL_FACTOR;
    state->remaining = 1;
    if (policy == NULL) {
        return;
    }
    state->retry_on = policy->retry_on;
    state->remaining = policy->num_retries;
    if (policy->base_interval_ms > 0) {
        state->base_interval_ms = policy->base_interval_ms;
        state->max_interval_ms = policy->base_interval_ms > UINT32_MAX / MAX_INTERVAL_FACTOR
                                     ? UINT32_MAX
                                     : policy->base_interval_ms * MAX_INTERVAL_FACTOR;
    }
    if (policy->max_interval_ms > 0) {
        state->max_interval_ms = policy->max_interval_ms;
    }
}

static bool request_is_retriable(const struct retry_policy *policy,
                                 const struct header_map *headers) {
    if (policy == NULL || policy->retriable_request_header_count == 0) {
        return true;
    }
    for (uint32_t i = 0; i < policy->retriable_request_header_count; i++) {
        if (header_matcher_matches(&policy->retriable_request_headers[i], headers)) {
            return true;
        }
    }
    return false;
}

static void merge_conditions(struct retry_state *state, const struct header_map *headers) {
    state->retry_on |= parse_names(header_map_get(headers, HEADER_X_ENVOY_RETRY_ON), http_names,
                                   ARRAY_LEN(http_names));
    state->retry_on |= parse_names(header_map_get(headers, HEADER_X_ENVOY_RETRY_GRPC_ON),
                                   grpc_names, ARRAY_LEN(grpc_names));
}

static void merge_details(struct retry_state *state, const struct header_map *headers,
                          struct arena *arena) {
    uint32_t number;
    if (parse_uint32(header_map_get(headers, HEADER_X_ENVOY_MAX_RETRIES), &number)) {
        state->remaining = number;
    }
    if (header_map_has(headers, HEADER_X_ENVOY_RETRIABLE_STATUS_CODES)) {
        parse_codes(state, header_map_get(headers, HEADER_X_ENVOY_RETRIABLE_STATUS_CODES), arena);
    }
    if (header_map_has(headers, HEADER_X_ENVOY_RETRIABLE_HEADER_NAMES)) {
        parse_header_names(state, header_map_get(headers, HEADER_X_ENVOY_RETRIABLE_HEADER_NAMES),
                           arena);
    }
}

// They are for this proxy; the upstream must not see them.
static void remove_retry_headers(struct header_map *headers) {
    static const enum header_id ids[] = {
        HEADER_X_ENVOY_RETRY_ON,
        HEADER_X_ENVOY_RETRY_GRPC_ON,
        HEADER_X_ENVOY_MAX_RETRIES,
        HEADER_X_ENVOY_RETRIABLE_STATUS_CODES,
        HEADER_X_ENVOY_RETRIABLE_HEADER_NAMES,
        HEADER_X_ENVOY_HEDGE_ON_PER_TRY_TIMEOUT,
    };
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        header_map_remove(headers, ids[i]);
    }
}

bool retry_state_init(struct retry_state *state, const struct retry_policy *policy,
                      struct header_map *headers, bool trust_headers, struct arena *arena) {
    *state = (struct retry_state){.policy = policy};
    apply_policy(state, policy);
    if (trust_headers) {
        merge_conditions(state, headers);
    }
    if (!request_is_retriable(policy, headers)) {
        state->retry_on = 0;
    }
    if (trust_headers && state->retry_on != 0) {
        merge_details(state, headers, arena);
    }
    remove_retry_headers(headers);
    return state->retry_on != 0;
}

static bool has_code(const uint32_t *codes, uint32_t count, uint32_t code) {
    for (uint32_t i = 0; i < count; i++) {
        if (codes[i] == code) {
            return true;
        }
    }
    return false;
}

static bool is_retriable_code(const struct retry_state *state, uint32_t code) {
    const struct retry_policy *policy = state->policy;
    return has_code(state->extra_codes, state->extra_code_count, code) ||
           (policy != NULL &&
            has_code(policy->retriable_status_codes, policy->retriable_status_code_count, code));
}

static bool has_retriable_header(const struct retry_state *state,
                                 const struct header_map *headers) {
    for (uint32_t i = 0; i < state->extra_header_count; i++) {
        if (header_map_count_name(headers, state->extra_headers[i]) > 0) {
            return true;
        }
    }
    for (uint32_t i = 0; state->policy != NULL && i < state->policy->retriable_header_count; i++) {
        if (header_matcher_matches(&state->policy->retriable_headers[i], headers)) {
            return true;
        }
    }
    return false;
}

static bool wants_code(const struct retry_state *state, uint32_t code) {
    uint32_t on = state->retry_on;
    return ((on & RETRY_ON_5XX) != 0 && code >= 500 && code < 600) ||
           ((on & RETRY_ON_GATEWAY_ERROR) != 0 && code >= 502 && code <= 504) ||
           ((on & RETRY_ON_RETRIABLE_4XX) != 0 && code == HTTP_CONFLICT) ||
           ((on & RETRY_ON_RETRIABLE_STATUS_CODES) != 0 && is_retriable_code(state, code));
}

static uint32_t bit_of_grpc_status(uint32_t status) {
    switch (status) {
    case 1:
        return RETRY_ON_GRPC_CANCELLED;
    case 4:
        return RETRY_ON_GRPC_DEADLINE_EXCEEDED;
    case 8:
        return RETRY_ON_GRPC_RESOURCE_EXHAUSTED;
    case 13:
        return RETRY_ON_GRPC_INTERNAL;
    case 14:
        return RETRY_ON_GRPC_UNAVAILABLE;
    default:
        return 0;
    }
}

// Only a status in the headers counts: with trailers the answer is on its way already.
static bool wants_grpc_status(const struct retry_state *state, const struct header_map *headers) {
    uint32_t status;
    return (state->retry_on & RETRY_ON_ANY_GRPC) != 0 &&
           parse_uint32(header_map_get(headers, HEADER_GRPC_STATUS), &status) &&
           (state->retry_on & bit_of_grpc_status(status)) != 0;
}

bool retry_state_wants_status(const struct retry_state *state,
                              const struct header_map *response_headers) {
    // A limit that an Envoy further in applied: retried where that was asked for, and only then.
    if (header_map_has(response_headers, HEADER_X_ENVOY_RATELIMITED)) {
        return (state->retry_on & RETRY_ON_ENVOY_RATELIMITED) != 0;
    }
    return wants_code(state, http_status_of(response_headers)) ||
           ((state->retry_on & RETRY_ON_RETRIABLE_HEADERS) != 0 &&
            has_retriable_header(state, response_headers)) ||
           wants_grpc_status(state, response_headers);
}

static bool is_connect_failure(enum http_reset_reason reason) {
    return reason == HTTP_RESET_CONNECTION_FAILURE || reason == HTTP_RESET_CONNECTION_TIMEOUT;
}

bool retry_state_wants_reset(const struct retry_state *state, enum http_reset_reason reason,
                             bool request_sent) {
    if (reason == HTTP_RESET_OVERFLOW) {
        return false; // more load is what a full breaker needs least
    }
    uint32_t on = state->retry_on;
    // The client would see a 5xx, so the reset counts as one.
    return (on & (RETRY_ON_RESET | RETRY_ON_5XX | RETRY_ON_GATEWAY_ERROR)) != 0 ||
           ((on & RETRY_ON_RESET_BEFORE_REQUEST) != 0 && !request_sent) ||
           ((on & RETRY_ON_REFUSED_STREAM) != 0 && reason == HTTP_RESET_REMOTE_REFUSED) ||
           ((on & RETRY_ON_CONNECT_FAILURE) != 0 && is_connect_failure(reason));
}

bool retry_state_wants_timeout(const struct retry_state *state) {
    return (state->retry_on & (RETRY_ON_RESET | RETRY_ON_5XX | RETRY_ON_GATEWAY_ERROR)) != 0;
}

bool retry_state_take(struct retry_state *state) {
    if (state->remaining == 0) {
        return false;
    }
    state->remaining--;
    state->attempt++;
    return true;
}

void retry_state_set_default_base(struct retry_state *state, uint64_t ms) {
    const struct retry_policy *policy = state->policy;
    if (ms == 0 || ms > UINT32_MAX / MAX_INTERVAL_FACTOR ||
        (policy != NULL && policy->base_interval_ms > 0)) {
        return;
    }
    state->base_interval_ms = (uint32_t)ms;
    if (policy == NULL || policy->max_interval_ms == 0) {
        state->max_interval_ms = state->base_interval_ms * MAX_INTERVAL_FACTOR;
    }
}

uint32_t retry_state_backoff_ms(const struct retry_state *state, struct random *random) {
    uint64_t limit = state->base_interval_ms;
    for (uint32_t i = 1; i < state->attempt && limit < state->max_interval_ms; i++) {
        limit *= 2;
    }
    if (limit > state->max_interval_ms) {
        limit = state->max_interval_ms;
    }
    return (uint32_t)random_below(random, limit);
}
