// SPDX-License-Identifier: Apache-2.0
#include "src/http/message.h"

#include "src/base/check.h"
#include "src/http/char_class.h"
#include "src/http/codec.h"

const char *http_protocol_name(enum http_protocol protocol) {
    switch (protocol) {
    case HTTP_1_0:
        return "HTTP/1.0";
    case HTTP_1_1:
        return "HTTP/1.1";
    case HTTP_2:
        return "HTTP/2";
    case HTTP_3:
        return "HTTP/3";
    }
    return "unknown";
}

const char *http_reset_reason_name(enum http_reset_reason reason) {
    switch (reason) {
    case HTTP_RESET_LOCAL:
        return "local_reset";
    case HTTP_RESET_LOCAL_REFUSED:
        return "local_refused_stream_reset";
    case HTTP_RESET_REMOTE:
        return "remote_reset";
    case HTTP_RESET_REMOTE_REFUSED:
        return "remote_refused_stream_reset";
    case HTTP_RESET_CONNECT_ERROR:
        return "connect_error";
    case HTTP_RESET_CONNECTION_TERMINATION:
        return "connection_termination";
    case HTTP_RESET_CONNECTION_FAILURE:
        return "remote_connection_failure";
    case HTTP_RESET_CONNECTION_TIMEOUT:
        return "connection_timeout";
    case HTTP_RESET_OVERFLOW:
        return "overflow";
    case HTTP_RESET_OVERLOAD:
        return "overload_manager_reset";
    case HTTP_RESET_PROTOCOL_ERROR:
        return "protocol_error";
    }
    return "unknown";
}

static bool all_are(struct slice s, uint8_t classes) {
    for (size_t i = 0; i < s.len; i++) {
        if (!char_is(s.ptr[i], classes)) {
            return false;
        }
    }
    return true;
}

bool http_is_token(struct slice s) {
    return s.len > 0 && all_are(s, CHAR_TOKEN);
}

static bool is_blank(uint8_t c) {
    return c == ' ' || c == '\t';
}

bool http_is_field_value(struct slice s) {
    if (s.len == 0) {
        return true;
    }
    if (is_blank(s.ptr[0]) || is_blank(s.ptr[s.len - 1])) {
        return false;
    }
    if (char_has_no_control(s.ptr, s.len)) {
        return true;
    }
    size_t at = 0;
    while ((at += char_run_before_control(s.ptr + at, s.ptr + s.len)) < s.len) {
        if (s.ptr[at] != '\t') {
            return false;
        }
        at++;
    }
    return true;
}

/* RFC 3986 §3.2.2: what stands between the brackets; an address by its characters only, zone
 * identifiers and future forms are refused. */
static bool is_ipv6_literal(struct slice s) {
    uint32_t colons = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == ':') {
            colons++;
        } else if (!char_is(s.ptr[i], CHAR_HEX) && s.ptr[i] != '.') {
            return false;
        }
    }
    return colons >= 2 && colons <= 7 && s.len <= 45;
}

/* Length of the host name that `s` begins with; what ends it is no part of one. */
static size_t reg_name_len(struct slice s) {
    size_t at = 0;
    for (;;) {
        while (at < s.len && char_is(s.ptr[at], CHAR_REG_NAME)) {
            at++;
        }
        if (s.len - at < 3 || s.ptr[at] != '%' || !char_is(s.ptr[at + 1], CHAR_HEX) ||
            !char_is(s.ptr[at + 2], CHAR_HEX)) {
            return at;
        }
        at += 3;
    }
}

/* Nothing, or a colon and a port. */
static bool is_port_part(const uint8_t *text, size_t len) {
    uint32_t port = 0;
    for (size_t i = 1; i < len; i++) {
        if (len > 6 || text[i] < '0' || text[i] > '9') {
            return false;
        }
        port = port * 10 + text[i] - '0';
    }
    return len == 0 || (len > 1 && text[0] == ':' && port <= 65535);
}

bool http_is_authority(struct slice s) {
    if (s.len == 0) {
        return false;
    }
    size_t host = 0;
    if (s.ptr[0] == '[') {
        size_t close = slice_find_byte(s, ']');
        if (close == SIZE_MAX || !is_ipv6_literal(slice_sub(s, 1, close - 1))) {
            return false;
        }
        host = close + 1;
    } else {
        host = reg_name_len(s);
    }
    return host > 0 && is_port_part(s.ptr + host, s.len - host);
}

size_t http_authority_port_start(struct slice host) {
    size_t colon = slice_rfind_byte(host, ':');
    size_t bracket = slice_rfind_byte(host, ']');
    if (colon == SIZE_MAX || bracket == SIZE_MAX || bracket < colon) {
        return colon;
    }
    return SIZE_MAX;
}

bool http_is_target(struct slice s, bool relaxed) {
    if (s.len == 0) {
        return false;
    }
    if (!relaxed) {
        return all_are(s, CHAR_URI);
    }
    return all_are(s, CHAR_VISIBLE) && memchr(s.ptr, '#', s.len) == NULL;
}

#define REASON_PHRASES(X)                                                                          \
    X(100, "Continue")                                                                             \
    X(101, "Switching Protocols")                                                                  \
    X(102, "Processing")                                                                           \
    X(103, "Early Hints")                                                                          \
    X(200, "OK")                                                                                   \
    X(201, "Created")                                                                              \
    X(202, "Accepted")                                                                             \
    X(203, "Non-Authoritative Information")                                                        \
    X(204, "No Content")                                                                           \
    X(205, "Reset Content")                                                                        \
    X(206, "Partial Content")                                                                      \
    X(207, "Multi-Status")                                                                         \
    X(208, "Already Reported")                                                                     \
    X(226, "IM Used")                                                                              \
    X(300, "Multiple Choices")                                                                     \
    X(301, "Moved Permanently")                                                                    \
    X(302, "Found")                                                                                \
    X(303, "See Other")                                                                            \
    X(304, "Not Modified")                                                                         \
    X(305, "Use Proxy")                                                                            \
    X(307, "Temporary Redirect")                                                                   \
    X(308, "Permanent Redirect")                                                                   \
    X(400, "Bad Request")                                                                          \
    X(401, "Unauthorized")                                                                         \
    X(402, "Payment Required")                                                                     \
    X(403, "Forbidden")                                                                            \
    X(404, "Not Found")                                                                            \
    X(405, "Method Not Allowed")                                                                   \
    X(406, "Not Acceptable")                                                                       \
    X(407, "Proxy Authentication Required")                                                        \
    X(408, "Request Timeout")                                                                      \
    X(409, "Conflict")                                                                             \
    X(410, "Gone")                                                                                 \
    X(411, "Length Required")                                                                      \
    X(412, "Precondition Failed")                                                                  \
    X(413, "Payload Too Large")                                                                    \
    X(414, "URI Too Long")                                                                         \
    X(415, "Unsupported Media Type")                                                               \
    X(416, "Range Not Satisfiable")                                                                \
    X(417, "Expectation Failed")                                                                   \
    X(421, "Misdirected Request")                                                                  \
    X(422, "Unprocessable Entity")                                                                 \
    X(423, "Locked")                                                                               \
    X(424, "Failed Dependency")                                                                    \
    X(425, "Too Early")                                                                            \
    X(426, "Upgrade Required")                                                                     \
    X(428, "Precondition Required")                                                                \
    X(429, "Too Many Requests")                                                                    \
    X(431, "Request Header Fields Too Large")                                                      \
    X(500, "Internal Server Error")                                                                \
    X(501, "Not Implemented")                                                                      \
    X(502, "Bad Gateway")                                                                          \
    X(503, "Service Unavailable")                                                                  \
    X(504, "Gateway Timeout")                                                                      \
    X(505, "HTTP Version Not Supported")                                                           \
    X(506, "Variant Also Negotiates")                                                              \
    X(507, "Insufficient Storage")                                                                 \
    X(508, "Loop Detected")                                                                        \
    X(510, "Not Extended")                                                                         \
    X(511, "Network Authentication Required")                                                      \
    X(599, "Last Unassigned Server Error Code")

struct slice http_reason_phrase(uint32_t status) {
    switch (status) {
#define REASON_CASE(code, text)                                                                    \
    case code:                                                                                     \
        return SLICE(text);
        REASON_PHRASES(REASON_CASE)
#undef REASON_CASE
    default:
        return SLICE("");
    }
}

uint32_t http_status_of(const struct header_map *headers) {
    struct slice text = header_map_get(headers, HEADER_STATUS);
    if (text.len != 3) {
        return 0;
    }
    uint32_t hundreds = (uint32_t)text.ptr[0] - '0';
    uint32_t tens = (uint32_t)text.ptr[1] - '0';
    uint32_t ones = (uint32_t)text.ptr[2] - '0';
    return hundreds > 9 || tens > 9 || ones > 9 ? 0 : hundreds * 100 + tens * 10 + ones;
}

bool http_is_grpc(const struct header_map *headers) {
    struct slice type = header_map_get(headers, HEADER_CONTENT_TYPE);
    struct slice grpc = SLICE("application/grpc");
    return slice_starts_with(type, grpc) && (type.len == grpc.len || type.ptr[grpc.len] == '+');
}

bool http_is_connect(const struct header_map *headers) {
    return slice_equal(header_map_get(headers, HEADER_METHOD), SLICE("CONNECT"));
}

bool http_is_upgrade(const struct header_map *headers) {
    if (header_map_has(headers, HEADER_PROTOCOL)) {
        return http_is_connect(headers);
    }
    return header_map_has(headers, HEADER_UPGRADE) &&
           http_header_has_token(headers, HEADER_CONNECTION, SLICE("upgrade"));
}

bool http_is_head(const struct header_map *headers) {
    return slice_equal(header_map_get(headers, HEADER_METHOD), SLICE("HEAD"));
}

bool http_header_has_token(const struct header_map *headers, enum header_id id,
                           struct slice token) {
    for (uint32_t at = headers->first[id]; at != HEADER_NONE; at = headers->entries[at].next) {
        struct slice rest = header_entry_value(&headers->entries[at]);
        struct slice part;
        while (slice_split(&rest, ',', &part)) {
            if (slice_equal_nocase(slice_trim(part), token)) {
                return true;
            }
        }
    }
    return false;
}

enum {
    GRPC_OK = 0,
    GRPC_CANCELLED = 1,
    GRPC_UNKNOWN = 2,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_ALREADY_EXISTS = 6,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_FAILED_PRECONDITION = 9,
    GRPC_ABORTED = 10,
    GRPC_OUT_OF_RANGE = 11,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_DATA_LOSS = 15,
    GRPC_UNAUTHENTICATED = 16,
};

uint32_t http_to_grpc_status(uint32_t http_status) {
    switch (http_status) {
    case 400:
        return GRPC_INTERNAL;
    case 401:
        return GRPC_UNAUTHENTICATED;
    case 403:
        return GRPC_PERMISSION_DENIED;
    case 404:
        return GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return GRPC_UNAVAILABLE;
    default:
        return GRPC_UNKNOWN;
    }
}

uint32_t grpc_to_http_status(uint32_t grpc_status) {
    switch (grpc_status) {
    case GRPC_OK:
        return 200;
    case GRPC_CANCELLED:
        return 499;
    case GRPC_INVALID_ARGUMENT:
    case GRPC_FAILED_PRECONDITION:
    case GRPC_OUT_OF_RANGE:
        return 400;
    case GRPC_DEADLINE_EXCEEDED:
        return 504;
    case GRPC_NOT_FOUND:
        return 404;
    case GRPC_ALREADY_EXISTS:
    case GRPC_ABORTED:
        return 409;
    case GRPC_PERMISSION_DENIED:
        return 403;
    case GRPC_RESOURCE_EXHAUSTED:
        return 429;
    case GRPC_UNIMPLEMENTED:
        return 501;
    case GRPC_UNAVAILABLE:
        return 503;
    case GRPC_UNAUTHENTICATED:
        return 401;
    case GRPC_UNKNOWN:
    case GRPC_INTERNAL:
    case GRPC_DATA_LOSS:
    default:
        return 500;
    }
}

static bool needs_percent(uint8_t c) {
    return c < 0x20 || c > 0x7e || c == '%';
}

struct slice grpc_message_encode(struct arena *arena, struct slice message) {
    size_t escapes = 0;
    for (size_t i = 0; i < message.len; i++) {
        escapes += needs_percent(message.ptr[i]) ? 1 : 0;
    }
    if (escapes == 0) {
        return message;
    }
    static const char digits[] = "0123456789ABCDEF";
    uint8_t *text = arena_alloc_bytes(arena, message.len + 2 * escapes);
    size_t used = 0;
    for (size_t i = 0; i < message.len; i++) {
        uint8_t c = message.ptr[i];
        if (!needs_percent(c)) {
            text[used++] = c;
            continue;
        }
        text[used++] = '%';
        text[used++] = (uint8_t)digits[c >> 4];
        text[used++] = (uint8_t)digits[c & 15];
    }
    return slice_make(text, used);
}

static void put_two_digits(char *text, uint32_t value) {
    text[0] = (char)('0' + value / 10 % 10);
    text[1] = (char)('0' + value % 10);
}

/* Proleptic Gregorian date of a day number, counted in years that begin in March so that the leap
 * day is a year's last. */
static void civil_date(uint64_t days, uint32_t *year, uint32_t *month, uint32_t *day) {
    uint64_t shifted = days + 719468;
    uint64_t era = shifted / 146097;
    uint64_t day_of_era = shifted % 146097;
    uint64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint64_t shifted_month = (5 * day_of_year + 2) / 153;
    *day = (uint32_t)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
    *month = (uint32_t)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    *year = (uint32_t)(year_of_era + era * 400 + (*month <= 2 ? 1 : 0));
}

void http_format_date(uint64_t unix_s, char text[HTTP_DATE_LEN]) {
    static const char week_days[] = "ThuFriSatSunMonTueWed";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    uint64_t days = unix_s / 86400;
    uint32_t second = (uint32_t)(unix_s % 86400);
    uint32_t year;
    uint32_t month;
    uint32_t day;
    civil_date(days, &year, &month, &day);
    memcpy(text, "Thu, 01 Jan 1970 00:00:00 GMT", HTTP_DATE_LEN);
    memcpy(text, week_days + days % 7 * 3, 3);
    put_two_digits(text + 5, day);
    memcpy(text + 8, months + (month - 1) * 3, 3);
    put_two_digits(text + 12, year / 100);
    put_two_digits(text + 14, year % 100);
    put_two_digits(text + 17, second / 3600);
    put_two_digits(text + 20, second / 60 % 60);
    put_two_digits(text + 23, second % 60);
}
