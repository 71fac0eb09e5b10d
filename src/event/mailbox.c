// SPDX-License-Identifier: Apache-2.0
#include "src/event/mailbox.h"

#include <stdatomic.h>
#include <stddef.h>

#include "src/base/check.h"
#include "src/event/event_loop_internal.h"

enum { MAILBOX_MAGIC = 0x4d41494c };

struct mailbox {
    uint32_t magic;
    struct event_loop *loop;
    struct mail_source source;
    /* A stack that producers push to; the receiver takes it whole and turns it round. On a cache line
     * of its own: all producers write here. */
    _Alignas(64) _Atomic(struct mail *) newest;
};

static unsigned drain(struct mail_source *source) {
    struct mailbox *box = CONTAINER_OF(source, struct mailbox, source);
    CHECK_MAGIC(box, MAILBOX_MAGIC);
    struct mail *mail = atomic_exchange_explicit(&box->newest, NULL, memory_order_acquire);
    struct mail *oldest = NULL;
    while (mail != NULL) {
        struct mail *older = mail->next;
        mail->next = oldest;
        oldest = mail;
        mail = older;
    }
    unsigned count = 0;
    while (oldest != NULL) {
        struct mail *next = oldest->next;
        oldest->next = NULL;
        oldest->deliver(oldest);
        oldest = next;
        count++;
    }
    return count;
}

struct mailbox *mailbox_new(struct event_loop *loop, struct error *err) {
    (void)err;
    struct mailbox *box = mem_alloc_aligned(_Alignof(struct mailbox), sizeof(*box));
    box->magic = MAILBOX_MAGIC;
    box->loop = loop;
    box->source.drain = drain;
    atomic_init(&box->newest, NULL);
    list_push_back(&loop->mail_sources, &box->source.node);
    return box;
}

void mailbox_free(struct mailbox *box) {
    if (box == NULL) {
        return;
    }
    CHECK_MAGIC(box, MAILBOX_MAGIC);
    // What a delivery posts to its own box is delivered as well.
    while (drain(&box->source) > 0) {
    }
    list_remove(&box->source.node);
    box->magic = 0;
    mem_free(box);
}

void mailbox_post(struct mailbox *box, struct mail *mail) {
    struct mail *head = atomic_load_explicit(&box->newest, memory_order_relaxed);
    do {
        mail->next = head;
    } while (!atomic_compare_exchange_weak_explicit(&box->newest, &head, mail, memory_order_release,
                                                    memory_order_relaxed));
    // Behind the first of a batch the wake-up is on its way already. `mail` is no longer ours.
    if (head == NULL) {
        event_loop_wake(box->loop);
    }
}

struct call_mail {
    struct mail mail;
    void (*fn)(void *arg);
    void *arg;
};

static void deliver_call(struct mail *mail) {
    struct call_mail *call = CONTAINER_OF(mail, struct call_mail, mail);
    void (*fn)(void *arg) = call->fn;
    void *arg = call->arg;
    mem_free(call);
    fn(arg);
}

void mailbox_call(struct mailbox *box, void (*fn)(void *arg), void *arg) {
    struct call_mail *call = mem_alloc(sizeof(*call));
    *call = (struct call_mail){.mail.deliver = deliver_call, .fn = fn, .arg = arg};
    mailbox_post(box, &call->mail);
}
