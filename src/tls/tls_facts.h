// SPDX-License-Identifier: Apache-2.0
/*
 * The facts of a finished handshake as text (struct transport_peer), read from the library when first
 * asked for, those that few ask for one by one (tls_late_facts.h), and kept as long as the transport and whoever else refers to them. One thread.
 */
#ifndef SRC_TLS_TLS_FACTS_H
#define SRC_TLS_TLS_FACTS_H

#include "src/net/transport.h"
#include "src/tls/tls_internal.h"

struct tls_facts;

/* One reference. */
struct tls_facts *tls_facts_new(SSL *ssl, const struct tls_handshake *handshake);
void tls_facts_unref(struct tls_facts *facts); /* NULL: no-op */
/* A reference for as long as the arena's memory. */
void tls_facts_hold(struct tls_facts *facts, struct arena *arena);
const struct transport_peer *tls_facts_peer(const struct tls_facts *facts);

#endif
