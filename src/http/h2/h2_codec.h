// SPDX-License-Identifier: Apache-2.0
/*
 * The HTTP/2 codec's own types, shared by the files of this folder only. One `struct h2_codec` wraps one
 * nghttp2 session in either role. Three rules keep it simple:
 * - nghttp2's callbacks only note what happened, in the stream; the owner hears of it when nghttp2 has
 *   returned (h2_deliver.c), so nothing the owner does can re-enter nghttp2. The one exception is
 *   on_new_stream, which must not touch the codec.
 * - Output is made in one place, h2_flush, at the end of a dispatch or of the loop turn.
 * - A stream object lives until its owner was told of its end or reset it. One whose owner reset it
 *   while its last bytes were still waiting lives on without an owner ("detached") till they are sent.
 */
#ifndef SRC_HTTP_H2_H2_CODEC_H
#define SRC_HTTP_H2_H2_CODEC_H

#include <nghttp2/nghttp2.h>

#include "src/base/arena.h"
#include "src/event/event_loop.h"
#include "src/event/io_context.h"
#include "src/http/codec.h"
#include "src/http/h2/h2_bucket.h"
#include "src/http/h2/h2_scan.h"
#include "src/http/h2/h2_session.h"
#include "src/http/h2/h2_shared.h"
#include "src/http/h2/http2_stats.h"

enum { H2_CODEC_MAGIC = 0x48324344 };

/* Unsent bytes at which a codec stops making frames; goes on at half of it. */
enum { H2_OUTPUT_HIGH_BYTES = 128 * 1024 };

/* h2_stream.body_left: as long as it gets. */
#define H2_BODY_UNKNOWN UINT64_MAX

/* A header block before the body, waiting for delivery. */
struct h2_message {
    struct h2_message *next;
    struct header_map *headers;
    bool is_informational;
    bool end_stream;
};

/* Copied trailers: they leave after the body, which may be after the owner's arena. Lies in its own. */
struct h2_trailers {
    struct arena arena;
    struct header_map map;
};

struct h2_stream {
    struct http_codec_stream base;
    struct h2_codec *h2;
    struct list_node node;        /* h2->streams */
    struct list_node ready;       /* h2->ready: has something to deliver */
    struct http_stream_sink sink; /* ops NULL: detached */

    /* Received. */
    struct header_map *block;    /* header block being decoded, or NULL */
    struct h2_message *messages; /* in order */
    struct header_map *trailers;
    struct buffer received;
    uint64_t body_left;        /* of content-length, or H2_BODY_UNKNOWN */
    uint32_t read_disabled;    /* count */
    uint32_t unreturned_bytes; /* of the stream's window, while read-disabled */
    uint32_t close_code;       /* of nghttp2's close */
    uint32_t informational_count;
    const char *detail; /* why, when the codec knows */
    enum http_reset_reason reset_reason;

    /* To send. */
    struct buffer pending;
    struct h2_trailers *unsent_trailers;

    bool is_submitted;      /* nghttp2 knows the id (client: the request was encoded) */
    bool is_block_queued;   /* nghttp2 has a header block of ours that it has not made a frame of */
    bool has_body;          /* nghttp2 has been told of one */
    bool is_gone;           /* nghttp2 has closed it */
    bool is_finished;       /* the owner was told, or reset it */
    bool has_final_headers; /* received */
    bool has_regular_field; /* in the block: no pseudo header may follow */
    bool asked_head, asked_connect; /* client: the request's method */
    bool recv_ended, end_delivered;
    bool rst_received, has_reset_reason;
    bool send_ended;  /* the owner gave its last byte */
    bool end_sent;    /* it is in the output */
    bool is_deferred; /* nghttp2 waits for nghttp2_session_resume_data */
    bool is_above_high, tell_above_high, tell_below_low;
};

/* Frames in the output that the kernel has not taken, without looking into it: two generations, each
 * forgotten when the bytes before its end have left. Counts high by at most one generation. */
struct h2_outbound {
    uint64_t produced_bytes; /* ever */
    uint64_t generation_end; /* produced_bytes when the younger generation began */
    uint32_t frames[2];      /* older, younger */
    uint32_t control_frames[2];
};

struct h2_codec {
    struct http_codec base;
    uint32_t magic;
    bool is_server;
    bool is_flushing, is_dispatching, is_delivering;
    bool is_send_broken; /* nghttp2 failed to make a frame: it is asked for none any more */
    bool goaway_sent;
    bool goaway_received, tell_goaway, tell_pong, tell_max_streams, tell_output;
    uint32_t max_streams; /* client: the peer's */
    uint32_t open_count;  /* client: requests given to nghttp2 and not closed by it */
    struct http_codec_options options;
    struct http2_options limits; /* zeroes replaced */
    struct h2_shared *shared;
    struct h2_session session;
    struct event_deferred flush;
    struct list_node streams;
    struct list_node ready;
    struct h2_stream *delivering;   /* NULL once it went away under the delivery */
    struct h2_stream *block_stream; /* whose header block nghttp2 is decoding */
    struct h2_stream *sending;      /* of the DATA frame being made */
    const char *failure;            /* the connection is over, why */
    enum http_reset_reason failure_reason;

    /* The input being fed: where its first byte lies in memory, to share body bytes without a copy. */
    const struct buffer *input;
    struct slice input_run;

    struct h2_scan scan;
    struct h2_bucket resets, glitches, control;
    uint32_t empty_frames;  /* in a row */
    uint32_t continuations; /* in this block */
    uint32_t max_continuations;
    uint32_t header_overflows;
    uint32_t messages_encoded;   /* modulo 2^32 */
    uint32_t frames_after_reset; /* on streams that the peer had reset */
    uint64_t priority_frames, window_update_frames, streams_opened, data_frames_sent;
    struct h2_outbound outbound;
};

static inline void h2_count(const struct h2_codec *h2, enum http2_stat stat) {
    if (h2->options.stats != NULL) {
        stats_inc(h2->options.stats, h2->options.io->index, stat);
    }
}
uint64_t h2_now_ms(const struct h2_codec *h2);

/* nghttp2's session, for a call of its functions: it may have been packed until now. */
static inline nghttp2_session *h2_awake(struct h2_codec *h2) {
    return h2_session_get(&h2->session);
}

/* h2_codec.c: ends the connection with a GOAWAY; only the first call counts. `detail` is static. */
void h2_fail(struct h2_codec *h2, uint32_t error_code, const char *detail);
void h2_fail_flood(struct h2_codec *h2, enum http2_stat stat, const char *detail);

/* h2_receive.c */
nghttp2_session_callbacks *h2_callbacks_new(void);
void h2_set_send_callbacks(nghttp2_session_callbacks *callbacks);

/* h2_input.c: feeds all of `input` unless the connection fails. */
void h2_feed(struct h2_codec *h2, struct buffer *input);
void h2_glitch(struct h2_codec *h2);
/* A stream was reset before its end, by the peer or because of what the peer sent. */
void h2_premature_reset(struct h2_codec *h2);

/* h2_headers.c: received header blocks. */
void h2_block_begin(struct h2_stream *s);
/* STATUS_LIMIT, STATUS_INVALID, STATUS_PROTOCOL for a field that makes the message malformed (s->detail
 * and reason are set): the stream is to be reset. */
enum status h2_block_add(struct h2_stream *s, struct slice name, struct slice value,
                         bool is_sensitive) MUST_USE;
/* The block is complete; STATUS_INVALID when it is no message. */
enum status h2_block_end(struct h2_stream *s, bool end_stream) MUST_USE;

/* h2_rules.c: RFC 9113 §8. A verdict of one field of s->block, before it is added. */
enum h2_verdict { H2_FIELD_KEPT, H2_FIELD_DROPPED, H2_FIELD_REFUSED };
enum h2_verdict h2_judge_field(struct h2_stream *s, enum header_id id, struct slice name,
                               struct slice value);
/* Of a whole request head: has it the pseudo headers that it must have and those alone, the path in one
 * of its forms; then their characters. */
bool h2_has_needed_pseudo(const struct header_map *map);
bool h2_is_valid_request(const struct h2_codec *h2, const struct header_map *map);
/* Fields that frame or route a message must not come after it (RFC 9110 §6.5.1). */
bool h2_is_valid_trailers(const struct header_map *map);
/* Client: what of the request decides about the answer's body. */
void h2_note_request(struct h2_stream *s, const struct header_map *map);
/* At the end of a final head: how long the body may get; false when it has none and must have one. */
bool h2_settle_body(struct h2_stream *s, const struct header_map *map, bool end_stream);
/* Body bytes have come; false when they may not. */
bool h2_take_body(struct h2_stream *s, size_t len);
/* False without a final head and while bytes of the content-length are missing. */
bool h2_may_end(const struct h2_stream *s);

/* h2_encode.c: the fields in h2->shared->fields, valid until the next call, and counted as sent; 0: not a
 * message. Unless nghttp2 is told to copy the values, they must stay until it has made the frame. */
enum h2_block_kind { H2_BLOCK_REQUEST, H2_BLOCK_RESPONSE, H2_BLOCK_TRAILERS };
size_t h2_encode_fields(struct h2_stream *s, const struct header_map *headers,
                        enum h2_block_kind kind, bool copies_values);

/* h2_stream.c */
extern const struct http_codec_stream_ops h2_stream_ops;
struct h2_stream *h2_stream_new(struct h2_codec *h2);
/* Unlinks it everywhere; it is not active any more. Its memory goes with h2_stream_free. */
void h2_stream_finish(struct h2_stream *s);
void h2_stream_free(struct h2_stream *s);
void h2_stream_set_ready(struct h2_stream *s);
/* Sets why a stream fails, if nothing did yet. */
void h2_stream_set_reason(struct h2_stream *s, enum http_reset_reason reason, const char *detail);
void h2_stream_update_watermark(struct h2_stream *s);
void h2_stream_drop_trailers(struct h2_stream *s);
/* A header block is out: there may be something to follow it. */
void h2_stream_headers_sent(struct h2_stream *s, bool end_stream);

/* h2_output.c */
void h2_set_dirty(struct h2_codec *h2);
void h2_flush(struct h2_codec *h2);
/* The frames only: on_output is left to the next flush. */
void h2_produce(struct h2_codec *h2);
/* Only up to the header block that `s` has queued. */
void h2_produce_headers(struct h2_stream *s);
void h2_flush_deferred(void *arg);
ssize_t h2_read_data(nghttp2_session *session, int32_t stream_id, uint8_t *buf, size_t length,
                     uint32_t *data_flags, nghttp2_data_source *source, void *user_data);
/* Frames that wait, in nghttp2 or unsent in the output; control ones only. */
uint64_t h2_unsent_control_frames(struct h2_codec *h2);
uint64_t h2_unsent_frames(struct h2_codec *h2);

/* h2_deliver.c */
void h2_deliver(struct h2_codec *h2);
void h2_reset_all(struct h2_codec *h2, enum http_reset_reason reason, const char *detail);

#endif
