// SPDX-License-Identifier: Apache-2.0
/*
 * What the layers of the runtime say now, by number: a small integer stands for each key that something
 * reads. Immutable once published, referenced by configuration snapshots: a reader does two loads and
 * looks nothing up. Keys only come to be, so that a number of an older configuration stands in every
 * newer table; one of a newer configuration reads as not set.
 */
#ifndef SRC_RUNTIME_RUNTIME_TABLE_H
#define SRC_RUNTIME_RUNTIME_TABLE_H

#include "src/runtime/runtime_value.h"

/* Of a field without a key: never set. */
#define RUNTIME_NO_KEY 0

struct runtime_table {
    uint32_t refs; /* control thread only */
    uint32_t count;
    struct runtime_value values[]; /* by key */
};

/* NULL: the key's default holds. */
static inline const struct runtime_value *runtime_get(const struct runtime_table *table,
                                                      uint32_t key, enum runtime_reading reading) {
    if (key == RUNTIME_NO_KEY || table == NULL || key >= table->count ||
        (table->values[key].readings & (uint32_t)reading) == 0) {
        return NULL;
    }
    return &table->values[key];
}

static inline uint32_t runtime_fraction(const struct runtime_table *table, uint32_t key,
                                        uint32_t per_million) {
    const struct runtime_value *value = runtime_get(table, key, RUNTIME_HAS_FRACTION);
    return value == NULL ? per_million : value->per_million;
}
static inline uint64_t runtime_integer(const struct runtime_table *table, uint32_t key,
                                       uint64_t integer) {
    const struct runtime_value *value = runtime_get(table, key, RUNTIME_HAS_INTEGER);
    return value == NULL ? integer : value->integer;
}
static inline double runtime_number(const struct runtime_table *table, uint32_t key,
                                    double number) {
    const struct runtime_value *value = runtime_get(table, key, RUNTIME_HAS_NUMBER);
    return value == NULL ? number : value->number;
}
static inline bool runtime_flag(const struct runtime_table *table, uint32_t key, bool flag) {
    const struct runtime_value *value = runtime_get(table, key, RUNTIME_HAS_FLAG);
    return value == NULL ? flag : value->flag;
}

#endif
