// SPDX-License-Identifier: Apache-2.0
#include "src/route/rate_descriptor.h"

#include "src/access_log/log_format.h"
#include "src/config/route_config.h"
#include "src/http/path.h"

enum { RATE_HITS_MAX = 1000000000 };

struct describing {
    struct http_filter *f;
    const struct header_map *headers;
    struct log_format_input input;
    struct rate_entry *entries;
    uint32_t count;
};

static bool add(struct describing *d, const struct rate_action *action, struct slice value) {
    d->entries[d->count++] = (struct rate_entry){action->key, value};
    return true;
}

// What is not there is left out, or makes the whole limit not apply.
static bool add_or_skip(struct describing *d, const struct rate_action *action,
                        struct slice value) {
    return value.len > 0 ? add(d, action, value) : action->skip_if_absent;
}

static struct slice destination_cluster(struct describing *d) {
    const struct route *route = http_filter_route(d->f);
    if (route == NULL || route->action != ROUTE_ACTION_CLUSTER) {
        return SLICE("");
    }
    const struct weighted_cluster *weighted = http_filter_weighted_cluster(d->f);
    if (weighted != NULL && weighted->name.len > 0) {
        return weighted->name;
    }
    if (route->cluster->cluster_header.len > 0) {
        return header_map_get_name(d->headers, route->cluster->cluster_header);
    }
    return route->cluster->cluster_name;
}

static const struct address *remote_ip(struct describing *d) {
    const struct stream_info *info = http_filter_info(d->f);
    const struct address *address = info->downstream_remote;
    if (address == NULL && info->connection != NULL) {
        address = info->connection->remote;
    }
    return address != NULL && address_is_ip(address) ? address : NULL;
}

static bool add_remote_address(struct describing *d, const struct rate_action *action) {
    const struct address *address = remote_ip(d);
    if (address == NULL) {
        return false;
    }
    char text[ADDRESS_TEXT_BYTES];
    struct slice ip = address_ip_text(address, text);
    return add(d, action, arena_dup_slice(http_filter_arena(d->f), ip));
}

static void mask_bytes(uint8_t *bytes, uint32_t len, uint32_t bits) {
    for (uint32_t i = 0; i < len; i++) {
        uint32_t kept = bits <= i * 8 ? 0 : bits - i * 8;
        bytes[i] = (uint8_t)(bytes[i] & (0xff00U >> (kept > 8 ? 8 : kept)));
    }
}

static bool add_masked_address(struct describing *d, const struct rate_action *action) {
    const struct address *address = remote_ip(d);
    if (address == NULL) {
        return false;
    }
    struct address masked = *address;
    bool is_v6 = address->any.sa_family == AF_INET6;
    uint32_t bits = is_v6 ? action->v6_bits : action->v4_bits;
    if (is_v6) {
        mask_bytes((uint8_t *)&masked.v6.sin6_addr, 16, bits);
    } else {
        mask_bytes((uint8_t *)&masked.v4.sin_addr, 4, bits);
    }
    char text[ADDRESS_TEXT_BYTES];
    struct slice ip = address_ip_text(&masked, text);
    return add(d, action, arena_printf(http_filter_arena(d->f), "%.*s/%u", SLICE_ARG(ip), bits));
}

static bool add_address_match(struct describing *d, const struct rate_action *action) {
    const struct address *address = remote_ip(d);
    bool is_within = false;
    for (uint32_t i = 0; address != NULL && i < action->range_count; i++) {
        is_within = is_within || cidr_contains(&action->ranges[i], address);
    }
    return address != NULL && is_within == action->expect_match && add(d, action, action->value);
}

static struct slice query_of(const struct describing *d) {
    return path_query(header_map_get(d->headers, HEADER_PATH));
}

static bool add_query_parameter(struct describing *d, const struct rate_action *action) {
    struct slice value = {NULL, 0};
    struct slice decoded;
    if (path_query_get(query_of(d), action->name, &value) &&
        path_percent_decode(value, http_filter_arena(d->f), &decoded) == STATUS_OK) {
        value = decoded;
    }
    return add_or_skip(d, action, value);
}

static struct slice route_metadata_text(const struct route *route,
                                        const struct rate_action *action) {
    for (uint32_t i = 0; route != NULL && i < route->metadata.count; i++) {
        const struct metadata_entry *entry = &route->metadata.entries[i];
        if (entry->is_string && slice_equal(entry->filter, action->name) &&
            slice_equal(entry->path, action->path)) {
            return entry->value;
        }
    }
    return SLICE("");
}

static bool add_metadata(struct describing *d, const struct rate_action *action) {
    struct slice value = SLICE("");
    if (action->from_route) {
        value = route_metadata_text(http_filter_route(d->f), action);
    } else {
        const struct info_entry *entry =
            stream_info_metadata(http_filter_info(d->f), action->name, action->path);
        value = entry != NULL && entry->is_string ? entry->value : value;
    }
    return add_or_skip(d, action, value.len > 0 ? value : action->default_value);
}

static bool add_action(struct describing *d, const struct rate_action *action) {
    switch (action->kind) {
    case RATE_ACTION_SOURCE_CLUSTER:
        return add(d, action, d->input.node_cluster);
    case RATE_ACTION_DESTINATION_CLUSTER: {
        struct slice cluster = destination_cluster(d);
        return cluster.len > 0 && add(d, action, cluster);
    }
    case RATE_ACTION_REQUEST_HEADERS:
        return add_or_skip(d, action, header_map_get_name(d->headers, action->name));
    case RATE_ACTION_QUERY_PARAMETERS:
        return add_query_parameter(d, action);
    case RATE_ACTION_REMOTE_ADDRESS:
        return add_remote_address(d, action);
    case RATE_ACTION_MASKED_REMOTE_ADDRESS:
        return add_masked_address(d, action);
    case RATE_ACTION_GENERIC_KEY:
        return add(d, action, action->value);
    case RATE_ACTION_HEADER_VALUE_MATCH:
        return header_matchers_match(action->headers, action->header_count, d->headers) ==
                   action->expect_match &&
               add(d, action, action->value);
    case RATE_ACTION_QUERY_VALUE_MATCH:
        return query_matchers_match(action->queries, action->query_count, query_of(d)) ==
                   action->expect_match &&
               add(d, action, action->value);
    case RATE_ACTION_REMOTE_ADDRESS_MATCH:
        return add_address_match(d, action);
    case RATE_ACTION_METADATA:
        return add_metadata(d, action);
    }
    return false;
}

bool rate_limit_hits(const struct rate_limit *limit, struct http_filter *f, uint64_t *hits) {
    *hits = limit->hits;
    if (limit->hits_format == NULL) {
        return true;
    }
    struct log_format_input input;
    http_filter_log_input(f, &input);
    struct slice text = log_format_text(limit->hits_format, &input, http_filter_arena(f));
    return slice_parse_uint64(text, hits) == STATUS_OK && *hits <= RATE_HITS_MAX;
}

uint32_t rate_limit_policies(struct http_filter *f, enum rate_vhost_limits option,
                             const struct rate_limit_policy *policies[RATE_POLICIES_MAX]) {
    const struct route *route = http_filter_route(f);
    if (route == NULL || route->action != ROUTE_ACTION_CLUSTER) {
        return 0;
    }
    uint32_t count = 0;
    if (route->cluster->rate_limits != NULL) {
        policies[count++] = route->cluster->rate_limits;
    }
    bool takes_vhost = route->cluster->include_vh_rate_limits || option == RATE_VHOST_INCLUDE ||
                       (option == RATE_VHOST_OVERRIDE && count == 0);
    const struct virtual_host *vhost = http_filter_virtual_host(f);
    if (takes_vhost && vhost != NULL && vhost->rate_limits != NULL) {
        policies[count++] = vhost->rate_limits;
    }
    return count;
}

bool rate_limit_describe(const struct rate_limit *limit, struct http_filter *f,
                         const struct header_map *headers, struct rate_entries *out) {
    struct describing d = {.f = f, .headers = headers};
    http_filter_log_input(f, &d.input);
    d.input.request_headers = headers;
    d.entries = ARENA_NEW_ARRAY(http_filter_arena(f), limit->action_count, struct rate_entry);
    for (uint32_t i = 0; i < limit->action_count; i++) {
        if (!add_action(&d, &limit->actions[i])) {
            return false;
        }
    }
    *out = (struct rate_entries){.items = d.entries, .count = d.count};
    return d.count > 0;
}

bool rate_entries_match(const struct rate_entries *rule, const struct rate_entries *request) {
    if (rule->count != request->count) {
        return false;
    }
    for (uint32_t i = 0; i < rule->count; i++) {
        if (!slice_equal(rule->items[i].key, request->items[i].key) ||
            (rule->items[i].value.len > 0 &&
             !slice_equal(rule->items[i].value, request->items[i].value))) {
            return false;
        }
    }
    return true;
}
