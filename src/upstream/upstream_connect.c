// SPDX-License-Identifier: Apache-2.0
#include "src/upstream/upstream_connect.h"

#include <unistd.h>

#include "src/config/secret_config.h"
#include "src/tls/tls_transport.h"

static void copy_socket_options(struct connect_settings *settings,
                                const struct cluster_part *part) {
    settings->connect = part->connect;
    settings->connect.source = NULL;
    uint32_t count = part->connect.option_count;
    if (count == 0) {
        settings->connect.options = NULL;
        return;
    }
    struct socket_option *options = ARENA_NEW_ARRAY(&settings->arena, count, struct socket_option);
    for (uint32_t i = 0; i < count; i++) {
        options[i] = part->connect.options[i];
        options[i].bytes = arena_dup_slice(&settings->arena, options[i].bytes);
    }
    settings->connect.options = options;
}

static void copy_tls(struct connect_settings *settings, const struct cluster_part *part,
                     const struct host *host, uint32_t index, struct slice sni_override) {
    const struct transport_socket_config *socket =
        part->socket_count == 0 ? NULL : &part->sockets[index < part->socket_count ? index : 0];
    settings->tls_slot = CONFIG_SLOT_NONE;
    if (socket == NULL || socket->tls == NULL) {
        return;
    }
    const struct tls_context_options *tls = &socket->tls->options;
    settings->is_tls = true;
    settings->tls_slot = socket->tls_slot;
    settings->has_own_alpn = tls->alpn_count != 0;
    struct slice sni = sni_override;
    if (slice_is_empty(sni) && tls->auto_host_sni) {
        sni = host->hostname;
    }
    settings->sni = arena_dup_slice(&settings->arena, sni);
    if (part->http.auto_san_validation && !slice_is_empty(sni_override)) {
        settings->verify_san = settings->sni;
    } else if (tls->auto_sni_san_validation) {
        settings->verify_san =
            slice_is_empty(sni) ? arena_dup_slice(&settings->arena, tls->sni) : settings->sni;
    }
}

void connect_settings_init_socket(struct connect_settings *settings,
                                  const struct cluster_part *part, const struct host *host,
                                  uint32_t socket_index, struct slice sni_override) {
    *settings =
        (struct connect_settings){.connect_timeout_ms = part->connect_timeout_ms,
                                  .buffer_limit_bytes = part->per_connection_buffer_limit_bytes,
                                  .has_source = part->source_address != NULL};
    if (settings->has_source) {
        settings->source = *part->source_address;
    }
    arena_init_heap(&settings->arena, 256);
    copy_socket_options(settings, part);
    copy_tls(settings, part, host, socket_index, sni_override);
}

void connect_settings_init(struct connect_settings *settings, const struct cluster_part *part,
                           const struct host *host, struct slice sni_override) {
    connect_settings_init_socket(settings, part, host, host->socket_index, sni_override);
}

void connect_settings_deinit(struct connect_settings *settings) {
    arena_deinit(&settings->arena);
}

static struct transport *make_transport(const struct connect_request *request, struct error *err) {
    const struct connect_settings *settings = request->settings;
    if (!settings->is_tls) {
        return raw_transport_new();
    }
    const struct config_part *found =
        config_snapshot_part(request->io->snapshot, CONFIG_TLS, settings->tls_slot);
    const struct tls_part *part = (const struct tls_part *)(const void *)found;
    if (part == NULL || part->context == NULL) {
        (void)error_set(err, STATUS_AGAIN, "TLS_error:_Secret_is_not_supplied_by_SDS");
        return NULL;
    }
    return tls_transport_new(&(struct tls_transport_options){
        .context = part->context,
        .stats = request->ssl_stats,
        .thread = request->io->index,
        .sni = settings->sni,
        .alpn = settings->has_own_alpn ? NULL : request->alpn,
        .alpn_count = settings->has_own_alpn ? 0 : request->alpn_count,
        .verify_san = settings->verify_san,
    });
}

struct connection *upstream_connect(const struct connect_request *request, struct error *err) {
    const struct connect_settings *settings = request->settings;
    struct transport *transport = make_transport(request, err);
    if (transport == NULL) {
        return NULL;
    }
    struct socket_connect_options connect = settings->connect;
    connect.source = settings->has_source ? &settings->source : NULL;
    struct address address = stored_address_get(&request->host->address);
    if (request->port != 0 && address_is_ip(&address)) {
        address_set_port(&address, request->port);
    }
    int fd;
    if (socket_connect(&address, &connect, &fd, err) != STATUS_OK) {
        transport->ops->free(transport);
        return NULL;
    }
    struct connection_options options = {
        .io = request->io,
        .transport = transport,
        .callbacks = request->callbacks,
        .arg = request->arg,
        .buffer_limit_bytes = settings->buffer_limit_bytes,
        .enable_half_close = request->enable_half_close,
        .connect_timeout_ms = settings->connect_timeout_ms,
    };
    return connection_new_client(&options, fd, &address, err);
}
