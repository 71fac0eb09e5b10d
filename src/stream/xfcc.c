// SPDX-License-Identifier: Apache-2.0
#include "src/stream/request_headers.h"

static struct slice with_pem(struct slice text, const char *key, struct slice pem,
                             struct arena *arena) {
    return pem.len == 0
               ? text
               : arena_printf(arena, "%.*s;%s=\"%.*s\"", SLICE_ARG(text), key, SLICE_ARG(pem));
}

/* One element of x-forwarded-client-cert (Envoy docs, "x-forwarded-client-cert"): By, Hash, Cert,
 * Chain, Subject, URI, DNS in this order. */
static struct slice xfcc_element(const struct http_connection_manager_config *config,
                                 const struct transport_peer *peer, struct arena *arena) {
    struct slice text = {NULL, 0};
    if (peer->local_uri_sans.len > 0) {
        struct slice first = peer->local_uri_sans;
        struct slice rest = first;
        (void)slice_split(&rest, ',', &first);
        text = arena_printf(arena, "By=%.*s;", SLICE_ARG(first));
    }
    text = arena_printf(arena, "%.*sHash=%.*s", SLICE_ARG(text),
                        SLICE_ARG(peer->peer_fingerprint_sha256));
    if (config->xfcc_cert) {
        text = with_pem(text, "Cert", transport_peer_fact(peer, TRANSPORT_FACT_PEER_PEM), arena);
    }
    if (config->xfcc_chain) {
        text = with_pem(text, "Chain", transport_peer_fact(peer, TRANSPORT_FACT_PEER_CHAIN_PEM),
                        arena);
    }
    if (config->xfcc_subject) {
        text = arena_printf(arena, "%.*s;Subject=\"%.*s\"", SLICE_ARG(text),
                            SLICE_ARG(peer->peer_subject));
    }
    struct slice san;
    if (config->xfcc_uri) {
        struct slice rest = peer->peer_uri_sans;
        while (slice_split(&rest, ',', &san)) {
            text = arena_printf(arena, "%.*s;URI=%.*s", SLICE_ARG(text), SLICE_ARG(san));
        }
    }
    if (config->xfcc_dns) {
        struct slice rest = peer->peer_dns_sans;
        while (slice_split(&rest, ',', &san)) {
            text = arena_printf(arena, "%.*s;DNS=%.*s", SLICE_ARG(text), SLICE_ARG(san));
        }
    }
    return text;
}

void request_headers_set_xfcc(struct request_head *head) {
    const struct http_connection_manager_config *config = head->config;
    const struct transport_peer *peer = connection_info_peer(head->info->connection);
    struct header_map *headers = head->headers;
    if (config->forward_client_cert == FORWARD_CLIENT_CERT_ALWAYS_FORWARD_ONLY) {
        return;
    }
    bool is_mtls = peer->peer_certificate_presented;
    if (!is_mtls || config->forward_client_cert == FORWARD_CLIENT_CERT_SANITIZE) {
        header_map_remove(headers, HEADER_X_FORWARDED_CLIENT_CERT);
        return;
    }
    if (config->forward_client_cert == FORWARD_CLIENT_CERT_FORWARD_ONLY) {
        return;
    }
    struct arena *arena = headers->arena;
    struct slice element = xfcc_element(config, peer, arena);
    struct slice present = header_map_get(headers, HEADER_X_FORWARDED_CLIENT_CERT);
    if (config->forward_client_cert == FORWARD_CLIENT_CERT_APPEND_FORWARD && present.len > 0) {
        element = arena_printf(arena, "%.*s,%.*s", SLICE_ARG(present), SLICE_ARG(element));
    }
    header_map_set(headers, HEADER_X_FORWARDED_CLIENT_CERT, element);
}
