// SPDX-License-Identifier: Apache-2.0
#include "src/http/h1/h1_encode.h"

#include "src/base/check.h"
#include "src/http/char_class.h"
#include "src/http/h1/h1_parse.h"

enum { DECIMAL_BYTES = 20, LINE_OVERHEAD = 4 /* ": " and CRLF */ };

struct decimal {
    uint8_t text[DECIMAL_BYTES];
    size_t len;
};

static void decimal_init(struct decimal *decimal, uint64_t value) {
    uint8_t reversed[DECIMAL_BYTES];
    size_t len = 0;
    do {
        reversed[len++] = (uint8_t)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    decimal->len = len;
    for (size_t i = 0; i < len; i++) {
        decimal->text[i] = reversed[len - 1 - i];
    }
}

/* Names of known ids are known to be tokens. */
static bool is_sendable(const struct header_entry *entry) {
    if (entry->id == HEADER_OTHER && !http_is_token(entry->name)) {
        return false;
    }
    return http_is_field_value(slice_trim(entry->value));
}

/* Entries that the codec writes itself or that are the start line's. */
static bool is_skipped(const struct h1_head *head, uint16_t id) {
    switch ((int)id) {
    case HEADER_AUTHORITY:
    case HEADER_METHOD:
    case HEADER_PATH:
    case HEADER_PROTOCOL:
    case HEADER_SCHEME:
    case HEADER_STATUS:
    case HEADER_HOST:
    case HEADER_TRANSFER_ENCODING:
        return true;
    case HEADER_CONNECTION:
        return head->connection.len > 0;
    default:
        return false;
    }
}

static uint8_t *put(uint8_t *to, struct slice s) {
    if (s.len > 0) {
        memcpy(to, s.ptr, s.len);
    }
    return to + s.len;
}

static uint8_t *put_name(uint8_t *to, struct slice name, bool proper_case) {
    if (!proper_case) {
        return put(to, name);
    }
    bool upper = true;
    for (size_t i = 0; i < name.len; i++) {
        uint8_t c = name.ptr[i];
        bool is_letter = c >= 'a' && c <= 'z';
        to[i] = upper && is_letter ? (uint8_t)(c - 'a' + 'A') : c;
        upper = !is_letter && !(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z');
    }
    return to + name.len;
}

static uint8_t *put_line(uint8_t *to, struct slice name, struct slice value, bool proper_case) {
    to = put_name(to, name, proper_case);
    *to++ = ':';
    *to++ = ' ';
    to = put(to, slice_trim(value));
    *to++ = '\r';
    *to++ = '\n';
    return to;
}

struct head_writer {
    const struct h1_head *head;
    struct decimal length;
    bool length_written;
};

static struct slice entry_value(struct head_writer *writer, const struct header_entry *entry) {
    if (entry->id != HEADER_CONTENT_LENGTH) {
        return entry->value;
    }
    writer->length_written = true;
    return slice_make(writer->length.text, writer->length.len);
}

/* A map's content-length keeps its place; a second one, or one that is not the framing, goes. */
static bool is_line(const struct head_writer *writer, const struct header_entry *entry) {
    if (entry->id == HEADER_CONTENT_LENGTH) {
        return writer->head->framing == H1_OUT_LENGTH && !writer->length_written;
    }
    return !is_skipped(writer->head, entry->id);
}

/* Upper bound of the head's bytes, 0 when an entry cannot be sent. */
static size_t measure(const struct h1_head *head) {
    static const size_t extra_lines =
        sizeof("content-length: \r\n") + DECIMAL_BYTES + sizeof("connection: \r\n\r\n");
    size_t size = extra_lines + head->connection.len + sizeof("transfer-encoding: chunked\r\n");
    for (uint32_t i = 0; i < head->start_count; i++) {
        size += head->start[i].len;
    }
    uint32_t at = 0;
    const struct header_entry *entry;
    while ((entry = header_map_next(head->headers, &at)) != NULL) {
        if (is_skipped(head, entry->id)) {
            continue;
        }
        if (!is_sendable(entry)) {
            return 0;
        }
        size += entry->name.len + entry->value.len + LINE_OVERHEAD;
    }
    return size;
}

static size_t write_head(uint8_t *text, const struct h1_head *head) {
    struct head_writer writer = {.head = head};
    decimal_init(&writer.length, head->length);
    uint8_t *to = text;
    for (uint32_t i = 0; i < head->start_count; i++) {
        to = put(to, head->start[i]);
    }
    uint32_t at = 0;
    const struct header_entry *entry;
    while ((entry = header_map_next(head->headers, &at)) != NULL) {
        if (is_line(&writer, entry)) {
            to = put_line(to, entry->name, entry_value(&writer, entry), head->proper_case);
        }
    }
    if (head->connection.len > 0) {
        to = put_line(to, SLICE("connection"), head->connection, head->proper_case);
    }
    if (head->framing == H1_OUT_CHUNKED) {
        to = put_line(to, SLICE("transfer-encoding"), SLICE("chunked"), head->proper_case);
    } else if (head->framing == H1_OUT_LENGTH && !writer.length_written) {
        struct slice length = slice_make(writer.length.text, writer.length.len);
        to = put_line(to, SLICE("content-length"), length, head->proper_case);
    }
    *to++ = '\r';
    *to++ = '\n';
    return (size_t)(to - text);
}

size_t h1_put_head(struct buffer *out, const struct h1_head *head) {
    size_t bound = measure(head);
    if (bound == 0) {
        return 0;
    }
    struct iovec vec;
    if (buffer_reserve(out, bound, &vec, 1) == 1 && vec.iov_len >= bound) {
        size_t written = write_head((uint8_t *)vec.iov_base, head);
        buffer_commit(out, written);
        return written;
    }
    uint8_t *text = (uint8_t *)mem_alloc(bound);
    size_t written = write_head(text, head);
    buffer_append(out, slice_make(text, written));
    mem_free(text);
    return written;
}

static bool is_trailer(const struct header_entry *entry) {
    return entry->name.ptr[0] != ':' && is_sendable(entry) &&
           !h1_is_forbidden_trailer((enum header_id)entry->id);
}

size_t h1_put_trailers(struct buffer *out, const struct header_map *trailers, bool proper_case) {
    size_t bound = 2;
    uint32_t at = 0;
    const struct header_entry *entry;
    while ((entry = header_map_next(trailers, &at)) != NULL) {
        bound += entry->name.len + entry->value.len + LINE_OVERHEAD;
    }
    uint8_t *text = (uint8_t *)mem_alloc(bound);
    uint8_t *to = text;
    at = 0;
    while ((entry = header_map_next(trailers, &at)) != NULL) {
        if (is_trailer(entry)) {
            to = put_line(to, entry->name, entry->value, proper_case);
        }
    }
    *to++ = '\r';
    *to++ = '\n';
    size_t written = (size_t)(to - text);
    buffer_append(out, slice_make(text, written));
    mem_free(text);
    return written;
}
