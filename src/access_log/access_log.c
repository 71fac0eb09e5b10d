// SPDX-License-Identifier: Apache-2.0
#include "src/access_log/access_log.h"

#include "src/access_log/log_operator.h"
#include "src/base/check.h"
#include "src/config/config_runtime.h"

enum { FRACTION_DENOMINATOR = 1000000, STABLE_RANDOM_DIGITS = 8 };

static bool compares(const struct access_log_filter *filter, uint64_t value,
                     const struct io_context *io) {
    uint64_t comparand = config_integer_now(&filter->comparand, io);
    switch (filter->compare) {
    case COMPARE_EQ:
        return value == comparand;
    case COMPARE_GE:
        return value >= comparand;
    case COMPARE_LE:
        return value <= comparand;
    case COMPARE_NE:
        return value != comparand;
    }
    return false;
}

// So far, where the exchange has not ended.
static uint64_t duration_ms(const struct log_format_input *input) {
    const struct stream_info *info = log_info(input);
    uint64_t end = info->end_us != 0 ? info->end_us : input->now_us;
    return end > info->start_us ? (end - info->start_us) / 1000 : 0;
}

static uint64_t sampled_now(const struct access_log_filter *filter, const struct io_context *io) {
    if (filter->fraction.key == RUNTIME_NO_KEY) {
        return filter->fraction.per_million;
    }
    uint64_t all = FRACTION_DENOMINATOR / filter->scale;
    uint64_t sampled = runtime_integer(config_runtime(io), filter->fraction.key,
                                       filter->fraction.per_million / filter->scale);
    return sampled < all ? sampled * filter->scale : FRACTION_DENOMINATOR;
}

// All proxies that see a request id come to the same decision: it is read off the id where there is one.
static bool is_in_fraction(const struct access_log_filter *filter,
                           const struct log_format_input *input, struct io_context *io) {
    struct slice id = slice_sub(log_info(input)->request_id, 0, STABLE_RANDOM_DIGITS);
    uint64_t number;
    if (id.len < STABLE_RANDOM_DIGITS || slice_parse_hex64(id, &number) != STATUS_OK) {
        number = random_next(&io->random);
    }
    return number % FRACTION_DENOMINATOR < sampled_now(filter, io);
}

static bool header_matches(const struct access_log_filter *filter,
                           const struct log_format_input *input) {
    const struct header_map *headers = log_request_headers(input);
    return headers != NULL && header_matcher_matches(&filter->header, headers);
}

static bool flags_match(const struct access_log_filter *filter,
                        const struct log_format_input *input) {
    uint64_t flags = log_info(input)->response_flags;
    return filter->response_flags == 0 ? flags != 0 : (flags & filter->response_flags) != 0;
}

static bool grpc_matches(const struct access_log_filter *filter,
                         const struct log_format_input *input) {
    enum { GRPC_UNKNOWN = 2, GRPC_STATUS_BITS = 32 };
    uint32_t status;
    if (!log_grpc_status(input, false, &status)) {
        status = GRPC_UNKNOWN;
    }
    bool is_listed =
        status < GRPC_STATUS_BITS && (filter->grpc_statuses & UINT32_C(1) << status) != 0;
    return is_listed != filter->exclude;
}

static bool metadata_matches(const struct access_log_filter *filter,
                             const struct log_format_input *input) {
    const struct info_entry *entry =
        stream_info_metadata(log_info(input), filter->metadata_filter, filter->metadata_path);
    if (entry == NULL) {
        return filter->match_if_key_not_found;
    }
    return string_matcher_matches(&filter->metadata_value, entry->value);
}

/* By the number of the API's enum AccessLogType. */
static const struct slice type_names[] = {
    SLICE_INIT("NotSet"),
    SLICE_INIT("TcpUpstreamConnected"),
    SLICE_INIT("TcpPeriodic"),
    SLICE_INIT("TcpConnectionEnd"),
    SLICE_INIT("DownstreamStart"),
    SLICE_INIT("DownstreamPeriodic"),
    SLICE_INIT("DownstreamEnd"),
    SLICE_INIT("UpstreamPoolReady"),
    SLICE_INIT("UpstreamPeriodic"),
    SLICE_INIT("UpstreamEnd"),
    SLICE_INIT("DownstreamTunnelSuccessfullyEstablished"),
    SLICE_INIT("UdpTunnelUpstreamConnected"),
    SLICE_INIT("UdpPeriodic"),
    SLICE_INIT("UdpSessionEnd"),
};

static bool type_matches(const struct access_log_filter *filter,
                         const struct log_format_input *input) {
    struct slice type = slice_from_string(input->access_log_type);
    uint64_t bit = 1; // of NotSet
    for (size_t i = 0; i < ARRAY_LEN(type_names); i++) {
        if (slice_equal(type_names[i], type)) {
            bit = UINT64_C(1) << i;
        }
    }
    return ((filter->log_types & bit) != 0) != filter->exclude;
}

static bool children_match(const struct access_log_filter *filter,
                           const struct log_format_input *input, struct io_context *io) {
    bool is_and = filter->kind == ACCESS_LOG_FILTER_AND;
    for (uint32_t i = 0; i < filter->child_count; i++) {
        if (access_log_filter_matches(filter->children[i], input, io) != is_and) {
            return !is_and;
        }
    }
    return is_and;
}

bool access_log_filter_matches(const struct access_log_filter *filter,
                               const struct log_format_input *input, struct io_context *io) {
    switch (filter->kind) {
    case ACCESS_LOG_FILTER_STATUS_CODE:
        return compares(filter, log_info(input)->response_code, io);
    case ACCESS_LOG_FILTER_DURATION:
        return compares(filter, duration_ms(input), io);
    case ACCESS_LOG_FILTER_NOT_HEALTH_CHECK:
        return !log_info(input)->is_health_check;
    case ACCESS_LOG_FILTER_TRACEABLE:
        return log_info(input)->trace_id_sampled != 0;
    case ACCESS_LOG_FILTER_RUNTIME:
        return is_in_fraction(filter, input, io);
    case ACCESS_LOG_FILTER_AND:
    case ACCESS_LOG_FILTER_OR:
        return children_match(filter, input, io);
    case ACCESS_LOG_FILTER_HEADER:
        return header_matches(filter, input);
    case ACCESS_LOG_FILTER_RESPONSE_FLAG:
        return flags_match(filter, input);
    case ACCESS_LOG_FILTER_GRPC_STATUS:
        return grpc_matches(filter, input);
    case ACCESS_LOG_FILTER_METADATA:
        return metadata_matches(filter, input);
    case ACCESS_LOG_FILTER_LOG_TYPE:
        return type_matches(filter, input);
    }
    return false;
}

void access_log_write(struct access_log *log, struct io_context *io,
                      const struct log_format_input *input) {
    if (log->filter == NULL || access_log_filter_matches(log->filter, input, io)) {
        log->ops->log(log, io, input);
    }
}

void access_log_free(struct access_log *log) {
    if (log != NULL) {
        log->ops->free(log);
    }
}
