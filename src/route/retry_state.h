// SPDX-License-Identifier: Apache-2.0
/*
 * Decides whether an attempt's outcome is retried and when: route policy merged with the request's
 * x-envoy-* headers, the remaining count, the back-off. One per stream that has a policy, in its arena.
 * Breakers are the router's affair.
 */
#ifndef SRC_ROUTE_RETRY_STATE_H
#define SRC_ROUTE_RETRY_STATE_H

#include "src/base/random.h"
#include "src/config/common_config.h"
#include "src/http/codec.h"

struct retry_state {
    const struct retry_policy *policy; /* NULL: headers alone */
    uint32_t retry_on;
    uint32_t remaining;
    uint32_t attempt; /* retries so far */
    uint32_t base_interval_ms, max_interval_ms;
    const uint32_t *extra_codes; /* x-envoy-retriable-status-codes */
    uint32_t extra_code_count;
    const struct slice *extra_headers; /* x-envoy-retriable-header-names */
    uint32_t extra_header_count;
};

/* `headers` are read and their retry headers removed. False when no retry can happen at all. */
bool retry_state_init(struct retry_state *state, const struct retry_policy *policy,
                      struct header_map *headers, bool trust_headers, struct arena *arena);
bool retry_state_wants_status(const struct retry_state *state,
                              const struct header_map *response_headers);
/* `request_sent`: any byte of the request reached the upstream. */
bool retry_state_wants_reset(const struct retry_state *state, enum http_reset_reason reason,
                             bool request_sent);
/* Per-try timeout counts as a 5xx / gateway error. */
bool retry_state_wants_timeout(const struct retry_state *state);
/* Takes one retry; false when none remain. */
bool retry_state_take(struct retry_state *state);
/* Where the policy leaves the base open: `ms` instead of the default. */
void retry_state_set_default_base(struct retry_state *state, uint64_t ms);
/* After a take. Full jitter: uniform in [0, base * 2^(attempt - 1)) capped at the maximum. ms. */
uint32_t retry_state_backoff_ms(const struct retry_state *state, struct random *random);

#endif
