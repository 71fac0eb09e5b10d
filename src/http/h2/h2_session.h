// SPDX-License-Identifier: Apache-2.0
/*
 * One nghttp2 session and its memory, which is packed while the connection rests (h2_rest.h). Nobody
 * but h2_session.c may hold on to nghttp2's session: h2_session_get wakes it, and what it returns is
 * good until the end of the turn. Within nghttp2's callbacks it is awake.
 *
 * What lives as long as the connection (the session, the tables of header fields with their texts) lies
 * in a region of its own; streams and frames, which come and go, in the slab heap of all sessions, where
 * the next one finds them warm.
 */
#ifndef SRC_HTTP_H2_H2_SESSION_H
#define SRC_HTTP_H2_H2_SESSION_H

#include <nghttp2/nghttp2.h>

#include <stdbool.h>

#include "src/base/list.h"
#include "src/base/pack_region.h"
#include "src/base/slab_heap.h"

struct h2_codec;
struct h2_shared;

struct h2_session {
    nghttp2_session *session_; /* h2_session.[ch] only */
    struct h2_shared *shared;
    struct pack_region region;
    uint32_t outside_count; /* blocks in the heap */
    bool is_claimed;        /* the session has the shared frame buffer */
    bool is_lasting;        /* nghttp2 is where it makes what stays */

    /* h2_rest.c's */
    uint8_t patience;      /* doublings of the time before it is packed */
    struct list_node rest; /* of h2_rest.awake[patience] */
    uint64_t look_at_ms;   /* when its turn in that list comes */
    uint64_t active_ms;    /* when something last happened */
    uint64_t packed_ms;
};

/* Makes the session of a codec; `option` stays the caller's. */
void h2_session_init(struct h2_session *session, struct h2_codec *h2, const nghttp2_option *option);
void h2_session_deinit(struct h2_session *session);

/* nghttp2_session_mem_recv and _mem_send. */
ssize_t h2_session_receive(struct h2_session *session, const uint8_t *bytes, size_t len);
ssize_t h2_session_send(struct h2_session *session, const uint8_t **bytes);

/* STATUS_LIMIT: it would not save half of it; nothing is changed. Not within nghttp2. */
enum status h2_session_pack(struct h2_session *session, struct packer *packer) MUST_USE;
void h2_session_wake(struct h2_session *session);

static inline nghttp2_session *h2_session_get(struct h2_session *session) {
    if (__builtin_expect(pack_region_is_packed(&session->region), 0)) {
        h2_session_wake(session);
    }
    return session->session_;
}

#endif
