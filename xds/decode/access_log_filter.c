// SPDX-License-Identifier: Apache-2.0
#include "envoy/type/matcher/v3/metadata.pb-c.h"
#include "envoy/type/matcher/v3/value.pb-c.h"
#include "src/access_log/stream_info.h"
#include "xds/decode/access_log.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/matcher.h"

enum { PERCENT_SCALE = 10000 };

static bool decode_comparison(struct decoder *d, const LOGGING(ComparisonFilter) *from,
                              struct access_log_filter *out) {
    if (from == NULL || from->value == NULL) {
        return decoder_field_error(d, "comparison.value", "value is required");
    }
    out->comparand = (struct config_integer){
        .value = from->value->default_value,
        .key = decoder_runtime_key(d, from->value->runtime_key),
    };
    switch ((int)from->op) {
    case ENVOY__CONFIG__ACCESSLOG__V3__COMPARISON_FILTER__OP__EQ:
        out->compare = COMPARE_EQ;
        return true;
    case ENVOY__CONFIG__ACCESSLOG__V3__COMPARISON_FILTER__OP__GE:
        out->compare = COMPARE_GE;
        return true;
    case ENVOY__CONFIG__ACCESSLOG__V3__COMPARISON_FILTER__OP__LE:
        out->compare = COMPARE_LE;
        return true;
    case ENVOY__CONFIG__ACCESSLOG__V3__COMPARISON_FILTER__OP__NE:
        out->compare = COMPARE_NE;
        return true;
    default:
        return decoder_field_error(d, "comparison.op", "unknown value %d", (int)from->op);
    }
}

static bool decode_children(struct decoder *d, LOGGING(AccessLogFilter) *const *from, size_t count,
                            struct access_log_filter *out) {
    const struct access_log_filter **children =
        ARENA_NEW_ARRAY(d->config.arena, count, const struct access_log_filter *);
    bool is_ok = true;
    for (size_t i = 0; i < count; i++) {
        decoder_push_index(d, "filters", i);
        is_ok = decode_access_log_filter(d, from[i], &children[i]) && is_ok;
        decoder_pop_index(d);
    }
    out->children = children;
    out->child_count = (uint32_t)count;
    return is_ok;
}

static bool decode_flags(struct decoder *d, const LOGGING(ResponseFlagFilter) *from,
                         struct access_log_filter *out) {
    static const char *const names[] = {
#define RESPONSE_FLAG_TEXT(id, text, long_text) text,
        RESPONSE_FLAGS(RESPONSE_FLAG_TEXT)
#undef RESPONSE_FLAG_TEXT
    };
    bool is_ok = true;
    for (size_t i = 0; i < from->n_flags; i++) {
        size_t at = 0;
        while (at < ARRAY_LEN(names) && strcmp(names[at], from->flags[i]) != 0) {
            at++;
        }
        if (at == ARRAY_LEN(names)) {
            is_ok = decoder_field_error(d, "flags", "unknown response flag '%s'", from->flags[i]);
            continue;
        }
        out->response_flags |= UINT64_C(1) << at;
    }
    return is_ok;
}

static bool decode_runtime_filter(struct decoder *d, const LOGGING(RuntimeFilter) *from,
                                  struct access_log_filter *out) {
    out->fraction.key = decoder_runtime_key(d, from->runtime_key);
    out->scale = PERCENT_SCALE;
    // Without a sample rate nothing is logged unless runtime says so.
    if (from->percent_sampled == NULL) {
        return true;
    }
    out->scale = fractional_percent_scale(from->percent_sampled);
    return decode_fractional_percent(d, from->percent_sampled, &out->fraction);
}

static struct slice metadata_path(struct decoder *d, const MATCHER(MetadataMatcher) *from) {
    struct slice path = SLICE("");
    for (size_t i = 0; i < from->n_path; i++) {
        struct slice key = slice_from_string(from->path[i]->key);
        path = i == 0 ? arena_dup_slice(d->config.arena, key)
                      : arena_printf(d->config.arena, "%.*s.%.*s", SLICE_ARG(path), SLICE_ARG(key));
    }
    return path;
}

static bool decode_metadata_value(struct decoder *d, const MATCHER(ValueMatcher) *from,
                                  struct string_matcher *out) {
    switch ((int)from->match_pattern_case) {
    case ENVOY__TYPE__MATCHER__V3__VALUE_MATCHER__MATCH_PATTERN_STRING_MATCH:
        return decode_string_matcher(d, from->string_match, out);
    case ENVOY__TYPE__MATCHER__V3__VALUE_MATCHER__MATCH_PATTERN_BOOL_MATCH:
        *out = (struct string_matcher){.text = from->bool_match ? SLICE("true") : SLICE("false")};
        return true;
    default:
        return decoder_field_error(d, "value", "only string and bool values can be matched");
    }
}

static bool decode_metadata_filter(struct decoder *d, const LOGGING(MetadataFilter) *from,
                                   struct access_log_filter *out) {
    out->match_if_key_not_found = FLAG_OR(from->match_if_key_not_found, true);
    if (from->matcher == NULL) {
        return true;
    }
    if (from->matcher->invert) {
        return decoder_field_error(d, "matcher.invert", "inverted matchers are not supported");
    }
    out->metadata_filter = decoder_text(d, from->matcher->filter);
    out->metadata_path = metadata_path(d, from->matcher);
    decoder_push(d, "matcher");
    bool is_ok = decode_metadata_value(d, from->matcher->value, &out->metadata_value);
    decoder_pop(d);
    return is_ok;
}

static bool decode_grpc_statuses(struct decoder *d, const LOGGING(GrpcStatusFilter) *from,
                                 struct access_log_filter *out) {
    enum { GRPC_STATUS_MAX = 16 };
    out->exclude = from->exclude != 0;
    for (size_t i = 0; i < from->n_statuses; i++) {
        int code = (int)from->statuses[i];
        if (code < 0 || code > GRPC_STATUS_MAX) {
            return decoder_field_error(d, "statuses", "unknown gRPC status %d", code);
        }
        out->grpc_statuses |= UINT32_C(1) << code;
    }
    return true;
}

static bool decode_header_filter(struct decoder *d, const LOGGING(HeaderFilter) *from,
                                 struct access_log_filter *out) {
    decoder_push(d, "header");
    bool is_ok = decode_header_matcher(d, from->header, &out->header);
    decoder_pop(d);
    return is_ok;
}

static bool decode_by_kind(struct decoder *d, const LOGGING(AccessLogFilter) *from,
                           struct access_log_filter *out) {
    switch ((int)from->filter_specifier_case) {
    case ENVOY__CONFIG__ACCESSLOG__V3__ACCESS_LOG_FILTER__FILTER_SPECIFIER_STATUS_CODE_FILTER:
        out->kind = ACCESS_LOG_FILTER_STATUS_CODE;
        return decode_comparison(d, from->status_code_filter->comparison, out);
    case ENVOY__CONFIG__ACCESSLOG__V3__ACCESS_LOG_FILTER__FILTER_SPECIFIER_DURATION_FILTER:
        out->kind = ACCESS_LOG_FILTER_DURATION;
        return decode_comparison(d, from->duration_filter->comparison, out);
    case ENVOY__CONFIG__ACCESSLOG__V3__ACCESS_LOG_FILTER__FILTER_SPECIFIER_NOT_HEALTH_CHECK_FILTER:
        out->kind = ACCESS_LOG_FILTER_NOT_HEALTH_CHECK;
        return true;
    case ENVOY__CONFIG__ACCESSLOG__V3__ACCESS_LOG_FILTER__FILTER_SPECIFIER_TRACEABLE_FILTER:
        out->kind = ACCESS_LOG_FILTER_TRACEABLE;
        return true;
    case ENVOY__CONFIG__ACCESSLOG__V3__ACCESS_LOG_FILTER__FILTER_SPECIFIER_RUNTIME_FILTER:
        out->kind = ACCESS_LOG_FILTER_RUNTIME;
        return decode_runtime_filter(d, from->runtime_filter, out);
    case ENVOY__CONFIG__ACCESSLOG__V3__ACCESS_LOG_FILTER__FILTER_SPECIFIER_AND_FILTER:
        out->kind = ACCESS_LOG_FILTER_AND;
        return decode_children(d, from->and_filter->filters, from->and_filter->n_filters, out);
    case ENVOY__CONFIG__ACCESSLOG__V3__ACCESS_LOG_FILTER__FILTER_SPECIFIER_OR_FILTER:
        out->kind = ACCESS_LOG_FILTER_OR;
        return decode_children(d, from->or_filter->filters, from->or_filter->n_filters, out);
    case ENVOY__CONFIG__ACCESSLOG__V3__ACCESS_LOG_FILTER__FILTER_SPECIFIER_HEADER_FILTER:
        out->kind = ACCESS_LOG_FILTER_HEADER;
        return decode_header_filter(d, from->header_filter, out);
    case ENVOY__CONFIG__ACCESSLOG__V3__ACCESS_LOG_FILTER__FILTER_SPECIFIER_RESPONSE_FLAG_FILTER:
        out->kind = ACCESS_LOG_FILTER_RESPONSE_FLAG;
        return decode_flags(d, from->response_flag_filter, out);
    case ENVOY__CONFIG__ACCESSLOG__V3__ACCESS_LOG_FILTER__FILTER_SPECIFIER_GRPC_STATUS_FILTER:
        out->kind = ACCESS_LOG_FILTER_GRPC_STATUS;
        return decode_grpc_statuses(d, from->grpc_status_filter, out);
    case ENVOY__CONFIG__ACCESSLOG__V3__ACCESS_LOG_FILTER__FILTER_SPECIFIER_METADATA_FILTER:
        out->kind = ACCESS_LOG_FILTER_METADATA;
        return decode_metadata_filter(d, from->metadata_filter, out);
    case ENVOY__CONFIG__ACCESSLOG__V3__ACCESS_LOG_FILTER__FILTER_SPECIFIER_LOG_TYPE_FILTER:
        out->kind = ACCESS_LOG_FILTER_LOG_TYPE;
        out->exclude = from->log_type_filter->exclude != 0;
        for (size_t i = 0; i < from->log_type_filter->n_types; i++) {
            out->log_types |= UINT64_C(1) << ((unsigned)from->log_type_filter->types[i] & 63U);
        }
        return true;
    case ENVOY__CONFIG__ACCESSLOG__V3__ACCESS_LOG_FILTER__FILTER_SPECIFIER_EXTENSION_FILTER:
        return decoder_field_error(d, "extension_filter",
                                   "Didn't find a registered implementation for '%s'",
                                   from->extension_filter->name);
    default:
        return decoder_error(d, "a filter is required");
    }
}

bool decode_access_log_filter(struct decoder *d, const LOGGING(AccessLogFilter) *from,
                              const struct access_log_filter **out) {
    struct access_log_filter *filter = ARENA_NEW(d->config.arena, struct access_log_filter);
    *out = filter;
    return decode_by_kind(d, from, filter);
}
