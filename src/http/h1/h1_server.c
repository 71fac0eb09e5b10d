// SPDX-License-Identifier: Apache-2.0
#include "src/base/check.h"
#include "src/http/h1/h1_codec.h"

static struct h1_fault take_absolute(struct h1_codec *codec, struct slice target) {
    struct header_map *headers = codec->headers;
    struct slice scheme;
    struct slice authority;
    struct slice path;
    struct h1_fault fault = h1_split_absolute(target, headers->arena, &scheme, &authority, &path);
    if (fault.detail != NULL) {
        return fault;
    }
    if (!codec->http1.allow_absolute_url) {
        return H1_FAULT(404, "absolute_path_rejected");
    }
    codec->authority_given = true;
    header_map_append(headers, HEADER_PATH, arena_dup_slice(headers->arena, path));
    header_map_append(headers, HEADER_AUTHORITY, arena_dup_slice(headers->arena, authority));
    header_map_append(headers, HEADER_SCHEME, scheme);
    return H1_FINE;
}

static struct h1_fault take_connect(struct h1_codec *codec, struct slice target) {
    if (!http_is_authority(target) || slice_rfind_byte(target, ':') == SIZE_MAX ||
        target.ptr[target.len - 1] == ']') {
        return H1_FAULT(400, "http1.invalid_url");
    }
    codec->is_connect = true;
    codec->authority_given = true;
    header_map_append(codec->headers, HEADER_AUTHORITY,
                      arena_dup_slice(codec->headers->arena, target));
    header_map_reserve_pseudo(codec->headers);
    return H1_FINE;
}

/* RFC 9112 §3.2: which of the four forms, and where each is allowed. */
static struct h1_fault take_target(struct h1_codec *codec, struct slice method,
                                   struct slice target) {
    struct header_map *headers = codec->headers;
    if (slice_equal(method, SLICE("CONNECT"))) {
        return take_connect(codec, target);
    }
    bool is_asterisk = slice_equal(target, SLICE("*"));
    if (is_asterisk && !slice_equal(method, SLICE("OPTIONS"))) {
        return H1_FAULT(400, "http1.invalid_url");
    }
    if (!is_asterisk && target.ptr[0] != '/') {
        return take_absolute(codec, target);
    }
    header_map_append(headers, HEADER_PATH, arena_dup_slice(headers->arena, target));
    header_map_reserve_pseudo(headers); // :authority, from Host
    header_map_reserve_pseudo(headers); // :scheme, from the connection
    return H1_FINE;
}

static struct h1_fault request_line(struct h1_codec *codec, struct slice line) {
    struct h1_request_line request;
    struct h1_fault fault = h1_parse_request_line(line, codec->http1.accept_http_10, &request);
    if (fault.detail != NULL) {
        return fault;
    }
    codec->peer_protocol = request.protocol;
    codec->base.protocol = request.protocol;
    codec->base.protocol = request.protocol;
    codec->is_head = slice_equal(request.method, SLICE("HEAD"));
    header_map_append(codec->headers, HEADER_METHOD, request.method);
    return take_target(codec, request.method, request.target);
}

static struct h1_fault check_host(struct h1_codec *codec) {
    if (codec->has_host) {
        return H1_FINE;
    }
    if (codec->peer_protocol == HTTP_1_1) {
        return H1_FAULT(400, "missing_host_header");
    }
    if (codec->authority_given) {
        return H1_FINE;
    }
    if (codec->http1.default_host.len == 0) {
        return H1_FAULT(400, "missing_host_header");
    }
    header_map_append(codec->headers, HEADER_AUTHORITY, codec->http1.default_host);
    return H1_FINE;
}

static bool wants_keep_alive(const struct h1_codec *codec) {
    const struct header_map *headers = codec->headers;
    if (!header_map_has(headers, HEADER_CONNECTION)) {
        return codec->peer_protocol == HTTP_1_1;
    }
    if (http_header_has_token(headers, HEADER_CONNECTION, SLICE("close"))) {
        return false;
    }
    return codec->peer_protocol == HTTP_1_1 ||
           http_header_has_token(headers, HEADER_CONNECTION, SLICE("keep-alive"));
}

/* RFC 9110 §9.3.6: a CONNECT has no body. */
static struct h1_fault check_connect_body(struct h1_codec *codec, struct h1_framing *framing) {
    if (framing->kind == H1_FRAMING_CHUNKED || framing->length > 0) {
        return H1_FAULT(400, "http1.body_disallowed");
    }
    (void)header_map_remove(codec->headers, HEADER_CONTENT_LENGTH);
    framing->kind = H1_FRAMING_NONE;
    return H1_FINE;
}

/* Decides whether this request asks for another protocol. Upgrade with a chunked body is legal but
 * has no form in which the tunnel's first byte is beyond doubt, and HTTP/1.0 has none: both are
 * served as if they had not asked (RFC 9110 §7.8). */
static void take_upgrade(struct h1_codec *codec, const struct h1_framing *framing) {
    struct header_map *headers = codec->headers;
    if (!header_map_has(headers, HEADER_UPGRADE)) {
        return;
    }
    h1_drop_h2c_upgrade(headers);
    if (codec->is_connect || codec->peer_protocol != HTTP_1_1 ||
        framing->kind == H1_FRAMING_CHUNKED) {
        (void)header_map_remove(headers, HEADER_UPGRADE);
        h1_remove_connection_token(headers, SLICE("upgrade"));
        return;
    }
    codec->is_upgrade = http_is_upgrade(headers);
}

static struct h1_fault judge_head(struct h1_codec *codec, struct h1_framing *framing) {
    struct header_map *headers = codec->headers;
    struct h1_fault fault = check_host(codec);
    if (fault.detail == NULL) {
        fault = h1_framing_of(headers, codec->peer_protocol, codec->http1.allow_chunked_length,
                              framing);
    }
    if (fault.detail == NULL && codec->is_connect) {
        fault = check_connect_body(codec, framing);
    }
    if (fault.detail != NULL) {
        return fault;
    }
    codec->keep_alive = wants_keep_alive(codec) && !framing->must_close;
    take_upgrade(codec, framing);
    return header_map_has(headers, HEADER_CONNECTION) ? h1_sanitize_connection(headers) : H1_FINE;
}

static struct h1_fault request_head_done(struct h1_codec *codec) {
    struct h1_framing framing;
    struct h1_fault fault = judge_head(codec, &framing);
    if (fault.detail != NULL) {
        return fault;
    }
    bool is_tunnel = codec->is_upgrade || codec->is_connect;
    bool end_stream = false;
    if (!h1_begin_body(codec, &framing)) {
        end_stream = !is_tunnel;
        h1_set_read(codec, is_tunnel ? H1_READ_TUNNEL_WAIT : H1_READ_DONE);
    }
    uint32_t id = codec->stream.id;
    codec->sink.ops->on_headers(codec->sink.arg, codec->headers, end_stream);
    if (end_stream && codec->is_active && codec->stream.id == id) {
        h1_read_ended(codec);
    }
    return H1_FINE;
}

/* Answers while that is still possible. */
static void request_fault(struct h1_codec *codec) {
    struct h1_fault fault = codec->fault;
    codec->keep_alive = false;
    codec->is_broken = true;
    if (codec->write != H1_WRITE_NONE) {
        h1_reset_stream(codec, HTTP_RESET_PROTOCOL_ERROR, fault.detail);
        return;
    }
    if (codec->read == H1_READ_START || codec->read == H1_READ_FIELDS) {
        size_t left = codec->input == NULL ? 0 : codec->input->len;
        codec->stream.received.wire += codec->head_bytes + left;
    }
    h1_set_read(codec, H1_READ_DEAD);
    codec->options.callbacks->on_bad_request(codec->options.arg, &codec->stream, fault.status,
                                             fault.detail);
}

static void request_ending(struct h1_codec *codec) {
    (void)codec;
}

static const struct h1_role server_role = {
    .is_server = true,
    .start_line = request_line,
    .head_done = request_head_done,
    .fault = request_fault,
    .ending = request_ending,
};

/* RFC 9112 §2.2: empty lines before a request line are skipped. False: no request begins yet. */
static bool begin_request(struct h1_codec *codec, struct buffer *input) {
    while (codec->skipped_lines < H1_MAX_EMPTY_LINES && input->len > 0) {
        uint8_t two[2] = {0, 0};
        buffer_copy_out(input, 0, two, input->len < 2 ? 1 : 2);
        if (two[0] != '\r' || (input->len >= 2 && two[1] != '\n')) {
            break;
        }
        if (input->len < 2) {
            return false;
        }
        buffer_drain(input, 2);
        codec->skipped_lines++;
    }
    if (input->len == 0) {
        return false;
    }
    h1_begin_stream(codec);
    if (codec->refuses_streams || !codec->options.callbacks->on_new_stream(
                                      codec->options.arg, &codec->stream, &codec->sink)) {
        h1_drop_stream(codec);
        h1_set_read(codec, H1_READ_DEAD);
        return false;
    }
    h1_set_read(codec, H1_READ_START);
    return true;
}

/* A state in which the codec takes all that it can. */
static bool is_amid_message(const struct h1_codec *codec) {
    return codec->read == H1_READ_START || codec->read == H1_READ_FIELDS ||
           codec->read == H1_READ_CHUNKED || codec->read == H1_READ_TRAILERS;
}

static void refuse_overloaded(struct h1_codec *codec) {
    codec->base.is_overloaded = false;
    codec->fault = H1_FAULT(500, "overload");
    request_fault(codec);
}

static enum status server_dispatch(struct http_codec *base, struct buffer *input,
                                   struct error *err) {
    struct h1_codec *codec = h1_codec_of(base);
    CHECK_MAGIC(codec, H1_CODEC_MAGIC);
    if (codec->in_dispatch) {
        return STATUS_OK; // the outer call goes on with what is left
    }
    codec->in_dispatch = true;
    codec->input = input;
    bool more = true;
    while (more && input->len > 0 && codec->read != H1_READ_DEAD) {
        if (codec->read == H1_READ_IDLE && !begin_request(codec, input)) {
            break;
        }
        if (base->is_overloaded) {
            refuse_overloaded(codec);
            break;
        }
        h1_read_all(codec, input);
        more = codec->read == H1_READ_IDLE;
    }
    if (codec->read == H1_READ_DEAD) {
        buffer_clear(input);
    }
    codec->input = NULL;
    codec->in_dispatch = false;
    base->needs_input = codec->read_disabled == 0 && input->len > 0 && is_amid_message(codec);
    return h1_dispatch_result(codec, err);
}

static enum status server_input_ended(struct http_codec *base) {
    struct h1_codec *codec = h1_codec_of(base);
    CHECK_MAGIC(codec, H1_CODEC_MAGIC);
    if (codec->is_active && codec->read == H1_READ_TUNNEL) {
        struct buffer none;
        buffer_init(&none, codec->options.output->pool);
        codec->keep_alive = false;
        h1_deliver(codec, &none, true);
        buffer_deinit(&none);
        return STATUS_OK;
    }
    h1_reset_stream(codec, HTTP_RESET_CONNECTION_TERMINATION, "downstream_remote_disconnect");
    return STATUS_OK;
}

static void server_shutdown_notice(struct http_codec *base) {
    h1_codec_of(base)->is_shutting_down = true;
}

static void server_goaway(struct http_codec *base) {
    struct h1_codec *codec = h1_codec_of(base);
    codec->is_shutting_down = true;
    codec->refuses_streams = true;
    if (codec->read == H1_READ_IDLE) {
        h1_set_read(codec, H1_READ_DEAD);
    }
}

static struct http_codec_stream *server_new_stream(struct http_codec *codec,
                                                   const struct http_stream_sink *sink) {
    (void)codec;
    (void)sink;
    return NULL; // requests are opened by the peer
}

static const struct http_codec_ops server_ops = {
    .dispatch = server_dispatch,
    .input_ended = server_input_ended,
    .shutdown_notice = server_shutdown_notice,
    .goaway = server_goaway,
    .output_drained = h1_codec_output_drained,
    .new_stream = server_new_stream,
    .ping = h1_codec_ping,
    .connection_lost = h1_codec_connection_lost,
    .free = h1_codec_free,
};

/* Version, status and reason; Envoy says "Unknown" where it knows no phrase. */
static void put_status_line(const struct h1_codec *codec, const struct header_map *headers,
                            uint32_t status, struct h1_head *head) {
    struct slice reason = http_reason_phrase(status);
    bool is_http_10 = codec->peer_protocol == HTTP_1_0;
    head->start[0] = is_http_10 ? SLICE("HTTP/1.0 ") : SLICE("HTTP/1.1 ");
    head->start[1] = header_map_get(headers, HEADER_STATUS);
    head->start[2] = SLICE(" ");
    head->start[3] = reason.len > 0 ? reason : SLICE("Unknown");
    head->start[4] = SLICE("\r\n");
    head->start_count = 5;
    head->headers = headers;
    head->proper_case = codec->http1.proper_case;
}

static void encode_informational(struct http_codec_stream *stream,
                                 const struct header_map *headers) {
    struct h1_codec *codec = h1_codec_of_stream(stream);
    CHECK_MAGIC(codec, H1_CODEC_MAGIC);
    uint32_t status = http_status_of(headers);
    if (!codec->is_active || codec->write != H1_WRITE_NONE || codec->peer_protocol != HTTP_1_1 ||
        status < 100 || status > 199 || status == 101) {
        return;
    }
    struct h1_head head = {.framing = H1_OUT_NONE};
    put_status_line(codec, headers, status, &head);
    h1_count_head(codec, &head, h1_put_head(codec->options.output, &head));
    h1_notify_output(codec);
}

static bool has_no_body(const struct h1_codec *codec, uint32_t status) {
    return codec->is_head || status < 200 || status == 204 || status == 304;
}

/* How the response's body is delimited; true: by the end of the connection. */
static bool choose_framing(const struct h1_codec *codec, uint32_t status, bool end_stream,
                           struct h1_head *head) {
    bool is_known = h1_known_length(head->headers, &head->length);
    head->framing = H1_OUT_NONE;
    if (status < 200 || status == 204) {
        return false;
    }
    if (has_no_body(codec, status)) {
        if (is_known) {
            head->framing = H1_OUT_LENGTH;
        } else if (codec->is_head && status != 304 && codec->peer_protocol == HTTP_1_1) {
            head->framing = H1_OUT_CHUNKED;
        }
        return false;
    }
    if (is_known || end_stream) {
        head->framing = H1_OUT_LENGTH;
        head->length = end_stream ? 0 : head->length;
        return false;
    }
    if (codec->peer_protocol == HTTP_1_0) {
        return true;
    }
    head->framing = H1_OUT_CHUNKED;
    return false;
}

static bool is_granted(const struct h1_codec *codec, uint32_t status) {
    return (codec->is_upgrade && status == 101) ||
           (codec->is_connect && status >= 200 && status < 300);
}

static bool must_close(const struct h1_codec *codec, const struct header_map *headers) {
    return !codec->keep_alive || codec->is_shutting_down || codec->read != H1_READ_DONE ||
           http_header_has_token(headers, HEADER_CONNECTION, SLICE("close"));
}

/* A refused tunnel is an ordinary exchange, but the bytes behind the request are no request. */
static void settle_tunnel(struct h1_codec *codec, bool granted) {
    if (!granted) {
        codec->keep_alive = codec->keep_alive && !codec->is_upgrade && !codec->is_connect;
        codec->is_upgrade = false;
        codec->is_connect = false;
        return;
    }
    codec->tunnel_granted = true;
    codec->keep_alive = false;
    if (codec->read == H1_READ_TUNNEL_WAIT) {
        h1_set_read(codec, H1_READ_TUNNEL);
    }
}

static enum status encode_headers(struct http_codec_stream *stream,
                                  const struct header_map *headers, bool end_stream) {
    struct h1_codec *codec = h1_codec_of_stream(stream);
    CHECK_MAGIC(codec, H1_CODEC_MAGIC);
    uint32_t status = http_status_of(headers);
    if (!codec->is_active || codec->write != H1_WRITE_NONE || status < 101 ||
        (status == 101 && !codec->is_upgrade) || (status > 101 && status < 200)) {
        return STATUS_INVALID;
    }
    bool granted = is_granted(codec, status);
    bool close = !granted && must_close(codec, headers);
    struct h1_head head = {0};
    put_status_line(codec, headers, status, &head);
    if (!granted && choose_framing(codec, status, end_stream, &head)) {
        close = true;
    }
    if (close) {
        head.connection = SLICE("close");
    } else if (!granted && codec->peer_protocol == HTTP_1_0) {
        head.connection = SLICE("keep-alive");
    }
    size_t written = h1_put_head(codec->options.output, &head);
    if (written == 0) {
        return STATUS_INVALID;
    }
    h1_count_head(codec, &head, written);
    codec->write_discards = !granted && has_no_body(codec, status);
    codec->status = status;
    codec->keep_alive = codec->keep_alive && !close;
    codec->out_framing = head.framing;
    codec->write_left = head.framing == H1_OUT_LENGTH && !codec->write_discards ? head.length : 0;
    codec->write = H1_WRITE_BODY;
    settle_tunnel(codec, granted);
    h1_notify_output(codec);
    if (end_stream && codec->is_active) {
        h1_write_ended(codec);
    }
    return STATUS_OK;
}

static const struct http_codec_stream_ops server_stream_ops = {
    .encode_informational = encode_informational,
    .encode_headers = encode_headers,
    .encode_data = h1_stream_encode_data,
    .encode_trailers = h1_stream_encode_trailers,
    .reset = h1_stream_reset,
    .read_disable = h1_stream_read_disable,
};

struct http_codec *http1_server_codec_new(const struct http_codec_options *options,
                                          const struct http1_options *http1) {
    return &h1_codec_new(&server_ops, &server_stream_ops, &server_role, options, http1)->base;
}
