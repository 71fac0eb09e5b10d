// SPDX-License-Identifier: Apache-2.0
/*
 * When the sessions of an io_context are packed (h2_session.h): a second after the last thing that
 * happened to one without a stream. One that is woken within half a minute has to wait twice as long the
 * next time, up to a minute, so that packing costs each connection one cycle in half a minute at most,
 * however it behaves. Only a few are packed in one turn; the rest has its turn right after.
 */
#ifndef SRC_HTTP_H2_H2_REST_H
#define SRC_HTTP_H2_H2_REST_H

#include <stdint.h>

#include "src/base/list.h"
#include "src/event/timer.h"

struct h2_session;

enum { H2_REST_MS = 1000, H2_REST_STEPS = 7 };

struct h2_rest {
    struct event_loop *loop;
    uint32_t delay_ms; /* H2_REST_MS; tests: 0, all that rest are packed in the next turn */
    struct list_node awake[H2_REST_STEPS]; /* sessions that may be at rest, by patience */
    struct timer timer;
    uint64_t timer_ms; /* when it is due; UINT64_MAX: never */
};

void h2_rest_init(struct h2_rest *rest, struct event_loop *loop);
void h2_rest_deinit(struct h2_rest *rest);

/* The session has no stream (any more). What is fed to it later is noted in active_ms. */
void h2_rest_begin(struct h2_rest *rest, struct h2_session *session);
/* It has been unpacked. */
void h2_rest_woken(struct h2_rest *rest, struct h2_session *session);

#endif
