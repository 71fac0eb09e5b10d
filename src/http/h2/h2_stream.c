// SPDX-License-Identifier: Apache-2.0
/* One stream as its owner sees it: what the owner sends, and its end. */
#include "src/base/check.h"
#include "src/http/h2/h2_codec.h"

static struct h2_stream *from_base(struct http_codec_stream *base) {
    return CONTAINER_OF(base, struct h2_stream, base);
}

struct h2_stream *h2_stream_new(struct h2_codec *h2) {
    struct h2_stream *s = block_pool_get(&h2->shared->streams);
    struct io_context *io = h2->options.io;
    *s = (struct h2_stream){.base = {.ops = &h2_stream_ops, .codec = &h2->base},
                            .h2 = h2,
                            .body_left = H2_BODY_UNKNOWN};
    buffer_init(&s->received, &io->buffers);
    buffer_init(&s->pending, &io->buffers);
    list_push_back(&h2->streams, &s->node);
    list_init(&s->ready);
    h2->base.active_streams++;
    h2_count(h2, HTTP2_STAT_STREAMS_ACTIVE);
    return s;
}

static void end_activity(struct h2_stream *s) {
    struct h2_codec *h2 = s->h2;
    s->is_finished = true;
    list_remove(&s->ready);
    if (h2->delivering == s) {
        h2->delivering = NULL;
    }
    if (h2->block_stream == s) {
        h2->block_stream = NULL;
    }
    buffer_clear(&s->received);
    h2->base.active_streams--;
    if (h2->options.stats != NULL) {
        stats_dec(h2->options.stats, h2->options.io->index, HTTP2_STAT_STREAMS_ACTIVE);
    }
}

void h2_stream_drop_trailers(struct h2_stream *s) {
    if (s->unsent_trailers != NULL) {
        struct arena arena = s->unsent_trailers->arena;
        s->unsent_trailers = NULL;
        arena_deinit(&arena);
    }
}

static void keep_trailers(struct h2_stream *s, const struct header_map *trailers) {
    struct arena arena;
    arena_init(&arena, &s->h2->options.io->arena_blocks);
    struct h2_trailers *kept = ARENA_NEW(&arena, struct h2_trailers);
    kept->arena = arena;
    header_map_copy(&kept->map, trailers, &kept->arena);
    s->unsent_trailers = kept;
}

static void drop_pending(struct h2_stream *s) {
    const struct h2_codec *h2 = s->h2;
    if (h2->options.stats != NULL && s->pending.len > 0) {
        stats_sub(h2->options.stats, h2->options.io->index, HTTP2_STAT_PENDING_SEND_BYTES,
                  s->pending.len);
    }
    buffer_clear(&s->pending);
}

void h2_stream_finish(struct h2_stream *s) {
    struct h2_codec *h2 = s->h2;
    if (!s->is_finished) {
        end_activity(s);
    }
    list_remove(&s->node);
    if (list_is_empty(&h2->streams)) {
        h2_rest_begin(&h2->shared->rest, &h2->session);
        h2_shared_let_go(h2->shared);
    }
    if (h2->sending == s) {
        h2->sending = NULL;
    }
    if (s->is_submitted && !s->is_gone) {
        (void)nghttp2_session_set_stream_user_data(h2_awake(h2), (int32_t)s->base.id, NULL);
    }
    drop_pending(s);
    h2_stream_drop_trailers(s);
}

void h2_stream_free(struct h2_stream *s) {
    block_pool_put(&s->h2->shared->streams, s);
}

void h2_stream_set_ready(struct h2_stream *s) {
    if (!s->is_finished && !list_is_linked(&s->ready)) {
        list_push_back(&s->h2->ready, &s->ready);
    }
}

void h2_stream_set_reason(struct h2_stream *s, enum http_reset_reason reason, const char *detail) {
    if (!s->has_reset_reason) {
        s->has_reset_reason = true;
        s->reset_reason = reason;
        s->detail = detail;
    }
}

void h2_stream_update_watermark(struct h2_stream *s) {
    uint32_t high = s->h2->options.stream_buffer_bytes;
    if (!s->is_above_high && s->pending.len > high) {
        s->is_above_high = true;
        s->tell_above_high = true;
        h2_stream_set_ready(s);
    } else if (s->is_above_high && s->pending.len <= high / 2) {
        s->is_above_high = false;
        s->tell_below_low = true;
        h2_stream_set_ready(s);
    }
    if (list_is_linked(&s->ready)) {
        h2_set_dirty(s->h2);
    }
}

/* Header blocks become frames at once, while their text is there: so nghttp2 need not copy it. Only a
 * request above the peer's limit of streams has to wait. */
static bool waits_for_peer(struct h2_codec *h2) {
    return !h2->is_server &&
           h2->open_count >= nghttp2_session_get_remote_settings(
                                 h2_awake(h2), NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

static enum status submit_block(struct h2_stream *s, const struct header_map *headers,
                                enum h2_block_kind kind, uint8_t flags) {
    struct h2_codec *h2 = s->h2;
    bool waits = waits_for_peer(h2);
    size_t count = h2_encode_fields(s, headers, kind, waits);
    if (count == 0) {
        return STATUS_INVALID;
    }
    if (s->is_gone || s->is_finished) {
        return STATUS_OK; // the reset is on its way to the owner
    }
    bool is_request = kind == H2_BLOCK_REQUEST;
    int32_t id = nghttp2_submit_headers(h2_awake(h2), flags, is_request ? -1 : (int32_t)s->base.id,
                                        NULL, h2->shared->fields, count, is_request ? s : NULL);
    if (id < 0) {
        return STATUS_INVALID;
    }
    if (is_request) {
        s->base.id = (uint32_t)id;
        s->is_submitted = true;
        h2_note_request(s, headers);
        h2->streams_opened++;
        h2->open_count++;
    }
    s->is_block_queued = true;
    h2_produce_headers(s);
    CHECK(waits || !s->is_block_queued || h2->is_send_broken);
    h2_set_dirty(h2);
    return STATUS_OK;
}

static void encode_informational(struct http_codec_stream *base, const struct header_map *headers) {
    // An interim answer that cannot be sent is left out.
    (void)submit_block(from_base(base), headers, H2_BLOCK_RESPONSE, NGHTTP2_FLAG_NONE);
}

static enum status encode_headers(struct http_codec_stream *base, const struct header_map *headers,
                                  bool end_stream) {
    struct h2_stream *s = from_base(base);
    TRY(submit_block(s, headers, s->h2->is_server ? H2_BLOCK_RESPONSE : H2_BLOCK_REQUEST,
                     end_stream ? NGHTTP2_FLAG_END_STREAM : NGHTTP2_FLAG_NONE));
    s->send_ended = end_stream;
    return STATUS_OK;
}

// nghttp2 hears of a body when there is some of it, or its end, behind headers that are out.
static void start_body(struct h2_stream *s) {
    const nghttp2_data_provider provider = {.read_callback = h2_read_data};
    s->has_body = true;
    (void)nghttp2_submit_data(h2_awake(s->h2), NGHTTP2_FLAG_END_STREAM, (int32_t)s->base.id,
                              &provider);
}

void h2_stream_headers_sent(struct h2_stream *s, bool end_stream) {
    s->is_block_queued = false;
    if (!end_stream && !s->has_body && (s->pending.len > 0 || s->send_ended)) {
        start_body(s);
    }
}

static void resume(struct h2_stream *s) {
    if (!s->has_body && !s->is_block_queued) {
        start_body(s);
    } else if (s->is_deferred) {
        s->is_deferred = false;
        (void)nghttp2_session_resume_data(h2_awake(s->h2), (int32_t)s->base.id);
    }
    h2_set_dirty(s->h2);
}

static void encode_data(struct http_codec_stream *base, struct buffer *data, bool end_stream) {
    struct h2_stream *s = from_base(base);
    struct h2_codec *h2 = s->h2;
    if (s->is_gone || s->is_finished || s->send_ended) {
        buffer_clear(data);
        return;
    }
    if (h2->options.stats != NULL) {
        stats_add(h2->options.stats, h2->options.io->index, HTTP2_STAT_PENDING_SEND_BYTES,
                  data->len);
    }
    buffer_move(&s->pending, data);
    s->send_ended = end_stream;
    h2_stream_update_watermark(s);
    if (s->pending.len > 0 || end_stream) {
        resume(s);
    }
}

static void encode_trailers(struct http_codec_stream *base, const struct header_map *trailers) {
    struct h2_stream *s = from_base(base);
    if (s->is_gone || s->is_finished || s->send_ended) {
        return;
    }
    keep_trailers(s, trailers);
    s->send_ended = true;
    resume(s);
}

static uint32_t error_code_of(const struct h2_stream *s, enum http_reset_reason reason) {
    switch (reason) {
    case HTTP_RESET_LOCAL_REFUSED:
    case HTTP_RESET_REMOTE_REFUSED:
        return NGHTTP2_REFUSED_STREAM;
    case HTTP_RESET_CONNECT_ERROR:
        return NGHTTP2_CONNECT_ERROR;
    case HTTP_RESET_PROTOCOL_ERROR:
        return NGHTTP2_PROTOCOL_ERROR;
    case HTTP_RESET_LOCAL:
    case HTTP_RESET_REMOTE:
    case HTTP_RESET_CONNECTION_TERMINATION:
    case HTTP_RESET_CONNECTION_FAILURE:
    case HTTP_RESET_CONNECTION_TIMEOUT:
    case HTTP_RESET_OVERFLOW:
    case HTTP_RESET_OVERLOAD:
        break;
    }
    if (!s->h2->is_server) {
        return NGHTTP2_CANCEL;
    }
    // RFC 9113 §8.1: the answer is whole, the rest of the request is not wanted.
    return s->end_sent ? NGHTTP2_NO_ERROR : NGHTTP2_INTERNAL_ERROR;
}

/* nghttp2 forgets what is queued of a stream as soon as its reset is. An answer that has begun goes out
 * before it is broken off, so that its client sees that. */
static void send_before_reset(struct h2_stream *s) {
    struct h2_codec *h2 = s->h2;
    bool has_queued =
        s->pending.len > 0 || nghttp2_session_get_outbound_queue_size(h2_awake(h2)) > 0;
    if (h2->is_server && h2->failure == NULL && has_queued) {
        h2_produce(h2);
        h2_set_dirty(h2);
    }
}

static void reset(struct http_codec_stream *base, enum http_reset_reason reason) {
    struct h2_stream *s = from_base(base);
    struct h2_codec *h2 = s->h2;
    if (s->is_finished) {
        return;
    }
    bool is_live = s->is_submitted && !s->is_gone;
    if (is_live && h2->is_server && reason == HTTP_RESET_LOCAL && s->send_ended && !s->end_sent) {
        // A whole answer goes out first; h2_output.c resets it behind them.
        end_activity(s);
        s->sink.ops = NULL;
        return;
    }
    if (is_live && reason != HTTP_RESET_OVERLOAD) {
        send_before_reset(s);
    }
    if (is_live && !s->is_gone) {
        (void)nghttp2_submit_rst_stream(h2_awake(h2), NGHTTP2_FLAG_NONE, (int32_t)base->id,
                                        error_code_of(s, reason));
        h2_set_dirty(h2);
    }
    h2_stream_finish(s);
    h2_stream_free(s);
}

static void read_disable(struct http_codec_stream *base, bool disable) {
    struct h2_stream *s = from_base(base);
    if (disable) {
        s->read_disabled++;
        return;
    }
    ASSERT(s->read_disabled > 0);
    if (--s->read_disabled > 0 || s->unreturned_bytes == 0) {
        return;
    }
    if (!s->is_gone && !s->is_finished) {
        (void)nghttp2_session_consume_stream(h2_awake(s->h2), (int32_t)base->id,
                                             s->unreturned_bytes);
        h2_set_dirty(s->h2);
    }
    s->unreturned_bytes = 0;
}

static size_t held_bytes(const struct http_codec_stream *base) {
    const struct h2_stream *s = (const struct h2_stream *)(const void *)base;
    return s->received.len + s->pending.len;
}

const struct http_codec_stream_ops h2_stream_ops = {
    .encode_informational = encode_informational,
    .encode_headers = encode_headers,
    .encode_data = encode_data,
    .encode_trailers = encode_trailers,
    .reset = reset,
    .read_disable = read_disable,
    .held_bytes = held_bytes,
};
