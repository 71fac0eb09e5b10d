// SPDX-License-Identifier: Apache-2.0
#include "src/stream/stream_memory.h"

#include "src/overload/overload_state.h"
#include "src/stream/http_stream.h"

static size_t held_by_filters(const struct http_filter_chain *chain) {
    size_t held = 0;
    for (uint32_t i = 0; i < chain->count && !chain->is_destroyed; i++) {
        const struct filter_slot *slot = &chain->slots[i];
        held +=
            filter_direction_held_bytes(&slot->decode) + filter_direction_held_bytes(&slot->encode);
        if (slot->filter->ops->held_bytes != NULL) {
            held += slot->filter->ops->held_bytes(slot->filter);
        }
    }
    return held;
}

size_t http_stream_held_bytes(const struct http_stream *stream) {
    const struct http_connection *conn = stream->conn;
    size_t held = held_by_filters(&stream->chain);
    if (stream->codec != NULL) {
        held += http_codec_stream_held_bytes(stream->codec);
    }
    // Of a connection that is shared nobody knows whose the bytes are.
    return held +
           connection_held_bytes(network_filter_connection(&conn->base)) / conn->stream_count;
}

void stream_memory_init(struct stream_memory *memory, uint32_t minimum_power, uint32_t scale) {
    // As Envoy: the largest class goes as soon as the action is on at all.
    uint32_t going = scale * STREAM_MEMORY_CLASSES / OVERLOAD_SATURATED + 1;
    going = going > STREAM_MEMORY_CLASSES ? STREAM_MEMORY_CLASSES : going;
    memory->minimum_power = minimum_power;
    memory->first_class = STREAM_MEMORY_CLASSES - going;
    for (uint32_t i = 0; i < STREAM_MEMORY_CLASSES; i++) {
        memory->counts[i] = 0;
    }
}

static void add_stream(struct stream_memory *memory, struct http_stream *stream) {
    size_t units = http_stream_held_bytes(stream) >> memory->minimum_power;
    uint32_t class = 0;
    for (; units > 1 && class < STREAM_MEMORY_CLASSES - 1; units >>= 1) {
        class ++;
    }
    if (units == 0 || class < memory->first_class ||
        memory->counts[class] == STREAM_MEMORY_MAX_RESETS) {
        return;
    }
    memory->streams[class][memory->counts[class]++] = stream;
}

void stream_memory_add(void *arg, struct network_filter *filter) {
    if (filter->ops != &http_connection_ops) {
        return;
    }
    struct http_connection *conn = (struct http_connection *)(void *)filter;
    LIST_FOR_EACH (node, &conn->streams) {
        add_stream(arg, LIST_ENTRY(node, struct http_stream, node));
    }
}

uint32_t stream_memory_reset(struct stream_memory *memory) {
    uint32_t count = 0;
    for (uint32_t class = STREAM_MEMORY_CLASSES; class > memory->first_class; class --) {
        for (uint32_t i = 0; i < memory->counts[class - 1] && count < STREAM_MEMORY_MAX_RESETS;
             i++) {
            struct http_stream *stream = memory->streams[class - 1][i];
            // Streams are freed at the end of the turn, not when they end.
            if (!stream->is_finished) {
                http_stream_overload_reset(stream);
                count++;
            }
        }
    }
    return count;
}
