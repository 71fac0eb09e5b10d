// SPDX-License-Identifier: Apache-2.0
#include "xds/decode/decoder.h"

#include <stdarg.h>
#include <stdio.h>

#include "envoy/config/core/v3/config_source.pb-c.h"
#include "src/runtime/runtime.h"
#include "xds/decode/access_log.h"
#include "xds/decode/decode_common.h"
#include "xds/decode/matcher.h"
#include "xds/decode/rate_limit.h"
#include "xds/decode/retry_policy.h"
#include "xds/decode/route_config.h"
#include "xds/decode/tls_config.h"
#include "xds/proto_reflect.h"

void decoder_init(struct decoder *d, const struct decode_context *context,
                  const struct decode_options *options, struct arena *scratch,
                  struct validation *v) {
    *d = (struct decoder){.context = context, .options = options, .scratch = scratch};
    d->config = (struct filter_config_context){.validation = v,
                                               .store = context->store,
                                               .stats = context->stats,
                                               .files = context->files,
                                               .decoders = &decoder_vtable,
                                               .edge_defaults = context->edge_defaults,
                                               .node_id = context->node_id,
                                               .node_cluster = context->node_cluster};
}

void decoder_deinit(struct decoder *d) {
    for (uint32_t i = 0; i < d->extra_count; i++) {
        config_part_unref(d->extra[i].part);
    }
    mem_free(d->extra);
    mem_free(d->dependencies);
    mem_free(d->tls);
}

void decoder_use_part(struct decoder *d, struct config_part *part) {
    d->config.part = part;
    d->config.arena = part == NULL ? NULL : &part->arena;
}

bool decoder_error(struct decoder *d, const char *format, ...) {
    char text[ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    validation_error(d->config.validation, "%s", text);
    return false;
}

bool decoder_field_error(struct decoder *d, const char *field, const char *format, ...) {
    char text[ERROR_MESSAGE_BYTES];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    validation_field_error(d->config.validation, field, "%s", text);
    return false;
}

struct slice decoder_text(struct decoder *d, const char *text) {
    return arena_dup_slice(d->config.arena, slice_from_string(text));
}

struct slice decoder_lower(struct decoder *d, const char *text) {
    struct slice s = slice_from_string(text);
    if (s.len == 0) {
        return SLICE("");
    }
    uint8_t *copy = arena_alloc_bytes(d->config.arena, s.len);
    for (size_t i = 0; i < s.len; i++) {
        copy[i] = ascii_lower(s.ptr[i]);
    }
    return slice_make(copy, s.len);
}

const struct slice *decoder_texts(struct decoder *d, char *const *texts, size_t count, bool lower) {
    if (count == 0) {
        return NULL;
    }
    struct slice *slices = ARENA_NEW_ARRAY(d->config.arena, count, struct slice);
    for (size_t i = 0; i < count; i++) {
        slices[i] = lower ? decoder_lower(d, texts[i]) : decoder_text(d, texts[i]);
    }
    return slices;
}

uint32_t decoder_runtime_key(struct decoder *d, const char *name) {
    return runtime_key(config_store_runtime(d->config.store), slice_from_string(name));
}

bool decode_duration(struct decoder *d, const char *field,
                     const Google__Protobuf__Duration *duration, uint32_t *ms) {
    if (duration->seconds < 0 || duration->nanos < 0) {
        return decoder_field_error(d, field, "duration must not be negative");
    }
    if (duration->nanos > 999999999) {
        return decoder_field_error(d, field, "duration out of range: %d nanoseconds",
                                   duration->nanos);
    }
    // One less than "unset"; 49 days are as good as for ever.
    if (duration->seconds > 315576000000) {
        return decoder_field_error(d, field, "duration out of range");
    }
    uint64_t value = (uint64_t)duration->seconds * 1000 + (uint64_t)duration->nanos / 1000000;
    if (value == 0 && duration->nanos > 0) {
        value = 1; // not "disabled"
    }
    *ms = value >= CONFIG_TIMEOUT_UNSET ? CONFIG_TIMEOUT_UNSET - 1 : (uint32_t)value;
    return true;
}

bool decode_optional_duration(struct decoder *d, const char *field,
                              const Google__Protobuf__Duration *duration, uint32_t *ms) {
    return duration == NULL || decode_duration(d, field, duration, ms);
}

// Each slot once; the first mention gives the source.
uint32_t decode_depend(struct decoder *d, enum config_kind kind, struct slice name,
                       const CORE(ConfigSource) *source) {
    struct slice packed = {0};
    bool is_shared =
        source == NULL || source->config_source_specifier_case ==
                              ENVOY__CONFIG__CORE__V3__CONFIG_SOURCE__CONFIG_SOURCE_SPECIFIER_ADS;
    struct slice slot_name = name;
    if (source != NULL) {
        packed = proto_pack(&source->base, d->scratch);
    }
    if (kind == CONFIG_SECRET && !is_shared) {
        // Secrets of one name differ between management servers; the store knows them by both.
        slot_name = arena_printf(d->scratch, "%.*s@%016llx", SLICE_ARG(name),
                                 (unsigned long long)slice_xxhash64(packed, 0));
    }
    uint32_t slot = config_store_slot_for(d->config.store, d->config.part, kind, slot_name);
    for (uint32_t i = 0; i < d->dependency_count; i++) {
        if (d->dependencies[i].kind == kind && d->dependencies[i].slot == slot) {
            return slot;
        }
    }
    d->dependencies =
        mem_realloc(d->dependencies, (d->dependency_count + 1) * sizeof(d->dependencies[0]));
    d->dependencies[d->dependency_count++] =
        (struct resource_dependency){.kind = kind,
                                     .stat_prefix = d->config.stat_prefix,
                                     .name = arena_dup_slice(d->scratch, name),
                                     .slot = slot,
                                     .config_source = packed};
    return slot;
}

void decode_need_tls(struct decoder *d, uint32_t slot, const struct tls_config *config) {
    d->tls = mem_realloc(d->tls, (d->tls_count + 1) * sizeof(d->tls[0]));
    d->tls[d->tls_count++] = (struct tls_need){.slot = slot, .config = config};
}

void decode_extra_part(struct decoder *d, uint32_t slot, struct config_part *part) {
    d->extra = mem_realloc(d->extra, (d->extra_count + 1) * sizeof(d->extra[0]));
    d->extra[d->extra_count++] = (struct extra_part){.slot = slot, .part = part};
}

/* ---- the same for extensions, by untyped message ---- */

static const ProtobufCMessage *vtable_unpack(struct filter_config_context *context,
                                             const ProtobufCMessage *any) {
    struct any_view view;
    struct decoder *d = decoder_of(context);
    if (!decode_any_type(d, (const Google__Protobuf__Any *)any, &view)) {
        return NULL;
    }
    return decode_any_open(d, &view);
}

static bool vtable_string_matcher(struct filter_config_context *context,
                                  const ProtobufCMessage *message, struct string_matcher *out) {
    return decode_string_matcher(decoder_of(context), (const MATCHER(StringMatcher) *)message, out);
}

static bool vtable_regex(struct filter_config_context *context, const ProtobufCMessage *message,
                         const struct regex **out) {
    return decode_regex(decoder_of(context), (const MATCHER(RegexMatcher) *)message, out);
}

static bool vtable_header_matcher(struct filter_config_context *context,
                                  const ProtobufCMessage *message, struct header_matcher *out) {
    return decode_header_matcher(decoder_of(context), (const ROUTE(HeaderMatcher) *)message, out);
}

static bool vtable_query_matcher(struct filter_config_context *context,
                                 const ProtobufCMessage *message, struct query_matcher *out) {
    return decode_query_matcher(decoder_of(context), (const ROUTE(QueryParameterMatcher) *)message,
                                out);
}

static bool vtable_cidr(struct filter_config_context *context, const ProtobufCMessage *message,
                        struct cidr *out) {
    return decode_cidr(decoder_of(context), (const CORE(CidrRange) *)message, out);
}

static bool vtable_data_source(struct filter_config_context *context,
                               const ProtobufCMessage *message, struct slice *out) {
    return decode_data_source(decoder_of(context), (const CORE(DataSource) *)message, out);
}

static bool vtable_header_op(struct filter_config_context *context, const ProtobufCMessage *message,
                             struct header_op *out) {
    return decode_header_op(decoder_of(context), (const CORE(HeaderValueOption) *)message, out);
}

static bool vtable_fraction(struct filter_config_context *context, const ProtobufCMessage *message,
                            struct config_fraction *out) {
    return decode_any_fraction(decoder_of(context), message, out);
}

static bool vtable_format(struct filter_config_context *context, const ProtobufCMessage *message,
                          const struct log_format **out) {
    struct slice content_type;
    return decode_format(decoder_of(context), (const CORE(SubstitutionFormatString) *)message, out,
                         &content_type);
}

static bool vtable_access_log(struct filter_config_context *context,
                              const ProtobufCMessage *message, struct access_log **out) {
    return decode_access_log(decoder_of(context), (const LOGGING(AccessLog) *)message, out);
}

static bool vtable_metadata(struct filter_config_context *context, const ProtobufCMessage *message,
                            struct metadata *out) {
    return decode_any_metadata(decoder_of(context), message, out);
}

static bool vtable_duration(struct filter_config_context *context, const ProtobufCMessage *message,
                            uint32_t *out) {
    const Google__Protobuf__Duration *duration = (const Google__Protobuf__Duration *)message;
    struct decoder *d = decoder_of(context);
    if (duration->seconds < 0 || duration->nanos < 0) {
        return decoder_error(d, "duration must not be negative");
    }
    return decode_duration(d, "seconds", duration, out);
}

static bool vtable_sds_secret(struct filter_config_context *context,
                              const ProtobufCMessage *message, uint32_t *slot) {
    return decode_sds_secret(decoder_of(context), (const TLS(SdsSecretConfig) *)message, slot);
}

static bool vtable_retry_policy(struct filter_config_context *context,
                                const ProtobufCMessage *message, struct retry_policy *out) {
    return decode_retry_policy(decoder_of(context), (const ROUTE(RetryPolicy) *)message, out);
}

static bool vtable_rate_limit(struct filter_config_context *context,
                              const ProtobufCMessage *message, struct rate_limit *out) {
    return decode_rate_limit(decoder_of(context), (const ROUTE(RateLimit) *)message, out);
}

static bool vtable_route_match(struct filter_config_context *context,
                               const ProtobufCMessage *message, struct route_match *out) {
    return decode_route_match(decoder_of(context), (const ROUTE(RouteMatch) *)message, out);
}

const struct filter_decoders decoder_vtable = {
    .unpack = vtable_unpack,
    .string_matcher = vtable_string_matcher,
    .regex = vtable_regex,
    .header_matcher = vtable_header_matcher,
    .query_matcher = vtable_query_matcher,
    .cidr = vtable_cidr,
    .data_source = vtable_data_source,
    .header_op = vtable_header_op,
    .fraction = vtable_fraction,
    .format = vtable_format,
    .access_log = vtable_access_log,
    .metadata = vtable_metadata,
    .duration_ms = vtable_duration,
    .sds_secret = vtable_sds_secret,
    .retry_policy = vtable_retry_policy,
    .rate_limit = vtable_rate_limit,
    .route_match = vtable_route_match,
};
