// SPDX-License-Identifier: Apache-2.0
#include "src/base/check.h"
#include "src/event/io_context.h"
#include "src/http/h1/h1_codec.h"
#include "src/http/h1/http1_stats.h"

static void tell_goaway(struct h1_codec *codec) {
    bool by_peer = !codec->keep_alive; // its response said so
    codec->keep_alive = false;
    if (codec->goaway_told) {
        return;
    }
    codec->goaway_told = true;
    if (codec->options.callbacks->on_goaway != NULL) {
        codec->options.callbacks->on_goaway(codec->options.arg, by_peer);
    }
}

static struct h1_fault status_line(struct h1_codec *codec, struct slice line) {
    struct h1_status_line response;
    struct h1_fault fault = h1_parse_status_line(line, &response);
    if (fault.detail != NULL) {
        return fault;
    }
    codec->peer_protocol = response.protocol;
    codec->status = response.status;
    header_map_append(codec->headers, HEADER_STATUS,
                      arena_dup_slice(codec->headers->arena, response.digits));
    return H1_FINE;
}

/* RFC 9110 §8.6, RFC 9112 §6.1: 1xx and 204 carry no framing; a length of 0 is overlooked. */
static struct h1_fault refuse_framing(struct header_map *headers) {
    if (header_map_has(headers, HEADER_TRANSFER_ENCODING)) {
        return H1_FAULT(502, "http1.transfer_encoding_not_allowed");
    }
    uint64_t length = 0;
    if (header_map_has(headers, HEADER_CONTENT_LENGTH) &&
        (!h1_known_length(headers, &length) || length > 0)) {
        return H1_FAULT(502, "http1.content_length_not_allowed");
    }
    (void)header_map_remove(headers, HEADER_CONTENT_LENGTH);
    return H1_FINE;
}

/* An interim response: passes it on and waits for the next head. */
static struct h1_fault informational_done(struct h1_codec *codec) {
    struct h1_fault fault = refuse_framing(codec->headers);
    if (fault.detail != NULL) {
        return fault;
    }
    if (++codec->informational_count > H1_MAX_INFORMATIONAL) {
        stats_inc(codec->options.stats, codec->options.io->index, HTTP1_STAT_RESPONSE_FLOOD);
        return H1_CODEC_ERROR;
    }
    struct header_map *headers = codec->headers;
    codec->headers = NULL;
    codec->head_bytes = 0;
    codec->field_count = 0;
    codec->status = 0;
    h1_set_read(codec, H1_READ_START);
    codec->sink.ops->on_informational(codec->sink.arg, headers);
    return H1_FINE;
}

/* The tunnel is open: what the caller sent meanwhile goes out, what comes in is data. */
static struct h1_fault tunnel_granted(struct h1_codec *codec) {
    codec->tunnel_granted = true;
    tell_goaway(codec);
    (void)header_map_remove(codec->headers, HEADER_CONTENT_LENGTH);
    (void)header_map_remove(codec->headers, HEADER_TRANSFER_ENCODING);
    h1_set_read(codec, H1_READ_TUNNEL);
    uint32_t id = codec->stream.id;
    if (codec->held.len > 0) {
        codec->stream.sent.wire += codec->held.len;
        buffer_move(codec->options.output, &codec->held);
        h1_notify_output(codec);
        h1_check_low_watermark(codec);
    }
    if (codec->is_active && codec->stream.id == id) {
        codec->sink.ops->on_headers(codec->sink.arg, codec->headers, false);
    }
    return H1_FINE;
}

static bool is_tunnel_grant(const struct h1_codec *codec) {
    return codec->status == 101 ||
           (codec->is_connect && codec->status >= 200 && codec->status < 300);
}

/* The peer answered without switching: the request is over, nothing held back is ever sent. */
static void tunnel_refused(struct h1_codec *codec) {
    codec->keep_alive = false;
    codec->write_discards = true;
    codec->write = H1_WRITE_DONE;
    codec->is_upgrade = false;
    codec->is_connect = false;
    buffer_clear(&codec->held);
}

static bool response_keep_alive(const struct h1_codec *codec) {
    const struct header_map *headers = codec->headers;
    if (http_header_has_token(headers, HEADER_CONNECTION, SLICE("close"))) {
        return false;
    }
    return codec->peer_protocol == HTTP_1_1 ||
           http_header_has_token(headers, HEADER_CONNECTION, SLICE("keep-alive"));
}

static struct h1_fault choose_body(struct h1_codec *codec) {
    struct header_map *headers = codec->headers;
    if (codec->status == 204) {
        struct h1_fault fault = refuse_framing(headers);
        if (fault.detail == NULL) {
            h1_set_read(codec, H1_READ_DONE);
        }
        return fault;
    }
    struct h1_framing framing;
    struct h1_fault fault =
        h1_framing_of(headers, codec->peer_protocol, codec->http1.allow_chunked_length, &framing);
    if (fault.detail != NULL) {
        return fault;
    }
    codec->keep_alive = codec->keep_alive && !framing.must_close;
    if (codec->is_head || codec->status == 304) {
        h1_set_read(codec, H1_READ_DONE);
    } else if (framing.kind == H1_FRAMING_NONE) {
        codec->keep_alive = false;
        h1_set_read(codec, H1_READ_UNTIL_CLOSE);
    } else if (!h1_begin_body(codec, &framing)) {
        h1_set_read(codec, H1_READ_DONE);
    }
    return H1_FINE;
}

/* The connection can be used again only when nothing but this response was on it. */
static void response_ending(struct h1_codec *codec) {
    codec->has_leftover = codec->input != NULL && codec->input->len > 0;
    if (!codec->keep_alive || codec->has_leftover || codec->write != H1_WRITE_DONE) {
        tell_goaway(codec);
    }
}

static struct h1_fault response_head_done(struct h1_codec *codec) {
    if (codec->status < 200 && codec->status != 101) {
        return informational_done(codec);
    }
    if (codec->status == 101 && !codec->is_upgrade) {
        return H1_CODEC_ERROR;
    }
    if (is_tunnel_grant(codec)) {
        return tunnel_granted(codec);
    }
    codec->keep_alive = codec->keep_alive && response_keep_alive(codec);
    if (codec->is_upgrade || codec->is_connect) {
        tunnel_refused(codec);
    }
    struct h1_fault fault = choose_body(codec);
    if (fault.detail != NULL) {
        return fault;
    }
    if (!codec->keep_alive) {
        tell_goaway(codec);
    }
    bool end_stream = codec->read == H1_READ_DONE;
    if (end_stream) {
        response_ending(codec);
    }
    uint32_t id = codec->stream.id;
    codec->sink.ops->on_headers(codec->sink.arg, codec->headers, end_stream);
    if (end_stream && codec->is_active && codec->stream.id == id) {
        h1_read_ended(codec);
    }
    return H1_FINE;
}

static void response_fault(struct h1_codec *codec) {
    codec->is_broken = true;
    h1_reset_stream(codec, HTTP_RESET_PROTOCOL_ERROR, codec->fault.detail);
}

static const struct h1_role client_role = {
    .is_server = false,
    .start_line = status_line,
    .head_done = response_head_done,
    .fault = response_fault,
    .ending = response_ending,
};

/* Bytes that no request asked for. */
static void refuse_unsolicited(struct h1_codec *codec) {
    codec->fault = H1_CODEC_ERROR;
    codec->is_broken = true;
    tell_goaway(codec);
    h1_reset_stream(codec, HTTP_RESET_PROTOCOL_ERROR, codec->fault.detail);
}

static enum status client_dispatch(struct http_codec *base, struct buffer *input,
                                   struct error *err) {
    struct h1_codec *codec = h1_codec_of(base);
    CHECK_MAGIC(codec, H1_CODEC_MAGIC);
    if (codec->in_dispatch) {
        return STATUS_OK;
    }
    codec->in_dispatch = true;
    codec->input = input;
    bool is_asked = codec->is_active && codec->write != H1_WRITE_NONE;
    if (input->len > 0 && codec->read != H1_READ_DEAD && !is_asked) {
        refuse_unsolicited(codec);
    }
    h1_read_all(codec, input);
    if (codec->read == H1_READ_DONE && input->len > 0) {
        // The response has ended while the request goes on; more can only be an attack or a fault.
        codec->is_broken = true;
        h1_set_read(codec, H1_READ_DEAD);
    }
    if (codec->has_leftover && !codec->is_active) {
        codec->fault = H1_CODEC_ERROR;
        codec->is_broken = true;
    }
    if (codec->read == H1_READ_DEAD) {
        codec->is_broken = codec->is_broken || input->len > 0;
        buffer_clear(input);
    }
    codec->input = NULL;
    codec->in_dispatch = false;
    if (!codec->is_active && codec->is_broken && codec->fault.detail == NULL) {
        return STATUS_CLOSED; // our own reset, no fault of the peer
    }
    return h1_dispatch_result(codec, err);
}

/* A response has begun that its end would have to follow. */
static bool is_cut(const struct h1_codec *codec) {
    return codec->read == H1_READ_FIELDS || codec->read == H1_READ_LENGTH ||
           codec->read == H1_READ_CHUNKED || codec->read == H1_READ_TRAILERS;
}

static enum status client_input_ended(struct http_codec *base) {
    struct h1_codec *codec = h1_codec_of(base);
    CHECK_MAGIC(codec, H1_CODEC_MAGIC);
    tell_goaway(codec);
    bool ends_body = codec->read == H1_READ_UNTIL_CLOSE || codec->read == H1_READ_TUNNEL;
    if (codec->is_active && ends_body) {
        struct buffer none;
        buffer_init(&none, codec->options.output->pool);
        h1_deliver(codec, &none, true);
        buffer_deinit(&none);
        return STATUS_OK;
    }
    if (is_cut(codec)) {
        h1_reset_stream(codec, HTTP_RESET_PROTOCOL_ERROR, "http1.codec_error");
        return STATUS_PROTOCOL;
    }
    h1_reset_stream(codec, HTTP_RESET_CONNECTION_TERMINATION, "connection_termination");
    return STATUS_OK;
}

static void client_shutdown_notice(struct http_codec *base) {
    h1_codec_of(base)->is_shutting_down = true;
}

static struct http_codec_stream *client_new_stream(struct http_codec *base,
                                                   const struct http_stream_sink *sink) {
    struct h1_codec *codec = h1_codec_of(base);
    CHECK_MAGIC(codec, H1_CODEC_MAGIC);
    if (codec->is_active || codec->read != H1_READ_IDLE) {
        return NULL;
    }
    h1_begin_stream(codec);
    codec->sink = *sink;
    h1_set_read(codec, H1_READ_START);
    return &codec->stream;
}

static const struct http_codec_ops client_ops = {
    .dispatch = client_dispatch,
    .input_ended = client_input_ended,
    .shutdown_notice = client_shutdown_notice,
    .goaway = client_shutdown_notice,
    .output_drained = h1_codec_output_drained,
    .new_stream = client_new_stream,
    .ping = h1_codec_ping,
    .connection_lost = h1_codec_connection_lost,
    .free = h1_codec_free,
};

static void encode_informational(struct http_codec_stream *stream,
                                 const struct header_map *headers) {
    (void)stream;
    (void)headers; // requests have none
}

/* Envoy's list of methods whose requests get no "content-length: 0". */
static bool is_bodiless_method(struct slice method) {
    static const struct slice methods[] = {
        SLICE_INIT("GET"),   SLICE_INIT("HEAD"),    SLICE_INIT("DELETE"),
        SLICE_INIT("TRACE"), SLICE_INIT("CONNECT"),
    };
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (slice_equal(method, methods[i])) {
            return true;
        }
    }
    return false;
}

static void choose_framing(const struct h1_codec *codec, const struct header_map *headers,
                           bool end_stream, struct h1_head *head) {
    bool is_known = h1_known_length(headers, &head->length);
    bool is_tunnel = codec->is_upgrade || codec->is_connect;
    head->framing = H1_OUT_NONE;
    if (codec->is_connect) {
        return;
    }
    if (end_stream) {
        head->length = 0;
        if (is_known || !is_bodiless_method(header_map_get(headers, HEADER_METHOD))) {
            head->framing = H1_OUT_LENGTH;
        }
    } else if (is_known) {
        head->framing = H1_OUT_LENGTH;
    } else if (!is_tunnel) {
        head->framing = H1_OUT_CHUNKED;
    }
}

static bool is_valid_request(const struct header_map *headers) {
    struct slice path = header_map_get(headers, HEADER_PATH);
    if (!http_is_token(header_map_get(headers, HEADER_METHOD)) ||
        !http_is_authority(header_map_get(headers, HEADER_AUTHORITY)) ||
        header_map_has(headers, HEADER_PROTOCOL)) {
        return false;
    }
    if (http_is_connect(headers)) {
        return path.len == 0;
    }
    return http_is_target(path, true) && (path.ptr[0] == '/' || slice_equal(path, SLICE("*")));
}

static void put_request_line(const struct h1_codec *codec, const struct header_map *headers,
                             struct h1_head *head) {
    struct slice authority = header_map_get(headers, HEADER_AUTHORITY);
    struct slice path = header_map_get(headers, HEADER_PATH);
    struct slice target = codec->is_connect ? authority : path;
    if (codec->http1.send_fully_qualified_url && path.len > 0 && path.ptr[0] == '/') {
        struct slice scheme = header_map_get(headers, HEADER_SCHEME);
        bool is_https = slice_equal(scheme, SLICE("https"));
        target = arena_printf(codec->sink.arena, "%s://%.*s%.*s", is_https ? "https" : "http",
                              SLICE_ARG(authority), SLICE_ARG(path));
    }
    head->start[0] = header_map_get(headers, HEADER_METHOD);
    head->start[1] = SLICE(" ");
    head->start[2] = target;
    head->start[3] =
        codec->http1.proper_case ? SLICE(" HTTP/1.1\r\nHost: ") : SLICE(" HTTP/1.1\r\nhost: ");
    head->start[4] = authority;
    head->start[5] = SLICE("\r\n");
    head->start_count = 6;
    head->start_field_bytes = sizeof("host: \r\n") - 1 + authority.len;
    head->headers = headers;
    head->proper_case = codec->http1.proper_case;
}

static enum status encode_headers(struct http_codec_stream *stream,
                                  const struct header_map *headers, bool end_stream) {
    struct h1_codec *codec = h1_codec_of_stream(stream);
    CHECK_MAGIC(codec, H1_CODEC_MAGIC);
    if (!codec->is_active || codec->write != H1_WRITE_NONE || !is_valid_request(headers)) {
        return STATUS_INVALID;
    }
    codec->is_head = http_is_head(headers);
    codec->is_connect = http_is_connect(headers);
    codec->is_upgrade = !codec->is_connect && !end_stream && http_is_upgrade(headers);
    struct h1_head head = {0};
    put_request_line(codec, headers, &head);
    choose_framing(codec, headers, end_stream, &head);
    bool asks_close = http_header_has_token(headers, HEADER_CONNECTION, SLICE("close"));
    if (codec->is_shutting_down && !codec->is_upgrade) {
        head.connection = SLICE("close");
        asks_close = true;
    }
    size_t written = h1_put_head(codec->options.output, &head);
    if (written == 0) {
        return STATUS_INVALID;
    }
    codec->keep_alive = codec->keep_alive && !asks_close;
    h1_count_head(codec, &head, written);
    codec->out_framing = head.framing;
    codec->write_left = head.framing == H1_OUT_LENGTH ? head.length : 0;
    codec->write = H1_WRITE_BODY;
    h1_notify_output(codec);
    if (end_stream && codec->is_active) {
        h1_write_ended(codec);
    }
    return STATUS_OK;
}

static const struct http_codec_stream_ops client_stream_ops = {
    .encode_informational = encode_informational,
    .encode_headers = encode_headers,
    .encode_data = h1_stream_encode_data,
    .encode_trailers = h1_stream_encode_trailers,
    .reset = h1_stream_reset,
    .read_disable = h1_stream_read_disable,
};

struct http_codec *http1_client_codec_new(const struct http_codec_options *options,
                                          const struct http1_options *http1) {
    return &h1_codec_new(&client_ops, &client_stream_ops, &client_role, options, http1)->base;
}
