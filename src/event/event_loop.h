// SPDX-License-Identifier: Apache-2.0
/*
 * One thread's loop: epoll readiness (edge triggered, registered once), timers, deferred work, mail
 * from other threads. A turn is: wait, readiness callbacks, timers due, mail, then the deferred list
 * until it is empty. The clock is read once per wake-up: event_loop_now_us is the turn's time.
 * Callbacks run to completion; any of them may add or remove any watcher, timer or deferred item,
 * itself included; events already fetched for a removed watcher are dropped.
 */
#ifndef SRC_EVENT_EVENT_LOOP_H
#define SRC_EVENT_EVENT_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/clock.h"
#include "src/base/error.h"
#include "src/base/list.h"

struct event_loop;

enum event_flags {
    EVENT_READ = 1,
    EVENT_WRITE = 2,
    EVENT_ERROR = 4, /* error or hang-up of both directions */
    EVENT_READ_END =
        8, /* with READ: the peer ended its direction, so a short read is not yet dry */
};

typedef void event_watch_fn(void *arg, unsigned flags);

/* Storage is the caller's; opaque in use. */
struct event_watch {
    struct list_node node; /* in the loop's list of activated watches */
    int fd;                /* -1: none */
    uint32_t generation;
    unsigned pending_flags;
    event_watch_fn *fn; /* NULL: not registered */
    void *arg;
};

typedef void event_deferred_fn(void *arg);
/* Work at the end of the turn (flush output, free objects). Scheduling twice is one run. */
struct event_deferred {
    struct list_node node;
    event_deferred_fn *fn;
    void *arg;
};

struct event_loop *event_loop_new(struct clock *clock, struct error *err);
void event_loop_free(struct event_loop *loop);

/* Both directions, edge triggered; the fd stays the caller's and is unwatched before it is closed.
 * With fd -1 the watch has no kernel object and hears of event_loop_activate only. */
enum status event_loop_watch(struct event_loop *loop, struct event_watch *watch, int fd,
                             event_watch_fn *fn, void *arg) MUST_USE;
/* Level triggered read only: listening sockets, eventfds, inotify, signalfd. */
enum status event_loop_watch_level(struct event_loop *loop, struct event_watch *watch, int fd,
                                   event_watch_fn *fn, void *arg) MUST_USE;
/* No-op when not registered (or all zero). */
void event_loop_unwatch(struct event_loop *loop, struct event_watch *watch);
/* Delivers `flags` to the watch in the next turn without waiting for the kernel (a reader that
 * stopped early on an edge-triggered fd, a memory pipe without an fd). */
void event_loop_activate(struct event_loop *loop, struct event_watch *watch, unsigned flags);

void event_deferred_init(struct event_deferred *item, event_deferred_fn *fn, void *arg);
void event_loop_defer(struct event_loop *loop, struct event_deferred *item);
void event_loop_defer_cancel(struct event_deferred *item);

/* The turn's monotonic and wall time. */
uint64_t event_loop_now_us(const struct event_loop *loop);
/* Asks the clock: for what is measured within a turn. Monotonic. */
uint64_t event_loop_clock_us(const struct event_loop *loop);
uint64_t event_loop_now_ms(const struct event_loop *loop);
uint64_t event_loop_wall_us(const struct event_loop *loop);
/* Sum of all stretches longer than 5 ms that the loop spent in the callbacks of one turn, where it
 * could not look at the kernel. A probe notes it at its start and subtracts the difference. */
uint64_t event_loop_busy_us(const struct event_loop *loop);

/* Runs until event_loop_stop (at once when that came before). Under a virtual clock it looks at the
 * clock once a real millisecond. */
void event_loop_run(struct event_loop *loop);
/* One turn, waiting at most `max_wait_ms` (-1: until something happens, 0: poll). Under a
 * clock other than clock_system() it never waits. Returns the number of callbacks run. */
unsigned event_loop_run_once(struct event_loop *loop, int max_wait_ms);
/* From the loop's own thread or (async-signal safe) any other. */
void event_loop_stop(struct event_loop *loop);

#endif
