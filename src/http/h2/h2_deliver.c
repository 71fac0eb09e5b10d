// SPDX-License-Identifier: Apache-2.0
/*
 * Tells the owners of streams and connection what nghttp2's callbacks noted. Any call may reset any
 * stream, the one being delivered included: h2->delivering is NULL then and its delivery is over.
 */
#include "src/base/check.h"
#include "src/http/h2/h2_codec.h"

static bool is_alive(const struct h2_codec *h2, const struct h2_stream *s) {
    return h2->delivering == s;
}

static void deliver_messages(struct h2_codec *h2, struct h2_stream *s) {
    while (is_alive(h2, s) && s->messages != NULL) {
        struct h2_message *message = s->messages;
        s->messages = message->next;
        if (message->is_informational) {
            s->sink.ops->on_informational(s->sink.arg, message->headers);
            continue;
        }
        s->end_delivered = message->end_stream;
        s->sink.ops->on_headers(s->sink.arg, message->headers, message->end_stream);
    }
}

static void deliver_body(struct h2_codec *h2, struct h2_stream *s) {
    if (!is_alive(h2, s)) {
        return;
    }
    bool end_stream = s->recv_ended && s->trailers == NULL && !s->end_delivered;
    if (s->has_final_headers && (s->received.len > 0 || end_stream)) {
        struct buffer data;
        buffer_init(&data, s->received.pool);
        buffer_move(&data, &s->received);
        s->end_delivered |= end_stream;
        s->sink.ops->on_data(s->sink.arg, &data, end_stream);
        buffer_deinit(&data);
    }
    if (is_alive(h2, s) && s->trailers != NULL) {
        struct header_map *trailers = s->trailers;
        s->trailers = NULL;
        s->end_delivered = true;
        s->sink.ops->on_trailers(s->sink.arg, trailers);
    }
}

static void deliver_watermarks(struct h2_codec *h2, struct h2_stream *s) {
    if (is_alive(h2, s) && s->tell_above_high) {
        s->tell_above_high = false;
        s->sink.ops->on_above_high_watermark(s->sink.arg);
    }
    if (is_alive(h2, s) && s->tell_below_low) {
        s->tell_below_low = false;
        s->sink.ops->on_below_low_watermark(s->sink.arg);
    }
}

static void tell_reset(struct h2_stream *s, enum http_reset_reason reason, const char *detail) {
    struct http_stream_sink sink = s->sink;
    bool is_told = !s->is_finished;
    h2_stream_finish(s);
    if (is_told) {
        sink.ops->on_reset(sink.arg, reason, detail);
    }
    h2_stream_free(s);
}

static bool has_ended_well(const struct h2_stream *s) {
    return s->close_code == NGHTTP2_NO_ERROR && !s->has_reset_reason && s->end_sent &&
           s->recv_ended;
}

// nghttp2 has closed the stream.
static void deliver_end(struct h2_stream *s) {
    if (!has_ended_well(s)) {
        h2_stream_set_reason(s, HTTP_RESET_PROTOCOL_ERROR, "http2.violation.of.messaging.rule");
        tell_reset(s, s->reset_reason, s->detail);
        return;
    }
    struct http_stream_sink sink = s->sink;
    h2_stream_finish(s);
    sink.ops->on_stream_closed(sink.arg);
    h2_stream_free(s);
}

static void deliver_stream(struct h2_codec *h2, struct h2_stream *s) {
    h2->delivering = s;
    // A request that is already dead is not worth starting; of a response the owner gets all there is.
    bool is_dead = s->has_reset_reason || (s->is_gone && !has_ended_well(s));
    if (!is_dead || !h2->is_server) {
        deliver_messages(h2, s);
        deliver_body(h2, s);
    }
    deliver_watermarks(h2, s);
    if (is_alive(h2, s) && s->is_gone) {
        deliver_end(s);
    }
    h2->delivering = NULL;
}

static void tell_connection(struct h2_codec *h2) {
    const struct http_codec_callbacks *callbacks = h2->options.callbacks;
    if (h2->tell_max_streams) {
        h2->tell_max_streams = false;
        if (callbacks->on_max_streams != NULL) {
            callbacks->on_max_streams(h2->options.arg, h2->max_streams);
        }
    }
    if (h2->tell_goaway) {
        h2->tell_goaway = false;
        if (callbacks->on_goaway != NULL) {
            callbacks->on_goaway(h2->options.arg, true);
        }
    }
    if (h2->tell_pong) {
        h2->tell_pong = false;
        if (callbacks->on_pong != NULL) {
            callbacks->on_pong(h2->options.arg);
        }
    }
}

void h2_deliver(struct h2_codec *h2) {
    if (h2->is_delivering) {
        return; // the outer run goes on with the list
    }
    h2->is_delivering = true;
    tell_connection(h2);
    while (!list_is_empty(&h2->ready)) {
        struct h2_stream *s = LIST_ENTRY(h2->ready.next, struct h2_stream, ready);
        list_remove(&s->ready);
        deliver_stream(h2, s);
    }
    h2->is_delivering = false;
}

void h2_reset_all(struct h2_codec *h2, enum http_reset_reason reason, const char *detail) {
    while (!list_is_empty(&h2->streams)) {
        tell_reset(LIST_ENTRY(h2->streams.next, struct h2_stream, node), reason, detail);
    }
}
