// SPDX-License-Identifier: Apache-2.0
/*
 * The loop's layout, shared by the files of this folder only: the timers hang in it, mailboxes register
 * with it and wake it.
 */
#ifndef SRC_EVENT_EVENT_LOOP_INTERNAL_H
#define SRC_EVENT_EVENT_LOOP_INTERNAL_H

#include <stdatomic.h>

#include "src/event/event_loop.h"
#include "src/event/timer_wheel.h"

/* Who is registered for an fd: an event carries fd and generation, never a pointer, so that one fetched
 * before its watch went away finds nothing. */
struct watch_slot {
    struct event_watch *watch; /* NULL: none */
    uint32_t generation;
};

/* What happens in a turn when another thread woke the loop. */
struct mail_source {
    struct list_node node;
    unsigned (*drain)(struct mail_source *source); /* returns the number of callbacks run */
};

struct event_loop {
    uint32_t magic;
    int epoll_fd;
    int wake_fd;
    bool is_virtual; /* the clock is not the kernel's: time never passes by waiting */
    bool has_mail;
    _Atomic bool is_stopped;
    struct clock *clock;
    uint64_t now_us;
    uint64_t wall_us;
    uint64_t busy_us;
    uint32_t next_generation;
    size_t slot_count;
    struct watch_slot *slots;   /* by fd */
    struct list_node activated; /* struct event_watch, for the next turn */
    struct list_node deferred;  /* struct event_deferred */
    struct list_node mail_sources;
    struct timer_wheel timers;
};

/* Any thread, async-signal safe: ends the current or the next wait. */
void event_loop_wake(struct event_loop *loop);

#endif
