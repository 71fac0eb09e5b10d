// SPDX-License-Identifier: Apache-2.0
/*
 * The only place where threads meet: a multi-producer queue of owned messages, delivered on the
 * receiving loop's thread in posting order per producer. Posting never blocks and wakes the loop at
 * most once per batch. A mail's storage belongs to the receiver from the post on.
 */
#ifndef SRC_EVENT_MAILBOX_H
#define SRC_EVENT_MAILBOX_H

#include "src/base/error.h"

struct event_loop;
struct mail;
struct mailbox;

/* Runs on the receiver's thread; frees or keeps the mail. */
typedef void mail_fn(struct mail *mail);

/* First member of each message. */
struct mail {
    struct mail *next;
    mail_fn *deliver;
};

struct mailbox *mailbox_new(struct event_loop *loop, struct error *err);
/* Delivers what is queued, then frees. No producer may post any more. */
void mailbox_free(struct mailbox *box);
void mailbox_post(struct mailbox *box, struct mail *mail);

/* Convenience: run fn(arg) on the receiver's thread. */
void mailbox_call(struct mailbox *box, void (*fn)(void *arg), void *arg);

#endif
