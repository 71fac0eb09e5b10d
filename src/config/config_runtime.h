// SPDX-License-Identifier: Apache-2.0
/*
 * How the data path reads a value that the runtime may override: from the table of the thread's snapshot.
 * A field without a key, which is nearly every one, costs a comparison.
 */
#ifndef SRC_CONFIG_CONFIG_RUNTIME_H
#define SRC_CONFIG_CONFIG_RUNTIME_H

#include "src/config/common_config.h"
#include "src/config/config_snapshot.h"
#include "src/event/io_context.h"

/* NULL before the thread has a snapshot: all defaults. */
static inline const struct runtime_table *config_runtime(const struct io_context *io) {
    return io->snapshot == NULL ? NULL : io->snapshot->runtime;
}

/* Of a million. */
static inline uint32_t config_fraction_now(const struct config_fraction *fraction,
                                           const struct io_context *io) {
    return fraction->key == RUNTIME_NO_KEY
               ? fraction->per_million
               : runtime_fraction(config_runtime(io), fraction->key, fraction->per_million);
}
static inline bool config_flag_now(const struct config_flag *flag, const struct io_context *io) {
    return flag->key == RUNTIME_NO_KEY ? flag->value
                                       : runtime_flag(config_runtime(io), flag->key, flag->value);
}
static inline uint64_t config_integer_now(const struct config_integer *integer,
                                          const struct io_context *io) {
    return integer->key == RUNTIME_NO_KEY
               ? integer->value
               : runtime_integer(config_runtime(io), integer->key, integer->value);
}

#endif
