// SPDX-License-Identifier: Apache-2.0
#include "src/http/h2/h2_rest.h"

#include "src/http/h2/h2_codec.h"

enum {
    SHORT_REST_MS = 30000,
    /* About a millisecond of packing; then other work has its turn. */
    MAX_PACKED_IN_TURN = 16,
    NEXT_TURN_MS = 10,
};

/* One turn of the timer. */
struct round {
    uint64_t now_ms;
    uint64_t next_ms;      /* when there is something to look at again */
    struct packer *packer; /* made when needed */
    uint32_t packed_count;
};

static uint64_t delay_of(const struct h2_rest *rest, const struct h2_session *session) {
    return (uint64_t)rest->delay_ms << session->patience;
}

static void arm(struct h2_rest *rest, uint64_t at_ms) {
    uint64_t now_ms = event_loop_now_ms(rest->loop);
    if (at_ms < rest->timer_ms) {
        rest->timer_ms = at_ms;
        timer_arm(rest->loop, &rest->timer, at_ms > now_ms ? at_ms - now_ms : 0);
    }
}

static void enqueue(struct h2_rest *rest, struct h2_session *session, uint64_t at_ms) {
    session->look_at_ms = at_ms;
    list_push_back(&rest->awake[session->patience], &session->rest);
}

void h2_rest_begin(struct h2_rest *rest, struct h2_session *session) {
    session->active_ms = event_loop_now_ms(rest->loop);
    if (!list_is_linked(&session->rest)) {
        enqueue(rest, session, session->active_ms + delay_of(rest, session));
        arm(rest, session->look_at_ms);
    }
}

void h2_rest_woken(struct h2_rest *rest, struct h2_session *session) {
    bool was_short = event_loop_now_ms(rest->loop) - session->packed_ms < SHORT_REST_MS;
    if (!was_short) {
        session->patience = 0;
    } else if (session->patience < H2_REST_STEPS - 1) {
        session->patience++;
    }
    h2_rest_begin(rest, session);
}

static void pack(struct h2_session *session, struct round *round) {
    if (round->packer == NULL) {
        round->packer = packer_new();
    }
    round->packed_count++;
    session->packed_ms = round->now_ms;
    if (h2_session_pack(session, round->packer) != STATUS_OK) {
        session->patience = H2_REST_STEPS - 1;
    }
}

static void look_at(struct h2_rest *rest, struct h2_session *session, struct round *round) {
    const struct h2_codec *h2 = CONTAINER_OF(session, struct h2_codec, session);
    list_remove(&session->rest);
    if (!list_is_empty(&h2->streams)) {
        return; // it comes back with the end of the last one
    }
    uint64_t at_ms = session->active_ms + delay_of(rest, session);
    if (at_ms > round->now_ms) {
        enqueue(rest, session, at_ms);
    } else if (nghttp2_session_want_write(h2_session_get(session)) != 0) {
        enqueue(rest, session, round->now_ms + NEXT_TURN_MS);
    } else {
        pack(session, round);
    }
}

static void look_through(struct h2_rest *rest, struct list_node *list, struct round *round) {
    while (!list_is_empty(list)) {
        struct h2_session *session = LIST_ENTRY(list->next, struct h2_session, rest);
        uint64_t at_ms = session->look_at_ms;
        if (at_ms <= round->now_ms && round->packed_count == MAX_PACKED_IN_TURN) {
            at_ms = round->now_ms + NEXT_TURN_MS;
        }
        if (at_ms > round->now_ms) {
            round->next_ms = at_ms < round->next_ms ? at_ms : round->next_ms;
            return;
        }
        look_at(rest, session, round);
    }
}

static void on_timer(void *arg) {
    struct h2_rest *rest = arg;
    struct round round = {.now_ms = event_loop_now_ms(rest->loop), .next_ms = UINT64_MAX};
    for (uint32_t i = 0; i < H2_REST_STEPS; i++) {
        look_through(rest, &rest->awake[i], &round);
    }
    packer_free(round.packer);
    rest->timer_ms = UINT64_MAX;
    if (round.next_ms != UINT64_MAX) {
        arm(rest, round.next_ms);
    }
}

void h2_rest_init(struct h2_rest *rest, struct event_loop *loop) {
    rest->loop = loop;
    rest->delay_ms = H2_REST_MS;
    rest->timer_ms = UINT64_MAX;
    for (uint32_t i = 0; i < H2_REST_STEPS; i++) {
        list_init(&rest->awake[i]);
    }
    timer_init(&rest->timer, on_timer, rest);
}

void h2_rest_deinit(struct h2_rest *rest) {
    timer_cancel(&rest->timer);
}
