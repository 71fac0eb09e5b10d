// SPDX-License-Identifier: Apache-2.0
#include "filters/http/jwt_authn/jwt_authn.h"

#include "filters/http/jwt_authn/jwt_verify.h"
#include "src/base/check.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "src/http/message.h"
#include "src/route/route_match.h"

enum { MAX_REALM_PATH_BYTES = 256 };

static const struct stat_def stat_defs[] = {JWT_AUTHN_STATS(STAT_DEF)};
const struct stat_table jwt_authn_stat_table = {"jwt_authn", stat_defs, ARRAY_LEN(stat_defs)};

static struct jwt_authn *authn_of(struct http_filter *f) {
    struct jwt_authn *authn = CONTAINER_OF(f, struct jwt_authn, base);
    CHECK_MAGIC(authn, JWT_AUTHN_MAGIC);
    return authn;
}

static void count(const struct jwt_authn *authn, enum jwt_authn_stat stat, uint32_t n) {
    if (n > 0) {
        stats_add(authn->config->stats, authn->io->index, stat, n);
    }
}

/* ---- answers ---- */

/* The request's URL, as a quoted string. */
static struct slice realm_of(const struct header_map *headers, struct arena *arena) {
    struct slice path = header_map_get(headers, HEADER_X_ENVOY_ORIGINAL_PATH);
    if (path.len == 0) {
        path = header_map_get(headers, HEADER_PATH);
    }
    path = slice_sub(path, 0, MAX_REALM_PATH_BYTES);
    struct slice scheme = header_map_get(headers, HEADER_SCHEME);
    struct slice host = header_map_get(headers, HEADER_AUTHORITY);
    struct slice url =
        arena_printf(arena, "%.*s://%.*s%.*s", SLICE_ARG(scheme), SLICE_ARG(host), SLICE_ARG(path));
    uint8_t *text = arena_alloc_bytes(arena, 2 * url.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < url.len; i++) {
        if (url.ptr[i] == '"' || url.ptr[i] == '\\') {
            text[len++] = '\\';
        }
        text[len++] = url.ptr[i];
    }
    return slice_make(text, len);
}

static void set_challenge(void *arg, struct header_map *headers) {
    const struct slice *challenge = arg;
    header_map_set_copy(headers, HEADER_WWW_AUTHENTICATE, *challenge);
}

static struct slice details_of(struct slice reason, struct arena *arena) {
    struct slice details = arena_printf(arena, "jwt_authn_access_denied{%.*s}", SLICE_ARG(reason));
    uint8_t *text = (uint8_t *)(uintptr_t)details.ptr;
    for (size_t i = 0; i < details.len; i++) {
        text[i] = text[i] == ' ' || (text[i] >= '\t' && text[i] <= '\r') ? '_' : text[i];
    }
    return details;
}

static void deny(struct jwt_authn *authn, uint32_t status, struct slice body, struct slice reason,
                 struct slice *challenge) {
    bool is_silent = authn->config->strip_failure_response;
    struct local_reply reply = {
        .status = status,
        .body = is_silent ? SLICE("") : body,
        .details = details_of(reason, http_filter_arena(&authn->base)),
        .grpc_status = -1,
        .flag = RESPONSE_FLAG_COUNT,
        .modify = is_silent || challenge == NULL ? NULL : set_challenge,
        .arg = challenge,
    };
    count(authn, JWT_AUTHN_DENIED, 1);
    authn->is_done = true;
    http_filter_local_reply(&authn->base, &reply);
}

static void deny_token(struct jwt_authn *authn, enum jwt_status status) {
    struct slice text = jwt_status_text(status);
    struct slice challenge = arena_printf(http_filter_arena(&authn->base),
                                          "Bearer realm=\"%.*s\"%s", SLICE_ARG(authn->realm),
                                          status == JWT_MISSING ? "" : ", error=\"invalid_token\"");
    deny(authn, status == JWT_AUDIENCE_NOT_ALLOWED ? 403 : 401, text, text, &challenge);
}

/* ---- keys ---- */

static void on_keys(void *arg);

static enum jwt_status find_keys(void *arg, const struct jwt_provider *provider,
                                 struct jwks **jwks) {
    struct jwt_authn *authn = arg;
    struct jwks_wait *wait = authn->waits;
    while (wait != NULL && wait->source != provider->keys) {
        wait = wait->next;
    }
    if (wait == NULL) {
        *jwks = jwks_source_current(provider->keys, authn->io);
        if (*jwks != NULL) {
            return JWT_OK;
        }
        wait = ARENA_NEW(http_filter_arena(&authn->base), struct jwks_wait);
        wait->done = on_keys;
        wait->arg = authn;
        wait->next = authn->waits;
        authn->waits = wait;
        jwks_source_wait(provider->keys, authn->io, wait);
    }
    if (wait->status == JWT_OK) {
        *jwks = wait->jwks;
    }
    return wait->status;
}

static void leave_waits(struct jwt_authn *authn) {
    for (struct jwks_wait *wait = authn->waits; wait != NULL; wait = wait->next) {
        jwks_wait_leave(wait);
    }
    authn->waits = NULL;
}

/* ---- judgement ---- */

/* True: the request may go on now. */
static bool judge(struct jwt_authn *authn) {
    struct header_map *headers = http_filter_request_headers(&authn->base);
    struct jwt_judgement judgement = {
        .config = authn->config,
        .headers = headers,
        .info = http_filter_info(&authn->base),
        .arena = http_filter_arena(&authn->base),
        .now_s = event_loop_wall_us(authn->io->loop) / 1000000,
        .thread = authn->io->index,
        .keys = find_keys,
        .arg = authn,
    };
    jwt_judgement_init(&judgement);
    enum jwt_status status = jwt_judge(&judgement, authn->requirement);
    if (!authn->is_counted) {
        authn->is_counted = true;
        count(authn, JWT_AUTHN_JWT_CACHE_HIT, judgement.cache_hits);
        count(authn, JWT_AUTHN_JWT_CACHE_MISS, judgement.cache_misses);
    }
    if (status == JWT_PENDING) {
        return false;
    }
    leave_waits(authn);
    if (status != JWT_OK) {
        deny_token(authn, status);
        return false;
    }
    jwt_effects_apply(&judgement, headers);
    if (judgement.clears_route) {
        http_filter_clear_route(&authn->base);
    }
    count(authn, JWT_AUTHN_ALLOWED, 1);
    authn->is_done = true;
    return true;
}

/* A key set came, or will not come. */
static void on_keys(void *arg) {
    struct jwt_authn *authn = arg;
    CHECK_MAGIC(authn, JWT_AUTHN_MAGIC);
    if (!authn->is_done && judge(authn)) {
        http_filter_continue_decoding(&authn->base);
    }
}

/* ---- which requirement ---- */

static const struct jwt_requirement *find_named(const struct jwt_authn_config *config,
                                                struct slice name) {
    for (uint32_t i = 0; i < config->named_count; i++) {
        if (slice_equal(config->named[i].name, name)) {
            return &config->named[i].requirement;
        }
    }
    return NULL;
}

static const struct jwt_requirement *match_rules(const struct jwt_authn *authn,
                                                 const struct header_map *headers) {
    const struct jwt_authn_config *config = authn->config;
    struct route_request request = {
        .headers = headers,
        .connection = http_filter_info(&authn->base)->connection,
        .random = config->rule_count == 0 ? 0 : random_next(&authn->io->random),
        .io = authn->io,
    };
    struct route_facts facts;
    route_facts_init(&facts, config->no_routes, &request);
    for (uint32_t i = 0; i < config->rule_count; i++) {
        if (route_match_why_not(&config->rules[i].match, &facts, NULL) == NULL) {
            return config->rules[i].requirement;
        }
    }
    return NULL;
}

static bool is_preflight(const struct header_map *headers) {
    return slice_equal(header_map_get(headers, HEADER_METHOD), SLICE("OPTIONS")) &&
           header_map_get(headers, HEADER_ORIGIN).len > 0 &&
           header_map_get(headers, HEADER_ACCESS_CONTROL_REQUEST_METHOD).len > 0;
}

static void deny_name(struct jwt_authn *authn, struct slice name) {
    struct arena *arena = http_filter_arena(&authn->base);
    struct slice reason =
        arena_printf(arena, "Wrong requirement_name: %.*s. It should be one of [%.*s]",
                     SLICE_ARG(name), SLICE_ARG(authn->config->names));
    struct slice body = arena_printf(arena, "Failed JWT authentication: %.*s", SLICE_ARG(reason));
    deny(authn, 403, body, reason, NULL);
}

/* False: answered. NULL: nothing is required. */
static bool choose(struct jwt_authn *authn, const struct header_map *headers) {
    const struct jwt_authn_route *route = http_filter_route_specific(&authn->base);
    if (route == NULL) {
        authn->requirement = match_rules(authn, headers);
        return true;
    }
    if (route->is_disabled) {
        return true;
    }
    authn->requirement = find_named(authn->config, route->requirement_name);
    if (authn->requirement == NULL) {
        deny_name(authn, route->requirement_name);
        return false;
    }
    return true;
}

static enum http_filter_verdict decode_headers(struct http_filter *f, struct header_map *headers,
                                               bool end_stream) {
    struct jwt_authn *authn = authn_of(f);
    const struct jwt_authn_config *config = authn->config;
    (void)end_stream;
    for (uint32_t i = 0; i < config->own_headers.count; i++) {
        (void)header_map_remove_name(headers, config->own_headers.items[i]);
    }
    if (config->bypass_cors_preflight && is_preflight(headers)) {
        count(authn, JWT_AUTHN_CORS_PREFLIGHT_BYPASSED, 1);
    } else if (!choose(authn, headers)) {
        return HTTP_FILTER_PAUSE;
    }
    if (authn->requirement == NULL) {
        count(authn, JWT_AUTHN_ALLOWED, 1);
        authn->is_done = true;
        return HTTP_FILTER_CONTINUE;
    }
    authn->realm = realm_of(headers, http_filter_arena(f));
    return judge(authn) ? HTTP_FILTER_CONTINUE : HTTP_FILTER_PAUSE;
}

/* Another's reply ends the request: keys are not wanted any more. */
static void on_local_reply(struct http_filter *f, uint32_t status, struct slice details) {
    struct jwt_authn *authn = authn_of(f);
    (void)status;
    (void)details;
    authn->is_done = true;
    leave_waits(authn);
}

static void on_destroy(struct http_filter *f) {
    struct jwt_authn *authn = authn_of(f);
    authn->is_done = true;
    leave_waits(authn);
}

const struct http_filter_ops jwt_authn_ops = {
    .decode_headers = decode_headers,
    .on_local_reply = on_local_reply,
    .on_destroy = on_destroy,
};
