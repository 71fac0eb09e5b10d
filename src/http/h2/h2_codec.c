// SPDX-License-Identifier: Apache-2.0
/* A codec's life: options, session, the calls that concern the whole connection. */
#include "src/http/h2/h2_codec.h"

#include "src/base/check.h"

enum {
    DEFAULT_HEADERS_BYTES = 60 * 1024,
    DEFAULT_HEADERS_COUNT = 100,
    DEFAULT_STREAM_BUFFER_BYTES = 256 * 1024,
    DEFAULT_CONNECTION_WINDOW_BYTES = 24 * 1024 * 1024,
    /* PING and SETTINGS that come without HEADERS or DATA in between. */
    CONTROL_BURST = 1000,
    CONTROL_PER_S = 100,
    /* Frames of a header block beyond those that its size limit needs. */
    SPARE_CONTINUATIONS = 4,
    MIN_SEND_HEADER_BYTES = 1024 * 1024,
};

static struct h2_codec *from_base(struct http_codec *base) {
    struct h2_codec *h2 = CONTAINER_OF(base, struct h2_codec, base);
    CHECK_MAGIC(h2, H2_CODEC_MAGIC);
    return h2;
}

uint64_t h2_now_ms(const struct h2_codec *h2) {
    return event_loop_now_ms(h2->options.io->loop);
}

void h2_fail(struct h2_codec *h2, uint32_t error_code, const char *detail) {
    if (h2->failure != NULL) {
        return;
    }
    h2->failure = detail;
    h2->failure_reason = HTTP_RESET_PROTOCOL_ERROR;
    (void)nghttp2_session_terminate_session(h2_awake(h2), error_code);
    h2_set_dirty(h2);
}

void h2_fail_flood(struct h2_codec *h2, enum http2_stat stat, const char *detail) {
    if (h2->failure == NULL) {
        h2_count(h2, stat);
        h2_fail(h2, NGHTTP2_ENHANCE_YOUR_CALM, detail);
    }
}

static enum status end_failed(struct h2_codec *h2, struct error *err) {
    h2_flush(h2);
    h2->is_dispatching = false;
    h2_reset_all(h2, h2->failure_reason, h2->failure);
    return error_set(err, STATUS_PROTOCOL, "%s", h2->failure);
}

// The client said goodbye and has all its answers; nghttp2 would not even answer a PING any more.
static bool has_left(struct h2_codec *h2) {
    return h2->is_server && h2->goaway_received && h2->base.active_streams == 0 &&
           nghttp2_session_want_read(h2_awake(h2)) == 0 &&
           nghttp2_session_want_write(h2_awake(h2)) == 0;
}

static enum status dispatch(struct http_codec *codec, struct buffer *input, struct error *err) {
    struct h2_codec *h2 = from_base(codec);
    h2->is_dispatching = true;
    h2_feed(h2, input);
    if (h2->failure != NULL) {
        return end_failed(h2, err);
    }
    // First what nghttp2 itself answers: its resets and errors must be known before the delivery.
    if (nghttp2_session_get_outbound_queue_size(h2_awake(h2)) > 0) {
        h2_flush(h2);
    }
    if (h2->failure != NULL) {
        return end_failed(h2, err);
    }
    h2_deliver(h2);
    h2_flush(h2);
    h2->is_dispatching = false;
    h2_deliver(h2);
    if (h2->failure != NULL) {
        return end_failed(h2, err);
    }
    return has_left(h2) ? STATUS_CLOSED : STATUS_OK;
}

static void connection_lost(struct http_codec *codec, enum http_reset_reason reason,
                            const char *detail) {
    struct h2_codec *h2 = from_base(codec);
    event_loop_defer_cancel(&h2->flush);
    h2_reset_all(h2, reason, detail);
}

static enum status input_ended(struct http_codec *codec) {
    connection_lost(codec, HTTP_RESET_CONNECTION_TERMINATION, "");
    return STATUS_OK;
}

static void shutdown_notice(struct http_codec *codec) {
    struct h2_codec *h2 = from_base(codec);
    if (h2->is_server && !h2->goaway_sent) {
        (void)nghttp2_submit_shutdown_notice(h2_awake(h2));
        h2_set_dirty(h2);
    }
}

static void goaway(struct http_codec *codec) {
    struct h2_codec *h2 = from_base(codec);
    if (h2->goaway_sent) {
        return;
    }
    h2->goaway_sent = true;
    (void)nghttp2_submit_goaway(h2_awake(h2), NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(h2_awake(h2)),
                                NGHTTP2_NO_ERROR, NULL, 0);
    // Now: the owner may close the connection as soon as what is in the output has left.
    if (!h2->is_flushing && !h2->is_dispatching) {
        h2_produce(h2);
    }
    h2_set_dirty(h2);
}

static void output_drained(struct http_codec *codec) {
    struct h2_codec *h2 = from_base(codec);
    // A packed session has nothing to send. Even within a dispatch, whose last flush may have been
    // before the room was there.
    if (!pack_region_is_packed(&h2->session.region) &&
        nghttp2_session_want_write(h2_awake(h2)) != 0) {
        event_loop_defer(h2->options.io->loop, &h2->flush);
    }
}

static struct http_codec_stream *new_stream(struct http_codec *codec,
                                            const struct http_stream_sink *sink) {
    struct h2_stream *s = h2_stream_new(from_base(codec));
    s->sink = *sink;
    return &s->base;
}

static void ping(struct http_codec *codec) {
    struct h2_codec *h2 = from_base(codec);
    (void)nghttp2_submit_ping(h2_awake(h2), NGHTTP2_FLAG_NONE, NULL);
    h2_set_dirty(h2);
}

static void free_codec(struct http_codec *codec) {
    struct h2_codec *h2 = from_base(codec);
    struct io_context *io = h2->options.io;
    ASSERT(codec->active_streams == 0 && !h2->is_flushing && !h2->is_dispatching);
    event_loop_defer_cancel(&h2->flush);
    while (!list_is_empty(&h2->streams)) {
        // Detached ones; a stream with an owner would be the owner's bug, and must not dangle.
        struct h2_stream *s = LIST_ENTRY(h2->streams.next, struct h2_stream, node);
        h2_stream_finish(s);
        h2_stream_free(s);
    }
    h2_session_deinit(&h2->session);
    h2->magic = 0;
    mem_free(h2);
    h2_shared_unref(io);
}

static const struct http_codec_ops codec_ops = {
    .dispatch = dispatch,
    .input_ended = input_ended,
    .shutdown_notice = shutdown_notice,
    .goaway = goaway,
    .output_drained = output_drained,
    .new_stream = new_stream,
    .ping = ping,
    .connection_lost = connection_lost,
    .free = free_codec,
};

static void set_default(uint32_t *value, uint32_t replacement) {
    if (*value == 0) {
        *value = replacement;
    }
}

static void set_defaults(struct http_codec_options *options, struct http2_options *limits) {
    set_default(&options->max_headers_bytes, DEFAULT_HEADERS_BYTES);
    set_default(&options->max_headers_count, DEFAULT_HEADERS_COUNT);
    // The map's own limit.
    if (options->max_headers_count > UINT16_MAX - 2) {
        options->max_headers_count = UINT16_MAX - 2;
    }
    set_default(&options->stream_buffer_bytes, DEFAULT_STREAM_BUFFER_BYTES);
    set_default(&limits->hpack_table_bytes, 4096);
    set_default(&limits->max_concurrent_streams, 0x7fffffff);
    set_default(&limits->stream_window_bytes, HTTP2_DEFAULT_STREAM_WINDOW_BYTES);
    set_default(&limits->connection_window_bytes, DEFAULT_CONNECTION_WINDOW_BYTES);
    set_default(&limits->max_outbound_frames, 10000);
    set_default(&limits->max_outbound_control_frames, 1000);
    set_default(&limits->max_consecutive_empty_data, 1);
    set_default(&limits->max_priority_frames_per_stream, 100);
    set_default(&limits->max_window_update_per_data_frame, 10);
    set_default(&limits->reset_burst, 100);
    set_default(&limits->reset_per_s, 33);
    set_default(&limits->glitch_burst, 500);
    set_default(&limits->glitch_per_s, 100);
    set_default(&limits->max_emitted_table_bytes, 1024);
}

static void init_budgets(struct h2_codec *h2) {
    uint64_t now_ms = h2_now_ms(h2);
    h2_bucket_init(&h2->resets, h2->limits.reset_burst, h2->limits.reset_per_s, now_ms);
    h2_bucket_init(&h2->glitches, h2->limits.glitch_burst, h2->limits.glitch_per_s, now_ms);
    h2_bucket_init(&h2->control, CONTROL_BURST, CONTROL_PER_S, now_ms);
    h2->max_continuations = SPARE_CONTINUATIONS + h2->options.max_headers_bytes / 16384;
}

static nghttp2_option *make_option(const struct h2_codec *h2) {
    nghttp2_option *option;
    CHECK(nghttp2_option_new(&option) == 0);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    // h2_rules.c has them.
    nghttp2_option_set_no_http_messaging(option, 1);
    nghttp2_option_set_max_deflate_dynamic_table_size(option, h2->limits.max_emitted_table_bytes);
    nghttp2_option_set_max_outbound_ack(option, h2->limits.max_outbound_control_frames);
    nghttp2_option_set_max_continuations(option, h2->max_continuations + 1);
    // Ours is the stricter one; nghttp2's has no clock but the system's.
    nghttp2_option_set_stream_reset_rate_limit(option, UINT32_MAX, UINT32_MAX);
    uint32_t send_bytes = h2->options.max_headers_bytes * 2;
    nghttp2_option_set_max_send_header_block_length(
        option, send_bytes > MIN_SEND_HEADER_BYTES ? send_bytes : MIN_SEND_HEADER_BYTES);
    return option;
}

static void submit_first_frames(struct h2_codec *h2) {
    const struct http2_options *limits = &h2->limits;
    nghttp2_settings_entry entries[4];
    size_t count = 0;
    entries[count++] =
        (nghttp2_settings_entry){NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, limits->hpack_table_bytes};
    entries[count++] = h2->is_server
                           ? (nghttp2_settings_entry){NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL,
                                                      limits->allow_connect}
                           : (nghttp2_settings_entry){NGHTTP2_SETTINGS_ENABLE_PUSH, 0};
    entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
                                                limits->max_concurrent_streams};
    entries[count++] =
        (nghttp2_settings_entry){NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, limits->stream_window_bytes};
    CHECK(nghttp2_submit_settings(h2_awake(h2), NGHTTP2_FLAG_NONE, entries, count) == 0);
    CHECK(nghttp2_session_set_local_window_size(h2_awake(h2), NGHTTP2_FLAG_NONE, 0,
                                                (int32_t)limits->connection_window_bytes) == 0);
}

static struct http_codec *codec_new(const struct http_codec_options *options,
                                    const struct http2_options *http2, bool is_server) {
    struct h2_codec *h2 = mem_calloc(1, sizeof(*h2));
    h2->magic = H2_CODEC_MAGIC;
    h2->is_server = is_server;
    h2->base = (struct http_codec){.ops = &codec_ops, .protocol = HTTP_2};
    h2->options = *options;
    h2->limits = *http2;
    set_defaults(&h2->options, &h2->limits);
    list_init(&h2->streams);
    list_init(&h2->ready);
    event_deferred_init(&h2->flush, h2_flush_deferred, h2);
    h2_scan_init(&h2->scan, is_server);
    init_budgets(h2);
    h2->max_streams = UINT32_MAX;
    h2->shared = h2_shared_get(options->io);
    nghttp2_option *option = make_option(h2);
    h2_session_init(&h2->session, h2, option);
    nghttp2_option_del(option);
    submit_first_frames(h2);
    if (!is_server) {
        // The preface lies in the frame buffer from the start: another session would write over it.
        const uint8_t *preface;
        ssize_t len = h2_session_send(&h2->session, &preface);
        CHECK(len > 0);
        buffer_append(h2->options.output, slice_make(preface, (size_t)len));
        h2->outbound.produced_bytes += (uint64_t)len;
    }
    h2_rest_begin(&h2->shared->rest, &h2->session);
    h2_set_dirty(h2);
    return &h2->base;
}

struct http_codec *http2_server_codec_new(const struct http_codec_options *options,
                                          const struct http2_options *http2) {
    return codec_new(options, http2, true);
}

struct http_codec *http2_client_codec_new(const struct http_codec_options *options,
                                          const struct http2_options *http2) {
    return codec_new(options, http2, false);
}
