// SPDX-License-Identifier: Apache-2.0
#include "src/event/event_loop.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "src/base/check.h"
#include "src/event/event_loop_internal.h"

enum {
    EVENT_LOOP_MAGIC = 0x4c4f4f50,
    EVENT_BATCH = 128,
    /* Shorter stretches in callbacks do not delay anybody. */
    AWAY_THRESHOLD_US = 5000,
    /* event_loop_run on virtual time looks at its clock this often. */
    VIRTUAL_WAIT_MS = 1,
};

/* fd -1 is taken by watches without one; the wake-up fd is told by this value. */
#define WAKE_EVENT UINT64_MAX

static void read_clock(struct event_loop *loop) {
    loop->now_us = loop->clock->monotonic_us(loop->clock);
    // Read when first asked for in the turn.
    loop->wall_us = 0;
}

static enum status open_fds(struct event_loop *loop, struct error *err) {
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0) {
        return error_set(err, STATUS_IO, "epoll_create1: %s", strerror(errno));
    }
    loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->wake_fd < 0) {
        return error_set(err, STATUS_IO, "eventfd: %s", strerror(errno));
    }
    // Edge triggered: each write is an edge, so the counter never needs to be read.
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u64 = WAKE_EVENT};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->wake_fd, &event) != 0) {
        return error_set(err, STATUS_IO, "epoll_ctl: %s", strerror(errno));
    }
    return STATUS_OK;
}

struct event_loop *event_loop_new(struct clock *clock, struct error *err) {
    struct event_loop *loop = mem_calloc(1, sizeof(*loop));
    loop->magic = EVENT_LOOP_MAGIC;
    loop->epoll_fd = -1;
    loop->wake_fd = -1;
    loop->clock = clock;
    loop->is_virtual = clock != clock_system();
    list_init(&loop->activated);
    list_init(&loop->deferred);
    list_init(&loop->mail_sources);
    read_clock(loop);
    timer_wheel_init(&loop->timers, loop->now_us / 1000);
    if (open_fds(loop, err) != STATUS_OK) {
        event_loop_free(loop);
        return NULL;
    }
    return loop;
}

void event_loop_free(struct event_loop *loop) {
    if (loop == NULL) {
        return;
    }
    CHECK_MAGIC(loop, EVENT_LOOP_MAGIC);
    ASSERT(list_is_empty(&loop->mail_sources));
    loop->magic = 0;
    if (loop->wake_fd >= 0) {
        close(loop->wake_fd);
    }
    if (loop->epoll_fd >= 0) {
        close(loop->epoll_fd);
    }
    mem_free(loop->slots);
    mem_free(loop);
}

static void grow_slots(struct event_loop *loop, size_t fd) {
    if (fd < loop->slot_count) {
        return;
    }
    size_t count = loop->slot_count == 0 ? 64 : loop->slot_count;
    while (count <= fd) {
        count *= 2;
    }
    loop->slots = mem_realloc(loop->slots, count * sizeof(*loop->slots));
    memset(loop->slots + loop->slot_count, 0, (count - loop->slot_count) * sizeof(*loop->slots));
    loop->slot_count = count;
}

static enum status watch_fd(struct event_loop *loop, struct event_watch *watch, uint32_t events) {
    grow_slots(loop, (size_t)watch->fd);
    struct watch_slot *slot = &loop->slots[watch->fd];
    ASSERT(slot->watch == NULL);
    watch->generation = ++loop->next_generation;
    struct epoll_event event = {
        .events = events,
        .data.u64 = (uint64_t)watch->generation << 32 | (uint32_t)watch->fd,
    };
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, watch->fd, &event) != 0) {
        return STATUS_IO;
    }
    *slot = (struct watch_slot){watch, watch->generation};
    return STATUS_OK;
}

static enum status add_watch(struct event_loop *loop, struct event_watch *watch, int fd,
                             uint32_t events) {
    list_init(&watch->node);
    watch->pending_flags = 0;
    watch->fd = fd;
    if (fd >= 0 && watch_fd(loop, watch, events) != STATUS_OK) {
        watch->fd = -1;
        watch->fn = NULL;
        return STATUS_IO;
    }
    return STATUS_OK;
}

enum status event_loop_watch(struct event_loop *loop, struct event_watch *watch, int fd,
                             event_watch_fn *fn, void *arg) {
    watch->fn = fn;
    watch->arg = arg;
    return add_watch(loop, watch, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

enum status event_loop_watch_level(struct event_loop *loop, struct event_watch *watch, int fd,
                                   event_watch_fn *fn, void *arg) {
    watch->fn = fn;
    watch->arg = arg;
    return add_watch(loop, watch, fd, EPOLLIN);
}

void event_loop_unwatch(struct event_loop *loop, struct event_watch *watch) {
    if (watch->fn == NULL) {
        return;
    }
    watch->fn = NULL;
    watch->pending_flags = 0;
    list_remove(&watch->node);
    if (watch->fd < 0) {
        return;
    }
    struct watch_slot *slot = &loop->slots[watch->fd];
    ASSERT(slot->watch == watch);
    slot->watch = NULL;
    // Fails only for an fd closed before, which the kernel has forgotten already.
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->fd = -1;
}

void event_loop_activate(struct event_loop *loop, struct event_watch *watch, unsigned flags) {
    if (watch->fn == NULL) {
        return;
    }
    watch->pending_flags |= flags;
    if (!list_is_linked(&watch->node)) {
        list_push_back(&loop->activated, &watch->node);
    }
}

void event_deferred_init(struct event_deferred *item, event_deferred_fn *fn, void *arg) {
    *item = (struct event_deferred){.fn = fn, .arg = arg};
    list_init(&item->node);
}

void event_loop_defer(struct event_loop *loop, struct event_deferred *item) {
    if (!list_is_linked(&item->node)) {
        list_push_back(&loop->deferred, &item->node);
    }
}

void event_loop_defer_cancel(struct event_deferred *item) {
    list_remove(&item->node);
}

uint64_t event_loop_clock_us(const struct event_loop *loop) {
    return loop->clock->monotonic_us(loop->clock);
}

uint64_t event_loop_now_us(const struct event_loop *loop) {
    return loop->now_us;
}

uint64_t event_loop_now_ms(const struct event_loop *loop) {
    return loop->now_us / 1000;
}

uint64_t event_loop_wall_us(const struct event_loop *loop) {
    if (loop->wall_us == 0) {
        // A cache: the loop is its thread's own and never a const object.
        ((struct event_loop *)(uintptr_t)loop)->wall_us = loop->clock->wall_us(loop->clock);
    }
    return loop->wall_us;
}

uint64_t event_loop_busy_us(const struct event_loop *loop) {
    return loop->busy_us;
}

static unsigned dispatch_ready(struct event_loop *loop, const struct epoll_event *events,
                               int count) {
    unsigned ran = 0;
    for (int i = 0; i < count; i++) {
        if (events[i].data.u64 == WAKE_EVENT) {
            loop->has_mail = true;
            continue;
        }
        const struct watch_slot *slot = &loop->slots[(uint32_t)events[i].data.u64];
        if (slot->watch == NULL || slot->generation != events[i].data.u64 >> 32) {
            continue;
        }
        uint32_t bits = events[i].events;
        unsigned flags = ((bits & (EPOLLIN | EPOLLRDHUP)) != 0 ? EVENT_READ : 0U) |
                         ((bits & EPOLLOUT) != 0 ? EVENT_WRITE : 0U) |
                         ((bits & (EPOLLERR | EPOLLHUP)) != 0 ? EVENT_ERROR : 0U) |
                         ((bits & EPOLLRDHUP) != 0 ? EVENT_READ_END : 0U);
        ran++;
        slot->watch->fn(slot->watch->arg, flags);
    }
    return ran;
}

static unsigned dispatch_activated(struct list_node *activated) {
    unsigned ran = 0;
    while (!list_is_empty(activated)) {
        struct event_watch *watch = LIST_ENTRY(activated->next, struct event_watch, node);
        unsigned flags = watch->pending_flags;
        list_remove(&watch->node);
        watch->pending_flags = 0;
        ran++;
        watch->fn(watch->arg, flags);
    }
    return ran;
}

static unsigned dispatch_mail(struct event_loop *loop) {
    if (!loop->has_mail) {
        return 0;
    }
    loop->has_mail = false;
    unsigned ran = 0;
    LIST_FOR_EACH_SAFE (node, &loop->mail_sources) {
        struct mail_source *source = LIST_ENTRY(node, struct mail_source, node);
        ran += source->drain(source);
    }
    return ran;
}

static unsigned dispatch_deferred(struct event_loop *loop) {
    unsigned ran = 0;
    while (!list_is_empty(&loop->deferred)) {
        struct event_deferred *item = LIST_ENTRY(loop->deferred.next, struct event_deferred, node);
        list_remove(&item->node);
        ran++;
        item->fn(item->arg);
    }
    return ran;
}

// How long epoll_wait may sleep: until the first timer, and not at all while work is queued.
static int wait_limit_ms(struct event_loop *loop, int max_wait_ms) {
    if (max_wait_ms == 0 || !list_is_empty(&loop->activated) || !list_is_empty(&loop->deferred)) {
        return 0;
    }
    uint64_t next_ms = timer_wheel_next_ms(&loop->timers);
    if (next_ms == UINT64_MAX) {
        return max_wait_ms;
    }
    // From a fresh reading: callbacks ran since the turn's. Rounded up, or the last partial
    // millisecond would be spent spinning.
    uint64_t now_us = loop->clock->monotonic_us(loop->clock);
    uint64_t next_us = next_ms * 1000;
    if (next_us <= now_us) {
        return 0;
    }
    uint64_t wait_ms = (next_us - now_us + 999) / 1000;
    uint64_t limit_ms = max_wait_ms < 0 ? INT32_MAX : (uint64_t)max_wait_ms;
    return (int)(wait_ms < limit_ms ? wait_ms : limit_ms);
}

static unsigned run_turn(struct event_loop *loop, int wait_ms) {
    struct epoll_event events[EVENT_BATCH];
    int count = epoll_wait(loop->epoll_fd, events, EVENT_BATCH, wait_ms);
    CHECK(count >= 0 || errno == EINTR);
    read_clock(loop);
    uint64_t start_us = loop->now_us;
    struct list_node activated;
    list_init(&activated);
    list_splice(&activated, &loop->activated);
    timer_wheel_advance(&loop->timers, loop->now_us / 1000);
    unsigned ran = dispatch_ready(loop, events, count);
    ran += dispatch_activated(&activated);
    ran += timer_wheel_fire(&loop->timers);
    ran += dispatch_mail(loop);
    ran += dispatch_deferred(loop);
    if (ran > 0) {
        uint64_t away_us = loop->clock->monotonic_us(loop->clock) - start_us;
        loop->busy_us += away_us > AWAY_THRESHOLD_US ? away_us : 0;
    }
    return ran;
}

unsigned event_loop_run_once(struct event_loop *loop, int max_wait_ms) {
    CHECK_MAGIC(loop, EVENT_LOOP_MAGIC);
    return run_turn(loop, loop->is_virtual ? 0 : wait_limit_ms(loop, max_wait_ms));
}

void event_loop_run(struct event_loop *loop) {
    CHECK_MAGIC(loop, EVENT_LOOP_MAGIC);
    int max_wait_ms = loop->is_virtual ? VIRTUAL_WAIT_MS : -1;
    while (!atomic_exchange_explicit(&loop->is_stopped, false, memory_order_acquire)) {
        run_turn(loop, wait_limit_ms(loop, max_wait_ms));
    }
}

void event_loop_wake(struct event_loop *loop) {
    // EAGAIN would mean a full counter: the loop is woken already.
    int saved_errno = errno;
    uint64_t one = 1;
    ssize_t ignored = write(loop->wake_fd, &one, sizeof(one));
    (void)ignored;
    errno = saved_errno;
}

void event_loop_stop(struct event_loop *loop) {
    atomic_store_explicit(&loop->is_stopped, true, memory_order_release);
    event_loop_wake(loop);
}
