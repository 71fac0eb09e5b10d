// SPDX-License-Identifier: Apache-2.0
/*
 * A socket address: IPv4, IPv6, Unix path (or Linux abstract name) or Envoy-internal. Value type; the
 * text form is Envoy's ("1.2.3.4:80", "[::1]:80", "/run/x.sock", "@abstract").
 */
#ifndef SRC_NET_ADDRESS_H
#define SRC_NET_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "src/base/error.h"
#include "src/base/slice.h"

struct arena;

struct address {
    socklen_t len; /* 0: none */
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un un;
    };
};

/* An address at rest: a full one has room for a Unix path, which few have. */
struct stored_address {
    const struct address *full; /* what does not fit, by whoever made it; NULL: it fits */
    socklen_t len;
    struct sockaddr_in6 ip; /* or a sockaddr_in */
};
/* What `room` needs to hold for this address; 0: nothing. */
size_t stored_address_room(const struct address *address);
/* `room` lives as long as the result; it is aligned as a struct address. */
struct stored_address stored_address_make(const struct address *address, void *room);
/* The same with whatever it needs from `arena`; and a copy of one whose room may go. */
struct stored_address stored_address_keep(const struct address *address, struct arena *arena);
struct stored_address stored_address_dup(const struct stored_address *from, struct arena *arena);
struct address stored_address_get(const struct stored_address *compact);

enum { ADDRESS_TEXT_BYTES = 128 };

/* `ip` must be a literal address; IPv6 with or without brackets. */
enum status address_from_ip(struct address *address, struct slice ip, uint16_t port,
                            struct error *err) MUST_USE;
/* "ip:port" or "[ip6]:port". */
enum status address_from_text(struct address *address, struct slice text,
                              struct error *err) MUST_USE;
/* A leading '@' makes it abstract. */
enum status address_from_unix_path(struct address *address, struct slice path,
                                   struct error *err) MUST_USE;
bool address_is_ip(const struct address *address);
bool address_is_unix(const struct address *address);
uint16_t address_port(const struct address *address); /* 0 where there is none */
void address_set_port(struct address *address, uint16_t port);
bool address_equal(const struct address *a, const struct address *b);
/* IP only, port ignored; v4-mapped IPv6 equals its IPv4. */
bool address_equal_ip(const struct address *a, const struct address *b);
/* Writes at most ADDRESS_TEXT_BYTES with a NUL, returns the text (without NUL) in `text`. */
struct slice address_to_text(const struct address *address, char text[ADDRESS_TEXT_BYTES]);
/* IP without port (for x-forwarded-for); the path for Unix sockets. */
struct slice address_ip_text(const struct address *address, char text[ADDRESS_TEXT_BYTES]);
bool address_is_loopback(const struct address *address);
/* RFC 1918, RFC 4193, loopback: Envoy's "internal". */
bool address_is_private(const struct address *address);

/* A CIDR range; the host bits are masked at creation. */
struct cidr {
    uint8_t bytes[16];
    uint8_t prefix_bits;
    bool is_v6;
};
enum status cidr_init(struct cidr *cidr, struct slice ip, uint32_t prefix_bits,
                      struct error *err) MUST_USE;
bool cidr_contains(const struct cidr *cidr, const struct address *address);

#endif
