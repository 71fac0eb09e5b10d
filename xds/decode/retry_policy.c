// SPDX-License-Identifier: Apache-2.0
#include "xds/decode/retry_policy.h"

#include "xds/decode/ledgers.h"
#include "xds/decode/matcher.h"

struct retry_word {
    const char *word;
    uint32_t bit;
};

static const struct retry_word retry_words[] = {
    {"5xx", RETRY_ON_5XX},
    {"gateway-error", RETRY_ON_GATEWAY_ERROR},
    {"reset", RETRY_ON_RESET},
    {"connect-failure", RETRY_ON_CONNECT_FAILURE},
    {"retriable-4xx", RETRY_ON_RETRIABLE_4XX},
    {"refused-stream", RETRY_ON_REFUSED_STREAM},
    {"retriable-status-codes", RETRY_ON_RETRIABLE_STATUS_CODES},
    {"retriable-headers", RETRY_ON_RETRIABLE_HEADERS},
    {"envoy-ratelimited", RETRY_ON_ENVOY_RATELIMITED},
    {"reset-before-request", RETRY_ON_RESET_BEFORE_REQUEST},
    {"http3-post-connect-failure", RETRY_ON_HTTP3_POST_CONNECT_FAILURE},
    {"cancelled", RETRY_ON_GRPC_CANCELLED},
    {"deadline-exceeded", RETRY_ON_GRPC_DEADLINE_EXCEEDED},
    {"resource-exhausted", RETRY_ON_GRPC_RESOURCE_EXHAUSTED},
    {"unavailable", RETRY_ON_GRPC_UNAVAILABLE},
    {"internal", RETRY_ON_GRPC_INTERNAL},
};

enum { BACK_OFF_BASE_MS = 25, BACK_OFF_FACTOR = 10 };

uint32_t decode_retry_on(struct slice text) {
    uint32_t bits = 0;
    struct slice word;
    while (slice_split(&text, ',', &word)) {
        word = slice_trim(word);
        for (size_t i = 0; i < ARRAY_LEN(retry_words); i++) {
            if (slice_equal(word, slice_from_string(retry_words[i].word))) {
                bits |= retry_words[i].bit;
            }
        }
    }
    return bits;
}

static bool decode_back_off(struct decoder *d, const ROUTE(RetryPolicy__RetryBackOff) *from,
                            struct retry_policy *out) {
    out->base_interval_ms = BACK_OFF_BASE_MS;
    out->max_interval_ms = BACK_OFF_BASE_MS * BACK_OFF_FACTOR;
    if (from == NULL) {
        return true;
    }
    if (!decode_optional_duration(d, "retry_back_off.base_interval", from->base_interval,
                                  &out->base_interval_ms)) {
        return false;
    }
    if (out->base_interval_ms < 1) {
        out->base_interval_ms = 1;
    }
    uint64_t max = (uint64_t)out->base_interval_ms * BACK_OFF_FACTOR;
    out->max_interval_ms = max > UINT32_MAX ? UINT32_MAX : (uint32_t)max;
    if (!decode_optional_duration(d, "retry_back_off.max_interval", from->max_interval,
                                  &out->max_interval_ms)) {
        return false;
    }
    if (out->max_interval_ms < out->base_interval_ms) {
        return decoder_field_error(
            d, "retry_back_off",
            "retry_policy.max_interval must greater than or equal to the base_interval");
    }
    return true;
}

static bool decode_host_predicates(struct decoder *d, const ROUTE(RetryPolicy) *from,
                                   struct retry_policy *out) {
    bool is_ok = true;
    for (size_t i = 0; i < from->n_retry_host_predicate; i++) {
        const ROUTE(RetryPolicy__RetryHostPredicate) *predicate = from->retry_host_predicate[i];
        struct any_view view;
        decoder_push_index(d, "retry_host_predicate", i);
        if (predicate->config_type_case !=
            ENVOY__CONFIG__ROUTE__V3__RETRY_POLICY__RETRY_HOST_PREDICATE__CONFIG_TYPE_TYPED_CONFIG) {
            // Old control planes name it without a configuration.
            out->avoid_previous_hosts =
                out->avoid_previous_hosts ||
                slice_equal(slice_from_string(predicate->name),
                            SLICE("envoy.retry_host_predicates.previous_hosts"));
        } else if (!decode_any_type(d, predicate->typed_config, &view)) {
            is_ok = false;
        } else if (any_is(&view,
                          "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate")) {
            out->avoid_previous_hosts = true;
        } else {
            is_ok = decode_unknown_extension(d, predicate->name, &view);
        }
        decoder_pop_index(d);
    }
    return is_ok;
}

static bool decode_retriable(struct decoder *d, const ROUTE(RetryPolicy) *from,
                             struct retry_policy *out) {
    if (from->n_retriable_status_codes > 0) {
        uint32_t *codes =
            ARENA_NEW_ARRAY(d->config.arena, from->n_retriable_status_codes, uint32_t);
        memcpy(codes, from->retriable_status_codes,
               from->n_retriable_status_codes * sizeof(uint32_t));
        out->retriable_status_codes = codes;
        out->retriable_status_code_count = (uint32_t)from->n_retriable_status_codes;
    }
    bool is_ok = decode_header_matchers(d, "retriable_headers", from->retriable_headers,
                                        from->n_retriable_headers, &out->retriable_headers,
                                        &out->retriable_header_count);
    return decode_header_matchers(d, "retriable_request_headers", from->retriable_request_headers,
                                  from->n_retriable_request_headers,
                                  &out->retriable_request_headers,
                                  &out->retriable_request_header_count) &&
           is_ok;
}

bool decode_retry_policy(struct decoder *d, const ROUTE(RetryPolicy) *from,
                         struct retry_policy *out) {
    *out = (struct retry_policy){
        .retry_on = decode_retry_on(slice_from_string(from->retry_on)),
        .num_retries = VALUE_OR(from->num_retries, 1),
        .per_try_timeout_ms = CONFIG_TIMEOUT_UNSET,
        .per_try_idle_timeout_ms = CONFIG_TIMEOUT_UNSET,
        .host_selection_max_attempts = 1,
    };
    if (from->host_selection_retry_max_attempts > 0) {
        int64_t attempts = from->host_selection_retry_max_attempts;
        out->host_selection_max_attempts = attempts > UINT32_MAX ? UINT32_MAX : (uint32_t)attempts;
    }
    bool is_ok = decode_optional_duration(d, "per_try_timeout", from->per_try_timeout,
                                          &out->per_try_timeout_ms);
    is_ok = decode_optional_duration(d, "per_try_idle_timeout", from->per_try_idle_timeout,
                                     &out->per_try_idle_timeout_ms) &&
            is_ok;
    is_ok = decode_back_off(d, from->retry_back_off, out) && is_ok;
    is_ok = decode_host_predicates(d, from, out) && is_ok;
    return decode_retriable(d, from, out) && is_ok;
}

static const struct ledger_field retry_policy_fields[] = {
    LEDGER_OK("retry_on"),
    LEDGER_OK("num_retries"),
    LEDGER_OK("per_try_timeout"),
    LEDGER_OK("per_try_idle_timeout"),
    LEDGER_OK("retry_host_predicate"),
    LEDGER_OK("host_selection_retry_max_attempts"),
    LEDGER_OK("retriable_status_codes"),
    LEDGER_OK("retry_back_off"),
    LEDGER_OK("retriable_headers"),
    LEDGER_OK("retriable_request_headers"),
    {"retry_priority", LEDGER_IGNORED, "retries use the priorities of the first attempt"},
    {"retry_options_predicates", LEDGER_IGNORED, "no such extension is built in"},
    {"rate_limited_retry_back_off", LEDGER_IGNORED, "retry-after headers do not delay retries"},
    {"refresh_cluster_on_retry", LEDGER_IGNORED, "a retry goes to the cluster of the first try"},
};
static const struct ledger_field all_fields[] = {LEDGER_OK("*")};

const struct ledger_message ledger_retry_policy[] = {
    LEDGER_MESSAGE("envoy.config.route.v3.RetryPolicy", retry_policy_fields),
    LEDGER_MESSAGE("envoy.config.route.v3.RetryPolicy.RetryBackOff", all_fields),
    LEDGER_MESSAGE("envoy.config.route.v3.RetryPolicy.RetryHostPredicate", all_fields),
    LEDGER_MESSAGE("envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
                   all_fields),
};
const uint32_t ledger_retry_policy_count = ARRAY_LEN(ledger_retry_policy);
