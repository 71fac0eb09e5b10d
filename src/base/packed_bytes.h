// SPDX-License-Identifier: Apache-2.0
/*
 * Bytes that are kept for long and seldom read, deflated: configuration, which repeats itself, becomes a
 * tenth. They may hold secrets: whatever they pass through is wiped. One owner. A `struct packer` is the
 * compressor's memory, for who packs many in a row.
 */
#ifndef SRC_BASE_PACKED_BYTES_H
#define SRC_BASE_PACKED_BYTES_H

#include <stdbool.h>

#include "src/base/slice.h"
#include "src/base/status.h"

struct arena;
struct packer;

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

enum { PACKER_MAX_BYTES = 32768 };
/* 100 KiB, in which texts of what was packed stay until packer_free wipes it. */
struct packer *packer_new(void);
void packer_free(struct packer *packer); /* NULL: no-op */
/* Like packed_bytes_init, faster; STATUS_LIMIT: it would be more than `max_len` (at most PACKER_MAX_BYTES),
 * and `packed` is empty. */
enum status packed_bytes_try(struct packed_bytes *packed, struct packer *packer, struct slice bytes,
                             size_t max_len) MUST_USE;
/* Writes all full_len bytes. */
void packed_bytes_write(const struct packed_bytes *packed, uint8_t *to);

#endif
