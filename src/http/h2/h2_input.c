// SPDX-License-Identifier: Apache-2.0
/*
 * Feeds nghttp2 and watches the frame headers on the way: what it would ignore silently (frames on
 * streams that it has forgotten) is answered as RFC 9113 §5.1 says, and every kind of frame that costs
 * us something has a budget.
 */
#include "src/base/check.h"
#include "src/http/h2/h2_codec.h"

/* Frames on streams that the peer itself had reset before; a late one or two are normal. */
enum { MAX_FRAMES_AFTER_RESET = 100 };

void h2_glitch(struct h2_codec *h2) {
    if (!h2_bucket_take(&h2->glitches, h2_now_ms(h2))) {
        h2_fail_flood(h2, HTTP2_STAT_INBOUND_GLITCH_FLOOD, "http2.glitch_flood");
    }
}

void h2_premature_reset(struct h2_codec *h2) {
    if (h2->is_server && !h2_bucket_take(&h2->resets, h2_now_ms(h2))) {
        h2_fail_flood(h2, HTTP2_STAT_PREMATURE_RESETS, "http2.too_many_premature_resets");
    }
}

static void count_control(struct h2_codec *h2) {
    if (!h2_bucket_take(&h2->control, h2_now_ms(h2))) {
        h2_fail_flood(h2, HTTP2_STAT_INBOUND_CONTROL_FLOOD, "http2.inbound_control_frames_flood");
    }
}

static void count_empty(struct h2_codec *h2, bool is_empty) {
    h2->empty_frames = is_empty ? h2->empty_frames + 1 : 0;
    if (h2->empty_frames > h2->limits.max_consecutive_empty_data) {
        h2_fail_flood(h2, HTTP2_STAT_INBOUND_EMPTY_FRAMES_FLOOD,
                      "http2.inbound_empty_frames_flood");
    }
}

static void count_continuation(struct h2_codec *h2) {
    if (++h2->continuations > h2->max_continuations) {
        h2_fail_flood(h2, HTTP2_STAT_INBOUND_CONTINUATION_FLOOD, "http2.continuation_flood");
    }
}

static void count_priority(struct h2_codec *h2) {
    h2->priority_frames++;
    if (h2->priority_frames >
        (uint64_t)h2->limits.max_priority_frames_per_stream * (1 + h2->streams_opened)) {
        h2_fail_flood(h2, HTTP2_STAT_INBOUND_PRIORITY_FRAMES_FLOOD,
                      "http2.inbound_priority_frames_flood");
    }
}

static void count_window_update(struct h2_codec *h2) {
    h2->window_update_frames++;
    uint64_t allowed = 5 + 2 * (h2->streams_opened +
                                h2->limits.max_window_update_per_data_frame * h2->data_frames_sent);
    if (h2->window_update_frames > allowed) {
        h2_fail_flood(h2, HTTP2_STAT_INBOUND_WINDOW_UPDATE_FRAMES_FLOOD,
                      "http2.inbound_window_update_frames_flood");
    }
}

// The budgets, by kind of frame.
static void count_frame(struct h2_codec *h2, const struct h2_frame_header *frame) {
    bool is_last = (frame->flags & H2_FLAG_END_STREAM) != 0;
    switch (frame->type) {
    case H2_FRAME_DATA:
        count_empty(h2, frame->length == 0 && !is_last);
        h2_bucket_refund(&h2->control, 2);
        break;
    case H2_FRAME_HEADERS:
        count_empty(h2, frame->length == 0 && !is_last);
        h2->continuations = 0;
        h2_bucket_refund(&h2->control, 2);
        break;
    case H2_FRAME_CONTINUATION:
        count_empty(h2, frame->length == 0);
        count_continuation(h2);
        break;
    case H2_FRAME_PRIORITY:
        count_priority(h2);
        break;
    case H2_FRAME_WINDOW_UPDATE:
        count_window_update(h2);
        break;
    case H2_FRAME_SETTINGS:
    case H2_FRAME_PING:
        if ((frame->flags & H2_FLAG_ACK) == 0) {
            count_control(h2);
        }
        break;
    case H2_FRAME_RST_STREAM:
        break;
    case H2_FRAME_PUSH_PROMISE:
        // Nobody may push to us: clients never, servers were told so in our first frame.
        h2_fail(h2, NGHTTP2_PROTOCOL_ERROR, "http2.unexpected_push_promise");
        break;
    default:
        h2_glitch(h2);
        break;
    }
}

static void feed_bytes(struct h2_codec *h2, const uint8_t *bytes, size_t len) {
    if (len == 0 || h2->failure != NULL) {
        return;
    }
    ssize_t used = h2_session_receive(&h2->session, bytes, len);
    if (used < 0 || (size_t)used != len) {
        // A wrong preface, or nghttp2's own flood limit.
        h2_fail(h2, NGHTTP2_PROTOCOL_ERROR,
                used == NGHTTP2_ERR_BAD_CLIENT_MAGIC ? "http2.bad_preface"
                                                     : "http2.unknown.nghttp2.error");
    }
}

static void answer_reset_stream(struct h2_codec *h2, uint32_t id) {
    if (++h2->frames_after_reset > MAX_FRAMES_AFTER_RESET) {
        h2_fail(h2, NGHTTP2_ENHANCE_YOUR_CALM, "http2.frames_on_closed_streams");
        return;
    }
    (void)nghttp2_submit_rst_stream(h2_awake(h2), NGHTTP2_FLAG_NONE, (int32_t)id,
                                    NGHTTP2_STREAM_CLOSED);
}

// HEADERS or DATA on a stream id that the peer has used, or passed over, before.
static void judge_known_id(struct h2_codec *h2, const struct h2_frame_header *frame) {
    switch (h2_scan_get(&h2->scan, frame->stream_id)) {
    case H2_ID_SKIPPED:
        h2_fail(h2,
                frame->type == H2_FRAME_HEADERS ? NGHTTP2_PROTOCOL_ERROR : NGHTTP2_STREAM_CLOSED,
                "http2.frame_on_closed_stream");
        return;
    case H2_ID_OPEN:
        if ((frame->flags & H2_FLAG_END_STREAM) != 0) {
            h2_scan_set(&h2->scan, frame->stream_id, H2_ID_ENDED);
        }
        return;
    case H2_ID_ENDED:
        if (nghttp2_session_find_stream(h2_awake(h2), (int32_t)frame->stream_id) == NULL) {
            h2_fail(h2, NGHTTP2_STREAM_CLOSED, "http2.frame_on_closed_stream");
        }
        return;
    case H2_ID_RESET:
        answer_reset_stream(h2, frame->stream_id);
        return;
    case H2_ID_UNKNOWN:
        return;
    }
}

// Server: follows what the peer does with its ids.
static void judge_frame(struct h2_codec *h2, const struct h2_frame_header *frame) {
    uint32_t id = frame->stream_id;
    bool is_new = (id & 1) == 1 && id > h2->scan.highest_id;
    switch (frame->type) {
    case H2_FRAME_HEADERS:
        if (is_new) {
            h2_scan_open(&h2->scan, id);
        }
        judge_known_id(h2, frame);
        break;
    case H2_FRAME_DATA:
        judge_known_id(h2, frame);
        break;
    case H2_FRAME_RST_STREAM:
        if (!is_new && h2_scan_get(&h2->scan, id) != H2_ID_SKIPPED) {
            h2_scan_set(&h2->scan, id, H2_ID_RESET);
        }
        break;
    default:
        break;
    }
}

// What the judgement depends on in nghttp2 must be as of the bytes before this frame.
static bool needs_feed(const struct h2_codec *h2, const struct h2_frame_header *frame) {
    return h2->is_server && h2_scan_get(&h2->scan, frame->stream_id) >= H2_ID_ENDED &&
           h2_scan_get(&h2->scan, frame->stream_id) <= H2_ID_RESET;
}

static void feed_run(struct h2_codec *h2, struct slice run) {
    size_t fed = 0;
    size_t at = 0;
    struct h2_frame_header frame;
    bool is_split;
    uint8_t partial[H2_FRAME_HEADER_BYTES];
    h2->input_run = run;
    while (h2->failure == NULL &&
           h2_scan_next(&h2->scan, run.ptr, run.len, &at, &frame, &is_split)) {
        if (is_split) {
            memcpy(partial, h2->scan.header, sizeof(partial));
        } else if (needs_feed(h2, &frame)) {
            size_t start = at - H2_FRAME_HEADER_BYTES;
            feed_bytes(h2, run.ptr + fed, start - fed);
            fed = start;
        }
        count_frame(h2, &frame);
        if (h2->is_server) {
            judge_frame(h2, &frame);
        }
        if (is_split) {
            feed_bytes(h2, partial, sizeof(partial));
            fed = at;
        }
    }
    // An incomplete frame header waits for its rest.
    size_t left = run.len - fed;
    size_t kept = h2->scan.header_len < left ? h2->scan.header_len : left;
    feed_bytes(h2, run.ptr + fed, left - kept);
    h2->input_run = slice_make(NULL, 0);
}

void h2_feed(struct h2_codec *h2, struct buffer *input) {
    h2->input = input;
    h2->session.active_ms = h2_now_ms(h2);
    while (h2->failure == NULL && input->len > 0) {
        struct slice run = buffer_front(input);
        feed_run(h2, run);
        buffer_drain(input, run.len);
    }
    h2->input = NULL;
    if (h2->failure == NULL &&
        h2_unsent_control_frames(h2) > h2->limits.max_outbound_control_frames) {
        h2_fail_flood(h2, HTTP2_STAT_OUTBOUND_CONTROL_FLOOD, "http2.outbound_control_frames_flood");
    }
    if (h2->failure == NULL && h2_unsent_frames(h2) > h2->limits.max_outbound_frames) {
        h2_fail_flood(h2, HTTP2_STAT_OUTBOUND_FLOOD, "http2.outbound_frames_flood");
    }
    buffer_drain(input, input->len);
}
