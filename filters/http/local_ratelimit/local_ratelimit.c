// SPDX-License-Identifier: Apache-2.0
#include "filters/http/local_ratelimit/local_ratelimit.h"

#include <string.h>

#include "src/base/check.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"
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
    return fraction->per_million > 0 &&
           random_below(&http_filter_io(f)->random, MILLION) < fraction->per_million;
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
    struct rate_entries entries;
    double tokens;
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

static uint32_t match_rates(struct http_filter *f, const struct header_map *headers,
                            struct matched_rate *matched) {
    const struct local_ratelimit_config *config = self(f)->used;
    uint32_t count_matched = 0;
    for (uint32_t i = 0; i < config->limit_count && config->rate_count > 0; i++) {
        struct rate_entries entries;
        if (!rate_limit_describe(&config->limits[i], f, headers, &entries)) {
            continue;
        }
        const struct local_rate *rate = find_rate(config, &entries);
        if (rate == NULL) {
            continue;
        }
        /* Slowest first, as the table is: `rate` goes behind all that stand before it there. */
        uint32_t at = count_matched++;
        for (; at > 0 && matched[at - 1].rate > rate; at--) {
            matched[at] = matched[at - 1];
        }
        matched[at] = (struct matched_rate){rate, entries, (double)config->limits[i].hits};
    }
    return count_matched;
}

/* *view is of the bucket that refused, else of the first descriptor's, else of the default one. */
static const struct local_rate *
find_refusing(struct http_filter *f, const struct header_map *headers, struct token_view *view) {
    const struct local_ratelimit_config *config = self(f)->used;
    struct matched_rate *matched =
        ARENA_NEW_ARRAY(http_filter_arena(f), config->limit_count, struct matched_rate);
    uint32_t matched_count = match_rates(f, headers, matched);
    for (uint32_t i = 0; i < matched_count; i++) {
        struct token_view now;
        if (!consume(f, matched[i].rate, &matched[i].entries, matched[i].tokens, &now)) {
            *view = now;
            return matched[i].rate;
        }
        *view = i == 0 ? now : *view;
    }
    bool asks_default = matched_count == 0 || config->always_consume_default;
    if (config->default_rate != NULL && asks_default) {
        struct token_view now;
        struct rate_entries none = {0};
        bool is_taken = consume(f, config->default_rate, &none, 1, &now);
        if (!is_taken || matched_count == 0) {
            *view = now;
        }
        return is_taken ? NULL : config->default_rate;
    }
    return NULL;
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
    const struct local_rate *refusing = find_refusing(f, headers, &filter->view);
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

static enum http_filter_verdict encode_headers(struct http_filter *f, struct header_map *headers,
                                               bool end_stream) {
    (void)end_stream;
    const struct local_ratelimit_filter *filter = self(f);
    if (filter->used != NULL && filter->used->has_ratelimit_headers && filter->view.is_set) {
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
