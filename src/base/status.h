// SPDX-License-Identifier: Apache-2.0
/*
 * Result categories for every function that can fail. The caller branches on the category; text for
 * humans travels in `struct error`. Results go out through pointers and are set only on STATUS_OK.
 */
#ifndef SRC_BASE_STATUS_H
#define SRC_BASE_STATUS_H

enum status {
    STATUS_OK = 0,
    STATUS_INVALID,   /* input breaks a rule: configuration, argument, syntax */
    STATUS_NOT_FOUND, /* a named thing is absent */
    STATUS_LIMIT,     /* a configured or fixed limit was reached */
    STATUS_AGAIN,     /* nothing wrong: call again when the readiness or the missing part arrives */
    STATUS_CLOSED,    /* the other side ended in order */
    STATUS_PROTOCOL,  /* a peer broke its protocol */
    STATUS_IO,        /* the kernel or the network failed */
    STATUS_INTERNAL,  /* a broken invariant that could be contained */
};

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, first_arg)                                                       \
    __attribute__((format(printf, format_index, first_arg)))

/* Returns the status of `expr` from the calling function unless it is STATUS_OK. The only macro that
 * returns from its user. */
#define TRY(expr)                                                                                  \
    do {                                                                                           \
        enum status try_status_ = (expr);                                                          \
        if (try_status_ != STATUS_OK) {                                                            \
            return try_status_;                                                                    \
        }                                                                                          \
    } while (0)

/* The category's lower-case name ("invalid"); static storage. */
const char *status_name(enum status status);

#endif
