// SPDX-License-Identifier: Apache-2.0
/* nghttp2's callbacks for what comes in: they note it in the stream and return. */
#include "src/base/check.h"
#include "src/http/h2/h2_codec.h"

static struct h2_stream *stream_of(nghttp2_session *session, const nghttp2_frame *frame) {
    return nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
}

static struct slice slice_of(nghttp2_rcbuf *text) {
    nghttp2_vec vec = nghttp2_rcbuf_get_buf(text);
    return slice_make(vec.base, vec.len);
}

static struct h2_stream *accept_stream(struct h2_codec *h2, uint32_t id) {
    h2->streams_opened++;
    struct h2_stream *s = h2_stream_new(h2);
    s->base.id = id;
    s->is_submitted = true;
    if (!h2->options.callbacks->on_new_stream(h2->options.arg, &s->base, &s->sink)) {
        (void)nghttp2_submit_rst_stream(h2_awake(h2), NGHTTP2_FLAG_NONE, (int32_t)id,
                                        NGHTTP2_REFUSED_STREAM);
        h2_stream_finish(s);
        h2_stream_free(s);
        return NULL;
    }
    (void)nghttp2_session_set_stream_user_data(h2_awake(h2), (int32_t)id, s);
    return s;
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user_data) {
    struct h2_codec *h2 = user_data;
    h2->block_stream = NULL;
    if (frame->hd.type != NGHTTP2_HEADERS || h2->failure != NULL) {
        return 0;
    }
    struct h2_stream *s = h2->is_server && frame->headers.cat == NGHTTP2_HCAT_REQUEST
                              ? accept_stream(h2, (uint32_t)frame->hd.stream_id)
                              : stream_of(session, frame);
    if (s != NULL && !s->is_finished) {
        h2->block_stream = s;
        h2_block_begin(s);
    }
    return 0;
}

// The rest of the block is still to come and may yet end the connection, long after the stream was told.
static void refuse_more_requests(struct h2_codec *h2) {
    if (!h2->is_server && !h2->goaway_received) {
        h2->goaway_received = h2->tell_goaway = true;
    }
}

static void reset_malformed(struct h2_codec *h2, struct h2_stream *s, bool end_stream) {
    if (end_stream && s->end_sent) {
        // nghttp2 closes the stream before it makes the frame by which others are counted.
        h2_premature_reset(h2);
    }
    (void)nghttp2_submit_rst_stream(h2_awake(h2), NGHTTP2_FLAG_NONE, (int32_t)s->base.id,
                                    NGHTTP2_PROTOCOL_ERROR);
}

// A head or trailers against the rules; s->detail tells which.
static void reject_message(struct h2_codec *h2, struct h2_stream *s, bool end_stream) {
    h2_count(h2, HTTP2_STAT_RX_MESSAGING_ERROR);
    if (!h2->limits.stream_error_on_invalid_message) {
        h2_fail(h2, NGHTTP2_PROTOCOL_ERROR, s->detail);
    }
    reset_malformed(h2, s, end_stream);
}

// Returning this makes nghttp2 reset the stream and skip the rest of the block.
static int reject_block(struct h2_codec *h2, struct h2_stream *s, enum status status) {
    h2->block_stream = NULL;
    s->block = NULL;
    if (status == STATUS_PROTOCOL) {
        reject_message(h2, s, false);
    }
    if (status == STATUS_LIMIT) {
        h2_count(h2, HTTP2_STAT_HEADER_OVERFLOW);
        refuse_more_requests(h2);
        if (++h2->header_overflows > 1) {
            h2_fail(h2, NGHTTP2_ENHANCE_YOUR_CALM, s->detail);
        }
    }
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, nghttp2_rcbuf *name,
                     nghttp2_rcbuf *value, uint8_t flags, void *user_data) {
    (void)session;
    (void)frame;
    struct h2_codec *h2 = user_data;
    struct h2_stream *s = h2->block_stream;
    if (s == NULL) {
        h2_count(h2, HTTP2_STAT_HEADERS_CB_NO_STREAM);
        return 0;
    }
    struct slice name_text = slice_of(name);
    struct slice value_text = slice_of(value);
    s->base.received.fields += name_text.len + value_text.len;
    enum status status =
        h2_block_add(s, name_text, value_text, (flags & NGHTTP2_NV_FLAG_NO_INDEX) != 0);
    return status == STATUS_OK ? 0 : reject_block(h2, s, status);
}

// nghttp2 found a frame invalid and has queued a RST_STREAM or a GOAWAY.
static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int error,
                            void *user_data) {
    struct h2_codec *h2 = user_data;
    struct h2_stream *s = frame->hd.stream_id == 0 ? NULL : stream_of(session, frame);
    if (error == NGHTTP2_ERR_REFUSED_STREAM) {
        h2_glitch(h2);
    }
    if (h2->block_stream == s) {
        h2->block_stream = NULL;
    }
    return 0;
}

static void end_block(struct h2_codec *h2, struct h2_stream *s, const nghttp2_frame *frame) {
    h2->block_stream = NULL;
    bool end_stream = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    s->base.received.header += H2_FRAME_HEADER_BYTES + frame->hd.length;
    s->base.received.wire += H2_FRAME_HEADER_BYTES + frame->hd.length;
    if (h2_block_end(s, end_stream) != STATUS_OK) {
        reject_message(h2, s, end_stream);
    } else {
        s->recv_ended |= end_stream;
    }
    h2_stream_set_ready(s);
}

static void on_rst_stream(struct h2_codec *h2, struct h2_stream *s, uint32_t error_code) {
    h2_count(h2, HTTP2_STAT_RX_RESET);
    if (s == NULL) {
        /* A server that answered before the request's end says so after its answer (RFC 9113 §8.1). */
        if (h2->is_server) {
            h2_glitch(h2);
        }
        return;
    }
    h2_premature_reset(h2);
    switch (error_code) {
    case NGHTTP2_REFUSED_STREAM:
        h2_stream_set_reason(s, HTTP_RESET_REMOTE_REFUSED, "http2.remote_refuse");
        break;
    case NGHTTP2_CONNECT_ERROR:
        h2_stream_set_reason(s, HTTP_RESET_CONNECT_ERROR, "http2.remote_reset");
        break;
    default:
        h2_stream_set_reason(s, HTTP_RESET_REMOTE, "http2.remote_reset");
        break;
    }
}

// A body against its content-length: the stream's error alone.
static void reject_body(struct h2_codec *h2, struct h2_stream *s, bool end_stream) {
    h2_stream_set_reason(s, HTTP_RESET_PROTOCOL_ERROR, "http2.violation.of.messaging.rule");
    reset_malformed(h2, s, end_stream);
}

static void on_data_frame(struct h2_codec *h2, struct h2_stream *s, const nghttp2_frame *frame) {
    bool end_stream = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    // All padding, no data: as empty as an empty frame (those the scan has counted).
    if (frame->hd.length > 0 && frame->hd.length <= frame->data.padlen && !end_stream) {
        h2_glitch(h2);
    }
    if (s == NULL) {
        return;
    }
    s->base.received.wire += H2_FRAME_HEADER_BYTES + frame->hd.length;
    if (end_stream && !s->is_finished && !h2_may_end(s)) {
        reject_body(h2, s, true);
    } else if (end_stream) {
        s->recv_ended = true;
        h2_stream_set_ready(s);
    }
}

static void on_settings(struct h2_codec *h2) {
    uint32_t max_streams =
        nghttp2_session_get_remote_settings(h2_awake(h2), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    if (max_streams != h2->max_streams) {
        h2->max_streams = max_streams;
        h2->tell_max_streams = true;
    }
}

static int on_frame_recv(nghttp2_session *session, const nghttp2_frame *frame, void *user_data) {
    struct h2_codec *h2 = user_data;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        // Whose fields came since on_begin_headers.
        if (h2->block_stream != NULL) {
            ASSERT(h2->block_stream->base.id == (uint32_t)frame->hd.stream_id);
            end_block(h2, h2->block_stream, frame);
        }
        break;
    case NGHTTP2_DATA:
        on_data_frame(h2, stream_of(session, frame), frame);
        break;
    case NGHTTP2_RST_STREAM:
        on_rst_stream(h2, stream_of(session, frame), frame->rst_stream.error_code);
        break;
    case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
            on_settings(h2);
        }
        break;
    case NGHTTP2_GOAWAY:
        h2->tell_goaway = !h2->goaway_received;
        h2->goaway_received = true;
        break;
    case NGHTTP2_PING:
        h2->tell_pong |= (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;
        break;
    default:
        break;
    }
    return 0;
}

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t stream_id,
                         const uint8_t *data, size_t len, void *user_data) {
    (void)flags;
    struct h2_codec *h2 = user_data;
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, stream_id);
    // Else a few stalled streams would stop all others of the connection.
    (void)nghttp2_session_consume_connection(session, len);
    if (s == NULL || s->is_finished || s->has_reset_reason) {
        (void)nghttp2_session_consume_stream(session, stream_id, len);
        return 0;
    }
    if (!h2_take_body(s, len)) {
        reject_body(h2, s, false);
        return 0;
    }
    const uint8_t *run = h2->input_run.ptr;
    if (data >= run && data + len <= run + h2->input_run.len) {
        buffer_share_range(&s->received, h2->input, (size_t)(data - run), len);
    } else {
        buffer_append(&s->received, slice_make(data, len));
    }
    if (s->read_disabled > 0) {
        s->unreturned_bytes += (uint32_t)len;
    } else {
        (void)nghttp2_session_consume_stream(session, stream_id, len);
    }
    h2_stream_set_ready(s);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t error_code,
                           void *user_data) {
    struct h2_codec *h2 = user_data;
    struct h2_stream *s = nghttp2_session_get_stream_user_data(session, stream_id);
    h2->open_count -= h2->is_server ? 0 : 1;
    if (s == NULL) {
        return 0;
    }
    s->is_gone = true;
    s->close_code = error_code;
    if (s->is_finished) {
        h2_stream_finish(s); // detached: nobody waits for it
        h2_stream_free(s);
        return 0;
    }
    if (!h2->is_server && error_code == NGHTTP2_REFUSED_STREAM) {
        // Above the last id of a GOAWAY.
        h2_stream_set_reason(s, HTTP_RESET_REMOTE_REFUSED, "http2.remote_refuse");
    }
    h2_stream_set_ready(s);
    return 0;
}

nghttp2_session_callbacks *h2_callbacks_new(void) {
    nghttp2_session_callbacks *callbacks;
    CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback2(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame_recv);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    h2_set_send_callbacks(callbacks);
    return callbacks;
}
