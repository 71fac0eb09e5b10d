// SPDX-License-Identifier: Apache-2.0
#include "src/event/mailbox.h"

#include <check.h>
#include <pthread.h>
#include <stdlib.h>

#include "src/base/check.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"

enum { PRODUCERS = 3, MAILS = 20000 };

struct receiver {
    struct event_loop *loop;
    unsigned next[PRODUCERS]; /* the number each producer's mail must have */
    unsigned received;
};

struct numbered_mail {
    struct mail mail;
    struct receiver *receiver;
    unsigned producer;
    unsigned number;
};

static void deliver(struct mail *mail) {
    struct numbered_mail *numbered = CONTAINER_OF(mail, struct numbered_mail, mail);
    struct receiver *receiver = numbered->receiver;
    CHECK(numbered->number == receiver->next[numbered->producer]);
    receiver->next[numbered->producer]++;
    if (++receiver->received == PRODUCERS * MAILS) {
        event_loop_stop(receiver->loop);
    }
    free(numbered);
}

struct producer {
    struct mailbox *box;
    struct receiver *receiver;
    unsigned index;
};

static void *produce(void *arg) {
    struct producer *producer = arg;
    for (unsigned i = 0; i < MAILS; i++) {
        struct numbered_mail *numbered = malloc(sizeof(*numbered));
        *numbered = (struct numbered_mail){
            .mail.deliver = deliver,
            .receiver = producer->receiver,
            .producer = producer->index,
            .number = i,
        };
        mailbox_post(producer->box, &numbered->mail);
    }
    return NULL;
}

START_TEST(mails_of_each_producer_arrive_in_order) {
    struct event_loop *loop = event_loop_new(clock_system(), NULL);
    struct mailbox *box = mailbox_new(loop, NULL);
    struct receiver receiver = {.loop = loop};
    struct producer producers[PRODUCERS];
    pthread_t threads[PRODUCERS];
    for (unsigned i = 0; i < PRODUCERS; i++) {
        producers[i] = (struct producer){box, &receiver, i};
        ck_assert_int_eq(pthread_create(&threads[i], NULL, produce, &producers[i]), 0);
    }
    event_loop_run(loop);
    ck_assert_uint_eq(receiver.received, PRODUCERS * MAILS);
    for (unsigned i = 0; i < PRODUCERS; i++) {
        pthread_join(threads[i], NULL);
    }
    mailbox_free(box);
    event_loop_free(loop);
}
END_TEST

struct poster {
    struct mailbox *box;
    int runs;
};

static void post_again(void *arg) {
    struct poster *poster = arg;
    if (++poster->runs < 5) {
        mailbox_call(poster->box, post_again, poster);
    }
}

START_TEST(mail_posted_by_a_delivery_waits_for_the_next_turn) {
    struct virtual_clock clock;
    virtual_clock_init(&clock, 1);
    struct event_loop *loop = event_loop_new(&clock.base, NULL);
    struct poster poster = {.box = mailbox_new(loop, NULL)};
    ck_assert_uint_eq(event_loop_run_once(loop, -1), 0);
    mailbox_call(poster.box, post_again, &poster);
    for (int i = 1; i <= 3; i++) {
        ck_assert_uint_eq(event_loop_run_once(loop, -1), 1);
        ck_assert_int_eq(poster.runs, i);
    }
    mailbox_free(poster.box);
    ck_assert_msg(poster.runs == 5, "freeing delivers what is queued");
    event_loop_free(loop);
}
END_TEST

static void *run_loop(void *arg) {
    event_loop_run(arg);
    return NULL;
}

static void set_flag(void *arg) {
    *(int *)arg = 1;
}

START_TEST(stop_from_another_thread_ends_the_run) {
    struct event_loop *loop = event_loop_new(clock_system(), NULL);
    struct mailbox *box = mailbox_new(loop, NULL);
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, run_loop, loop), 0);
    int flag = 0;
    mailbox_call(box, set_flag, &flag);
    event_loop_stop(loop);
    pthread_join(thread, NULL);
    mailbox_free(box);
    ck_assert_int_eq(flag, 1);
    event_loop_stop(loop);
    event_loop_run(loop);
    event_loop_free(loop);
}
END_TEST

START_TEST(io_context_has_all_its_parts) {
    struct io_context io;
    struct error err;
    ck_assert_int_eq(io_context_init(&io, 3, clock_system(), &err), STATUS_OK);
    ck_assert(io.index == 3 && io.loop != NULL && io.mailbox != NULL && io.snapshot == NULL);
    struct buffer buf;
    buffer_init(&buf, &io.buffers);
    buffer_append(&buf, SLICE("x"));
    buffer_deinit(&buf);
    int flag = 0;
    mailbox_call(io.mailbox, set_flag, &flag);
    event_loop_run_once(io.loop, -1);
    ck_assert_int_eq(flag, 1);
    io_context_deinit(&io);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("mailbox");
    TCase *tests = tcase_create("mailbox");
    tcase_add_test(tests, mails_of_each_producer_arrive_in_order);
    tcase_add_test(tests, mail_posted_by_a_delivery_waits_for_the_next_turn);
    tcase_add_test(tests, stop_from_another_thread_ends_the_run);
    tcase_add_test(tests, io_context_has_all_its_parts);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? 0 : 1;
}
