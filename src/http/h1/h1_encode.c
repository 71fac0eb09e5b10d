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
    char_copy(to, s.ptr, s.len);
    return to + s.len;
}

static void upper_case_words(uint8_t *name, size_t len) {
    bool upper = true;
    for (size_t i = 0; i < len; i++) {
        uint8_t c = name[i];
        bool is_letter = c >= 'a' && c <= 'z';
        name[i] = upper && is_letter ? (uint8_t)(c - 'a' + 'A') : c;
        upper = !is_letter && !(c >= '0' && c <= '9') && !(c >= 'A' && c <= 'Z');
    }
}

static uint8_t *put_name(uint8_t *to, struct slice name, bool proper_case) {
    char_copy(to, name.ptr, name.len);
    if (proper_case) {
        upper_case_words(to, name.len);
    }
    to += name.len;
    *to++ = ':';
    *to++ = ' ';
    return to;
}

static uint8_t *put_line_end(uint8_t *to) {
    *to++ = '\r';
    *to++ = '\n';
    return to;
}

/* A line of our own making. */
static uint8_t *put_line(uint8_t *to, struct slice name, struct slice value, bool proper_case) {
    return put_line_end(put(put_name(to, name, proper_case), value));
}

static bool is_blank(uint8_t c) {
    return c == ' ' || c == '\t';
}

/* An entry's line, checked on the way; NULL: it cannot be sent. Names of known ids are tokens. */
static uint8_t *put_entry(uint8_t *to, const struct header_entry *entry, bool proper_case) {
    struct slice value = header_entry_value(entry);
    if (entry->id == HEADER_OTHER && !http_is_token(header_entry_name(entry))) {
        return NULL;
    }
    to = put_name(to, header_entry_name(entry), proper_case);
    if (value.len > 0 && (is_blank(value.ptr[0]) || is_blank(value.ptr[value.len - 1]))) {
        value = slice_trim(value);
    }
    if (!char_has_no_control(value.ptr, value.len) && !http_is_field_value(value)) {
        return NULL;
    }
    return put_line_end(put(to, value));
}

struct head_writer {
    const struct h1_head *head;
    const uint8_t *end; /* of the room */
    struct decimal length;
    bool length_written;
};

/* A map's content-length keeps its place; a second one, or one that is not the framing, goes. */
static uint8_t *put_length(uint8_t *to, struct head_writer *writer,
                           const struct header_entry *entry) {
    if (!http_is_field_value(slice_trim(header_entry_value(entry)))) {
        return NULL;
    }
    if (writer->head->framing != H1_OUT_LENGTH || writer->length_written) {
        return to;
    }
    writer->length_written = true;
    return put_line(to, header_entry_name(entry),
                    slice_make(writer->length.text, writer->length.len), writer->head->proper_case);
}

static uint8_t *put_entries(uint8_t *to, struct head_writer *writer) {
    const struct header_map *headers = writer->head->headers;
    bool proper_case = writer->head->proper_case;
    for (uint32_t i = 0; i < headers->count && to != NULL; i++) {
        const struct header_entry *entry = &headers->entries[i];
        if (header_entry_is_removed(entry) || is_skipped(writer->head, entry->id)) {
            continue;
        }
        size_t room = (size_t)(writer->end - to);
        CHECK(room >= entry->name_len + entry->value_len + LINE_OVERHEAD + DECIMAL_BYTES);
        to = entry->id == HEADER_CONTENT_LENGTH ? put_length(to, writer, entry)
                                                : put_entry(to, entry, proper_case);
    }
    return to;
}

/* Upper bound of the head's bytes: the map charges 32 for each entry, more than a line's own bytes. */
static size_t bound_of(const struct h1_head *head) {
    static const size_t extra_lines = sizeof("content-length: \r\n") + DECIMAL_BYTES +
                                      sizeof("connection: \r\n\r\n") +
                                      sizeof("transfer-encoding: chunked\r\n");
    size_t size = extra_lines + head->connection.len + head->headers->bytes;
    for (uint32_t i = 0; i < head->start_count; i++) {
        size += head->start[i].len;
    }
    return size;
}

/* Returns the head's length; 0: the map holds what cannot be sent. */
static size_t write_head(uint8_t *text, size_t room, const struct h1_head *head) {
    struct head_writer writer = {.head = head, .end = text + room};
    decimal_init(&writer.length, head->length);
    uint8_t *to = text;
    for (uint32_t i = 0; i < head->start_count; i++) {
        to = put(to, head->start[i]);
    }
    to = put_entries(to, &writer);
    if (to == NULL) {
        return 0;
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
    to = put_line_end(to);
    return (size_t)(to - text);
}

size_t h1_put_head(struct buffer *out, const struct h1_head *head) {
    size_t bound = bound_of(head);
    struct iovec vec;
    if (buffer_reserve(out, bound, &vec, 1) == 1 && vec.iov_len >= bound) {
        size_t written = write_head((uint8_t *)vec.iov_base, bound, head);
        buffer_commit(out, written);
        return written;
    }
    uint8_t *text = (uint8_t *)mem_alloc(bound);
    size_t written = write_head(text, bound, head);
    buffer_append(out, slice_make(text, written));
    mem_free(text);
    return written;
}

static bool is_trailer(const struct header_entry *entry) {
    return entry->name_ptr[0] != ':' && !h1_is_forbidden_trailer((enum header_id)entry->id);
}

size_t h1_put_trailers(struct buffer *out, const struct header_map *trailers, bool proper_case) {
    size_t bound = trailers->bytes + sizeof("\r\n");
    uint8_t *text = (uint8_t *)mem_alloc(bound);
    uint8_t *to = text;
    uint32_t at = 0;
    const struct header_entry *entry;
    while ((entry = header_map_next(trailers, &at)) != NULL) {
        uint8_t *end = is_trailer(entry) ? put_entry(to, entry, proper_case) : NULL;
        to = end != NULL ? end : to;
    }
    to = put_line_end(to);
    size_t written = (size_t)(to - text);
    CHECK(written <= bound);
    buffer_append(out, slice_make(text, written));
    mem_free(text);
    return written;
}
