// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes that are kept for long and seldom read, deflated: configuration, which repeats itself, becomes a
 * tenth. They may hold secrets: whatever they pass through is wiped. One owner.
 */
#ifndef SRC_BASE_PACKED_BYTES_H
#define SRC_BASE_PACKED_BYTES_H

#include "src/base/slice.h"

struct arena;

struct packed_bytes {
    uint8_t *ptr;    /* NULL: empty */
    size_t len;      /* as kept */
    size_t full_len; /* as given */
};

/* `packed` is overwritten; `bytes` stay the caller's. */
void packed_bytes_init(struct packed_bytes *packed, struct slice bytes);
void packed_bytes_deinit(struct packed_bytes *packed);
/* As they were given, in `arena`. */
struct slice packed_bytes_get(const struct packed_bytes *packed, struct arena *arena);

#endif
