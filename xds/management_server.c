// SPDX-License-Identifier: Apache-2.0
#include "xds/management_server.h"

#include "envoy/config/core/v3/grpc_service.pb-c.h"
#include "src/base/check.h"
#include "src/base/list.h"
#include "src/config/cluster_config.h"
#include "src/config/config_store.h"
#include "src/config/secret_config.h"
#include "xds/proto_reflect.h"
#include "xds/xds_mux.h"
#include "xds/xds_transport.h"

enum { SECRETS_MAX = 2 };

/* A channel with what it was made of; lives as long as streams are on it. */
struct server_channel {
    uint32_t refs; /* the server's and one per stream */
    struct xds_transport *transport;
    struct xds_channel *channel;
    struct config_part *cluster; /* to notice changes */
    struct config_part *secrets[SECRETS_MAX];
};

struct management_server {
    struct management_context context;
    struct arena arena;
    const Envoy__Config__Core__V3__GrpcService *service;
    struct slice name;
    bool is_cluster; /* envoy_grpc */
    uint32_t cluster_slot;
    struct slice authority;
    struct xds_metadata *metadata;
    uint32_t metadata_count;
    struct server_backoff backoff;
    struct server_channel *current; /* NULL: none yet */
};

struct server_stream {
    struct management_server *server; /* outlives it */
    struct server_channel *channel;
    struct xds_stream *stream;
    const struct xds_stream_handler *handler;
    void *arg;
};

/* ---- channels ---- */

static void channel_unref(struct server_channel *channel) {
    if (channel == NULL || --channel->refs > 0) {
        return;
    }
    channel->transport->ops->channel_free(channel->channel);
    config_part_unref(channel->cluster);
    for (uint32_t i = 0; i < SECRETS_MAX; i++) {
        config_part_unref(channel->secrets[i]);
    }
    mem_free(channel);
}

/* What a channel of an envoy_grpc service is made of. */
struct ingredients {
    const struct cluster_part *cluster;
    const struct secret_part *certificate; /* NULL: inline or none */
    const struct secret_part *validation;
};

static const struct secret_part *secret_at(const struct management_server *server, uint32_t slot) {
    if (slot == CONFIG_SLOT_NONE) {
        return NULL;
    }
    return (const struct secret_part *)(void *)config_store_get(server->context.store,
                                                                CONFIG_SECRET, slot);
}

static const struct tls_config *tls_of(const struct cluster_part *cluster) {
    return cluster->socket_count > 0 ? cluster->sockets[0].tls : NULL;
}

static enum status gather(const struct management_server *server, struct ingredients *out,
                          struct error *err) {
    *out = (struct ingredients){0};
    out->cluster = (const struct cluster_part *)(void *)config_store_get(
        server->context.store, CONFIG_CLUSTER, server->cluster_slot);
    if (out->cluster == NULL) {
        return error_set(err, STATUS_NOT_FOUND, "cluster '%.*s' is not there",
                         SLICE_ARG(server->name));
    }
    const struct tls_config *tls = tls_of(out->cluster);
    if (tls == NULL) {
        return STATUS_OK;
    }
    if (tls->certificate_slot_count > 0) {
        out->certificate = secret_at(server, tls->certificate_slots[0]);
        if (out->certificate == NULL) {
            return error_set(err, STATUS_AGAIN, "the client certificate is missing");
        }
    }
    out->validation = secret_at(server, tls->validation_slot);
    if (tls->validation_slot != CONFIG_SLOT_NONE && out->validation == NULL) {
        return error_set(err, STATUS_AGAIN, "the validation context is missing");
    }
    return STATUS_OK;
}

static bool is_current(const struct management_server *server, const struct ingredients *with) {
    const struct server_channel *channel = server->current;
    if (channel == NULL) {
        return false;
    }
    if (!server->is_cluster) {
        return true;
    }
    return channel->cluster == &with->cluster->part &&
           channel->secrets[0] == (with->certificate ? &with->certificate->part : NULL) &&
           channel->secrets[1] == (with->validation ? &with->validation->part : NULL);
}

/* ---- targets ---- */

static bool is_plain(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           memchr("-._~/@:", c, 7) != NULL;
}

static struct slice percent_encoded(struct arena *arena, const char *scheme, struct slice text) {
    static const char digits[] = "0123456789ABCDEF";
    size_t scheme_len = strlen(scheme);
    uint8_t *out = arena_alloc_bytes(arena, scheme_len + text.len * 3);
    memcpy(out, scheme, scheme_len);
    size_t len = scheme_len;
    for (size_t i = 0; i < text.len; i++) {
        if (is_plain(text.ptr[i])) {
            out[len++] = text.ptr[i];
        } else {
            out[len++] = '%';
            out[len++] = (uint8_t)digits[text.ptr[i] >> 4];
            out[len++] = (uint8_t)digits[text.ptr[i] & 15];
        }
    }
    return slice_make(out, len);
}

static struct slice unix_target(struct arena *arena, const struct address *address) {
    size_t path_len = address->len - offsetof(struct sockaddr_un, sun_path);
    if (path_len > 0 && address->un.sun_path[0] == '\0') {
        return percent_encoded(
            arena, "unix-abstract:", slice_make(address->un.sun_path + 1, path_len - 1));
    }
    return percent_encoded(
        arena, "unix:", slice_make(address->un.sun_path, strnlen(address->un.sun_path, path_len)));
}

static struct slice target_of(struct arena *arena, const struct endpoint_config *endpoint) {
    struct address address = stored_address_get(&endpoint->address);
    if (address.len == 0) {
        return arena_printf(arena, "dns:///%.*s:%u", SLICE_ARG(endpoint->dns_name),
                            endpoint->dns_port);
    }
    if (address_is_unix(&address)) {
        return unix_target(arena, &address);
    }
    char text[ADDRESS_TEXT_BYTES];
    struct slice shown = address_to_text(&address, text);
    return percent_encoded(arena, address.any.sa_family == AF_INET6 ? "ipv6:" : "ipv4:", shown);
}

static const struct endpoint_config *first_endpoint(const struct endpoint_part *assignment) {
    for (uint32_t i = 0; assignment != NULL && i < assignment->locality_count; i++) {
        if (assignment->localities[i].endpoint_count > 0) {
            return &assignment->localities[i].endpoints[0];
        }
    }
    return NULL;
}

/* ---- envoy_grpc ---- */

static struct tls_validation_source merged_validation(const struct tls_config *tls,
                                                      const struct secret_part *secret) {
    struct tls_validation_source merged = {0};
    if (tls->options.validation != NULL) {
        merged = *tls->options.validation;
    }
    if (secret == NULL) {
        return merged;
    }
    struct tls_validation_source from = secret->validation;
    if (!tls->combined_validation) {
        return from;
    }
    if (from.trusted_ca_pem.len > 0) {
        merged.trusted_ca_pem = from.trusted_ca_pem;
    }
    if (from.crl_pem.len > 0) {
        merged.crl_pem = from.crl_pem;
    }
    if (from.certificate_hash_count > 0) {
        merged.certificate_hashes = from.certificate_hashes;
        merged.certificate_hash_count = from.certificate_hash_count;
    }
    if (from.spki_pin_count > 0) {
        merged.spki_pins = from.spki_pins;
        merged.spki_pin_count = from.spki_pin_count;
    }
    if (merged.san_matcher_count == 0) {
        merged.san_matchers = from.san_matchers;
        merged.san_matcher_count = from.san_matcher_count;
    }
    return merged;
}

/* Keeps the matchers of a handshake alive. */
struct matchers_owner {
    struct config_part *cluster;
    struct config_part *validation;
};

static void release_matchers(void *arg) {
    struct matchers_owner *owner = arg;
    config_part_unref(owner->cluster);
    config_part_unref(owner->validation);
    mem_free(owner);
}

static struct config_part *ref_or_null(const struct config_part *part) {
    return part == NULL ? NULL : config_part_ref((struct config_part *)(uintptr_t)part);
}

static void fill_tls(const struct ingredients *from, struct xds_channel_tls *tls,
                     struct tls_validation_source *validation) {
    const struct tls_config *config = tls_of(from->cluster);
    const struct tls_certificate_source *certificate =
        from->certificate != NULL               ? &from->certificate->certificate
        : config->options.certificate_count > 0 ? &config->options.certificates[0]
                                                : NULL;
    *validation = merged_validation(config, from->validation);
    *tls = (struct xds_channel_tls){.validation = validation, .sni = config->options.sni};
    if (certificate != NULL) {
        tls->chain_pem = certificate->chain_pem;
        tls->private_key_pem = certificate->private_key_pem;
    }
}

static const struct endpoint_part *assignment_of(const struct management_server *server,
                                                 const struct cluster_part *cluster) {
    return cluster->load_assignment != NULL
               ? cluster->load_assignment
               : server->context.assignment(server->context.arg, server->name);
}

static enum status make_cluster_channel(const struct management_server *server,
                                        const struct ingredients *from, struct arena *arena,
                                        struct xds_channel **channel, struct error *err) {
    const struct endpoint_config *endpoint = first_endpoint(assignment_of(server, from->cluster));
    struct xds_channel_tls tls;
    struct tls_validation_source validation;
    if (endpoint == NULL) {
        return error_set(err, STATUS_NOT_FOUND, "cluster '%.*s' has no endpoints",
                         SLICE_ARG(server->name));
    }
    struct xds_channel_config config = {
        .target = target_of(arena, endpoint),
        .authority = server->authority.len > 0 ? server->authority : server->name,
        .metadata = server->metadata,
        .metadata_count = server->metadata_count,
        .connect_timeout_ms = from->cluster->connect_timeout_ms,
        .keepalive_interval_ms = from->cluster->http.h2_keepalive_interval_ms,
        .keepalive_timeout_ms = from->cluster->http.h2_keepalive_timeout_ms};
    struct matchers_owner *owner = NULL;
    if (tls_of(from->cluster) != NULL) {
        fill_tls(from, &tls, &validation);
        config.tls = &tls;
        owner = mem_calloc(1, sizeof(*owner));
        owner->cluster = ref_or_null(&from->cluster->part);
        owner->validation = ref_or_null(from->validation ? &from->validation->part : NULL);
        config.release_matchers = release_matchers;
        config.matchers_owner = owner;
    }
    *channel = server->context.transport->ops->channel_new(server->context.transport, &config, err);
    if (*channel == NULL) {
        if (owner != NULL) {
            release_matchers(owner);
        }
        return STATUS_INVALID;
    }
    return STATUS_OK;
}

/* ---- google_grpc ---- */

static struct slice inline_source(const Envoy__Config__Core__V3__DataSource *source) {
    if (source == NULL) {
        return SLICE("");
    }
    if (source->specifier_case == ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_INLINE_STRING) {
        return slice_from_string(source->inline_string);
    }
    return slice_make(source->inline_bytes.data, source->inline_bytes.len);
}

static enum status make_target_channel(const struct management_server *server,
                                       struct xds_channel **channel, struct error *err) {
    const Envoy__Config__Core__V3__GrpcService__GoogleGrpc *from = server->service->google_grpc;
    const Envoy__Config__Core__V3__GrpcService__GoogleGrpc__ChannelCredentials *credentials =
        from->channel_credentials;
    struct tls_validation_source validation = {0};
    struct xds_channel_tls tls = {.validation = &validation};
    struct xds_channel_config config = {.target = slice_from_string(from->target_uri),
                                        .metadata = server->metadata,
                                        .metadata_count = server->metadata_count};
    if (credentials != NULL) {
        const Envoy__Config__Core__V3__GrpcService__GoogleGrpc__SslCredentials *ssl =
            credentials->ssl_credentials;
        validation.trusted_ca_pem = inline_source(ssl->root_certs);
        tls.chain_pem = inline_source(ssl->cert_chain);
        tls.private_key_pem = inline_source(ssl->private_key);
        config.tls = &tls;
    }
    *channel = server->context.transport->ops->channel_new(server->context.transport, &config, err);
    return *channel != NULL ? STATUS_OK : STATUS_INVALID;
}

static bool is_inline(const Envoy__Config__Core__V3__DataSource *source) {
    return source == NULL ||
           source->specifier_case ==
               ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_INLINE_STRING ||
           source->specifier_case == ENVOY__CONFIG__CORE__V3__DATA_SOURCE__SPECIFIER_INLINE_BYTES;
}

static enum status check_google(const Envoy__Config__Core__V3__GrpcService__GoogleGrpc *from,
                                struct error *err) {
    const Envoy__Config__Core__V3__GrpcService__GoogleGrpc__ChannelCredentials *credentials =
        from->channel_credentials;
    if (from->n_call_credentials > 0 || from->n_call_credentials_plugin > 0 ||
        from->n_channel_credentials_plugin > 0) {
        return error_set(err, STATUS_INVALID,
                         "google_grpc: call credentials and plugins are not supported");
    }
    if (credentials == NULL) {
        return STATUS_OK;
    }
    if (credentials->credential_specifier_case !=
        ENVOY__CONFIG__CORE__V3__GRPC_SERVICE__GOOGLE_GRPC__CHANNEL_CREDENTIALS__CREDENTIAL_SPECIFIER_SSL_CREDENTIALS) {
        return error_set(err, STATUS_INVALID, "google_grpc: only ssl_credentials are supported");
    }
    if (!is_inline(credentials->ssl_credentials->root_certs) ||
        !is_inline(credentials->ssl_credentials->cert_chain) ||
        !is_inline(credentials->ssl_credentials->private_key)) {
        return error_set(err, STATUS_INVALID,
                         "google_grpc: certificates must be inline (files belong to envoy_grpc)");
    }
    // Without roots gRPC would take the system's; here it would be no verification at all.
    if (inline_source(credentials->ssl_credentials->root_certs).len == 0) {
        return error_set(err, STATUS_INVALID, "google_grpc: ssl_credentials need root_certs");
    }
    return STATUS_OK;
}

/* ---- streams ---- */

static enum status renew_channel(struct management_server *server, const struct ingredients *from,
                                 struct error *err) {
    struct xds_channel *made = NULL;
    struct arena arena;
    arena_init_heap(&arena, 0);
    enum status status = server->is_cluster ? make_cluster_channel(server, from, &arena, &made, err)
                                            : make_target_channel(server, &made, err);
    arena_deinit(&arena);
    TRY(status);
    struct server_channel *channel = mem_calloc(1, sizeof(*channel));
    channel->refs = 1;
    channel->transport = server->context.transport;
    channel->channel = made;
    if (server->is_cluster) {
        channel->cluster = ref_or_null(&from->cluster->part);
        channel->secrets[0] = ref_or_null(from->certificate ? &from->certificate->part : NULL);
        channel->secrets[1] = ref_or_null(from->validation ? &from->validation->part : NULL);
    }
    channel_unref(server->current);
    server->current = channel;
    return STATUS_OK;
}

static void free_stream(struct server_stream *stream) {
    channel_unref(stream->channel);
    mem_free(stream);
}

static void on_message(void *arg, struct slice bytes) {
    struct server_stream *stream = arg;
    stream->handler->on_message(stream->arg, bytes);
}

// A channel without a connection goes on trying by itself, at its own pace; without a channel only the
// back-off of who opens streams decides when the server is asked again.
static void forget_lost_channel(struct management_server *server,
                                const struct server_channel *channel) {
    if (server->current == channel) {
        channel_unref(server->current);
        server->current = NULL;
    }
}

static void on_closed(void *arg, int code, struct slice message) {
    struct server_stream *stream = arg;
    if (code == XDS_CODE_UNAVAILABLE) {
        forget_lost_channel(stream->server, stream->channel);
    }
    stream->handler->on_closed(stream->arg, code, message);
    free_stream(stream);
}

static const struct xds_stream_handler forward = {on_message, on_closed};

enum status management_server_open(struct management_server *server, struct slice method,
                                   const struct xds_stream_handler *handler, void *arg,
                                   struct server_stream **out, struct error *err) {
    struct ingredients from = {0};
    if (server->is_cluster) {
        TRY(gather(server, &from, err));
    }
    if (!is_current(server, &from)) {
        TRY(renew_channel(server, &from, err));
    }
    struct server_stream *stream = mem_calloc(1, sizeof(*stream));
    stream->server = server;
    stream->channel = server->current;
    stream->channel->refs++;
    stream->handler = handler;
    stream->arg = arg;
    stream->stream = server->context.transport->ops->stream_open(server->current->channel, method,
                                                                 &forward, stream);
    *out = stream;
    return STATUS_OK;
}

void server_stream_send(struct server_stream *stream, struct slice bytes) {
    stream->channel->transport->ops->stream_send(stream->stream, bytes);
}

void server_stream_close(struct server_stream *stream) {
    stream->channel->transport->ops->stream_close(stream->stream);
    free_stream(stream);
}

/* ---- construction ---- */

static void read_metadata(struct management_server *server) {
    const Envoy__Config__Core__V3__GrpcService *service = server->service;
    size_t count = service->n_initial_metadata;
    server->metadata = ARENA_NEW_ARRAY(&server->arena, count + 1, struct xds_metadata);
    for (size_t i = 0; i < count; i++) {
        struct slice key = slice_from_string(service->initial_metadata[i]->key);
        uint8_t *lower = arena_alloc_bytes(&server->arena, key.len);
        for (size_t j = 0; j < key.len; j++) {
            lower[j] = ascii_lower(key.ptr[j]);
        }
        server->metadata[i].key = slice_make(lower, key.len);
        server->metadata[i].value = slice_from_string(service->initial_metadata[i]->value);
    }
    bool skips = server->is_cluster && service->envoy_grpc->skip_envoy_headers;
    server->metadata_count = (uint32_t)count;
    if (!skips) {
        server->metadata[count] = (struct xds_metadata){SLICE("x-envoy-internal"), SLICE("true")};
        server->metadata_count++;
    }
}

static uint64_t milliseconds(const Google__Protobuf__Duration *duration, uint64_t fallback) {
    if (duration == NULL || duration->seconds < 0) {
        return fallback;
    }
    uint64_t value = (uint64_t)duration->seconds * 1000 + (uint64_t)duration->nanos / 1000000;
    return value > 0 ? value : 1;
}

static void read_backoff(struct management_server *server) {
    const Envoy__Config__Core__V3__RetryPolicy *policy =
        server->is_cluster ? server->service->envoy_grpc->retry_policy : NULL;
    server->backoff = (struct server_backoff){XDS_BACKOFF_BASE_MS, XDS_BACKOFF_MAX_MS};
    if (policy == NULL || policy->retry_back_off == NULL) {
        return;
    }
    server->backoff.base_ms =
        milliseconds(policy->retry_back_off->base_interval, XDS_BACKOFF_BASE_MS);
    server->backoff.max_ms =
        milliseconds(policy->retry_back_off->max_interval,
                     server->backoff.base_ms > XDS_BACKOFF_MAX_MS ? server->backoff.base_ms
                                                                  : XDS_BACKOFF_MAX_MS);
}

static enum status read_service(struct management_server *server, struct error *err) {
    const Envoy__Config__Core__V3__GrpcService *service = server->service;
    switch ((int)service->target_specifier_case) {
    case ENVOY__CONFIG__CORE__V3__GRPC_SERVICE__TARGET_SPECIFIER_ENVOY_GRPC:
        server->is_cluster = true;
        server->name = slice_from_string(service->envoy_grpc->cluster_name);
        server->authority = slice_from_string(service->envoy_grpc->authority);
        server->cluster_slot =
            config_store_slot(server->context.store, CONFIG_CLUSTER, server->name);
        config_store_hold_slot(server->context.store, CONFIG_CLUSTER, server->cluster_slot);
        break;
    case ENVOY__CONFIG__CORE__V3__GRPC_SERVICE__TARGET_SPECIFIER_GOOGLE_GRPC:
        server->name = slice_from_string(service->google_grpc->target_uri);
        TRY(check_google(service->google_grpc, err));
        break;
    default:
        return error_set(err, STATUS_INVALID, "a grpc_service needs envoy_grpc or google_grpc");
    }
    read_metadata(server);
    read_backoff(server);
    return STATUS_OK;
}

enum status management_server_new(const struct management_context *context,
                                  const struct Envoy__Config__Core__V3__GrpcService *service,
                                  struct management_server **out, struct error *err) {
    struct management_server *server = mem_calloc(1, sizeof(*server));
    struct validation v;
    server->context = *context;
    arena_init_heap(&server->arena, 0);
    validation_init(&v, &server->arena, SLICE(""));
    // A copy of our own: resources come and go.
    struct slice packed = proto_pack(&service->base, &server->arena);
    server->service = (const Envoy__Config__Core__V3__GrpcService *)proto_unpack(
        proto_message_of(service->base.descriptor), packed, &server->arena, &v);
    enum status status =
        server->service == NULL ? validation_result(&v, err) : read_service(server, err);
    if (status != STATUS_OK) {
        management_server_free(server);
        return status;
    }
    *out = server;
    return STATUS_OK;
}

void management_server_free(struct management_server *server) {
    if (server == NULL) {
        return;
    }
    if (server->is_cluster) {
        config_store_release_slot(server->context.store, CONFIG_CLUSTER, server->cluster_slot);
    }
    channel_unref(server->current);
    arena_wipe(&server->arena);
    arena_deinit(&server->arena);
    mem_free(server);
}

struct slice management_server_name(const struct management_server *server) {
    return server->name;
}

struct server_backoff management_server_backoff(const struct management_server *server) {
    return server->backoff;
}
