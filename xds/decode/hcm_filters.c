// SPDX-License-Identifier: Apache-2.0
#include "src/filter_chain/http_filter.h"
#include "xds/decode/extension_names.h"
#include "xds/decode/hcm_parts.h"

static bool parse_filter(struct decoder *d, const struct any_view *view,
                         struct http_filter_config *out) {
    uint32_t errors = d->config.validation->error_count;
    const ProtobufCMessage *message = decode_any_open(d, view);
    if (message != NULL && out->factory->parse != NULL) {
        out->config = out->factory->parse(&d->config, message);
    }
    return d->config.validation->error_count == errors;
}

static bool decode_filter(struct decoder *d, const HCM(HttpFilter) *from,
                          struct http_filter_config *out, bool *is_used) {
    struct any_view view;
    *is_used = false;
    if (from->config_type_case ==
        ENVOY__EXTENSIONS__FILTERS__NETWORK__HTTP_CONNECTION_MANAGER__V3__HTTP_FILTER__CONFIG_TYPE_CONFIG_DISCOVERY) {
        return decoder_field_error(d, "config_discovery", "extension discovery is not supported");
    }
    decoder_push(d, "typed_config");
    bool is_ok = decode_any_type(d, from->typed_config, &view);
    if (is_ok && !extension_is_telemetry(view.type)) {
        *out = (struct http_filter_config){
            .name = decoder_text(d, from->name),
            .name_id = config_store_intern(d->config.store, slice_from_string(from->name)),
            .factory = filter_registry_http(d->context->registry, view.type),
            .is_disabled = from->disabled != 0,
            .owner = d->config.part->owner,
        };
        *is_used = out->factory != NULL;
        is_ok = out->factory != NULL
                    ? parse_filter(d, &view, out)
                    : from->is_optional || decode_unknown_extension(d, from->name, &view);
    }
    decoder_pop(d);
    return is_ok;
}

static bool check_chain(struct decoder *d, const struct http_filter_config *filters,
                        uint32_t count) {
    if (count == 0) {
        return decoder_field_error(d, "http_filters",
                                   "Error: there is no terminal filter (envoy.filters.http.router) "
                                   "in the http filter chain.");
    }
    for (uint32_t i = 0; i < count; i++) {
        bool is_last = i + 1 == count;
        const struct http_filter_factory *factory = filters[i].factory;
        if (factory->is_terminal && !is_last) {
            return decoder_field_error(d, "http_filters",
                                       "Error: terminal filter named %.*s of type %s must be the "
                                       "last filter in a http filter chain.",
                                       SLICE_ARG(filters[i].name), factory->name);
        }
        if (!factory->is_terminal && is_last) {
            return decoder_field_error(d, "http_filters",
                                       "Error: non-terminal filter named %.*s of type %s is the "
                                       "last filter in a http filter chain.",
                                       SLICE_ARG(filters[i].name), factory->name);
        }
        if (factory->is_terminal && filters[i].is_disabled) {
            return decoder_field_error(d, "http_filters",
                                       "Error: terminal filter named %.*s cannot be disabled",
                                       SLICE_ARG(filters[i].name));
        }
    }
    return true;
}

bool decode_hcm_filters(struct decoder *d, const HCM(HttpConnectionManager) *from,
                        struct http_connection_manager_config *out) {
    struct http_filter_config *filters =
        from->n_http_filters == 0
            ? NULL
            : ARENA_NEW_ARRAY(d->config.arena, from->n_http_filters, struct http_filter_config);
    uint32_t count = 0;
    bool is_ok = true;
    for (size_t i = 0; i < from->n_http_filters; i++) {
        bool is_used;
        decoder_push_index(d, "http_filters", i);
        is_ok = decode_filter(d, from->http_filters[i], &filters[count], &is_used) && is_ok;
        decoder_pop_index(d);
        count += is_used;
    }
    out->filters = filters;
    out->filter_count = count;
    return is_ok && check_chain(d, filters, count);
}
