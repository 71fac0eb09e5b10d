// SPDX-License-Identifier: Apache-2.0
#include "src/http/h1/h1_codec.h"

#include "src/base/check.h"
#include "src/event/io_context.h"
#include "src/http/h1/h1_reader.h"
#include "src/http/h1/http1_stats.h"

enum {
    DEFAULT_HEADERS_BYTES = 60 * 1024,
    DEFAULT_HEADERS_COUNT = 100,
    FIELD_OVERHEAD_BYTES = 3, /* colon and CRLF */
    LINE_END_BYTES = 2,
};

struct h1_codec *h1_codec_new(const struct http_codec_ops *ops,
                              const struct http_codec_stream_ops *stream_ops,
                              const struct h1_role *role, const struct http_codec_options *options,
                              const struct http1_options *http1) {
    struct h1_codec *codec = (struct h1_codec *)mem_calloc(1, sizeof(*codec));
    codec->base.ops = ops;
    codec->base.protocol = HTTP_1_1;
    codec->stream.ops = stream_ops;
    codec->stream.codec = &codec->base;
    codec->magic = H1_CODEC_MAGIC;
    codec->role = role;
    codec->options = *options;
    codec->http1 = *http1;
    if (codec->options.max_headers_bytes == 0) {
        codec->options.max_headers_bytes = DEFAULT_HEADERS_BYTES;
    }
    if (codec->options.max_headers_count == 0) {
        codec->options.max_headers_count = DEFAULT_HEADERS_COUNT;
    }
    if (codec->options.stream_buffer_bytes == 0) {
        codec->options.stream_buffer_bytes = UINT32_MAX;
    }
    codec->read = H1_READ_IDLE;
    codec->keep_alive = true;
    buffer_init(&codec->held, &options->io->buffers);
    return codec;
}

void h1_codec_free(struct http_codec *base) {
    struct h1_codec *codec = h1_codec_of(base);
    CHECK_MAGIC(codec, H1_CODEC_MAGIC);
    ASSERT(!codec->is_active && !codec->in_dispatch);
    buffer_deinit(&codec->held);
    codec->magic = 0;
    mem_free(codec);
}

#define READ_BIT(state) (1U << (state))

void h1_set_read(struct h1_codec *codec, enum h1_read read) {
    static const uint32_t predecessors[] = {
        [H1_READ_IDLE] = READ_BIT(H1_READ_DONE),
        [H1_READ_START] = READ_BIT(H1_READ_IDLE) | READ_BIT(H1_READ_FIELDS),
        [H1_READ_FIELDS] = READ_BIT(H1_READ_START),
        [H1_READ_LENGTH] = READ_BIT(H1_READ_FIELDS),
        [H1_READ_CHUNKED] = READ_BIT(H1_READ_FIELDS),
        [H1_READ_TRAILERS] = READ_BIT(H1_READ_CHUNKED),
        [H1_READ_UNTIL_CLOSE] = READ_BIT(H1_READ_FIELDS),
        [H1_READ_TUNNEL_WAIT] = READ_BIT(H1_READ_FIELDS) | READ_BIT(H1_READ_LENGTH),
        [H1_READ_TUNNEL] =
            READ_BIT(H1_READ_FIELDS) | READ_BIT(H1_READ_LENGTH) | READ_BIT(H1_READ_TUNNEL_WAIT),
        [H1_READ_DONE] = READ_BIT(H1_READ_FIELDS) | READ_BIT(H1_READ_LENGTH) |
                         READ_BIT(H1_READ_CHUNKED) | READ_BIT(H1_READ_TRAILERS) |
                         READ_BIT(H1_READ_UNTIL_CLOSE) | READ_BIT(H1_READ_TUNNEL),
        [H1_READ_DEAD] = UINT32_MAX,
    };
    ASSERT((predecessors[read] & READ_BIT(codec->read)) != 0);
    codec->read = read;
    codec->base.is_ended = read == H1_READ_DEAD;
}

void h1_begin_stream(struct h1_codec *codec) {
    ASSERT(!codec->is_active);
    codec->is_active = true;
    codec->base.active_streams = 1;
    codec->stream.id++;
    codec->stream.received = codec->stream.sent = (struct message_bytes){0};
    codec->read_disabled = 0;
    codec->skipped_lines = 0;
    codec->scanned = 0;
    codec->head_bytes = 0;
    codec->field_bytes = 0;
    codec->field_count = 0;
    codec->headers = NULL;
    codec->fault = H1_FINE;
    codec->write = H1_WRITE_NONE;
    codec->out_framing = H1_OUT_NONE;
    codec->write_discards = false;
    codec->above_high = false;
    codec->peer_protocol = HTTP_1_1;
    codec->base.protocol = HTTP_1_1;
    codec->is_head = false;
    codec->is_connect = false;
    codec->is_upgrade = false;
    codec->has_leftover = false;
    codec->has_host = false;
    codec->tunnel_granted = false;
    codec->authority_given = false;
    codec->informational_count = 0;
    codec->status = 0;
}

void h1_drop_stream(struct h1_codec *codec) {
    codec->is_active = false;
    codec->base.active_streams = 0;
    codec->read_disabled = 0;
    codec->headers = NULL;
    buffer_clear(&codec->held);
}

void h1_reset_stream(struct h1_codec *codec, enum http_reset_reason reason, const char *detail) {
    if (codec->read != H1_READ_DEAD) {
        h1_set_read(codec, H1_READ_DEAD);
    }
    codec->keep_alive = false;
    if (!codec->is_active) {
        return;
    }
    struct http_stream_sink sink = codec->sink;
    h1_drop_stream(codec);
    sink.ops->on_reset(sink.arg, reason, detail);
}

/* Ends the stream when neither direction has anything left to do. */
static void finish_if_done(struct h1_codec *codec) {
    bool read_done = codec->read == H1_READ_DONE || codec->read == H1_READ_DEAD;
    if (!codec->is_active || !read_done || codec->write != H1_WRITE_DONE) {
        return;
    }
    if (codec->keep_alive && codec->read == H1_READ_DONE) {
        h1_set_read(codec, H1_READ_IDLE);
    } else {
        h1_set_read(codec, H1_READ_DEAD);
    }
    struct http_stream_sink sink = codec->sink;
    h1_drop_stream(codec);
    sink.ops->on_stream_closed(sink.arg);
}

void h1_read_ended(struct h1_codec *codec) {
    finish_if_done(codec);
}

void h1_deliver(struct h1_codec *codec, struct buffer *data, bool end_stream) {
    uint32_t id = codec->stream.id;
    if (end_stream) {
        h1_set_read(codec, H1_READ_DONE);
        codec->role->ending(codec);
    }
    codec->sink.ops->on_data(codec->sink.arg, data, end_stream);
    if (end_stream && codec->is_active && codec->stream.id == id) {
        h1_read_ended(codec);
    }
}

static struct h1_fault line_fault(enum h1_line result, bool is_start) {
    if (result == H1_LINE_TOO_LONG) {
        return H1_FAULT(431, "http1.headers_too_large");
    }
    if (result == H1_LINE_BAD_CHAR && !is_start) {
        return H1_FAULT(400, "http1.invalid_characters");
    }
    return H1_CODEC_ERROR;
}

/* HTTP_UNDERSCORES_*: true when the field is left out. */
static bool judge_underscore(struct h1_codec *codec, struct slice name, struct h1_fault *fault) {
    if (codec->options.underscores == HTTP_UNDERSCORES_ALLOW ||
        slice_find_byte(name, '_') == SIZE_MAX) {
        return false;
    }
    struct stats_scope *stats = codec->options.stats;
    uint32_t thread = codec->options.io->index;
    if (codec->options.underscores == HTTP_UNDERSCORES_REJECT) {
        stats_inc(stats, thread, HTTP1_STAT_REJECTED_UNDERSCORES);
        *fault = H1_FAULT(400, "http1.unexpected_underscore");
        return false;
    }
    stats_inc(stats, thread, HTTP1_STAT_DROPPED_UNDERSCORES);
    return true;
}

static struct h1_fault add_host(struct h1_codec *codec, struct slice value) {
    if (codec->has_host || !http_is_authority(value)) {
        return H1_FAULT(400, "http.invalid_authority");
    }
    codec->has_host = true;
    if (codec->authority_given) {
        return H1_FINE;
    }
    header_map_append(codec->headers, HEADER_AUTHORITY, value);
    return H1_FINE;
}

/* One field line of a head or of trailers. */
static struct h1_fault add_field(struct h1_codec *codec, struct slice line) {
    if (++codec->field_count > codec->options.max_headers_count) {
        return H1_FAULT(431, "http1.too_many_headers");
    }
    struct h1_field field;
    struct h1_fault fault = h1_parse_field(line, codec->headers->arena, &field);
    if (fault.detail != NULL) {
        return fault;
    }
    codec->field_bytes += (uint32_t)(field.name.len + field.value.len) + FIELD_OVERHEAD_BYTES;
    if (field.id == HEADER_OTHER && judge_underscore(codec, field.name, &fault)) {
        return H1_FINE;
    }
    if (fault.detail != NULL) {
        return fault;
    }
    if (codec->read == H1_READ_TRAILERS && h1_is_forbidden_trailer(field.id)) {
        return H1_FINE;
    }
    if (field.id == HEADER_HOST && codec->role->is_server) {
        return add_host(codec, field.value);
    }
    if (header_map_add_id(codec->headers, field.id, field.name, field.value) != STATUS_OK) {
        return H1_FAULT(431, "http1.too_many_headers");
    }
    return H1_FINE;
}

/* The start line or one field line; *is_end: the empty line that ends the section. */
static struct h1_fault take_line(struct h1_codec *codec, struct slice line, bool *is_end) {
    codec->head_bytes += (uint32_t)line.len + 2;
    *is_end = false;
    if (codec->read == H1_READ_START) {
        struct h1_fault fault = codec->role->start_line(codec, line);
        if (fault.detail == NULL) {
            h1_set_read(codec, H1_READ_FIELDS);
        }
        return fault;
    }
    *is_end = line.len == 0;
    return *is_end ? H1_FINE : add_field(codec, line);
}

/* Reads lines up to the end of the section: *is_end. Callbacks come only after the input has been
 * drained to what is left of it. */
static enum h1_step read_lines(struct h1_codec *codec, struct buffer *input, bool *is_end) {
    struct h1_reader reader;
    h1_reader_init(&reader, input, codec->scanned);
    enum h1_line result = H1_LINE_DONE;
    *is_end = false;
    while (!*is_end && codec->fault.detail == NULL) {
        struct slice line;
        bool is_start = codec->read == H1_READ_START;
        result =
            h1_reader_line(&reader, codec->options.max_headers_bytes - codec->head_bytes, &line);
        if (result == H1_LINE_MORE) {
            break;
        }
        codec->fault =
            result == H1_LINE_DONE ? take_line(codec, line, is_end) : line_fault(result, is_start);
    }
    codec->scanned = h1_reader_finish(&reader);
    if (codec->fault.detail != NULL) {
        return H1_STEP_FAULT;
    }
    return *is_end ? H1_STEP_AGAIN : H1_STEP_MORE;
}

static enum h1_step read_head(struct h1_codec *codec, struct buffer *input) {
    if (codec->headers == NULL) {
        codec->headers =
            (struct header_map *)arena_alloc(codec->sink.arena, sizeof(*codec->headers));
        header_map_init(codec->headers, codec->sink.arena);
    }
    bool is_end;
    enum h1_step step = read_lines(codec, input, &is_end);
    if (step != H1_STEP_AGAIN) {
        return step;
    }
    codec->stream.received.wire += codec->head_bytes;
    codec->stream.received.header += codec->field_bytes;
    codec->stream.received.fields += codec->field_bytes;
    codec->fault = codec->role->head_done(codec);
    return codec->fault.detail == NULL ? H1_STEP_AGAIN : H1_STEP_FAULT;
}

bool h1_begin_body(struct h1_codec *codec, const struct h1_framing *framing) {
    codec->read_left = framing->length;
    if (framing->kind == H1_FRAMING_CHUNKED) {
        h1_chunked_init(&codec->chunked);
        h1_set_read(codec, H1_READ_CHUNKED);
        return true;
    }
    if (framing->kind == H1_FRAMING_LENGTH && framing->length > 0) {
        h1_set_read(codec, H1_READ_LENGTH);
        return true;
    }
    return false;
}

static enum h1_step read_length(struct h1_codec *codec, struct buffer *input) {
    struct buffer data;
    buffer_init(&data, &codec->options.io->buffers);
    size_t len = codec->read_left < input->len ? (size_t)codec->read_left : input->len;
    buffer_move_len(&data, input, len);
    codec->read_left -= len;
    codec->stream.received.wire += len;
    bool is_last = codec->read_left == 0;
    if (is_last && codec->is_upgrade) {
        h1_set_read(codec, codec->tunnel_granted ? H1_READ_TUNNEL : H1_READ_TUNNEL_WAIT);
        is_last = false;
    }
    h1_deliver(codec, &data, is_last);
    buffer_deinit(&data);
    return H1_STEP_AGAIN;
}

/* Begins the trailer section: its lines are charged against the same limits anew. */
static void begin_trailers(struct h1_codec *codec) {
    h1_set_read(codec, H1_READ_TRAILERS);
    codec->head_bytes = 0;
    codec->field_bytes = 0;
    codec->field_count = 0;
    codec->scanned = 0;
    struct arena *arena = http_stream_sink_trailers(&codec->sink);
    codec->headers = (struct header_map *)arena_alloc(arena, sizeof(*codec->headers));
    header_map_init(codec->headers, arena);
}

/* Trailers are read even where they are not wanted: the section must be well formed. Reads them;
 * true when the message is complete. */
static enum h1_step read_trailer_lines(struct h1_codec *codec, struct buffer *input, bool *is_end) {
    enum h1_step step = read_lines(codec, input, is_end);
    if (step == H1_STEP_AGAIN) {
        codec->stream.received.wire += codec->head_bytes;
        codec->stream.received.header += codec->http1.enable_trailers ? codec->field_bytes : 0;
    }
    return step;
}

static bool has_wanted_trailers(const struct h1_codec *codec) {
    return codec->http1.enable_trailers && codec->headers->live > 0;
}

static void deliver_trailers(struct h1_codec *codec) {
    uint32_t id = codec->stream.id;
    h1_set_read(codec, H1_READ_DONE);
    codec->role->ending(codec);
    codec->sink.ops->on_trailers(codec->sink.arg, codec->headers);
    if (codec->is_active && codec->stream.id == id) {
        h1_read_ended(codec);
    }
}

/* Decodes chunks and, behind the last one, the trailer section; payload and end go to the sink
 * together where they arrive together. */
static enum h1_step read_chunked(struct h1_codec *codec, struct buffer *input) {
    struct buffer data;
    buffer_init(&data, &codec->options.io->buffers);
    uint32_t id = codec->stream.id;
    enum h1_step step = H1_STEP_AGAIN;
    bool is_end = false;
    if (codec->read == H1_READ_CHUNKED) {
        size_t before = input->len;
        if (!h1_chunked_decode(&codec->chunked, input, &data)) {
            codec->fault = H1_CODEC_ERROR;
            step = H1_STEP_FAULT;
        }
        codec->stream.received.wire += before - input->len;
        if (step != H1_STEP_FAULT && codec->chunked.state == H1_CHUNKED_LAST) {
            begin_trailers(codec);
        }
    }
    if (codec->read == H1_READ_TRAILERS) {
        step = read_trailer_lines(codec, input, &is_end);
    } else if (step == H1_STEP_AGAIN) {
        step = H1_STEP_MORE;
    }
    bool ends_here = is_end && !has_wanted_trailers(codec);
    if (data.len > 0 || ends_here) {
        h1_deliver(codec, &data, ends_here);
    }
    buffer_deinit(&data);
    if (!codec->is_active || codec->stream.id != id) {
        return H1_STEP_AGAIN;
    }
    if (is_end && !ends_here) {
        deliver_trailers(codec);
    }
    return step;
}

static enum h1_step read_raw(struct h1_codec *codec, struct buffer *input) {
    struct buffer data;
    buffer_init(&data, &codec->options.io->buffers);
    codec->stream.received.wire += input->len;
    buffer_move(&data, input);
    h1_deliver(codec, &data, false);
    buffer_deinit(&data);
    return H1_STEP_AGAIN;
}

enum h1_step h1_read_step(struct h1_codec *codec, struct buffer *input) {
    if (codec->read_disabled > 0) {
        return H1_STEP_MORE;
    }
    switch (codec->read) {
    case H1_READ_START:
    case H1_READ_FIELDS:
        return read_head(codec, input);
    case H1_READ_LENGTH:
        return read_length(codec, input);
    case H1_READ_CHUNKED:
    case H1_READ_TRAILERS:
        return read_chunked(codec, input);
    case H1_READ_UNTIL_CLOSE:
    case H1_READ_TUNNEL:
        return read_raw(codec, input);
    case H1_READ_IDLE:
    case H1_READ_TUNNEL_WAIT:
    case H1_READ_DONE:
    case H1_READ_DEAD:
        break;
    }
    return H1_STEP_MORE;
}

void h1_read_all(struct h1_codec *codec, struct buffer *input) {
    enum h1_step step = H1_STEP_AGAIN;
    while (step == H1_STEP_AGAIN && input->len > 0) {
        step = h1_read_step(codec, input);
    }
    if (step == H1_STEP_FAULT && codec->is_active) {
        codec->role->fault(codec);
    }
}

enum status h1_dispatch_result(const struct h1_codec *codec, struct error *err) {
    if (codec->is_active || !codec->is_broken) {
        return STATUS_OK;
    }
    const char *detail = codec->fault.detail == NULL ? "message cut short" : codec->fault.detail;
    return error_set(err, STATUS_PROTOCOL, "HTTP/1.1: %s", detail);
}

bool h1_known_length(const struct header_map *headers, uint64_t *length) {
    uint16_t first = headers->first[HEADER_CONTENT_LENGTH];
    if (first == HEADER_NONE || headers->entries[first].next != HEADER_NONE) {
        return false;
    }
    return h1_parse_content_length(header_entry_value(&headers->entries[first]), length);
}

void h1_notify_output(struct h1_codec *codec) {
    codec->options.callbacks->on_output(codec->options.arg);
}

void h1_write_ended(struct h1_codec *codec) {
    codec->write = H1_WRITE_DONE;
    // An answer that is complete before its request ends the connection: nobody wants to read on.
    if (codec->role->is_server && codec->read != H1_READ_DONE && codec->read != H1_READ_DEAD) {
        h1_set_read(codec, H1_READ_DEAD);
    }
    finish_if_done(codec);
}

static void check_high_watermark(struct h1_codec *codec) {
    size_t unsent = codec->options.output->len + codec->held.len;
    if (codec->above_high || unsent <= codec->options.stream_buffer_bytes) {
        return;
    }
    codec->above_high = true;
    codec->sink.ops->on_above_high_watermark(codec->sink.arg);
}

void h1_check_low_watermark(struct h1_codec *codec) {
    if (!codec->is_active || !codec->above_high || codec->held.len > 0 ||
        codec->options.output->len > codec->options.stream_buffer_bytes) {
        return;
    }
    codec->above_high = false;
    codec->sink.ops->on_below_low_watermark(codec->sink.arg);
}

/* What was announced was not sent: the peer must not take the message for complete. */
static void break_message(struct h1_codec *codec) {
    codec->keep_alive = false;
    codec->is_broken = true;
    if (codec->read != H1_READ_DEAD) {
        h1_set_read(codec, H1_READ_DEAD);
    }
}

static void write_length(struct h1_codec *codec, struct buffer *data) {
    size_t len = codec->write_left < data->len ? (size_t)codec->write_left : data->len;
    buffer_move_len(codec->options.output, data, len);
    codec->write_left -= len;
    if (data->len > 0 && !codec->is_upgrade) {
        buffer_clear(data);
        break_message(codec);
    }
}

/* Upgrade and CONNECT data wait here until the tunnel is granted; a body goes first. */
static void write_or_hold(struct h1_codec *codec, struct buffer *data) {
    if (codec->write_left > 0) {
        write_length(codec, data);
    }
    if (codec->tunnel_granted) {
        buffer_move(codec->options.output, data);
    } else {
        buffer_move(&codec->held, data);
    }
}

void h1_write_data(struct h1_codec *codec, struct buffer *data, bool end_stream) {
    struct buffer *out = codec->options.output;
    size_t before = out->len;
    bool is_tunnel = codec->is_upgrade || codec->is_connect;
    if (codec->write_discards) {
        buffer_clear(data);
    } else if (is_tunnel && (codec->tunnel_granted || codec->status == 0)) {
        write_or_hold(codec, data);
    } else if (codec->out_framing == H1_OUT_LENGTH) {
        write_length(codec, data);
    } else if (codec->out_framing == H1_OUT_NONE) {
        buffer_move(out, data);
    } else if (data->len > 0) {
        h1_chunked_encode(out, data, end_stream);
    } else if (end_stream) {
        buffer_append(out, SLICE("0\r\n\r\n"));
    }
    codec->stream.sent.wire += out->len - before;
    bool is_short = end_stream && codec->out_framing == H1_OUT_LENGTH && codec->write_left > 0;
    if (is_short && !codec->write_discards) {
        break_message(codec);
    }
}

static void count_sent(struct h1_codec *codec, size_t field_bytes) {
    codec->stream.sent.header += field_bytes;
    codec->stream.sent.fields = codec->stream.sent.header;
}

void h1_count_head(struct h1_codec *codec, const struct h1_head *head, size_t written) {
    size_t start = 0;
    for (uint32_t i = 0; i < head->start_count; i++) {
        start += head->start[i].len;
    }
    if (written > 0) {
        codec->stream.sent.wire += written;
        count_sent(codec, written - start + head->start_field_bytes - LINE_END_BYTES);
    }
}

void h1_write_trailers(struct h1_codec *codec, const struct header_map *trailers) {
    struct buffer *out = codec->options.output;
    size_t before = out->len;
    if (codec->out_framing != H1_OUT_CHUNKED || codec->write_discards ||
        !codec->http1.enable_trailers) {
        struct buffer none;
        buffer_init(&none, &codec->options.io->buffers);
        h1_write_data(codec, &none, true);
        buffer_deinit(&none);
        return;
    }
    buffer_append(out, SLICE("0\r\n"));
    size_t written = h1_put_trailers(out, trailers, codec->http1.proper_case);
    count_sent(codec, written - LINE_END_BYTES);
    codec->stream.sent.wire += out->len - before;
}

void h1_stream_encode_data(struct http_codec_stream *stream, struct buffer *data, bool end_stream) {
    struct h1_codec *codec = h1_codec_of_stream(stream);
    CHECK_MAGIC(codec, H1_CODEC_MAGIC);
    if (!codec->is_active || codec->write != H1_WRITE_BODY) {
        buffer_clear(data);
        return;
    }
    h1_write_data(codec, data, end_stream);
    h1_notify_output(codec);
    if (!codec->is_active) {
        return;
    }
    if (end_stream) {
        h1_write_ended(codec);
        return;
    }
    check_high_watermark(codec);
}

void h1_stream_encode_trailers(struct http_codec_stream *stream,
                               const struct header_map *trailers) {
    struct h1_codec *codec = h1_codec_of_stream(stream);
    CHECK_MAGIC(codec, H1_CODEC_MAGIC);
    if (!codec->is_active || codec->write != H1_WRITE_BODY) {
        return;
    }
    h1_write_trailers(codec, trailers);
    h1_notify_output(codec);
    if (codec->is_active) {
        h1_write_ended(codec);
    }
}

void h1_stream_reset(struct http_codec_stream *stream, enum http_reset_reason reason) {
    (void)reason;
    struct h1_codec *codec = h1_codec_of_stream(stream);
    CHECK_MAGIC(codec, H1_CODEC_MAGIC);
    if (!codec->is_active) {
        return;
    }
    h1_drop_stream(codec);
    codec->keep_alive = false;
    if (codec->read != H1_READ_DEAD) {
        h1_set_read(codec, H1_READ_DEAD);
    }
}

void h1_stream_read_disable(struct http_codec_stream *stream, bool disable) {
    struct h1_codec *codec = h1_codec_of_stream(stream);
    if (disable) {
        codec->read_disabled++;
    } else if (codec->read_disabled > 0) {
        codec->read_disabled--;
    }
}

void h1_codec_ping(struct http_codec *codec) {
    (void)codec;
}

void h1_codec_connection_lost(struct http_codec *base, enum http_reset_reason reason,
                              const char *detail) {
    struct h1_codec *codec = h1_codec_of(base);
    CHECK_MAGIC(codec, H1_CODEC_MAGIC);
    h1_reset_stream(codec, reason, detail);
}

void h1_codec_output_drained(struct http_codec *base) {
    struct h1_codec *codec = h1_codec_of(base);
    CHECK_MAGIC(codec, H1_CODEC_MAGIC);
    h1_check_low_watermark(codec);
}
