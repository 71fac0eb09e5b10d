// SPDX-License-Identifier: Apache-2.0
/*
 * Process signals as events of the control loop: SIGTERM and SIGINT ask for the end, SIGUSR1 for reopened
 * log files; SIGPIPE and SIGHUP are ignored. Block them before any thread is started.
 */
#ifndef SRC_SERVER_SIGNALS_H
#define SRC_SERVER_SIGNALS_H

#include "src/base/error.h"

struct event_loop;
struct signals;

struct signals_callbacks {
    void (*on_terminate)(void *arg, int signal);
    void (*on_reopen_logs)(void *arg);
};

/* Call first in main: blocks the signals in this and all later threads. */
void signals_block(void);
struct signals *signals_new(struct event_loop *loop, const struct signals_callbacks *callbacks,
                            void *arg, struct error *err);
void signals_free(struct signals *signals);

#endif
