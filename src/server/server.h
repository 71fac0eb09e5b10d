// SPDX-License-Identifier: Apache-2.0
/*
 * The composition of everything: loads the bootstrap, makes the threads, joins configuration, listeners
 * and admin, runs the control loop, and ends in order. One per process (or per test), on the control
 * thread.
 */
#ifndef SRC_SERVER_SERVER_H
#define SRC_SERVER_SERVER_H

#include "src/server/options.h"

struct server;

/* Loads and checks the configuration; nothing is bound. On failure `err` says what a user must know. */
struct server *server_new(const struct options *options, struct error *err);
/* Binds, starts xDS and workers, and runs until a signal or /quitquitquit. The exit code. */
int server_run(struct server *server);
void server_free(struct server *server);

/* --mode validate: everything but binding and threads. */
enum status server_validate(const struct options *options, struct error *err) MUST_USE;
/* `sallyport compat [--doc | FILE…]`; the exit code. */
int server_compat(int argc, char **argv);

#endif
