// SPDX-License-Identifier: Apache-2.0
/*
 * The facts of a handshake that only some logs and headers ask for (enum transport_fact), made of the
 * session's certificates. Pure; tls_facts.c keeps what was made.
 */
#ifndef SRC_TLS_TLS_LATE_FACTS_H
#define SRC_TLS_TLS_LATE_FACTS_H

#include "src/net/transport.h"
#include "src/tls/tls_internal.h"

/* All borrowed for the call. */
struct tls_fact_source {
    const struct transport_peer *peer;
    const struct tls_context *context;
    const SSL_SESSION *session;         /* NULL: none */
    const struct tls_credential *local; /* what we presented; NULL: nothing */
};

/* In `arena`, or a constant text; empty where the fact does not apply. */
struct slice tls_late_fact_text(const struct tls_fact_source *source, enum transport_fact fact,
                                struct arena *arena);

#endif
