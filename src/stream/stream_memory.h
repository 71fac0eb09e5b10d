// SPDX-License-Identifier: Apache-2.0
/*
 * Which streams of a worker hold the most body bytes, and their reset: the overload action
 * reset_high_memory_stream with Envoy's classes (powers of two from a minimum on). A stream keeps no
 * account: all are looked at when memory is short, so that a request pays nothing for it.
 * For the stack of one turn of the worker: streams are named by pointers.
 */
#ifndef SRC_STREAM_STREAM_MEMORY_H
#define SRC_STREAM_STREAM_MEMORY_H

#include <stddef.h>
#include <stdint.h>

struct http_stream;
struct network_filter;

enum { STREAM_MEMORY_CLASSES = 8, STREAM_MEMORY_MAX_RESETS = 50 };

struct stream_memory {
    uint32_t minimum_power; /* the least class begins with 2^minimum_power bytes */
    uint32_t first_class;   /* those below stay */
    uint32_t counts[STREAM_MEMORY_CLASSES];
    struct http_stream *streams[STREAM_MEMORY_CLASSES][STREAM_MEMORY_MAX_RESETS];
};

/* `scale`: how far the action is on, of OVERLOAD_SATURATED: it says how many classes are to go. */
void stream_memory_init(struct stream_memory *memory, uint32_t minimum_power, uint32_t scale);
/* Takes the streams of `filter` in, where it is a HTTP connection manager. */
void stream_memory_add(void *memory, struct network_filter *filter);
/* Resets those of the highest classes first; returns how many. */
uint32_t stream_memory_reset(struct stream_memory *memory);

/* Body bytes that are held for the stream, in both directions, from its client's connection to its
 * origin's; of connections that it shares, its part. */
size_t http_stream_held_bytes(const struct http_stream *stream);

#endif
