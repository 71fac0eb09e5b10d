// SPDX-License-Identifier: Apache-2.0
#include "src/filter_chain/http_filter.h"
#include "xds/decode/route_config.h"

/* All map entries from a string to an Any are laid out like this one. */
struct map_entry {
    ProtobufCMessage base;
    char *key;
    Google__Protobuf__Any *value;
};
_Static_assert(sizeof(struct map_entry) == sizeof(ROUTE(VirtualHost__TypedPerFilterConfigEntry)),
               "map entries have two members");

const struct override_entry *override_entries(struct decoder *d, const void *entries,
                                              size_t count) {
    struct override_entry *pairs = arena_calloc(d->scratch, count, sizeof(*pairs));
    const struct map_entry *const *from = entries;
    for (size_t i = 0; i < count; i++) {
        pairs[i] = (struct override_entry){.key = from[i]->key, .value = from[i]->value};
    }
    return pairs;
}

static const struct http_filter_factory *find_factory(const struct filter_registry *registry,
                                                      struct slice type) {
    for (size_t i = 0; registry->http != NULL && registry->http[i] != NULL; i++) {
        const char *per_route = registry->http[i]->per_route_type_url;
        if (per_route != NULL && slice_equal(slice_from_string(per_route), type)) {
            return registry->http[i];
        }
    }
    return NULL;
}

static bool decode_config(struct decoder *d, const char *key, const Google__Protobuf__Any *any,
                          bool is_optional, struct filter_override *out) {
    struct any_view view;
    if (!decode_any_type(d, any, &view)) {
        return false;
    }
    out->factory = find_factory(d->context->registry, view.type);
    if (out->factory == NULL) {
        return is_optional || decode_unknown_extension(d, key, &view);
    }
    uint32_t errors = d->config.validation->error_count;
    const ProtobufCMessage *message = decode_any_open(d, &view);
    if (message != NULL && out->factory->parse_route != NULL) {
        out->config = out->factory->parse_route(&d->config, message);
    }
    return d->config.validation->error_count == errors;
}

static bool decode_override(struct decoder *d, const struct override_entry *entry,
                            struct filter_override *out) {
    struct any_view view;
    out->name_id = config_store_intern(d->config.store, slice_from_string(entry->key));
    if (!decode_any_type(d, entry->value, &view)) {
        return false;
    }
    if (!any_is(&view, "envoy.config.route.v3.FilterConfig")) {
        return decode_config(d, entry->key, entry->value, false, out);
    }
    const ProtobufCMessage *message = decode_any_open(d, &view);
    if (message == NULL) {
        return false;
    }
    const ROUTE(FilterConfig) *wrapper = (const ROUTE(FilterConfig) *)message;
    out->is_disabled = wrapper->disabled != 0;
    // An empty configuration is how control planes switch a filter on that is off by default.
    if (wrapper->disabled || wrapper->config == NULL || wrapper->config->type_url[0] == '\0') {
        return true;
    }
    return decode_config(d, entry->key, wrapper->config, wrapper->is_optional != 0, out);
}

bool decode_overrides(struct decoder *d, const struct override_entry *entries, size_t count,
                      struct filter_overrides *out) {
    struct filter_override *items =
        count == 0 ? NULL : ARENA_NEW_ARRAY(d->config.arena, count, struct filter_override);
    bool is_ok = true;
    for (size_t i = 0; i < count; i++) {
        decoder_push(d, "typed_per_filter_config");
        validation_push_key(d->config.validation, slice_from_string(entries[i].key));
        is_ok = decode_override(d, &entries[i], &items[i]) && is_ok;
        decoder_pop_index(d);
    }
    *out = (struct filter_overrides){.items = items, .count = (uint32_t)count};
    return is_ok;
}
