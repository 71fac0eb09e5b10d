// SPDX-License-Identifier: Apache-2.0
#include "src/server/signals.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "src/base/check.h"
#include "src/event/event_loop.h"

struct signals {
    struct event_loop *loop;
    const struct signals_callbacks *callbacks;
    void *arg;
    struct event_watch watch;
    int fd;
};

static void make_set(sigset_t *set) {
    (void)sigemptyset(set);
    (void)sigaddset(set, SIGTERM);
    (void)sigaddset(set, SIGINT);
    (void)sigaddset(set, SIGUSR1);
}

void signals_block(void) {
    sigset_t set;
    make_set(&set);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
}

static void on_readable(void *arg, unsigned flags) {
    struct signals *signals = arg;
    (void)flags;
    struct signalfd_siginfo info;
    while (read(signals->fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGUSR1) {
            signals->callbacks->on_reopen_logs(signals->arg);
        } else {
            signals->callbacks->on_terminate(signals->arg, (int)info.ssi_signo);
        }
    }
}

struct signals *signals_new(struct event_loop *loop, const struct signals_callbacks *callbacks,
                            void *arg, struct error *err) {
    struct signals *signals = mem_calloc(1, sizeof(*signals));
    signals->loop = loop;
    signals->callbacks = callbacks;
    signals->arg = arg;
    signals->watch.fd = -1;
    sigset_t set;
    make_set(&set);
    signals->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (signals->fd < 0 || event_loop_watch_level(loop, &signals->watch, signals->fd, on_readable,
                                                  signals) != STATUS_OK) {
        (void)error_set(err, STATUS_IO, "cannot watch signals: %s", strerror(errno));
        signals_free(signals);
        return NULL;
    }
    return signals;
}

void signals_free(struct signals *signals) {
    if (signals == NULL) {
        return;
    }
    event_loop_unwatch(signals->loop, &signals->watch);
    if (signals->fd >= 0) {
        (void)close(signals->fd);
    }
    mem_free(signals);
}
