// SPDX-License-Identifier: Apache-2.0
/* Hash keys of requests, bit by bit as Envoy makes them: two proxies side by side send a user to the
 * same host. */
#include <stdlib.h>

#include "src/base/check.h"
#include "src/http/path.h"
#include "src/matcher/regex.h"
#include "src/route/cookie.h"
#include "src/route/route_action.h"

enum { MAX_HASHED_VALUES = 64 };

static int compare_values(const void *a, const void *b) {
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static uint32_t collect_values(const struct hash_policy *policy, const struct header_map *headers,
                               struct slice values[MAX_HASHED_VALUES], struct arena *arena) {
    uint32_t count = 0;
    const struct header_entry *entry;
    for (uint32_t at = 0;
         count < MAX_HASHED_VALUES && (entry = header_map_next(headers, &at)) != NULL;) {
        if (!slice_equal(header_entry_name(entry), policy->name)) {
            continue;
        }
        values[count++] = policy->rewrite_regex == NULL
                              ? header_entry_value(entry)
                              : regex_replace_all(policy->rewrite_regex, header_entry_value(entry),
                                                  policy->rewrite_substitution, arena);
    }
    return count;
}

// Several values hash the same in whatever order they came.
static bool hash_header(const struct hash_policy *policy, const struct header_map *headers,
                        uint64_t *hash, struct arena *arena) {
    struct slice name = policy->name;
    struct slice values[MAX_HASHED_VALUES];
    // Envoy knows the host by its HTTP/2 name.
    struct hash_policy by_authority = *policy;
    if (slice_equal(name, SLICE("host"))) {
        by_authority.name = SLICE(":authority");
        policy = &by_authority;
    }
    uint32_t count = collect_values(policy, headers, values, arena);
    if (count == 0) {
        return false;
    }
    qsort(values, count, sizeof(values[0]), compare_values);
    *hash = 0;
    for (uint32_t i = 0; i < count; i++) {
        *hash = slice_xxhash64(values[i], *hash);
    }
    return true;
}

/* Of the connection, so that requests that race on it are given one and the same cookie. */
static struct slice make_cookie_value(const struct stream_info *info, struct arena *arena) {
    char remote[ADDRESS_TEXT_BYTES] = "";
    char local[ADDRESS_TEXT_BYTES] = "";
    struct slice remote_text = SLICE("");
    struct slice local_text = SLICE("");
    const struct connection_info *connection = info->connection;
    if (connection != NULL && connection->remote != NULL) {
        remote_text = address_to_text(connection->remote, remote);
    }
    if (connection != NULL && connection->local != NULL) {
        local_text = address_to_text(connection->local, local);
    }
    struct slice both =
        arena_printf(arena, "%.*s%.*s", SLICE_ARG(remote_text), SLICE_ARG(local_text));
    return arena_printf(arena, "%016llx", (unsigned long long)slice_xxhash64(both, 0));
}

static struct slice make_set_cookie(const struct hash_policy *policy, struct slice value,
                                    struct arena *arena) {
    struct slice max_age = SLICE("");
    struct slice path = SLICE("");
    if (policy->cookie_ttl_s > 0) {
        max_age = arena_printf(arena, "; Max-Age=%llu", (unsigned long long)policy->cookie_ttl_s);
    }
    if (policy->cookie_path.len > 0) {
        path = arena_printf(arena, "; Path=%.*s", SLICE_ARG(policy->cookie_path));
    }
    return arena_printf(arena, "%.*s=\"%.*s\"%.*s%.*s; HttpOnly", SLICE_ARG(policy->name),
                        SLICE_ARG(value), SLICE_ARG(max_age), SLICE_ARG(path));
}

static bool hash_cookie(const struct hash_policy *policy, const struct header_map *headers,
                        const struct stream_info *info, uint64_t *hash, struct slice *set_cookie,
                        struct arena *arena) {
    struct slice value = SLICE("");
    if (!cookie_get(headers, policy->name, &value) || value.len == 0) {
        if (!policy->has_cookie_ttl) {
            return false;
        }
        value = make_cookie_value(info, arena);
        *set_cookie = make_set_cookie(policy, value, arena);
    }
    *hash = slice_xxhash64(value, 0);
    return true;
}

static bool hash_source_ip(const struct stream_info *info, uint64_t *hash) {
    const struct address *remote = info->downstream_remote;
    if (remote == NULL && info->connection != NULL) {
        remote = info->connection->remote;
    }
    if (remote == NULL || !address_is_ip(remote)) {
        return false;
    }
    char text[ADDRESS_TEXT_BYTES];
    *hash = slice_xxhash64(address_ip_text(remote, text), 0);
    return true;
}

static bool hash_query(const struct hash_policy *policy, const struct header_map *headers,
                       uint64_t *hash) {
    struct slice value;
    struct slice query = path_query(header_map_get(headers, HEADER_PATH));
    if (!path_query_get(query, policy->name, &value)) {
        return false;
    }
    *hash = slice_xxhash64(value, 0);
    return true;
}

static bool hash_state(const struct hash_policy *policy, const struct stream_info *info,
                       uint64_t *hash) {
    const struct info_entry *entry = stream_info_state(info, policy->name);
    if (entry == NULL) {
        return false;
    }
    *hash = slice_xxhash64(entry->value, 0);
    return true;
}

static bool hash_one(const struct hash_policy *policy, const struct header_map *headers,
                     const struct stream_info *info, uint64_t *hash, struct slice *set_cookie,
                     struct arena *arena) {
    switch (policy->kind) {
    case HASH_POLICY_HEADER:
        return hash_header(policy, headers, hash, arena);
    case HASH_POLICY_COOKIE:
        return hash_cookie(policy, headers, info, hash, set_cookie, arena);
    case HASH_POLICY_SOURCE_IP:
        return hash_source_ip(info, hash);
    case HASH_POLICY_QUERY:
        return hash_query(policy, headers, hash);
    case HASH_POLICY_FILTER_STATE:
        return hash_state(policy, info, hash);
    }
    return false;
}

bool route_hash(const struct route_action *action, const struct header_map *headers,
                const struct stream_info *info, uint64_t *hash, struct slice *set_cookie,
                struct arena *arena) {
    bool has_hash = false;
    uint64_t combined = 0;
    *set_cookie = SLICE("");
    for (uint32_t i = 0; i < action->hash_policy_count; i++) {
        const struct hash_policy *policy = &action->hash_policies[i];
        uint64_t one;
        if (hash_one(policy, headers, info, &one, set_cookie, arena)) {
            // The rotation keeps two equal rules from cancelling each other out.
            combined = (combined << 1 | combined >> 63) ^ one;
            has_hash = true;
        }
        if (has_hash && policy->terminal) {
            break;
        }
    }
    if (has_hash) {
        *hash = combined;
    }
    return has_hash;
}
