// SPDX-License-Identifier: Apache-2.0
/* Makes frames: nghttp2 decides which, bodies are moved into the output without a copy. */
#include "src/base/check.h"
#include "src/http/h2/h2_codec.h"

void h2_set_dirty(struct h2_codec *h2) {
    // Both end with a flush and a delivery of their own.
    if (!h2->is_flushing && !h2->is_dispatching) {
        event_loop_defer(h2->options.io->loop, &h2->flush);
    }
}

// Bytes that left the output advance the generations.
static void age_outbound(struct h2_codec *h2) {
    struct h2_outbound *out = &h2->outbound;
    uint64_t unsent = h2->options.output->len;
    uint64_t sent = out->produced_bytes > unsent ? out->produced_bytes - unsent : 0;
    if (unsent == 0) {
        out->frames[0] = out->frames[1] = 0;
        out->control_frames[0] = out->control_frames[1] = 0;
        out->generation_end = out->produced_bytes;
    } else if (sent >= out->generation_end) {
        out->frames[0] = out->frames[1];
        out->control_frames[0] = out->control_frames[1];
        out->frames[1] = 0;
        out->control_frames[1] = 0;
        out->generation_end = out->produced_bytes;
    }
}

uint64_t h2_unsent_control_frames(struct h2_codec *h2) {
    age_outbound(h2);
    return (uint64_t)h2->outbound.control_frames[0] + h2->outbound.control_frames[1] +
           nghttp2_session_get_outbound_queue_size(h2_awake(h2));
}

uint64_t h2_unsent_frames(struct h2_codec *h2) {
    age_outbound(h2);
    return (uint64_t)h2->outbound.frames[0] + h2->outbound.frames[1] +
           nghttp2_session_get_outbound_queue_size(h2_awake(h2));
}

// Control frames go out in any case (their number is limited); bodies wait for room.
static bool is_blocked(struct h2_codec *h2) {
    if (h2->options.output->len >= H2_OUTPUT_HIGH_BYTES) {
        return true;
    }
    const struct h2_outbound *out = &h2->outbound;
    if (out->frames[0] + out->frames[1] < h2->limits.max_outbound_frames / 2) {
        return false;
    }
    age_outbound(h2);
    return out->frames[0] + out->frames[1] >= h2->limits.max_outbound_frames / 2;
}

static void submit_trailers(struct h2_stream *s) {
    struct h2_codec *h2 = s->h2;
    size_t count = h2_encode_fields(s, &s->unsent_trailers->map, H2_BLOCK_TRAILERS, true);
    if (nghttp2_submit_trailer(h2_awake(h2), (int32_t)s->base.id, h2->shared->fields, count) != 0) {
        (void)nghttp2_submit_rst_stream(h2_awake(h2), NGHTTP2_FLAG_NONE, (int32_t)s->base.id,
                                        NGHTTP2_INTERNAL_ERROR);
    }
    h2_stream_drop_trailers(s);
}

ssize_t h2_read_data(nghttp2_session *session, int32_t stream_id, uint8_t *buf, size_t length,
                     uint32_t *data_flags, nghttp2_data_source *source, void *user_data) {
    (void)buf;
    (void)source;
    struct h2_codec *h2 = user_data;
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, stream_id);
    h2->sending = s;
    if (s == NULL) {
        // Its owner has reset it; the RST_STREAM is queued.
        return NGHTTP2_ERR_DEFERRED;
    }
    if (is_blocked(h2)) {
        return NGHTTP2_ERR_PAUSE;
    }
    if (s->pending.len == 0 && !s->send_ended) {
        s->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    size_t len = s->pending.len < length ? s->pending.len : length;
    *data_flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (len == s->pending.len && s->send_ended) {
        *data_flags |= NGHTTP2_DATA_FLAG_EOF;
        if (s->unsent_trailers != NULL) {
            *data_flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            submit_trailers(s);
        }
    }
    return (ssize_t)len;
}

// The DATA frame that h2_read_data just promised.
static int on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *header,
                        size_t length, nghttp2_data_source *source, void *user_data) {
    (void)session;
    (void)source;
    (void)frame;
    struct h2_codec *h2 = user_data;
    struct h2_stream *s = h2->sending;
    struct buffer *output = h2->options.output;
    if (s == NULL || s->pending.len < length) {
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    }
    buffer_append(output, slice_make(header, H2_FRAME_HEADER_BYTES));
    buffer_move_len(output, &s->pending, length);
    h2->outbound.produced_bytes += H2_FRAME_HEADER_BYTES + length;
    s->base.sent.wire += H2_FRAME_HEADER_BYTES + length;
    if (h2->options.stats != NULL) {
        stats_sub(h2->options.stats, h2->options.io->index, HTTP2_STAT_PENDING_SEND_BYTES, length);
    }
    h2_stream_update_watermark(s);
    return 0;
}

// END_STREAM of a stream whose owner has left: now it can be reset, if the peer is still sending.
static void end_sent(struct h2_codec *h2, struct h2_stream *s) {
    s->end_sent = true;
    if (s->is_finished && !s->recv_ended) {
        (void)nghttp2_submit_rst_stream(h2_awake(h2), NGHTTP2_FLAG_NONE, (int32_t)s->base.id,
                                        h2->is_server ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
    }
}

// One of a stream that still has its owner was the peer's doing: what it sent was wrong.
static void count_reset_sent(nghttp2_session *session, int32_t stream_id, struct h2_codec *h2) {
    h2_count(h2, HTTP2_STAT_TX_RESET);
    h2->outbound.control_frames[1]++;
    const struct h2_stream *s = nghttp2_session_get_stream_user_data(session, stream_id);
    if (s != NULL && !s->is_finished) {
        h2_premature_reset(h2);
    }
}

static int on_frame_send(nghttp2_session *session, const nghttp2_frame *frame, void *user_data) {
    struct h2_codec *h2 = user_data;
    h2->outbound.frames[1]++;
    switch (frame->hd.type) {
    case NGHTTP2_DATA:
        h2->data_frames_sent++;
        break;
    case NGHTTP2_RST_STREAM:
        count_reset_sent(session, frame->hd.stream_id, h2);
        break;
    case NGHTTP2_PING:
    case NGHTTP2_SETTINGS:
        h2->outbound.control_frames[1] += (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;
        break;
    case NGHTTP2_GOAWAY:
        h2_count(h2, HTTP2_STAT_GOAWAY_SENT);
        if (frame->goaway.error_code != NGHTTP2_NO_ERROR && h2->failure == NULL) {
            // nghttp2 found a connection error by itself.
            h2->failure = "http2.connection_error";
            h2->failure_reason = HTTP_RESET_PROTOCOL_ERROR;
        }
        break;
    default:
        break;
    }
    if (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS) {
        struct h2_stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
        bool end_stream = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
        if (s != NULL && frame->hd.type == NGHTTP2_HEADERS) {
            s->base.sent.header += H2_FRAME_HEADER_BYTES + frame->hd.length;
            s->base.sent.wire += H2_FRAME_HEADER_BYTES + frame->hd.length;
            h2_stream_headers_sent(s, end_stream);
        }
        if (s != NULL && end_stream) {
            end_sent(h2, s);
        }
    }
    return 0;
}

static struct h2_stream *find_by_id(struct h2_codec *h2, uint32_t id) {
    LIST_FOR_EACH (node, &h2->streams) {
        struct h2_stream *s = LIST_ENTRY(node, struct h2_stream, node);
        if (s->base.id == id) {
            return s;
        }
    }
    return NULL;
}

// A request that nghttp2 could not open (GOAWAY came first, ids used up, header block too large) has no
// stream there that could be closed.
static int on_frame_not_send(nghttp2_session *session, const nghttp2_frame *frame, int error,
                             void *user_data) {
    (void)error;
    struct h2_codec *h2 = user_data;
    if (frame->hd.type != NGHTTP2_HEADERS) {
        return 0;
    }
    struct h2_stream *s = find_by_id(h2, (uint32_t)frame->hd.stream_id);
    if (s == NULL) {
        return 0;
    }
    s->is_block_queued = false;
    if (s->is_gone) {
        return 0;
    }
    if (h2->is_server) {
        (void)nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id,
                                        NGHTTP2_INTERNAL_ERROR);
        h2_stream_set_reason(s, HTTP_RESET_LOCAL, "http2.headers_not_sent");
        return 0;
    }
    if (nghttp2_session_find_stream(session, frame->hd.stream_id) == NULL) {
        s->is_gone = true;
    }
    h2_stream_set_reason(s, HTTP_RESET_REMOTE_REFUSED, "http2.remote_refuse");
    h2_stream_set_ready(s);
    return 0;
}

void h2_set_send_callbacks(nghttp2_session_callbacks *callbacks) {
    nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_send);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_send);
}

// One frame, or DATA frames up to the next one of another kind; false: there is nothing to send.
static bool produce_frame(struct h2_codec *h2) {
    const uint8_t *bytes;
    size_t before = h2->options.output->len;
    if (h2->is_send_broken) {
        return false;
    }
    h2->is_flushing = true;
    ssize_t len = h2_session_send(&h2->session, &bytes);
    h2->is_flushing = false;
    h2->is_send_broken = len < 0;
    if (len < 0 && h2->failure == NULL) {
        h2->failure = "http2.unknown.nghttp2.error";
        h2->failure_reason = HTTP_RESET_CONNECTION_TERMINATION;
    }
    if (len > 0) {
        buffer_append(h2->options.output, slice_make(bytes, (size_t)len));
        h2->outbound.produced_bytes += (uint64_t)len;
    }
    h2->tell_output |= h2->options.output->len > before;
    return len > 0;
}

void h2_produce(struct h2_codec *h2) {
    ASSERT(!h2->is_flushing);
    while (produce_frame(h2)) {
    }
}

void h2_produce_headers(struct h2_stream *s) {
    ASSERT(!s->h2->is_flushing);
    while (s->is_block_queued && produce_frame(s->h2)) {
    }
}

void h2_flush(struct h2_codec *h2) {
    h2_produce(h2);
    if (h2->tell_output) {
        h2->tell_output = false;
        h2->options.callbacks->on_output(h2->options.arg);
    }
}

void h2_flush_deferred(void *arg) {
    struct h2_codec *h2 = arg;
    CHECK_MAGIC(h2, H2_CODEC_MAGIC);
    h2_flush(h2);
    // Closes, resets and watermarks that the frames just sent brought about.
    h2_deliver(h2);
}
