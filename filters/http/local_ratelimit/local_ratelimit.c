// SPDX-License-Identifier: Apache-2.0
#include "filters/http/local_ratelimit/local_ratelimit.h"

#include <string.h>

#include "src/base/check.h"
#include "src/config/config_runtime.h"
#include "src/event/event_loop.h"
#include "src/route/header_mutation.h"

static const struct stat_def stat_defs[] = {LOCAL_RATELIMIT_STATS(STAT_DEF)};
const struct stat_table local_ratelimit_stat_table = {"<stat_prefix>.http_local_rate_limit",
                                                      stat_defs, ARRAY_LEN(stat_defs)};

enum { MILLION = 1000000 };

static struct local_ratelimit_filter *self(struct http_filter *f) {
    struct local_ratelimit_filter *filter = CONTAINER_OF(f, struct local_ratelimit_filter, base);
    CHECK_MAGIC(filter, LOCAL_RATELIMIT_MAGIC);
    return filter;
}

static void count(struct http_filter *f, enum local_ratelimit_stat stat) {
    stats_inc(self(f)->used->stats, http_filter_io(f)->index, stat);
}

static bool draw(struct http_filter *f, const struct config_fraction *fraction) {
    uint32_t per_million = config_fraction_now(fraction, http_filter_io(f));
    return per_million > 0 && random_below(&http_filter_io(f)->random, MILLION) < per_million;
}

/* ---- buckets ---- */

static size_t put(uint8_t *out, size_t used, const void *bytes, size_t len) {
    if (len > 0) {
        memcpy(out + used, bytes, len);
    }
    return used + len;
}

/* What tells cached buckets apart: the connection, where each has its own, the limiter, the values. */
static struct slice cache_key(struct http_filter *f, const struct local_rate *rate,
                              const struct rate_entries *entries) {
    const struct local_ratelimit_config *config = self(f)->used;
    const struct connection_info *connection = http_filter_info(f)->connection;
    uint64_t id = config->is_per_connection && connection != NULL ? connection->id : 0;
    uint32_t thread = config->is_per_connection ? http_filter_io(f)->index : 0;
    size_t len = sizeof(id) + sizeof(thread) + sizeof(rate->id);
    for (uint32_t i = 0; i < entries->count; i++) {
        len += sizeof(size_t) + entries->items[i].value.len;
    }
    uint8_t *out = arena_alloc_bytes(http_filter_arena(f), len);
    size_t used = put(out, 0, &id, sizeof(id));
    used = put(out, used, &thread, sizeof(thread));
    used = put(out, used, &rate->id, sizeof(rate->id));
    for (uint32_t i = 0; i < entries->count; i++) {
        struct slice value = entries->items[i].value;
        used = put(out, used, &value.len, sizeof(value.len));
        used = put(out, used, value.ptr, value.len);
    }
    return slice_make(out, used);
}

static bool consume(struct http_filter *f, const struct local_rate *rate,
                    const struct rate_entries *entries, double tokens, struct token_view *view) {
    uint64_t now_us = event_loop_now_us(http_filter_io(f)->loop);
    if (rate->bucket == NULL) {
        return bucket_cache_consume(self(f)->used->cache, cache_key(f, rate, entries), &rate->rate,
                                    now_us, tokens, view);
    }
    bool is_taken = token_bucket_consume(rate->bucket, &rate->rate, now_us, tokens);
    token_bucket_view(rate->bucket, &rate->rate, now_us, view);
    return is_taken;
}

/* ---- which limiters a request meets ---- */

struct matched_rate {
    const struct local_rate *rate;
    const struct rate_limit *limit;
    struct rate_entries entries;
    uint64_t hits;
};

struct matched_rates {
    struct matched_rate *items;
    uint32_t count;
};

/* One with all values given comes before one that takes any. */
static const struct local_rate *find_rate(const struct local_ratelimit_config *config,
                                          const struct rate_entries *entries) {
    const struct local_rate *wildcard = NULL;
    for (uint32_t i = 0; i < config->rate_count; i++) {
        const struct local_rate *rate = &config->rates[i];
        if (!rate_entries_match(&rate->entries, entries)) {
            continue;
        }
        bool is_exact = true;
        for (uint32_t j = 0; j < rate->entries.count; j++) {
            is_exact = is_exact && rate->entries.items[j].value.len > 0;
        }
        if (is_exact) {
            return rate;
        }
        wildcard = wildcard == NULL ? rate : wildcard;
    }
    return wildcard;
}

/* Slowest first; of equal ones, what was described first. */
static void insert(struct matched_rates *matched, const struct matched_rate *rate) {
    uint32_t at = matched->count++;
    double speed = rate->rate->rate.tokens_per_s;
    for (; at > 0 && matched->items[at - 1].rate->rate.tokens_per_s > speed; at--) {
        matched->items[at] = matched->items[at - 1];
    }
    matched->items[at] = *rate;
}

/* Envoy counts a request by a route's limit once, whatever its hits_addend says, and when it arrives. */
static bool applies(struct http_filter *f, const struct rate_limit *limit, bool is_own,
                    uint64_t *hits) {
    *hits = 1;
    return is_own ? !limit->applies_on_stream_done && rate_limit_hits(limit, f, hits)
                  : limit->stage == self(f)->used->stage && !limit->has_disable_key;
}

static void match_policy(struct http_filter *f, const struct header_map *headers,
                         const struct rate_limit_policy *policy, struct matched_rates *matched) {
    const struct local_ratelimit_config *config = self(f)->used;
    for (uint32_t i = 0; i < policy->count; i++) {
        struct matched_rate found = {.limit = &policy->limits[i]};
        if (!applies(f, found.limit, policy == &config->own_limits, &found.hits) ||
            !rate_limit_describe(found.limit, f, headers, &found.entries)) {
            continue;
        }
        found.rate = find_rate(config, &found.entries);
        if (found.rate != NULL) {
            insert(matched, &found);
        }
    }
}

static struct matched_rates match_rates(struct http_filter *f, const struct header_map *headers) {
    const struct local_ratelimit_config *config = self(f)->used;
    const struct rate_limit_policy *policies[RATE_POLICIES_MAX] = {&config->own_limits};
    struct matched_rates matched = {0};
    if (config->rate_count == 0) {
        return matched;
    }
    uint32_t policy_count =
        config->own_limits.count > 0 ? 1 : rate_limit_policies(f, config->vhost_limits, policies);
    uint32_t max = 0;
    for (uint32_t i = 0; i < policy_count; i++) {
        max += policies[i]->count;
    }
    matched.items = ARENA_NEW_ARRAY(http_filter_arena(f), max, struct matched_rate);
    for (uint32_t i = 0; i < policy_count; i++) {
        match_policy(f, headers, policies[i], &matched);
    }
    return matched;
}

/* The filter's view is of the bucket that refused, else of the first descriptor's, else of the default
 * one. */
static void look(struct local_ratelimit_filter *filter, const struct token_view *view,
                 const struct rate_limit *limit) {
    filter->view = *view;
    filter->headers = limit == NULL ? RATE_HEADERS_AS_FILTER : limit->headers;
}

static const struct local_rate *find_refusing(struct http_filter *f,
                                              const struct header_map *headers) {
    struct local_ratelimit_filter *filter = self(f);
    const struct local_ratelimit_config *config = filter->used;
    struct matched_rates matched = match_rates(f, headers);
    struct token_view view;
    for (uint32_t i = 0; i < matched.count; i++) {
        const struct matched_rate *item = &matched.items[i];
        bool is_taken = consume(f, item->rate, &item->entries, (double)item->hits, &view);
        if (!is_taken || i == 0) {
            look(filter, &view, item->limit);
        }
        if (!is_taken) {
            return item->rate;
        }
    }
    bool asks_default = matched.count == 0 || config->always_consume_default;
    if (config->default_rate == NULL || !asks_default) {
        return NULL;
    }
    struct rate_entries none = {0};
    bool is_taken = consume(f, config->default_rate, &none, 1, &view);
    if (!is_taken || matched.count == 0) {
        look(filter, &view, NULL);
    }
    return is_taken ? NULL : config->default_rate;
}

/* ---- the filter ---- */

static void add_reply_headers(void *arg, struct header_map *headers) {
    struct local_ratelimit_filter *filter = arg;
    struct log_format_input input = {0};
    http_filter_log_input(&filter->base, &input);
    header_ops_apply(&filter->used->response_headers, headers, &input);
    if (filter->used->has_retry_after && filter->view.is_set) {
        header_map_set_uint(headers, HEADER_RETRY_AFTER, filter->view.reset_s);
    }
}

static void reply(struct local_ratelimit_filter *filter) {
    struct local_reply local = {
        .status = filter->used->status,
        .body = SLICE("local_rate_limited"),
        .details = SLICE("local_rate_limited"),
        .grpc_status = filter->used->grpc_status,
        .flag = RESPONSE_FLAG_RATE_LIMITED,
        .modify = add_reply_headers,
        .arg = filter,
    };
    http_filter_local_reply(&filter->base, &local);
}

static enum http_filter_verdict decode_headers(struct http_filter *f, struct header_map *headers,
                                               bool end_stream) {
    (void)end_stream;
    struct local_ratelimit_filter *filter = self(f);
    const struct local_ratelimit_config *route_config = http_filter_route_specific(f);
    filter->used = route_config != NULL ? route_config : filter->config;
    if (!draw(f, &filter->used->enabled)) {
        return HTTP_FILTER_CONTINUE;
    }
    count(f, LOCAL_RATELIMIT_ENABLED);
    const struct local_rate *refusing = find_refusing(f, headers);
    if (refusing == NULL) {
        count(f, LOCAL_RATELIMIT_OK);
        return HTTP_FILTER_CONTINUE;
    }
    count(f, LOCAL_RATELIMIT_RATE_LIMITED);
    if (refusing->shadow_mode) {
        count(f, LOCAL_RATELIMIT_SHADOW_MODE);
        return HTTP_FILTER_CONTINUE;
    }
    if (!draw(f, &filter->used->enforced)) {
        struct log_format_input input = {0};
        http_filter_log_input(f, &input);
        header_ops_apply(&filter->used->request_headers_when_not_enforced, headers, &input);
        return HTTP_FILTER_CONTINUE;
    }
    count(f, LOCAL_RATELIMIT_ENFORCED);
    reply(filter);
    return HTTP_FILTER_HOLD;
}

static void add_number(struct header_map *headers, struct slice name, uint64_t value) {
    header_map_append_name(headers, name,
                           arena_printf(headers->arena, "%llu", (unsigned long long)value));
}

static bool tells(const struct local_ratelimit_filter *filter) {
    switch (filter->headers) {
    case RATE_HEADERS_AS_FILTER:
        return filter->used->has_ratelimit_headers;
    case RATE_HEADERS_OFF:
        return false;
    case RATE_HEADERS_ON:
        return true;
    }
    return false;
}

static enum http_filter_verdict encode_headers(struct http_filter *f, struct header_map *headers,
                                               bool end_stream) {
    (void)end_stream;
    const struct local_ratelimit_filter *filter = self(f);
    if (filter->view.is_set && tells(filter)) {
        add_number(headers, SLICE("x-ratelimit-limit"), filter->view.limit);
        add_number(headers, SLICE("x-ratelimit-remaining"), filter->view.remaining);
        add_number(headers, SLICE("x-ratelimit-reset"), filter->view.reset_s);
    }
    return HTTP_FILTER_CONTINUE;
}

const struct http_filter_ops local_ratelimit_ops = {
    .decode_headers = decode_headers,
    .encode_headers = encode_headers,
};
