// SPDX-License-Identifier: Apache-2.0
#include "xds/subscription.h"

#include "envoy/config/core/v3/config_source.pb-c.h"
#include "src/base/check.h"
#include "src/base/log.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "xds/proto_reflect.h"
#include "xds/subscription_internal.h"
#include "xds/transport/file_transport.h"
#include "xds/wire_check.h"

static const struct stat_def stat_defs[] = {SUBSCRIPTION_STATS(STAT_DEF)};
static const struct stat_table stat_table = {"subscription", stat_defs, SUBSCRIPTION_CONFIG_RELOAD};
static const struct stat_table reload_stat_table = {"reload", stat_defs, SUBSCRIPTION_STAT_COUNT};

/* ---- lives ---- */

/* A resource that disappears unless it is heard of in time. */
struct resource_life {
    struct list_node node;
    struct xds_subscription *subscription;
    struct timer timer;
    struct slice name;
    uint8_t bytes[];
};

static struct resource_life *find_life(const struct xds_subscription *s, struct slice name) {
    LIST_FOR_EACH (node, &s->lives) {
        struct resource_life *life = LIST_ENTRY(node, struct resource_life, node);
        if (slice_equal(life->name, name)) {
            return life;
        }
    }
    return NULL;
}

static void free_life(struct resource_life *life) {
    timer_cancel(&life->timer);
    list_remove(&life->node);
    mem_free(life);
}

static struct io_context *control_of(const struct xds_subscription *s) {
    return s->client->options.control;
}

static void on_expired(void *arg) {
    struct resource_life *life = arg;
    struct xds_subscription *s = life->subscription;
    struct arena arena;
    arena_init_heap(&arena, 0);
    struct slice name = arena_dup_slice(&arena, life->name);
    free_life(life);
    LOG(CONFIG, DEBUG, "the time to live of %.*s is over", SLICE_ARG(name));
    struct xds_mux *mux = s->ads != NULL ? s->ads : s->mux;
    if (mux != NULL) {
        ads_session_forget(xds_mux_session(mux), s->type_url, name);
    }
    struct discovery_response removal = {.variant = DISCOVERY_DELTA,
                                         .type_url = s->type_url,
                                         .version = s->version,
                                         .removed = &name,
                                         .removed_count = 1};
    (void)s->handler->on_update(s->arg, &removal, &arena);
    arena_deinit(&arena);
}

static void follow_life(struct xds_subscription *s, const struct discovery_resource *resource) {
    struct slice name = resource->name.len > 0 ? resource->name : s->name;
    struct resource_life *life = find_life(s, name);
    if (!resource->has_ttl) {
        if (life != NULL && resource->has_body) {
            free_life(life);
        }
        return;
    }
    if (life == NULL) {
        life = mem_calloc(1, sizeof(*life) + name.len);
        memcpy(life->bytes, name.ptr, name.len);
        life->name = slice_make(life->bytes, name.len);
        life->subscription = s;
        timer_init(&life->timer, on_expired, life);
        list_push_back(&s->lives, &life->node);
    }
    timer_arm(control_of(s)->loop, &life->timer, resource->ttl_ms);
}

/* ---- updates ---- */

static void count(struct xds_subscription *s, enum subscription_stat stat) {
    stats_inc(s->stats, control_of(s)->index, stat);
}

static void settle(struct xds_subscription *s) {
    timer_cancel(&s->fetch_timer);
    s->is_settled = true;
}

static void give_up(struct xds_subscription *s) {
    if (!s->is_settled) {
        settle(s);
        s->handler->on_given_up(s->arg);
    }
}

static void destroy(struct xds_subscription *s);

void subscription_hold(struct xds_subscription *s) {
    s->busy++;
}

void subscription_leave(struct xds_subscription *s) {
    if (--s->busy == 0 && s->is_dead) {
        destroy(s);
    }
}

static void on_fetch_timeout(void *arg) {
    struct xds_subscription *s = arg;
    LOG(CONFIG, WARN, "gRPC config: initial fetch timed out for %s", s->type->type_url);
    count(s, SUBSCRIPTION_INIT_FETCH_TIMEOUT);
    count(s, SUBSCRIPTION_UPDATE_ATTEMPT);
    subscription_hold(s);
    give_up(s);
    subscription_leave(s);
}

void subscription_connection_failed(struct xds_subscription *s) {
    count(s, SUBSCRIPTION_UPDATE_FAILURE);
    count(s, SUBSCRIPTION_UPDATE_ATTEMPT);
}

static bool is_mine(const struct xds_subscription *s, const struct discovery_resource *resource) {
    if (s->name.len == 0) {
        return true;
    }
    struct slice name =
        resource->name.len > 0 ? resource->name : resource_name(s->type, resource->value);
    return slice_equal(name, s->name);
}

bool subscription_is_concerned(const struct xds_subscription *s,
                               const struct discovery_response *response) {
    if (s->name.len == 0) {
        return true;
    }
    for (uint32_t i = 0; i < response->resource_count; i++) {
        if (is_mine(s, &response->resources[i])) {
            return true;
        }
    }
    for (uint32_t i = 0; i < response->removed_count; i++) {
        if (slice_equal(response->removed[i], s->name)) {
            return true;
        }
    }
    return false;
}

static struct discovery_response select_mine(const struct xds_subscription *s,
                                             const struct discovery_response *response,
                                             struct arena *arena) {
    struct discovery_response mine = *response;
    if (s->name.len == 0) {
        return mine;
    }
    struct discovery_resource *kept =
        ARENA_NEW_ARRAY(arena, response->resource_count, struct discovery_resource);
    mine.resources = kept;
    mine.resource_count = 0;
    mine.removed = NULL;
    mine.removed_count = 0;
    for (uint32_t i = 0; i < response->resource_count; i++) {
        if (is_mine(s, &response->resources[i])) {
            kept[mine.resource_count++] = response->resources[i];
        }
    }
    for (uint32_t i = 0; i < response->removed_count; i++) {
        if (slice_equal(response->removed[i], s->name)) {
            mine.removed = &response->removed[i];
            mine.removed_count = 1;
        }
    }
    return mine;
}

static void keep_version(struct xds_subscription *s, struct slice version) {
    mem_free((void *)(uintptr_t)s->version.ptr);
    s->version = slice_make(mem_dup_string((const char *)version.ptr, version.len), version.len);
    uint32_t thread = control_of(s)->index;
    stats_set(s->stats, thread, SUBSCRIPTION_VERSION, slice_xxhash64(version, 0));
    stats_set(s->stats, thread, SUBSCRIPTION_UPDATE_TIME,
              event_loop_wall_us(control_of(s)->loop) / 1000);
}

static bool counts_reloads(const struct xds_subscription *s) {
    return s->type == &resource_type_cluster || s->type == &resource_type_route;
}

void xds_subscription_count_reload(struct xds_subscription *s) {
    if (s == NULL || !counts_reloads(s)) {
        return;
    }
    count(s, SUBSCRIPTION_CONFIG_RELOAD);
    stats_set(s->stats, control_of(s)->index, SUBSCRIPTION_CONFIG_RELOAD_TIME_MS,
              event_loop_wall_us(control_of(s)->loop) / 1000);
}

static void accept(struct xds_subscription *s, const struct discovery_response *mine) {
    count(s, SUBSCRIPTION_UPDATE_SUCCESS);
    keep_version(s, mine->version);
    for (uint32_t i = 0; i < mine->resource_count; i++) {
        follow_life(s, &mine->resources[i]);
    }
    settle(s);
}

struct slice subscription_update(struct xds_subscription *s,
                                 const struct discovery_response *response, struct arena *arena) {
    struct discovery_response mine = select_mine(s, response, arena);
    uint64_t begin_us = event_loop_now_us(control_of(s)->loop);
    subscription_hold(s);
    struct slice error = s->handler->on_update(s->arg, &mine, arena);
    count(s, SUBSCRIPTION_UPDATE_ATTEMPT);
    if (error.len == 0) {
        accept(s, &mine);
    } else {
        if (s->name.len > 0) { // else the error names each of the resources
            error = arena_printf(arena, "%.*s: %.*s", SLICE_ARG(s->name), SLICE_ARG(error));
        }
        LOG(CONFIG, WARN, "gRPC config for %s rejected: %.*s", s->type->type_url, SLICE_ARG(error));
        count(s, SUBSCRIPTION_UPDATE_REJECTED);
        give_up(s);
    }
    stats_record(s->stats, control_of(s)->index, SUBSCRIPTION_UPDATE_DURATION,
                 (event_loop_now_us(control_of(s)->loop) - begin_us) / 1000);
    subscription_leave(s);
    return error;
}

struct slice subscription_nameless_error(const struct resource_type *type,
                                         const struct discovery_response *response,
                                         struct arena *arena) {
    const struct proto_message_info *info = proto_message_find(slice_from_string(type->message));
    struct validation v;
    bool is_refused = false;
    validation_init(&v, arena, SLICE(""));
    validation_push(&v, "resources");
    for (uint32_t i = 0; i < response->resource_count; i++) {
        const struct discovery_resource *resource = &response->resources[i];
        validation_push_index(&v, i);
        if (resource->has_body && resource->name.len == 0 &&
            resource_name(type, resource->value).len == 0 &&
            wire_check(info, resource->value, NULL, NULL, &v) != STATUS_OK) {
            is_refused = true;
        }
        validation_pop(&v);
    }
    validation_pop(&v);
    return is_refused ? validation_text(&v, arena) : SLICE("");
}

/* ---- a stream of its own ---- */

static void own_response(void *arg, const struct discovery_response *response) {
    struct xds_subscription *s = arg;
    struct arena arena;
    arena_init_heap(&arena, 0);
    subscription_hold(s);
    struct slice error = SLICE("");
    if (subscription_is_concerned(s, response)) {
        error = subscription_update(s, response, &arena);
    } else {
        error = subscription_nameless_error(s->type, response, &arena);
    }
    if (!s->is_dead) {
        ads_session_answer(xds_mux_session(s->mux), response, error);
    }
    subscription_leave(s);
    arena_deinit(&arena);
}

static void own_connected(void *arg, bool is_connected) {
    (void)arg;
    (void)is_connected;
}

static void own_failure(void *arg) {
    subscription_connection_failed(arg);
}

static const struct xds_mux_handler own_handler = {own_response, own_connected, own_failure};

struct service_methods {
    const struct resource_type *type;
    const char *sotw, *delta;
};

static const struct service_methods methods[] = {
    {&resource_type_listener, "/envoy.service.listener.v3.ListenerDiscoveryService/StreamListeners",
     "/envoy.service.listener.v3.ListenerDiscoveryService/DeltaListeners"},
    {&resource_type_route, "/envoy.service.route.v3.RouteDiscoveryService/StreamRoutes",
     "/envoy.service.route.v3.RouteDiscoveryService/DeltaRoutes"},
    {&resource_type_cluster, "/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters",
     "/envoy.service.cluster.v3.ClusterDiscoveryService/DeltaClusters"},
    {&resource_type_endpoint, "/envoy.service.endpoint.v3.EndpointDiscoveryService/StreamEndpoints",
     "/envoy.service.endpoint.v3.EndpointDiscoveryService/DeltaEndpoints"},
    {&resource_type_secret, "/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets",
     "/envoy.service.secret.v3.SecretDiscoveryService/DeltaSecrets"},
    {&resource_type_runtime, "/envoy.service.runtime.v3.RuntimeDiscoveryService/StreamRuntime",
     "/envoy.service.runtime.v3.RuntimeDiscoveryService/DeltaRuntime"},
};

static struct slice method_of(const struct resource_type *type, enum discovery_variant variant) {
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (methods[i].type == type) {
            return slice_from_string(variant == DISCOVERY_DELTA ? methods[i].delta
                                                                : methods[i].sotw);
        }
    }
    return SLICE("");
}

#define API_SOURCE Envoy__Config__Core__V3__ApiConfigSource
#define ANY_SOURCE Envoy__Config__Core__V3__ConfigSource

static enum status variant_of(const API_SOURCE *source, enum discovery_variant *variant,
                              struct error *err) {
    switch ((int)source->api_type) {
    case ENVOY__CONFIG__CORE__V3__API_CONFIG_SOURCE__API_TYPE__GRPC:
        *variant = DISCOVERY_SOTW;
        return STATUS_OK;
    case ENVOY__CONFIG__CORE__V3__API_CONFIG_SOURCE__API_TYPE__DELTA_GRPC:
        *variant = DISCOVERY_DELTA;
        return STATUS_OK;
    default:
        return error_set(err, STATUS_INVALID, "api_config_source: api_type %d is not supported",
                         (int)source->api_type);
    }
}

static void use_mux(struct xds_subscription *s, struct xds_mux *mux) {
    ads_session_subscribe(xds_mux_session(mux), s->type_url, s->name);
}

static enum status start_stream(struct xds_subscription *s, const API_SOURCE *source,
                                struct error *err) {
    struct xds_mux_options options = {.control = control_of(s),
                                      .node = s->client->options.node,
                                      .node_on_first_message_only =
                                          source->set_node_on_first_message_only != 0,
                                      .handler = &own_handler,
                                      .arg = s};
    TRY(variant_of(source, &options.variant, err));
    if (source->n_grpc_services == 0) {
        return error_set(err, STATUS_INVALID, "API configs must have a gRPC service defined");
    }
    TRY(management_server_new(&s->client->options.servers, source->grpc_services[0], &s->server,
                              err));
    options.server = s->server;
    options.method = method_of(s->type, options.variant);
    s->mux = xds_mux_new(&options);
    use_mux(s, s->mux);
    if (s->client->is_started) {
        xds_mux_start(s->mux);
    }
    return STATUS_OK;
}

/* ---- files ---- */

static void file_response(void *arg, const struct discovery_response *from) {
    struct xds_subscription *s = arg;
    struct arena arena;
    struct discovery_response response = *from;
    arena_init_heap(&arena, 0);
    response.type_url = s->type_url;
    if (subscription_is_concerned(s, &response)) {
        (void)subscription_update(s, &response, &arena);
    }
    arena_deinit(&arena);
}

static void file_failure(void *arg, const struct error *err) {
    struct xds_subscription *s = arg;
    LOG(CONFIG, WARN, "Filesystem config update failure: %s", err->message);
    if (err->status == STATUS_IO || err->status == STATUS_NOT_FOUND) {
        subscription_connection_failed(s);
        return;
    }
    count(s, SUBSCRIPTION_UPDATE_ATTEMPT);
    count(s, SUBSCRIPTION_UPDATE_REJECTED);
    subscription_hold(s);
    give_up(s);
    subscription_leave(s);
}

static const struct file_transport_handler file_handler = {file_response, file_failure};

static enum status start_file(struct xds_subscription *s, const char *path, const char *directory,
                              struct error *err) {
    struct file_transport_options options = {.watcher = s->client->options.files,
                                             .path = slice_from_string(path),
                                             .watched_directory = slice_from_string(directory),
                                             .reject_unknown = s->client->options.reject_unknown,
                                             .handler = &file_handler,
                                             .arg = s};
    TRY(file_transport_new(&options, &s->file, err));
    return STATUS_OK;
}

/* ---- sources ---- */

static uint32_t fetch_timeout_of(const ANY_SOURCE *source) {
    const Google__Protobuf__Duration *timeout = source->initial_fetch_timeout;
    if (timeout == NULL) {
        return INITIAL_FETCH_TIMEOUT_MS;
    }
    if (timeout->seconds < 0 || timeout->nanos < 0 || timeout->seconds > 1000000) {
        return 0;
    }
    uint64_t ms = (uint64_t)timeout->seconds * 1000 + (uint64_t)timeout->nanos / 1000000;
    return (uint32_t)ms;
}

static enum status start_ads(struct xds_subscription *s, struct error *err) {
    if (s->client->ads == NULL) {
        return error_set(err, STATUS_INVALID, "ads config source without ads_config");
    }
    s->ads = s->client->ads;
    xds_client_add(s->client, s);
    use_mux(s, s->ads);
    return STATUS_OK;
}

static enum status start(struct xds_subscription *s, const ANY_SOURCE *source, struct error *err) {
    const Envoy__Config__Core__V3__PathConfigSource *path;
    switch ((int)source->config_source_specifier_case) {
    case ENVOY__CONFIG__CORE__V3__CONFIG_SOURCE__CONFIG_SOURCE_SPECIFIER_ADS:
    case ENVOY__CONFIG__CORE__V3__CONFIG_SOURCE__CONFIG_SOURCE_SPECIFIER_SELF:
        return start_ads(s, err);
    case ENVOY__CONFIG__CORE__V3__CONFIG_SOURCE__CONFIG_SOURCE_SPECIFIER_API_CONFIG_SOURCE:
        return start_stream(s, source->api_config_source, err);
    case ENVOY__CONFIG__CORE__V3__CONFIG_SOURCE__CONFIG_SOURCE_SPECIFIER_PATH_CONFIG_SOURCE:
        path = source->path_config_source;
        return start_file(s, path->path,
                          path->watched_directory != NULL ? path->watched_directory->path : NULL,
                          err);
    case ENVOY__CONFIG__CORE__V3__CONFIG_SOURCE__CONFIG_SOURCE_SPECIFIER_PATH:
        return start_file(s, source->path, NULL, err);
    default:
        return error_set(err, STATUS_INVALID,
                         "Missing config source specifier in "
                         "envoy::config::core::v3::ConfigSource");
    }
}

static enum status open_source(struct xds_subscription *s, struct slice bytes, struct error *err) {
    struct arena arena;
    struct validation v;
    arena_init_heap(&arena, 0);
    validation_init(&v, &arena, SLICE("config_source"));
    const ANY_SOURCE *source = (const ANY_SOURCE *)proto_unpack(
        proto_message_of(&envoy__config__core__v3__config_source__descriptor), bytes, &arena, &v);
    enum status status = source != NULL ? start(s, source, err) : validation_result(&v, err);
    if (status == STATUS_OK && fetch_timeout_of(source) > 0) {
        timer_arm(control_of(s)->loop, &s->fetch_timer, fetch_timeout_of(source));
    }
    arena_deinit(&arena);
    return status;
}

static void destroy(struct xds_subscription *s) {
    LIST_FOR_EACH_SAFE (node, &s->lives) {
        free_life(LIST_ENTRY(node, struct resource_life, node));
    }
    xds_mux_free(s->mux);
    management_server_free(s->server);
    file_transport_free(s->file);
    stats_scope_unref(s->stats);
    mem_free((void *)(uintptr_t)s->name.ptr);
    mem_free((void *)(uintptr_t)s->version.ptr);
    mem_free(s);
}

void xds_subscription_free(struct xds_subscription *s) {
    if (s == NULL) {
        return;
    }
    timer_cancel(&s->fetch_timer);
    list_remove(&s->node);
    if (s->ads != NULL) {
        xds_client_drop(s->client, s);
        ads_session_unsubscribe(xds_mux_session(s->ads), s->type_url, s->name);
    }
    s->is_dead = true;
    if (s->busy == 0) {
        destroy(s);
    }
}

enum status xds_subscribe(struct xds_client *client, const struct xds_subscription_options *options,
                          struct xds_subscription **out, struct error *err) {
    struct xds_subscription *s = mem_calloc(1, sizeof(*s));
    s->client = client;
    s->type = options->type;
    s->type_url = slice_from_string(options->type->type_url);
    s->name = slice_make(mem_dup_string((const char *)options->name.ptr, options->name.len),
                         options->name.len);
    s->handler = options->handler;
    s->arg = options->arg;
    list_init(&s->lives);
    list_push_back(&client->subscriptions, &s->node);
    timer_init(&s->fetch_timer, on_fetch_timeout, s);
    s->stats = stats_scope_get(client->options.stats, options->stat_prefix,
                               counts_reloads(s) ? &reload_stat_table : &stat_table);
    enum status status = open_source(s, options->config_source, err);
    if (status != STATUS_OK) {
        xds_subscription_free(s);
        return status;
    }
    count(s, SUBSCRIPTION_UPDATE_ATTEMPT);
    *out = s;
    if (s->file != NULL) {
        file_transport_read(s->file);
    }
    return STATUS_OK;
}

struct slice xds_subscription_version(const struct xds_subscription *s) {
    return s->version;
}

void xds_subscription_renew(struct xds_subscription *s) {
    struct xds_mux *mux = s->ads != NULL ? s->ads : s->mux;
    if (mux != NULL) {
        ads_session_subscribe(xds_mux_session(mux), s->type_url, s->name);
        ads_session_unsubscribe(xds_mux_session(mux), s->type_url, s->name);
    }
}
