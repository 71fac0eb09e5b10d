// SPDX-License-Identifier: Apache-2.0
#include "xds/decode/decode_common.h"

#include <string.h>

#include "src/access_log/log_format.h"
#include "xds/bootstrap/proto_json.h"
#include "xds/decode/ledgers.h"
#include "xds/proto_reflect.h"

enum { MILLION = 1000000 };

/* ---- header operations ---- */

static bool is_protected(struct slice name) {
    return (name.len > 0 && name.ptr[0] == ':') || slice_equal(name, SLICE("host"));
}

static bool decode_append_action(struct decoder *d, const CORE(HeaderValueOption) *from,
                                 enum header_op_action *action) {
    if (from->append != NULL) {
        if (from->append_action !=
            ENVOY__CONFIG__CORE__V3__HEADER_VALUE_OPTION__HEADER_APPEND_ACTION__APPEND_IF_EXISTS_OR_ADD) {
            return decoder_error(d, "Both append and append_action are set and it's not allowed");
        }
        *action = from->append->value ? HEADER_OP_APPEND_IF_EXISTS_OR_ADD
                                      : HEADER_OP_OVERWRITE_IF_EXISTS_OR_ADD;
        return true;
    }
    switch ((int)from->append_action) {
    case ENVOY__CONFIG__CORE__V3__HEADER_VALUE_OPTION__HEADER_APPEND_ACTION__APPEND_IF_EXISTS_OR_ADD:
        *action = HEADER_OP_APPEND_IF_EXISTS_OR_ADD;
        return true;
    case ENVOY__CONFIG__CORE__V3__HEADER_VALUE_OPTION__HEADER_APPEND_ACTION__ADD_IF_ABSENT:
        *action = HEADER_OP_ADD_IF_ABSENT;
        return true;
    case ENVOY__CONFIG__CORE__V3__HEADER_VALUE_OPTION__HEADER_APPEND_ACTION__OVERWRITE_IF_EXISTS_OR_ADD:
        *action = HEADER_OP_OVERWRITE_IF_EXISTS_OR_ADD;
        return true;
    case ENVOY__CONFIG__CORE__V3__HEADER_VALUE_OPTION__HEADER_APPEND_ACTION__OVERWRITE_IF_EXISTS:
        *action = HEADER_OP_OVERWRITE_IF_EXISTS;
        return true;
    default:
        return decoder_field_error(d, "append_action", "unknown value %d",
                                   (int)from->append_action);
    }
}

bool decode_header_op(struct decoder *d, const CORE(HeaderValueOption) *from,
                      struct header_op *out) {
    if (from->header == NULL) {
        return decoder_field_error(d, "header", "value is required");
    }
    const CORE(HeaderValue) *header = from->header;
    struct slice value = slice_from_string(header->value);
    if (value.len == 0 && header->raw_value.len > 0) {
        value = slice_make(header->raw_value.data, header->raw_value.len);
    }
    *out = (struct header_op){.name = decoder_lower(d, header->key),
                              .keep_empty_value = from->keep_empty_value != 0};
    out->id = header_id_of(out->name);
    if (is_protected(out->name)) {
        return decoder_error(d, ":-prefixed or host headers may not be modified");
    }
    struct error err = {0};
    if (log_format_compile(arena_dup_slice(d->config.arena, value), true, d->config.arena,
                           &out->value, &err) != STATUS_OK) {
        return decoder_field_error(d, "header.value", "%s", err.message);
    }
    return decode_append_action(d, from, &out->action);
}

static bool decode_removed(struct decoder *d, const struct header_lists *lists,
                           struct header_ops *out) {
    out->remove = decoder_texts(d, lists->remove, lists->remove_count, true);
    out->remove_count = (uint32_t)lists->remove_count;
    for (size_t i = 0; i < lists->remove_count; i++) {
        if (is_protected(out->remove[i])) {
            return decoder_field_error(d, lists->remove_field,
                                       ":-prefixed or host headers may not be removed");
        }
    }
    return true;
}

bool decode_header_ops(struct decoder *d, const struct header_lists *lists,
                       struct header_ops *out) {
    *out = (struct header_ops){0};
    struct header_op *ops =
        lists->add_count == 0
            ? NULL
            : ARENA_NEW_ARRAY(d->config.arena, lists->add_count, struct header_op);
    bool is_ok = true;
    for (size_t i = 0; i < lists->add_count; i++) {
        decoder_push_index(d, lists->add_field, i);
        is_ok = decode_header_op(d, lists->add[i], &ops[i]) && is_ok;
        decoder_pop_index(d);
    }
    out->add = ops;
    out->add_count = (uint32_t)lists->add_count;
    return decode_removed(d, lists, out) && is_ok;
}

/* ---- fractions ---- */

uint32_t fractional_percent_scale(const TYPE(FractionalPercent) *from) {
    switch ((int)from->denominator) {
    case ENVOY__TYPE__V3__FRACTIONAL_PERCENT__DENOMINATOR_TYPE__HUNDRED:
        return 10000;
    case ENVOY__TYPE__V3__FRACTIONAL_PERCENT__DENOMINATOR_TYPE__TEN_THOUSAND:
        return 100;
    case ENVOY__TYPE__V3__FRACTIONAL_PERCENT__DENOMINATOR_TYPE__MILLION:
        return 1;
    default:
        return 0;
    }
}

bool decode_fractional_percent(struct decoder *d, const TYPE(FractionalPercent) *from,
                               struct config_fraction *out) {
    uint32_t scale = fractional_percent_scale(from);
    if (scale == 0) {
        return decoder_field_error(d, "denominator", "unknown value %d", (int)from->denominator);
    }
    uint64_t value = (uint64_t)from->numerator * scale;
    out->per_million = value > MILLION ? MILLION : (uint32_t)value;
    return true;
}

bool decode_runtime_fraction(struct decoder *d, const CORE(RuntimeFractionalPercent) *from,
                             struct config_fraction *out) {
    *out = (struct config_fraction){.per_million = MILLION,
                                    .key = decoder_runtime_key(d, from->runtime_key)};
    if (from->default_value == NULL) {
        return decoder_field_error(d, "default_value", "value is required");
    }
    decoder_push(d, "default_value");
    bool is_ok = decode_fractional_percent(d, from->default_value, out);
    decoder_pop(d);
    return is_ok;
}

bool decode_any_fraction(struct decoder *d, const ProtobufCMessage *message,
                         struct config_fraction *out) {
    *out = (struct config_fraction){0};
    if (message->descriptor == &envoy__type__v3__fractional_percent__descriptor) {
        return decode_fractional_percent(d, (const TYPE(FractionalPercent) *)message, out);
    }
    return decode_runtime_fraction(d, (const CORE(RuntimeFractionalPercent) *)message, out);
}

/* ---- formats ---- */

static bool check_formatters(struct decoder *d, const CORE(SubstitutionFormatString) *from) {
    bool is_ok = true;
    for (size_t i = 0; i < from->n_formatters; i++) {
        struct any_view view;
        decoder_push_index(d, "formatters", i);
        if (!decode_any_type(d, from->formatters[i]->typed_config, &view)) {
            is_ok = false;
        } else if (!any_is(&view,
                           "envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery") &&
                   !any_is(&view, "envoy.extensions.formatter.metadata.v3.Metadata")) {
            is_ok = decode_unknown_extension(d, from->formatters[i]->name, &view);
        }
        decoder_pop_index(d);
    }
    return is_ok;
}

static bool compile_json(struct decoder *d, const CORE(SubstitutionFormatString) *from,
                         const struct log_format **out) {
    struct proto_json_write_options options = {0};
    struct slice json = proto_json_text(&from->json_format->base, &options, d->config.arena);
    struct error err = {0};
    // Envoy sorts properties in any case since 1.33.
    if (log_format_compile_json(json, from->omit_empty_values != 0, true, d->config.arena, out,
                                &err) != STATUS_OK) {
        return decoder_field_error(d, "json_format", "%s", err.message);
    }
    return true;
}

static bool compile_text(struct decoder *d, const CORE(SubstitutionFormatString) *from,
                         const char *field, struct slice text, const struct log_format **out) {
    struct error err = {0};
    if (log_format_compile(text, from->omit_empty_values != 0, d->config.arena, out, &err) !=
        STATUS_OK) {
        return decoder_field_error(d, field, "%s", err.message);
    }
    return true;
}

bool decode_format(struct decoder *d, const CORE(SubstitutionFormatString) *from,
                   const struct log_format **out, struct slice *content_type) {
    struct slice text;
    *content_type = SLICE("text/plain");
    bool is_ok = check_formatters(d, from);
    switch ((int)from->format_case) {
    case ENVOY__CONFIG__CORE__V3__SUBSTITUTION_FORMAT_STRING__FORMAT_TEXT_FORMAT:
        text = decoder_text(d, from->text_format);
        is_ok = compile_text(d, from, "text_format", text, out) && is_ok;
        break;
    case ENVOY__CONFIG__CORE__V3__SUBSTITUTION_FORMAT_STRING__FORMAT_TEXT_FORMAT_SOURCE:
        decoder_push(d, "text_format_source");
        is_ok = decode_data_source(d, from->text_format_source, &text) && is_ok;
        decoder_pop(d);
        is_ok = is_ok && compile_text(d, from, "text_format_source", text, out);
        break;
    case ENVOY__CONFIG__CORE__V3__SUBSTITUTION_FORMAT_STRING__FORMAT_JSON_FORMAT:
        *content_type = SLICE("application/json");
        is_ok = compile_json(d, from, out) && is_ok;
        break;
    default:
        return decoder_error(d, "a format is required");
    }
    if (from->content_type != NULL && from->content_type[0] != '\0') {
        *content_type = decoder_text(d, from->content_type);
    }
    return is_ok;
}

/* ---- socket options ---- */

static bool decode_socket_option(struct decoder *d, const CORE(SocketOption) *from,
                                 struct socket_option *out) {
    out->level = (int)from->level;
    out->name = (int)from->name;
    switch ((int)from->state) {
    case ENVOY__CONFIG__CORE__V3__SOCKET_OPTION__SOCKET_STATE__STATE_PREBIND:
        out->state = SOCKET_OPTION_PREBIND;
        break;
    case ENVOY__CONFIG__CORE__V3__SOCKET_OPTION__SOCKET_STATE__STATE_BOUND:
        out->state = SOCKET_OPTION_BOUND;
        break;
    case ENVOY__CONFIG__CORE__V3__SOCKET_OPTION__SOCKET_STATE__STATE_LISTENING:
        out->state = SOCKET_OPTION_LISTENING;
        break;
    default:
        return decoder_field_error(d, "state", "unknown value %d", (int)from->state);
    }
    switch ((int)from->value_case) {
    case ENVOY__CONFIG__CORE__V3__SOCKET_OPTION__VALUE_INT_VALUE:
        out->is_int = true;
        out->int_value = (int)from->int_value;
        return true;
    case ENVOY__CONFIG__CORE__V3__SOCKET_OPTION__VALUE_BUF_VALUE:
        out->bytes =
            arena_dup_slice(d->config.arena, slice_make(from->buf_value.data, from->buf_value.len));
        return true;
    default:
        return decoder_error(d, "a value is required");
    }
}

bool decode_socket_options(struct decoder *d, CORE(SocketOption) *const *from, size_t count,
                           const struct socket_option **out, uint32_t *out_count) {
    struct socket_option *options =
        count == 0 ? NULL : ARENA_NEW_ARRAY(d->config.arena, count, struct socket_option);
    bool is_ok = true;
    for (size_t i = 0; i < count; i++) {
        decoder_push_index(d, "socket_options", i);
        is_ok = decode_socket_option(d, from[i], &options[i]) && is_ok;
        decoder_pop_index(d);
    }
    *out = options;
    *out_count = (uint32_t)count;
    return is_ok;
}

/* ---- ledger ---- */

static const struct ledger_field header_value_option[] = {
    LEDGER_OK("header"),
    LEDGER_OK("append"),
    LEDGER_OK("append_action"),
    LEDGER_OK("keep_empty_value"),
};
static const struct ledger_field header_value[] = {
    LEDGER_OK("key"),
    LEDGER_OK("value"),
    LEDGER_OK("raw_value"),
};
static const struct ledger_field all_fields[] = {LEDGER_OK("*")};
static const struct ledger_field runtime_double[] = {
    LEDGER_OK("default_value"),
    {"runtime_key", LEDGER_IGNORED, "balancers take the default value"},
};
static const struct ledger_field format_string[] = {
    LEDGER_OK("text_format"),
    LEDGER_OK("json_format"),
    LEDGER_OK("text_format_source"),
    LEDGER_OK("omit_empty_values"),
    LEDGER_OK("content_type"),
    LEDGER_OK("formatters"),
    {"json_format_options", LEDGER_HARMLESS, "properties are always sorted, as in Envoy"},
};
static const struct ledger_field data_source[] = {
    LEDGER_OK("filename"),
    LEDGER_OK("inline_bytes"),
    LEDGER_OK("inline_string"),
    LEDGER_OK("environment_variable"),
    {"watched_directory", LEDGER_IGNORED, "only files of secrets are watched"},
};
static const struct ledger_field socket_option_fields[] = {
    {"description", LEDGER_HARMLESS, "a comment"},
    LEDGER_OK("level"),
    LEDGER_OK("name"),
    LEDGER_OK("int_value"),
    LEDGER_OK("buf_value"),
    LEDGER_OK("state"),
    {"type", LEDGER_IGNORED, "options are set on every stream socket"},
    {"ip_version", LEDGER_IGNORED, "options are set whatever the IP version"},
};
static const struct ledger_field socket_address[] = {
    LEDGER_OK("protocol"),
    LEDGER_OK("address"),
    LEDGER_OK("port_value"),
    {"named_port", LEDGER_REFUSED, "named ports need a resolver"},
    {"resolver_name", LEDGER_IGNORED, "custom address resolvers are not built in"},
    LEDGER_OK("ipv4_compat"),
    {"network_namespace_filepath", LEDGER_REFUSED, "network namespaces are not supported"},
};
static const struct ledger_field address_fields[] = {
    LEDGER_OK("socket_address"),
    LEDGER_OK("pipe"),
    {"envoy_internal_address", LEDGER_REFUSED, "internal listeners are not built in"},
};
static const struct ledger_field metadata_fields[] = {
    LEDGER_OK("filter_metadata"),
    {"typed_filter_metadata", LEDGER_IGNORED, "only filter_metadata is read"},
};

const struct ledger_message ledger_common[] = {
    LEDGER_MESSAGE("envoy.config.core.v3.HeaderValueOption", header_value_option),
    LEDGER_MESSAGE("envoy.config.core.v3.HeaderValue", header_value),
    LEDGER_MESSAGE("envoy.type.v3.FractionalPercent", all_fields),
    LEDGER_MESSAGE("envoy.type.v3.Percent", all_fields),
    LEDGER_MESSAGE("envoy.type.v3.Int64Range", all_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.RuntimeFractionalPercent", all_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.RuntimeDouble", runtime_double),
    LEDGER_MESSAGE("envoy.config.core.v3.RuntimeUInt32", all_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.RuntimeFeatureFlag", all_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.SubstitutionFormatString", format_string),
    LEDGER_MESSAGE("envoy.config.core.v3.DataSource", data_source),
    LEDGER_MESSAGE("envoy.config.core.v3.WatchedDirectory", all_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.SocketOption", socket_option_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.SocketAddress", socket_address),
    LEDGER_MESSAGE("envoy.config.core.v3.Pipe", all_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.Address", address_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.CidrRange", all_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.Metadata", metadata_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.Locality", all_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.TypedExtensionConfig", all_fields),
    LEDGER_MESSAGE("envoy.config.core.v3.TcpKeepalive", all_fields),
    LEDGER_MESSAGE("envoy.extensions.formatter.req_without_query.v3.ReqWithoutQuery", all_fields),
    LEDGER_MESSAGE("envoy.extensions.formatter.metadata.v3.Metadata", all_fields),
};
const uint32_t ledger_common_count = ARRAY_LEN(ledger_common);
