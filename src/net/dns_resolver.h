// SPDX-License-Identifier: Apache-2.0
/*
 * Asynchronous name resolution on an event loop (c-ares; the only includer of <ares.h>). One per
 * io_context that needs it, single thread. /etc/hosts and /etc/resolv.conf are read as c-ares does;
 * tests give their own server.
 */
#ifndef SRC_NET_DNS_RESOLVER_H
#define SRC_NET_DNS_RESOLVER_H

#include <stdbool.h>
#include <stdint.h>

#include "src/net/address.h"

struct dns_query;
struct dns_resolver;
struct event_loop;

enum dns_family { DNS_AUTO /* v6, else v4 */, DNS_V4_ONLY, DNS_V6_ONLY, DNS_V4_PREFERRED, DNS_ALL };

struct dns_answer {
    struct address address; /* port 0 */
    uint32_t ttl_s;
};

struct dns_options {
    const struct address *servers; /* none: the system's */
    uint32_t server_count;
    bool use_tcp;
    uint32_t timeout_ms; /* 0: c-ares' */
    uint32_t tries;      /* 0: c-ares' */
};

/* `status` OK (maybe with no answers: name exists without such records), NOT_FOUND (NXDOMAIN), or IO
 * (server failure, timeout: the last answers stay good). Never called from within dns_resolve. */
typedef void dns_done_fn(void *arg, enum status status, const struct dns_answer *answers,
                         uint32_t count);

struct dns_resolver *dns_resolver_new(struct event_loop *loop, const struct dns_options *options,
                                      struct error *err);
/* Cancels what runs. */
void dns_resolver_free(struct dns_resolver *resolver);
/* `name` may be a literal IP, which is answered without a query. */
struct dns_query *dns_resolve(struct dns_resolver *resolver, struct slice name,
                              enum dns_family family, dns_done_fn *done, void *arg);
/* `done` will not be called. */
void dns_query_cancel(struct dns_query *query);

#endif
