// SPDX-License-Identifier: Apache-2.0
/*
 * One HTTP connection's protocol machine, the same form for HTTP/1.1 and HTTP/2, server and client. It
 * does no I/O: bytes are fed in by dispatch, bytes to send are appended to the output buffer that it was
 * given. A codec and its streams belong to one connection and thread. Nothing is forwarded that was not
 * parsed into a message and is serialised anew from it.
 *
 * A stream's sink receives its events; after on_reset, or once both directions ended and
 * on_stream_closed was called, the codec has forgotten the stream and the pointer is dead.
 * Sinks may call any stream or codec function from within a callback, but not http_codec_free.
 */
#ifndef SRC_HTTP_CODEC_H
#define SRC_HTTP_CODEC_H

#include "src/base/buffer.h"
#include "src/base/error.h"
#include "src/http/header_map.h"
#include "src/http/message.h"

struct io_context;
struct stats_scope;
struct http_codec;
struct http_codec_stream;

enum http_reset_reason {
    HTTP_RESET_LOCAL,         /* we gave up: CANCEL, or INTERNAL_ERROR */
    HTTP_RESET_LOCAL_REFUSED, /* we refuse before any processing */
    HTTP_RESET_REMOTE,
    HTTP_RESET_REMOTE_REFUSED,         /* REFUSED_STREAM: safe to retry */
    HTTP_RESET_CONNECT_ERROR,          /* RST CONNECT_ERROR received */
    HTTP_RESET_CONNECTION_TERMINATION, /* the connection went away under the stream */
    HTTP_RESET_CONNECTION_FAILURE,     /* never connected */
    HTTP_RESET_CONNECTION_TIMEOUT,
    HTTP_RESET_OVERFLOW,       /* a breaker or queue was full */
    HTTP_RESET_OVERLOAD,       /* the overload manager takes its memory back */
    HTTP_RESET_PROTOCOL_ERROR, /* the peer's message on this stream was malformed */
};
const char *http_reset_reason_name(enum http_reset_reason reason);

/* How a stream's owner hears of it. `arg` is the sink's. All members are required but the last two. */
struct http_stream_sink_ops {
    /* The final header block (a 101 is one too). The map lives in the sink's arena. */
    void (*on_headers)(void *arg, struct header_map *headers, bool end_stream);
    /* Client: an interim response (1xx but 101). */
    void (*on_informational)(void *arg, struct header_map *headers);
    /* Body bytes; the sink must take all of them (move or drain). */
    void (*on_data)(void *arg, struct buffer *data, bool end_stream);
    /* Ends the direction. */
    void (*on_trailers)(void *arg, struct header_map *trailers);
    /* The stream is gone, in both directions. `detail` is static text for %RESPONSE_CODE_DETAILS%. */
    void (*on_reset)(void *arg, enum http_reset_reason reason, const char *detail);
    /* Both directions have ended and our last byte is in the output buffer. */
    void (*on_stream_closed)(void *arg);
    /* Our unsent bytes for this stream passed the high mark / fell to the low mark. */
    void (*on_above_high_watermark)(void *arg);
    void (*on_below_low_watermark)(void *arg);
};
struct http_stream_sink {
    const struct http_stream_sink_ops *ops;
    void *arg;
    /* Heads, maps and text, are made here. Where both sides have passed theirs on and the stream is a
     * tunnel, its owner may empty it. */
    struct arena *arena;
    struct arena *trailers_arena; /* trailers; NULL: as heads. Whole or in part, they may wait */
};
static inline struct arena *http_stream_sink_trailers(const struct http_stream_sink *sink) {
    return sink->trailers_arena != NULL ? sink->trailers_arena : sink->arena;
}

/* What a codec tells its connection's owner. */
struct http_codec_callbacks {
    /* Server: the first bytes of a request arrived; fill in `sink`. False: refuse (draining). */
    bool (*on_new_stream)(void *arg, struct http_codec_stream *stream,
                          struct http_stream_sink *sink);
    /* Server, instead of on_headers, or after it where the body is malformed and no response has begun
     * (HTTP/1.1): the request is malformed or over a limit. The owner answers
     * `status` (400, 413, 431, 501, 505 …) with a local reply on `stream` or resets it; an HTTP/1.1
     * connection ends after it. `detail` is Envoy's response code detail ("http1.codec_error" …). */
    void (*on_bad_request)(void *arg, struct http_codec_stream *stream, uint32_t status,
                           const char *detail);
    /* Client: no new streams; `by_peer`: it says so (GOAWAY, "Connection: close"), else the connection
     * is a tunnel now, or broken. NULL on servers. */
    void (*on_goaway)(void *arg, bool by_peer);
    /* Client: the number of streams that may be open changed (SETTINGS); NULL: not interested. */
    void (*on_max_streams)(void *arg, uint32_t max_streams);
    /* Bytes were added to the output buffer. */
    void (*on_output)(void *arg);
    /* Client: a PING that was sent by http_codec_ping came back; NULL: not interested. */
    void (*on_pong)(void *arg);
};

struct http_codec_ops {
    enum status (*dispatch)(struct http_codec *codec, struct buffer *input, struct error *err);
    enum status (*input_ended)(struct http_codec *codec);
    void (*shutdown_notice)(struct http_codec *codec);
    void (*goaway)(struct http_codec *codec);
    void (*output_drained)(struct http_codec *codec);
    struct http_codec_stream *(*new_stream)(struct http_codec *codec,
                                            const struct http_stream_sink *sink);
    void (*ping)(struct http_codec *codec);
    void (*connection_lost)(struct http_codec *codec, enum http_reset_reason reason,
                            const char *detail);
    void (*free)(struct http_codec *codec);
};
struct http_codec_stream_ops {
    void (*encode_informational)(struct http_codec_stream *s, const struct header_map *headers);
    enum status (*encode_headers)(struct http_codec_stream *s, const struct header_map *headers,
                                  bool end_stream);
    void (*encode_data)(struct http_codec_stream *s, struct buffer *data, bool end_stream);
    void (*encode_trailers)(struct http_codec_stream *s, const struct header_map *trailers);
    void (*reset)(struct http_codec_stream *s, enum http_reset_reason reason);
    void (*read_disable)(struct http_codec_stream *s, bool disable);
    size_t (*held_bytes)(const struct http_codec_stream *s); /* NULL: none */
};

struct http_codec {
    const struct http_codec_ops *ops;
    enum http_protocol protocol;
    uint32_t active_streams;
    /* HTTP/1.1: nothing further is read from this connection ("Connection: close", a refused message,
     * a tunnel). The owner closes it once the stream has ended and the output is flushed. */
    bool is_ended;
    /* HTTP/1.1: what dispatch left in the input is the beginning of something (a line of a head) and
     * cannot be taken before more has come; its length is limited. */
    bool needs_input;
    /* HTTP/1.1 server, set by the owner: at the next dispatch the request in progress, or the one that
     * begins, is refused with 500 as "overload", whatever it is; the connection ends after it. */
    bool is_overloaded;
};
struct http_codec_stream {
    const struct http_codec_stream_ops *ops;
    struct http_codec *codec;
    uint32_t id; /* HTTP/2 stream id; a running number in HTTP/1.1 */
    struct message_bytes received, sent;
};

/* Feeds received bytes. Consumes what it can; HTTP/1.1 leaves the bytes of a pipelined request until
 * the current one is answered (call again from on_stream_closed), and those behind an upgrade or CONNECT
 * until it is granted (call again after encode_headers). STATUS_PROTOCOL: the connection must
 * be closed after flushing the output (a GOAWAY or a 400 may be in it); open streams got on_reset.
 * STATUS_CLOSED: close it likewise, nothing is wrong: the peer sent GOAWAY and no stream is left. */
static inline enum status http_codec_dispatch(struct http_codec *codec, struct buffer *input,
                                              struct error *err) {
    return codec->ops->dispatch(codec, input, err);
}
/* The peer ended its direction: ends a close-delimited response, else as connection_lost.
 * STATUS_PROTOCOL: it cut a response short. */
static inline enum status http_codec_input_ended(struct http_codec *codec) {
    return codec->ops->input_ended(codec);
}
/* Server drain, step 1: GOAWAY(2^31-1), or "Connection: close" on the next response. */
static inline void http_codec_shutdown_notice(struct http_codec *codec) {
    codec->ops->shutdown_notice(codec);
}
/* Step 2: GOAWAY with the last stream; new streams are refused. */
static inline void http_codec_goaway(struct http_codec *codec) {
    codec->ops->goaway(codec);
}
/* Unsent bytes left the output buffer: a codec that stopped producing (HTTP/2: at 128 KiB unsent) goes
 * on. Call it whenever bytes have left, at the latest when the buffer is empty; it is cheap. */
static inline void http_codec_output_drained(struct http_codec *codec) {
    codec->ops->output_drained(codec);
}
/* Client: opens a stream; the caller has checked that one more is allowed. */
static inline struct http_codec_stream *http_codec_new_stream(struct http_codec *codec,
                                                              const struct http_stream_sink *sink) {
    return codec->ops->new_stream(codec, sink);
}
/* HTTP/2 PING; no-op in HTTP/1.1. */
static inline void http_codec_ping(struct http_codec *codec) {
    codec->ops->ping(codec);
}
/* Every open stream gets on_reset(reason). */
static inline void http_codec_connection_lost(struct http_codec *codec,
                                              enum http_reset_reason reason, const char *detail) {
    codec->ops->connection_lost(codec, reason, detail);
}
/* No stream may be open. */
static inline void http_codec_free(struct http_codec *codec) {
    if (codec != NULL) {
        codec->ops->free(codec);
    }
}

/* 100, 102, 103; before encode_headers. */
static inline void http_stream_encode_informational(struct http_codec_stream *s,
                                                    const struct header_map *headers) {
    s->ops->encode_informational(s, headers);
}
/* STATUS_INVALID when the map cannot be a message of this protocol (missing :path …): nothing was
 * written and the stream is still open. Hop-by-hop headers have been dealt with by the caller; framing
 * headers (content-length, transfer-encoding) are the codec's: it writes what the body needs. */
static inline enum status http_stream_encode_headers(struct http_codec_stream *s,
                                                     const struct header_map *headers,
                                                     bool end_stream) {
    return s->ops->encode_headers(s, headers, end_stream);
}
/* Takes all bytes of `data`. */
static inline void http_stream_encode_data(struct http_codec_stream *s, struct buffer *data,
                                           bool end_stream) {
    s->ops->encode_data(s, data, end_stream);
}
static inline void http_stream_encode_trailers(struct http_codec_stream *s,
                                               const struct header_map *trailers) {
    s->ops->encode_trailers(s, trailers);
}
/* Ends both directions; the sink gets no further callback. HTTP/1.1: the connection is closed. */
static inline void http_stream_reset(struct http_codec_stream *s, enum http_reset_reason reason) {
    s->ops->reset(s, reason);
}
/* Counted. While disabled the peer's window for this stream is not returned (HTTP/2) or the codec
 * consumes no more input (HTTP/1.1: dispatch again when enabled). Data already fed may still be delivered. */
static inline void http_stream_read_disable(struct http_codec_stream *s, bool disable) {
    s->ops->read_disable(s, disable);
}

/* Body bytes of this stream alone that the codec holds, in either direction; what lies in its
 * connection's buffers is not among them. */
static inline size_t http_codec_stream_held_bytes(const struct http_codec_stream *s) {
    return s->ops->held_bytes == NULL ? 0 : s->ops->held_bytes(s);
}

/* Common to all codecs. */
struct http_codec_options {
    struct io_context *io;
    const struct http_codec_callbacks *callbacks;
    void *arg;
    struct buffer *output;        /* the connection's */
    uint32_t max_headers_bytes;   /* 0: 60 KiB */
    uint32_t max_headers_count;   /* 0: 100 */
    uint32_t stream_buffer_bytes; /* high mark per stream of unsent bytes; 0: 256 KiB. HTTP/1.1: the
                                    * connection's own high mark; 0: none */
    struct stats_scope *stats;    /* over the codec's stat table, or NULL */
    enum { HTTP_UNDERSCORES_ALLOW, HTTP_UNDERSCORES_REJECT, HTTP_UNDERSCORES_DROP } underscores;
};

struct http1_options {
    bool allow_absolute_url; /* server; default true in Envoy */
    bool accept_http_10;
    struct slice default_host; /* for HTTP/1.0 without Host */
    bool enable_trailers;
    bool allow_chunked_length; /* Envoy's knob; RFC 9112 forbids: see docs/deviations.md */
    bool proper_case, preserve_case;
    bool send_fully_qualified_url;
};
struct http_codec *http1_server_codec_new(const struct http_codec_options *options,
                                          const struct http1_options *http1);
struct http_codec *http1_client_codec_new(const struct http_codec_options *options,
                                          const struct http1_options *http1);

enum { HTTP2_DEFAULT_STREAM_WINDOW_BYTES = 16 * 1024 * 1024 }; /* Envoy 1.40's */

/* Zero means the value in brackets (edge defaults are put in by the caller). */
struct http2_options {
    uint32_t hpack_table_bytes;       /* [4096] */
    uint32_t max_concurrent_streams;  /* [2^31-1] */
    uint32_t stream_window_bytes;     /* [HTTP2_DEFAULT_STREAM_WINDOW_BYTES; edge 65536] */
    uint32_t connection_window_bytes; /* [24 MiB; edge 1048576] */
    bool allow_connect;               /* extended CONNECT, RFC 8441 */
    bool allow_metadata;
    uint32_t max_outbound_frames;              /* [10000] */
    uint32_t max_outbound_control_frames;      /* [1000] */
    uint32_t max_consecutive_empty_data;       /* [1] */
    uint32_t max_priority_frames_per_stream;   /* [100] */
    uint32_t max_window_update_per_data_frame; /* [10] */
    uint32_t reset_burst, reset_per_s;         /* premature resets, both sides' [edge 100 @ 33/s] */
    uint32_t glitch_burst, glitch_per_s;       /* [edge 500 @ 100/s] */
    bool stream_error_on_invalid_message;
    uint32_t max_emitted_table_bytes; /* our deflate table cap [1024] */
};
struct http_codec *http2_server_codec_new(const struct http_codec_options *options,
                                          const struct http2_options *http2);
struct http_codec *http2_client_codec_new(const struct http_codec_options *options,
                                          const struct http2_options *http2);

#endif
