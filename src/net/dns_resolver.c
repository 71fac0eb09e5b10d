// SPDX-License-Identifier: Apache-2.0
#include "src/net/dns_resolver.h"

#include <ares.h>
#include <stdio.h>
#include <sys/ioctl.h>

#include "src/base/check.h"
#include "src/base/list.h"
#include "src/event/event_loop.h"
#include "src/event/timer.h"

enum {
    DNS_MAX_ANSWERS = 1024,   /* of one family of one name: a hostile server's answer is cut */
    DNS_MAX_NAME_BYTES = 255, /* RFC 1035 §3.1 */
    DNS_MAX_SERVERS = 16,
};

/* A socket of the library, watched. */
struct dns_socket {
    struct list_node node;
    struct dns_resolver *resolver;
    struct event_watch watch;
    int fd;
};

struct dns_resolver {
    struct event_loop *loop;
    ares_channel channel;
    struct timer timer;
    struct list_node sockets;
    struct list_node queries;
    struct list_node dead_sockets; /* closed within their own callback */
    struct event_deferred reap;
};

struct dns_query {
    struct list_node node;
    struct dns_resolver *resolver; /* NULL once the resolver is gone */
    struct event_deferred finish;  /* results are given from the loop, never from dns_resolve */
    dns_done_fn *done;             /* NULL: cancelled */
    void *arg;
    char *name;
    enum dns_family family;
    uint32_t pending;   /* lookups the library runs for it */
    bool is_fallback;   /* the second family is being asked */
    enum status status; /* the worst so far */
    struct dns_answer *answers;
    uint32_t count;
};

static void update_timer(struct dns_resolver *resolver) {
    struct timeval wait;
    if (ares_timeout(resolver->channel, NULL, &wait) == NULL) {
        timer_cancel(&resolver->timer);
        return;
    }
    uint64_t ms = (uint64_t)wait.tv_sec * 1000 + (uint64_t)(wait.tv_usec + 999) / 1000;
    timer_arm(resolver->loop, &resolver->timer, ms == 0 ? 1 : ms);
}

static void on_timeout(void *arg) {
    struct dns_resolver *resolver = arg;
    ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    update_timer(resolver);
}

static void on_socket(void *arg, unsigned flags) {
    struct dns_socket *sock = arg;
    struct dns_resolver *resolver = sock->resolver;
    int fd = sock->fd;
    int waiting = 0;
    bool readable = (flags & ~(unsigned)EVENT_WRITE) != 0;

    ares_process_fd(resolver->channel, readable ? fd : ARES_SOCKET_BAD,
                    (flags & EVENT_WRITE) != 0 ? fd : ARES_SOCKET_BAD);
    // The library may stop before the socket is dry, and no further edge will come.
    if (sock->fd >= 0 && ioctl(fd, FIONREAD, &waiting) == 0 && waiting > 0) {
        event_loop_activate(resolver->loop, &sock->watch, EVENT_READ);
    }
    update_timer(resolver);
}

static void reap_sockets(void *arg) {
    struct dns_resolver *resolver = arg;
    LIST_FOR_EACH_SAFE (node, &resolver->dead_sockets) {
        list_remove(node);
        mem_free(LIST_ENTRY(node, struct dns_socket, node));
    }
}

static struct dns_socket *find_socket(struct dns_resolver *resolver, int fd) {
    LIST_FOR_EACH (node, &resolver->sockets) {
        struct dns_socket *sock = LIST_ENTRY(node, struct dns_socket, node);
        if (sock->fd == fd) {
            return sock;
        }
    }
    return NULL;
}

static void drop_socket(struct dns_socket *sock) {
    struct dns_resolver *resolver = sock->resolver;
    event_loop_unwatch(resolver->loop, &sock->watch);
    sock->fd = -1;
    list_remove(&sock->node);
    list_push_back(&resolver->dead_sockets, &sock->node);
    event_loop_defer(resolver->loop, &resolver->reap);
}

static void on_socket_state(void *arg, ares_socket_t fd, int readable, int writable) {
    struct dns_resolver *resolver = arg;
    struct dns_socket *sock = find_socket(resolver, fd);

    if (readable == 0 && writable == 0) {
        if (sock != NULL) {
            drop_socket(sock);
        }
        return;
    }
    if (sock != NULL) {
        // One registration serves both directions; what changed is what the library waits for.
        event_loop_activate(resolver->loop, &sock->watch, writable != 0 ? EVENT_WRITE : 0);
        return;
    }
    sock = mem_calloc(1, sizeof(*sock));
    sock->resolver = resolver;
    sock->fd = fd;
    list_push_back(&resolver->sockets, &sock->node);
    if (event_loop_watch(resolver->loop, &sock->watch, fd, on_socket, sock) != STATUS_OK) {
        // Unwatched, its queries end by the library's timeout.
        drop_socket(sock);
    }
}

static enum status set_servers(struct dns_resolver *resolver, const struct dns_options *options,
                               struct error *err) {
    char csv[DNS_MAX_SERVERS * (ADDRESS_TEXT_BYTES + 1)] = "";
    size_t used = 0;

    if (options->server_count > DNS_MAX_SERVERS) {
        return error_set(err, STATUS_LIMIT, "more than %d DNS servers", DNS_MAX_SERVERS);
    }
    for (uint32_t i = 0; i < options->server_count; i++) {
        char text[ADDRESS_TEXT_BYTES];
        if (!address_is_ip(&options->servers[i])) {
            return error_set(err, STATUS_INVALID, "a DNS server's address must be an IP");
        }
        struct slice server = address_to_text(&options->servers[i], text);
        used += (size_t)snprintf(csv + used, sizeof(csv) - used, "%s%.*s", i == 0 ? "" : ",",
                                 SLICE_ARG(server));
    }
    int code = ares_set_servers_ports_csv(resolver->channel, csv);
    if (code != ARES_SUCCESS) {
        return error_set(err, STATUS_INVALID, "DNS servers: %s", ares_strerror(code));
    }
    return STATUS_OK;
}

static enum status open_channel(struct dns_resolver *resolver, const struct dns_options *options,
                                struct error *err) {
    struct ares_options ares;
    int mask = ARES_OPT_SOCK_STATE_CB | ARES_OPT_FLAGS;

    memset(&ares, 0, sizeof(ares));
    ares.sock_state_cb = on_socket_state;
    ares.sock_state_cb_data = resolver;
    ares.flags = options->use_tcp ? ARES_FLAG_USEVC : 0;
    if (options->timeout_ms > 0) {
        ares.timeout = (int)(options->timeout_ms & INT32_MAX);
        mask |= ARES_OPT_TIMEOUTMS;
    }
    if (options->tries > 0) {
        ares.tries = (int)(options->tries & INT32_MAX);
        mask |= ARES_OPT_TRIES;
    }
    int code = ares_init_options(&resolver->channel, &ares, mask);
    if (code != ARES_SUCCESS) {
        resolver->channel = NULL;
        return error_set(err, STATUS_IO, "c-ares: %s", ares_strerror(code));
    }
    return options->server_count > 0 ? set_servers(resolver, options, err) : STATUS_OK;
}

struct dns_resolver *dns_resolver_new(struct event_loop *loop, const struct dns_options *options,
                                      struct error *err) {
    static const struct dns_options defaults;
    struct dns_resolver *resolver = mem_calloc(1, sizeof(*resolver));

    resolver->loop = loop;
    timer_init(&resolver->timer, on_timeout, resolver);
    event_deferred_init(&resolver->reap, reap_sockets, resolver);
    list_init(&resolver->sockets);
    list_init(&resolver->dead_sockets);
    list_init(&resolver->queries);
    if (open_channel(resolver, options == NULL ? &defaults : options, err) != STATUS_OK) {
        dns_resolver_free(resolver);
        return NULL;
    }
    return resolver;
}

static void free_query(struct dns_query *query) {
    event_loop_defer_cancel(&query->finish);
    list_remove(&query->node);
    mem_free(query->answers);
    mem_free(query->name);
    mem_free(query);
}

void dns_resolver_free(struct dns_resolver *resolver) {
    if (resolver == NULL) {
        return;
    }
    LIST_FOR_EACH (node, &resolver->queries) {
        LIST_ENTRY(node, struct dns_query, node)->done = NULL;
    }
    if (resolver->channel != NULL) {
        // Ends each running lookup, whose callbacks find their query cancelled.
        ares_destroy(resolver->channel);
    }
    LIST_FOR_EACH_SAFE (node, &resolver->queries) {
        free_query(LIST_ENTRY(node, struct dns_query, node));
    }
    LIST_FOR_EACH_SAFE (node, &resolver->sockets) {
        drop_socket(LIST_ENTRY(node, struct dns_socket, node));
    }
    event_loop_defer_cancel(&resolver->reap);
    reap_sockets(resolver);
    timer_cancel(&resolver->timer);
    mem_free(resolver);
}

static void finish_query(void *arg) {
    struct dns_query *query = arg;
    dns_done_fn *done = query->done;
    // Freed before the call: the owner may free the resolver from within it.
    struct dns_answer *answers = query->answers;
    uint32_t count = query->count;
    enum status status = count > 0 ? STATUS_OK : query->status;
    void *done_arg = query->arg;

    query->answers = NULL;
    free_query(query);
    if (done != NULL) {
        done(done_arg, status, answers, count);
    }
    mem_free(answers);
}

static void add_answers(struct dns_query *query, const struct ares_addrinfo *info) {
    for (const struct ares_addrinfo_node *node = info->nodes; node != NULL; node = node->ai_next) {
        bool is_ip =
            (node->ai_family == AF_INET && node->ai_addrlen == sizeof(struct sockaddr_in)) ||
            (node->ai_family == AF_INET6 && node->ai_addrlen == sizeof(struct sockaddr_in6));
        if (!is_ip || query->count >= DNS_MAX_ANSWERS) {
            continue;
        }
        size_t count = (size_t)query->count + 1;
        query->answers = mem_realloc(query->answers, count * sizeof(*query->answers));
        struct dns_answer *answer = &query->answers[query->count++];
        memset(answer, 0, sizeof(*answer));
        answer->address.len = node->ai_addrlen;
        memcpy(&answer->address.any, node->ai_addr, node->ai_addrlen);
        address_set_port(&answer->address, 0);
        answer->ttl_s = node->ai_ttl > 0 ? (uint32_t)node->ai_ttl : 0;
    }
}

static enum status status_of(int code) {
    switch (code) {
    case ARES_SUCCESS:
    case ARES_ENODATA:
        return STATUS_OK;
    case ARES_ENOTFOUND:
    case ARES_EBADNAME:
        return STATUS_NOT_FOUND;
    default:
        return STATUS_IO;
    }
}

static void lookup(struct dns_query *query, int family);

static bool wants_fallback(const struct dns_query *query) {
    return query->done != NULL && query->count == 0 && !query->is_fallback &&
           (query->family == DNS_AUTO || query->family == DNS_V4_PREFERRED);
}

static void on_answer(void *arg, int code, int timeouts, struct ares_addrinfo *info) {
    struct dns_query *query = arg;
    (void)timeouts;

    query->pending--;
    if (info != NULL) {
        if (code == ARES_SUCCESS && query->done != NULL) {
            add_answers(query, info);
        }
        ares_freeaddrinfo(info);
    }
    // A server failure for one family is not hidden by the other's "no such records".
    enum status status = status_of(code);
    if (query->status == STATUS_OK || status == STATUS_IO) {
        query->status = status;
    }
    if (code == ARES_ECANCELLED || code == ARES_EDESTRUCTION) {
        query->done = NULL;
    }
    if (wants_fallback(query)) {
        query->is_fallback = true;
        lookup(query, query->family == DNS_AUTO ? AF_INET : AF_INET6);
    } else if (query->pending == 0 && code != ARES_EDESTRUCTION) {
        event_loop_defer(query->resolver->loop, &query->finish);
    }
}

static void lookup(struct dns_query *query, int family) {
    struct ares_addrinfo_hints hints = {
        .ai_flags = ARES_AI_NOSORT, .ai_family = family, .ai_socktype = SOCK_STREAM};
    query->pending++;
    ares_getaddrinfo(query->resolver->channel, query->name, NULL, &hints, on_answer, query);
}

static int first_family(enum dns_family family) {
    switch (family) {
    case DNS_AUTO:
    case DNS_V6_ONLY:
        return AF_INET6;
    case DNS_V4_ONLY:
    case DNS_V4_PREFERRED:
        return AF_INET;
    case DNS_ALL:
        return AF_UNSPEC;
    }
    return AF_UNSPEC;
}

struct dns_query *dns_resolve(struct dns_resolver *resolver, struct slice name,
                              enum dns_family family, dns_done_fn *done, void *arg) {
    struct dns_query *query = mem_calloc(1, sizeof(*query));
    struct address literal;

    query->resolver = resolver;
    query->done = done;
    query->arg = arg;
    query->family = family;
    event_deferred_init(&query->finish, finish_query, query);
    list_push_back(&resolver->queries, &query->node);
    if (address_from_ip(&literal, name, 0, NULL) == STATUS_OK) {
        query->answers = mem_calloc(1, sizeof(*query->answers));
        query->answers[0].address = literal;
        query->answers[0].ttl_s = UINT32_MAX;
        query->count = 1;
    } else if (name.len == 0 || name.len > DNS_MAX_NAME_BYTES ||
               slice_find_byte(name, 0) != SIZE_MAX) {
        query->status = STATUS_NOT_FOUND;
    } else {
        query->name = mem_dup_string((const char *)name.ptr, name.len);
        lookup(query, first_family(family));
        update_timer(resolver);
        return query;
    }
    event_loop_defer(resolver->loop, &query->finish);
    return query;
}

void dns_query_cancel(struct dns_query *query) {
    query->done = NULL;
    if (query->pending == 0) {
        free_query(query);
    }
}
