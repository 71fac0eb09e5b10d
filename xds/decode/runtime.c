// SPDX-License-Identifier: Apache-2.0
#include "xds/decode/runtime.h"

#include <stdio.h>

#include "envoy/service/runtime/v3/rtds.pb-c.h"
#include "xds/bootstrap/proto_json.h"
#include "xds/decode/ledgers.h"
#include "xds/proto_reflect.h"

#define LAYER(name) Envoy__Config__Bootstrap__V3__RuntimeLayer##name

/* ---- values ---- */

struct settings_walk {
    struct decoder *d;
    struct runtime_setting *items; /* heap */
    uint32_t count, capacity;
};

static void add(struct settings_walk *walk, struct slice key, struct slice text,
                struct runtime_value value) {
    if (walk->count == walk->capacity) {
        walk->capacity = walk->capacity == 0 ? 16 : walk->capacity * 2;
        walk->items = mem_realloc(walk->items, walk->capacity * sizeof(*walk->items));
    }
    struct arena *arena = walk->d->config.arena;
    walk->items[walk->count++] = (struct runtime_setting){
        .key = arena_dup_slice(arena, key), .text = arena_dup_slice(arena, text), .value = value};
}

static const Google__Protobuf__Value *field_of(const Google__Protobuf__Struct *from,
                                               const char *name) {
    for (size_t i = 0; i < from->n_fields; i++) {
        if (strcmp(from->fields[i]->key, name) == 0) {
            return from->fields[i]->value;
        }
    }
    return NULL;
}

// 0: no denominator of Envoy's.
static uint32_t scale_of(const Google__Protobuf__Value *denominator) {
    static const struct {
        const char *name;
        uint32_t scale;
    } scales[] = {{"HUNDRED", 10000}, {"TEN_THOUSAND", 100}, {"MILLION", 1}};
    if (denominator == NULL) {
        return scales[0].scale;
    }
    for (size_t i = 0; i < ARRAY_LEN(scales); i++) {
        if (denominator->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE &&
            strcmp(denominator->string_value, scales[i].name) == 0) {
            return scales[i].scale;
        }
    }
    return 0;
}

// As Envoy: no fraction where there is any other field; a numerator that is no number is zero.
static struct runtime_value fraction_of(const Google__Protobuf__Struct *from) {
    const Google__Protobuf__Value *numerator = field_of(from, "numerator");
    const Google__Protobuf__Value *denominator = field_of(from, "denominator");
    uint32_t scale = scale_of(denominator);
    size_t known = (size_t)(numerator != NULL) + (size_t)(denominator != NULL);
    if (scale == 0 || known != from->n_fields) {
        return (struct runtime_value){0};
    }
    bool is_number =
        numerator != NULL && numerator->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE;
    return runtime_value_of_fraction(is_number ? numerator->number_value : 0, scale);
}

static bool walk_value(struct settings_walk *walk, struct slice key,
                       const Google__Protobuf__Value *from);

static bool walk_struct(struct settings_walk *walk, struct slice key,
                        const Google__Protobuf__Struct *from) {
    if (from->n_fields == 0 || field_of(from, "numerator") != NULL ||
        field_of(from, "denominator") != NULL) {
        struct proto_json_write_options json = {0};
        add(walk, key, proto_json_text(&from->base, &json, walk->d->scratch), fraction_of(from));
        return true;
    }
    bool is_ok = true;
    for (size_t i = 0; i < from->n_fields; i++) {
        struct slice inner =
            arena_printf(walk->d->scratch, "%.*s.%s", SLICE_ARG(key), from->fields[i]->key);
        is_ok = walk_value(walk, inner, from->fields[i]->value) && is_ok;
    }
    return is_ok;
}

static bool walk_value(struct settings_walk *walk, struct slice key,
                       const Google__Protobuf__Value *from) {
    struct slice text;
    switch ((int)from->kind_case) {
    case GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE:
        text = slice_from_string(from->string_value);
        add(walk, key, text, runtime_value_of_text(text));
        return true;
    case GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE:
        text = arena_printf(walk->d->scratch, "%g", from->number_value);
        add(walk, key, text, runtime_value_of_number(from->number_value));
        return true;
    case GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE:
        add(walk, key, from->bool_value ? SLICE("true") : SLICE("false"),
            runtime_value_of_flag(from->bool_value != 0));
        return true;
    case GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE:
        return walk_struct(walk, key, from->struct_value);
    default:
        return decoder_error(walk->d, "Invalid runtime entry value for %.*s", SLICE_ARG(key));
    }
}

static bool decode_settings(struct decoder *d, const Google__Protobuf__Struct *from,
                            struct runtime_settings *out) {
    struct settings_walk walk = {.d = d};
    bool is_ok = true;
    for (size_t i = 0; from != NULL && i < from->n_fields; i++) {
        is_ok =
            walk_value(&walk, slice_from_string(from->fields[i]->key), from->fields[i]->value) &&
            is_ok;
    }
    struct runtime_setting *items =
        ARENA_NEW_ARRAY(d->config.arena, walk.count, struct runtime_setting);
    if (walk.count > 0) {
        memcpy(items, walk.items, walk.count * sizeof(*items));
    }
    mem_free(walk.items);
    *out = (struct runtime_settings){.items = items, .count = walk.count};
    return is_ok;
}

/* ---- the bootstrap's layers ---- */

static void decode_disk(struct decoder *d, const LAYER(__DiskLayer) * from, struct slice cluster,
                        struct runtime_layer_config *out) {
    bool has_cluster = from->append_service_cluster != 0;
    struct slice path = arena_printf(d->scratch, "%s/%s%s%.*s", from->symlink_root,
                                     from->subdirectory, has_cluster ? "/" : "",
                                     has_cluster ? (int)cluster.len : 0, (const char *)cluster.ptr);
    out->symlink_root = decoder_text(d, from->symlink_root);
    out->path = arena_dup_string(d->config.arena, path);
}

static bool decode_rtds(struct decoder *d, const LAYER(__RtdsLayer) * from,
                        struct runtime_layer_config *out) {
    if (from->rtds_config == NULL) {
        return decoder_field_error(d, "rtds_layer.rtds_config", "value is required");
    }
    out->resource = decoder_text(d, from->name);
    out->config_source = proto_pack(&from->rtds_config->base, d->config.arena);
    return true;
}

static bool decode_layer(struct decoder *d, const LAYER() * from, struct slice cluster,
                         struct runtime_layer_config *out) {
    out->name = decoder_text(d, from->name);
    switch ((int)from->layer_specifier_case) {
    case ENVOY__CONFIG__BOOTSTRAP__V3__RUNTIME_LAYER__LAYER_SPECIFIER_STATIC_LAYER:
        out->kind = RUNTIME_LAYER_STATIC;
        return decode_settings(d, from->static_layer, &out->settings);
    case ENVOY__CONFIG__BOOTSTRAP__V3__RUNTIME_LAYER__LAYER_SPECIFIER_DISK_LAYER:
        out->kind = RUNTIME_LAYER_DISK;
        decode_disk(d, from->disk_layer, cluster, out);
        return true;
    case ENVOY__CONFIG__BOOTSTRAP__V3__RUNTIME_LAYER__LAYER_SPECIFIER_ADMIN_LAYER:
        out->kind = RUNTIME_LAYER_ADMIN;
        return true;
    case ENVOY__CONFIG__BOOTSTRAP__V3__RUNTIME_LAYER__LAYER_SPECIFIER_RTDS_LAYER:
        out->kind = RUNTIME_LAYER_RTDS;
        return decode_rtds(d, from->rtds_layer, out);
    default:
        return decoder_error(d, "a layer is required");
    }
}

// Names tell layers apart, and there is one admin interface.
static bool check_layers(struct decoder *d, const struct runtime_layer_config *layers,
                         size_t index) {
    const struct runtime_layer_config *layer = &layers[index];
    for (size_t i = 0; i < index; i++) {
        if (slice_equal(layers[i].name, layer->name)) {
            return decoder_error(d, "Duplicate layer name: %.*s", SLICE_ARG(layer->name));
        }
        if (layer->kind == RUNTIME_LAYER_ADMIN && layers[i].kind == RUNTIME_LAYER_ADMIN) {
            return decoder_error(d, "Too many admin layers specified in LayeredRuntime, at most "
                                    "one may be specified");
        }
    }
    return true;
}

bool decode_layered_runtime(struct decoder *d,
                            const Envoy__Config__Bootstrap__V3__LayeredRuntime *from,
                            struct slice cluster, struct runtime_config *out) {
    *out = (struct runtime_config){0};
    size_t count = from == NULL ? 0 : from->n_layers;
    struct runtime_layer_config *layers =
        ARENA_NEW_ARRAY(d->config.arena, count, struct runtime_layer_config);
    bool is_ok = true;
    for (size_t i = 0; i < count; i++) {
        decoder_push_index(d, "layers", i);
        is_ok = decode_layer(d, from->layers[i], cluster, &layers[i]) && is_ok;
        is_ok = check_layers(d, layers, i) && is_ok;
        decoder_pop_index(d);
    }
    *out = (struct runtime_config){.layers = layers, .count = (uint32_t)count};
    return is_ok;
}

/* ---- the resource ---- */

static struct config_part *decode_runtime(struct decoder *d, const ProtobufCMessage *message) {
    const Envoy__Service__Runtime__V3__Runtime *from =
        (const Envoy__Service__Runtime__V3__Runtime *)message;
    struct runtime_part *part =
        config_part_new(CONFIG_RUNTIME, sizeof(*part), slice_from_string(from->name));
    decoder_use_part(d, &part->part);
    decoder_push(d, "layer");
    (void)decode_settings(d, from->layer, &part->settings);
    decoder_pop(d);
    return &part->part;
}

const struct resource_type resource_type_runtime = {
    .type_url = "type.googleapis.com/envoy.service.runtime.v3.Runtime",
    .message = "envoy.service.runtime.v3.Runtime",
    .short_name = "RTDS",
    .kind = CONFIG_RUNTIME,
    .name_field = 1,
    .decode = decode_runtime,
};

static const struct ledger_field all_fields[] = {LEDGER_OK("*")};

const struct ledger_message ledger_runtime[] = {
    LEDGER_MESSAGE("envoy.service.runtime.v3.Runtime", all_fields),
    LEDGER_MESSAGE("envoy.config.bootstrap.v3.LayeredRuntime", all_fields),
    LEDGER_MESSAGE("envoy.config.bootstrap.v3.RuntimeLayer", all_fields),
    LEDGER_MESSAGE("envoy.config.bootstrap.v3.RuntimeLayer.DiskLayer", all_fields),
    LEDGER_MESSAGE("envoy.config.bootstrap.v3.RuntimeLayer.AdminLayer", all_fields),
    LEDGER_MESSAGE("envoy.config.bootstrap.v3.RuntimeLayer.RtdsLayer", all_fields),
};
const uint32_t ledger_runtime_count = ARRAY_LEN(ledger_runtime);
