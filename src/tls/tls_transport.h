// SPDX-License-Identifier: Apache-2.0
/*
 * TLS over a connection's fd, behind struct transport. Reads and writes whole records straight from and
 * into buffer chunks; sheds handshake state after the handshake; keeps no buffer while idle.
 */
#ifndef SRC_TLS_TLS_TRANSPORT_H
#define SRC_TLS_TLS_TRANSPORT_H

#include "src/net/transport.h"
#include "src/tls/tls_context.h"

struct stats_scope;

/* Stats of one side's TLS ("listener.<addr>.ssl." / "cluster.<name>.ssl."), Envoy's names. */
#define TLS_STATS(X)                                                                               \
    X(CONNECTION_ERROR, "connection_error", COUNTER,                                               \
      "handshake or record errors, verify not counted")                                            \
    X(HANDSHAKE, "handshake", COUNTER, "handshakes completed")                                     \
    X(SESSION_REUSED, "session_reused", COUNTER, "handshakes that resumed a session")              \
    X(NO_CERTIFICATE, "no_certificate", COUNTER, "handshakes without a peer certificate")          \
    X(FAIL_VERIFY_NO_CERT, "fail_verify_no_cert", COUNTER, "required client certificate missing")  \
    X(FAIL_VERIFY_ERROR, "fail_verify_error", COUNTER, "chain verification failed")                \
    X(FAIL_VERIFY_SAN, "fail_verify_san", COUNTER, "no SAN of the peer matched")                   \
    X(FAIL_VERIFY_CERT_HASH, "fail_verify_cert_hash", COUNTER, "no pinned certificate matched")    \
    X(OCSP_STAPLING_FAILED, "ocsp_staple_failed", COUNTER,                                         \
      "no valid OCSP response where required")                                                     \
    X(OCSP_STAPLING_OMITTED, "ocsp_staple_omitted", COUNTER, "handshakes without OCSP response")   \
    X(OCSP_STAPLING_RESPONSES, "ocsp_staple_responses", COUNTER, "handshakes with OCSP response")  \
    X(OCSP_STAPLING_REQUESTS, "ocsp_staple_requests", COUNTER, "clients that asked for OCSP")      \
    X(WAS_KEY_USAGE_INVALID, "was_key_usage_invalid", COUNTER, "RSA key usage would be refused")
enum tls_stat {
#define TLS_STAT_ENUM(id, name, kind, doc) TLS_STAT_##id,
    TLS_STATS(TLS_STAT_ENUM)
#undef TLS_STAT_ENUM
};
struct stat_table;
extern const struct stat_table tls_stat_table;

struct tls_transport_options {
    struct tls_context *context; /* referenced by the transport */
    struct stats_scope *stats;   /* over tls_stat_table; NULL allowed */
    uint32_t thread;             /* io_context.index, for stats */
    struct slice sni;            /* client: overrides the context's; copied */
    const struct slice *alpn;    /* client: overrides the context's */
    uint32_t alpn_count;
    struct slice verify_san; /* client: also require this DNS name or IP; copied; empty: none */
};
struct transport *tls_transport_new(const struct tls_transport_options *options);

#endif
