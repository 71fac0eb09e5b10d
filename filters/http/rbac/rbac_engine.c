// SPDX-License-Identifier: Apache-2.0
#include "filters/http/rbac/rbac.h"
#include "src/base/check.h"

static bool address_in(const struct rbac_rule *rule, const struct address *address) {
    for (uint32_t i = 0; address != NULL && i < rule->cidr_count; i++) {
        if (cidr_contains(&rule->cidrs[i], address)) {
            return true;
        }
    }
    return false;
}

/* ---- metadata ---- */

struct metadata_value {
    bool is_present;
    bool is_string;
    struct slice text;
};

// `path` is that of the entry or of something below it.
static bool is_below(struct slice entry, struct slice path) {
    return entry.len > path.len && slice_starts_with(entry, path) && entry.ptr[path.len] == '.';
}

static struct metadata_value dynamic_value(const struct stream_info *info,
                                           const struct rbac_metadata_rule *rule) {
    struct metadata_value value = {0};
    for (const struct info_entry *entry = info->dynamic_metadata; entry != NULL;
         entry = entry->next) {
        if (!slice_equal(entry->space, rule->filter)) {
            continue;
        }
        if (slice_equal(entry->key, rule->path)) {
            return (struct metadata_value){true, entry->is_string, entry->value};
        }
        if (is_below(entry->key, rule->path)) {
            value = (struct metadata_value){true, false, SLICE("{}")};
        }
    }
    return value;
}

static struct metadata_value route_value(const struct metadata *metadata,
                                         const struct rbac_metadata_rule *rule) {
    struct metadata_value value = {0};
    for (uint32_t i = 0; metadata != NULL && i < metadata->count; i++) {
        const struct metadata_entry *entry = &metadata->entries[i];
        if (!slice_equal(entry->filter, rule->filter)) {
            continue;
        }
        if (slice_equal(entry->path, rule->path)) {
            return (struct metadata_value){true, entry->is_string, entry->value};
        }
        if (is_below(entry->path, rule->path)) {
            value = (struct metadata_value){true, false, SLICE("{}")};
        }
    }
    return value;
}

static bool metadata_matches(const struct rbac_metadata_rule *rule,
                             const struct rbac_request *request) {
    struct metadata_value value = rule->from_route ? route_value(request->route_metadata, rule)
                                                   : dynamic_value(request->info, rule);
    bool matches =
        value.is_present && rbac_value_matches(&rule->value, value.text, value.is_string);
    return matches != rule->invert;
}

/* ---- who ---- */

// Envoy: the names of either kind, then the subject.
static bool is_authenticated(const struct rbac_rule *rule,
                             const struct connection_info *connection) {
    if (connection == NULL || !connection_info_peer(connection)->is_tls) {
        return false;
    }
    if (!rule->has_string) {
        return true;
    }
    const struct transport_peer *peer = connection_info_peer(connection);
    for (uint32_t i = 0; i < peer->peer_name_count; i++) {
        if (string_matcher_matches(&rule->string, peer->peer_names[i])) {
            return true;
        }
    }
    return string_matcher_matches(&rule->string, peer->peer_subject);
}

static bool filter_state_matches(const struct rbac_rule *rule, const struct stream_info *info) {
    const struct info_entry *entry = stream_info_state(info, rule->key);
    if (entry == NULL) {
        return false;
    }
    if (rule->kind == RBAC_RULE_FILTER_STATE) {
        return string_matcher_matches(&rule->string, entry->value);
    }
    struct address address;
    if (address_from_ip(&address, entry->value, 0, NULL) != STATUS_OK &&
        address_from_text(&address, entry->value, NULL) != STATUS_OK) {
        return false;
    }
    return address_in(rule, &address) != rule->invert;
}

/* ---- the tree ---- */

static bool port_matches(const struct rbac_rule *rule, const struct address *local) {
    if (local == NULL || !address_is_ip(local)) {
        return false;
    }
    uint16_t port = address_port(local);
    return port >= rule->port_start && port <= rule->port_last;
}

static bool connection_matches(const struct rbac_rule *rule, const struct rbac_request *request) {
    const struct connection_info *connection = request->info->connection;
    if (connection == NULL) {
        return false;
    }
    const struct address *remote = request->info->downstream_remote;
    switch ((int)rule->kind) {
    case RBAC_RULE_DESTINATION_IP:
        return address_in(rule, connection->local);
    case RBAC_RULE_DESTINATION_PORT:
        return port_matches(rule, connection->local);
    case RBAC_RULE_SOURCE_IP:
        return address_in(rule, connection->remote);
    case RBAC_RULE_DIRECT_REMOTE_IP:
        return address_in(rule, connection->direct_remote);
    case RBAC_RULE_REMOTE_IP:
        return address_in(rule, remote != NULL ? remote : connection->remote);
    default:
        return string_matcher_matches(&rule->string, connection->requested_server_name);
    }
}

static bool rule_matches(const struct rbac_rule *rule, const struct rbac_request *request,
                         bool all_values);

/* AND ends at the first that does not match, OR at the first that does. */
static bool children_match(const struct rbac_rule *rule, const struct rbac_request *request,
                           bool all_values) {
    bool is_and = rule->kind == RBAC_RULE_AND;
    for (uint32_t i = 0; i < rule->child_count; i++) {
        if (rule_matches(&rule->children[i], request, all_values) != is_and) {
            return !is_and;
        }
    }
    return is_and;
}

// As deep as the decoder lets messages nest.
static bool rule_matches(const struct rbac_rule *rule, const struct rbac_request *request,
                         bool all_values) {
    switch (rule->kind) {
    case RBAC_RULE_ANY:
        return true;
    case RBAC_RULE_AND:
    case RBAC_RULE_OR:
        return children_match(rule, request, all_values);
    case RBAC_RULE_NOT:
        return !rule_matches(rule->children, request, !all_values);
    case RBAC_RULE_HEADER:
        return all_values ? header_matcher_matches_every(&rule->header, request->headers)
                          : header_matcher_matches_some(&rule->header, request->headers);
    case RBAC_RULE_URL_PATH:
        return request->path.ptr != NULL && string_matcher_matches(&rule->string, request->path);
    case RBAC_RULE_METADATA:
        return metadata_matches(rule->metadata, request);
    case RBAC_RULE_AUTHENTICATED:
        return is_authenticated(rule, request->info->connection);
    case RBAC_RULE_FILTER_STATE:
    case RBAC_RULE_FILTER_STATE_IP:
        return filter_state_matches(rule, request->info);
    case RBAC_RULE_DESTINATION_IP:
    case RBAC_RULE_DESTINATION_PORT:
    case RBAC_RULE_SOURCE_IP:
    case RBAC_RULE_DIRECT_REMOTE_IP:
    case RBAC_RULE_REMOTE_IP:
    case RBAC_RULE_SERVER_NAME:
        return connection_matches(rule, request);
    }
    return false;
}

const struct rbac_policy *rbac_engine_match(const struct rbac_engine *engine,
                                            const struct rbac_request *request) {
    bool all_values = engine->action == RBAC_ALLOW;
    for (uint32_t i = 0; i < engine->policy_count; i++) {
        const struct rbac_policy *policy = &engine->policies[i];
        if (rule_matches(&policy->permissions, request, all_values) &&
            rule_matches(&policy->principals, request, all_values)) {
            return policy;
        }
    }
    return NULL;
}

bool rbac_engine_allows(const struct rbac_engine *engine, const struct rbac_policy *matched) {
    switch (engine->action) {
    case RBAC_ALLOW:
        return matched != NULL;
    case RBAC_DENY:
        return matched == NULL;
    case RBAC_LOG:
        return true;
    }
    return false;
}
