// SPDX-License-Identifier: Apache-2.0
/*
 * What the server and the client side of the HTTP/1.1 codec share: the reading machine (head, body,
 * trailers, tunnel), the body writer and the end of a stream. One stream at a time; its object is part
 * of the codec and is used again for the next message.
 *
 * Reading:  IDLE > START > FIELDS > (LENGTH | CHUNKED > TRAILERS | UNTIL_CLOSE | TUNNEL…) > DONE > IDLE
 * Any state may go to DEAD: nothing further is read from this connection.
 */
#ifndef SRC_HTTP_H1_H1_CODEC_H
#define SRC_HTTP_H1_H1_CODEC_H

#include "src/base/check.h"
#include "src/http/codec.h"
#include "src/http/h1/h1_chunked.h"
#include "src/http/h1/h1_encode.h"
#include "src/http/h1/h1_parse.h"

enum h1_read {
    H1_READ_IDLE,        /* no message; server: the next request may begin */
    H1_READ_START,       /* the start line is incomplete */
    H1_READ_FIELDS,      /* field lines */
    H1_READ_LENGTH,      /* `read_left` body bytes */
    H1_READ_CHUNKED,     /* chunked body */
    H1_READ_TRAILERS,    /* field lines behind the last chunk */
    H1_READ_UNTIL_CLOSE, /* client: all bytes are body */
    H1_READ_TUNNEL_WAIT, /* server: upgrade or CONNECT asked for, not yet granted */
    H1_READ_TUNNEL,      /* all bytes are data */
    H1_READ_DONE,        /* the message has ended, the other direction has not */
    H1_READ_DEAD,        /* input is thrown away */
};

enum h1_write {
    H1_WRITE_NONE, /* no final head yet */
    H1_WRITE_BODY, /* head written */
    H1_WRITE_DONE,
};

enum h1_step {
    H1_STEP_AGAIN, /* progress: go on */
    H1_STEP_MORE,  /* needs input, or may not go on now */
    H1_STEP_FAULT, /* codec->fault says why */
};

struct h1_codec;

/* Where the two sides differ in reading. */
struct h1_role {
    bool is_server;
    struct h1_fault (*start_line)(struct h1_codec *codec, struct slice line);
    /* The head is complete: judges it and tells the sink. */
    struct h1_fault (*head_done)(struct h1_codec *codec);
    /* A fault in `codec->fault`: answers it or resets the stream. */
    void (*fault)(struct h1_codec *codec);
    /* The sink is about to hear the end of what is read; the input holds what follows. */
    void (*ending)(struct h1_codec *codec);
};

struct h1_codec {
    struct http_codec base;
    struct http_codec_stream stream;
    uint32_t magic;
    const struct h1_role *role;
    struct http_codec_options options;
    struct http1_options http1;

    struct http_stream_sink sink;
    bool is_active; /* a stream is open */
    bool in_dispatch;
    bool is_broken;        /* ended by a fault, not in order */
    bool has_leftover;     /* client: more came behind the response than the response */
    bool keep_alive;       /* a further message may follow */
    bool is_shutting_down; /* the current message is the last one */
    bool refuses_streams;
    uint32_t read_disabled; /* nesting */
    uint32_t skipped_lines; /* empty lines before the message */

    enum h1_read read;
    size_t scanned; /* of the incomplete line */
    uint32_t head_bytes, field_count;
    uint32_t field_bytes;       /* names and values of the section so far, and what joins them */
    struct header_map *headers; /* being read; in the sink's arena */
    struct h1_fault fault;
    uint64_t read_left;
    struct h1_chunked chunked;

    enum h1_write write;
    enum h1_out_framing out_framing;
    uint64_t write_left; /* with H1_OUT_LENGTH */
    bool write_discards; /* the message has no body on the wire, whatever is encoded */
    bool above_high;

    /* Facts of the message in hand. */
    enum http_protocol peer_protocol;
    bool is_head, is_connect, is_upgrade, has_host;
    bool tunnel_granted;
    bool authority_given; /* by the request's target: Host is checked but not used */
    bool goaway_told;     /* client: on_goaway was called */
    uint32_t informational_count;
    uint32_t status;      /* of the response */
    struct buffer held;   /* client: tunnel data from before the tunnel was granted */
    struct buffer *input; /* during dispatch */
};

enum { H1_CODEC_MAGIC = 0x68316331, H1_MAX_EMPTY_LINES = 16, H1_MAX_INFORMATIONAL = 100 };

/* Runs steps until the input or the permission to read is used up; the role's fault is called on a
 * fault. */
void h1_read_all(struct h1_codec *codec, struct buffer *input);
/* What dispatch returns: by whether and how the connection has ended. */
enum status h1_dispatch_result(const struct h1_codec *codec, struct error *err);

struct h1_codec *h1_codec_new(const struct http_codec_ops *ops,
                              const struct http_codec_stream_ops *stream_ops,
                              const struct h1_role *role, const struct http_codec_options *options,
                              const struct http1_options *http1);
static inline struct h1_codec *h1_codec_of(struct http_codec *codec) {
    return CONTAINER_OF(codec, struct h1_codec, base);
}
static inline struct h1_codec *h1_codec_of_stream(struct http_codec_stream *stream) {
    return CONTAINER_OF(stream, struct h1_codec, stream);
}

/* Resets what belongs to one message; the sink is set by the caller. */
void h1_begin_stream(struct h1_codec *codec);
void h1_set_read(struct h1_codec *codec, enum h1_read read);
/* Reads as far as input and sinks allow. */
enum h1_step h1_read_step(struct h1_codec *codec, struct buffer *input);
/* Chooses the body state by `framing`; true when the message has a body to read. */
bool h1_begin_body(struct h1_codec *codec, const struct h1_framing *framing);
/* The read direction has ended: tells the sink nothing, ends the stream where both are done. */
void h1_read_ended(struct h1_codec *codec);
/* Hands data to the sink; whatever the sink leaves is dropped. */
void h1_deliver(struct h1_codec *codec, struct buffer *data, bool end_stream);

/* Body of the message being written, after the head. */
void h1_write_data(struct h1_codec *codec, struct buffer *data, bool end_stream);
/* A head of `written` bytes is in the output; 0: it was refused. */
void h1_count_head(struct h1_codec *codec, const struct h1_head *head, size_t written);
void h1_write_trailers(struct h1_codec *codec, const struct header_map *trailers);
void h1_write_ended(struct h1_codec *codec);
void h1_notify_output(struct h1_codec *codec);
/* Output fell below the mark, or what was held back left. */
void h1_check_low_watermark(struct h1_codec *codec);
/* Content-length for what is to be written, from the map; false when it has none that can be used. */
bool h1_known_length(const struct header_map *headers, uint64_t *length);

/* Forgets the stream without a word to the sink. */
void h1_drop_stream(struct h1_codec *codec);
/* The same with on_reset. */
void h1_reset_stream(struct h1_codec *codec, enum http_reset_reason reason, const char *detail);

/* Members of both vtables that do not depend on the side. */
void h1_codec_ping(struct http_codec *codec);
void h1_codec_connection_lost(struct http_codec *codec, enum http_reset_reason reason,
                              const char *detail);
void h1_codec_output_drained(struct http_codec *codec);
void h1_codec_free(struct http_codec *codec);
void h1_stream_encode_data(struct http_codec_stream *stream, struct buffer *data, bool end_stream);
void h1_stream_encode_trailers(struct http_codec_stream *stream, const struct header_map *trailers);
void h1_stream_reset(struct http_codec_stream *stream, enum http_reset_reason reason);
void h1_stream_read_disable(struct http_codec_stream *stream, bool disable);

#endif
