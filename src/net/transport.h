// SPDX-License-Identifier: Apache-2.0
/*
 * What lies between a connection's buffers and its fd: plain sockets here, TLS in src/tls, test pipes.
 * A const vtable and an instance; owned by its connection, on its thread. No call blocks and none
 * calls back: the connection drives.
 */
#ifndef SRC_NET_TRANSPORT_H
#define SRC_NET_TRANSPORT_H

#include <stdbool.h>

#include "src/base/buffer.h"
#include "src/base/error.h"

struct arena;
struct transport;

/* What few ask of a handshake. Hex is lower case, lists are separated by commas. */
enum transport_fact {
    TRANSPORT_FACT_SESSION_ID,  /* hex */
    TRANSPORT_FACT_TLS_GROUP,   /* "X25519" */
    TRANSPORT_FACT_PEER_ISSUER, /* RFC 2253 */
    TRANSPORT_FACT_PEER_SERIAL,
    TRANSPORT_FACT_PEER_SHA1,
    TRANSPORT_FACT_PEER_PEM,       /* as it goes into a URL */
    TRANSPORT_FACT_PEER_CHAIN_PEM, /* one after another, likewise */
    TRANSPORT_FACT_PEER_CHAIN_SHA1,
    TRANSPORT_FACT_PEER_CHAIN_SHA256,
    TRANSPORT_FACT_PEER_CHAIN_SERIALS,
    TRANSPORT_FACT_PEER_ISSUER_SHA256, /* of the issuer that the peer was verified with */
    TRANSPORT_FACT_PEER_ISSUER_SERIAL,
    TRANSPORT_FACT_PEER_EMAIL_SANS,
    TRANSPORT_FACT_PEER_IP_SANS,
    TRANSPORT_FACT_PEER_OTHER_SANS,
    TRANSPORT_FACT_PEER_VALID_FROM, /* RFC 3339 */
    TRANSPORT_FACT_PEER_VALID_UNTIL,
    TRANSPORT_FACT_LOCAL_EMAIL_SANS,
    TRANSPORT_FACT_LOCAL_IP_SANS,
    TRANSPORT_FACT_LOCAL_OTHER_SANS,
};

/* What a handshake established. Text fields are empty where they do not apply. */
struct transport_peer {
    bool is_tls;
    bool peer_certificate_presented;
    bool peer_certificate_validated;
    uint16_t tls_group_id; /* the protocol's number; 0: none */
    struct slice alpn;
    struct slice sni;                     /* requested server name, lower case */
    struct slice tls_version;             /* "TLSv1.3" */
    struct slice cipher;                  /* standard name, "TLS_AES_128_GCM_SHA256" */
    struct slice peer_subject;            /* RFC 2253 */
    struct slice peer_fingerprint_sha256; /* hex, lower case */
    struct slice peer_uri_sans;           /* comma separated */
    struct slice peer_dns_sans;
    const struct slice
        *peer_names; /* URI SANs, then DNS SANs, each by itself: one may hold a comma */
    uint32_t peer_name_count;
    struct slice local_subject;
    struct slice local_uri_sans;
    struct slice local_dns_sans;
    /* NULL: there are no others. Use transport_peer_fact. */
    struct slice (*fact)(const struct transport_peer *peer, enum transport_fact fact);
};

/* Made of the certificates when it is first asked for; lives as long as `peer`. Empty where it does not
 * apply. */
static inline struct slice transport_peer_fact(const struct transport_peer *peer,
                                               enum transport_fact fact) {
    return peer->fact == NULL ? slice_make(NULL, 0) : peer->fact(peer, fact);
}

/* Of a connection without TLS. */
extern const struct transport_peer transport_peer_plain;

/* Each operation may return STATUS_AGAIN: call again on the next readiness in either direction. */
struct transport_ops {
    /* STATUS_OK once bytes of the application may pass. Called again after each AGAIN. */
    enum status (*handshake)(struct transport *transport, struct error *err);
    /* Appends up to `max` bytes to `to` and says why it ended: STATUS_OK when `max` was reached (more
     * may wait), STATUS_AGAIN when dry, STATUS_CLOSED at an orderly end, STATUS_IO on reset or TLS
     * failure. *got is set in all cases. */
    enum status (*read)(struct transport *transport, struct buffer *to, size_t max, size_t *got,
                        struct error *err);
    /* Sends from the front of `from` and drains what was taken. STATUS_OK when all went. */
    enum status (*write)(struct transport *transport, struct buffer *from, struct error *err);
    /* Sends the transport's own end (close_notify) and the FIN; best effort. */
    void (*shutdown_write)(struct transport *transport);
    /* The handshake's facts; of a plain socket transport_peer_plain. They are read when first asked for
     * and live as long as the transport, and as `arena`, unless that is NULL. */
    const struct transport_peer *(*peer)(struct transport *transport, struct arena *arena);
    /* Why the last operation failed, for %DOWNSTREAM_TRANSPORT_FAILURE_REASON%; empty when none. */
    struct slice (*failure_reason)(struct transport *transport);
    void (*free)(struct transport *transport); /* does not close the fd */
    /* Takes the bytes that were read off the fd before the transport was there (all of `early`, whose
     * pool outlives the transport); they come before the fd's. NULL: they are the application's. */
    void (*take_early)(struct transport *transport, struct buffer *early);
    /* It frames bytes: it is asked to read after the handshake without a readiness, and to end with
     * shutdown_write before a plain close. */
    bool is_record_layer;
};

struct transport {
    const struct transport_ops *ops;
    int fd; /* set by the connection before the first call; -1 where there is none */
};

/* The plain socket. */
struct transport *raw_transport_new(void);

#endif
