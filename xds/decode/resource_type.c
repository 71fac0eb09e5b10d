// SPDX-License-Identifier: Apache-2.0
#include "xds/resource_type.h"

#include "src/filter_chain/http_filter.h"
#include "src/filter_chain/listener_filter.h"
#include "src/filter_chain/network_filter.h"
#include "xds/decode/decoder.h"
#include "xds/decode/ledgers.h"
#include "xds/decode/owner.h"
#include "xds/ledger_walk.h"
#include "xds/pgv_validate.h"
#include "xds/proto_reflect.h"

enum { SCRATCH_BLOCK_BYTES = 64 * 1024 };

static const struct resource_type *const types[] = {
    &resource_type_listener, &resource_type_route,  &resource_type_cluster,
    &resource_type_endpoint, &resource_type_secret, &resource_type_runtime,
};

const struct resource_type *resource_type_at(uint32_t index) {
    return index < ARRAY_LEN(types) ? types[index] : NULL;
}

const struct resource_type *resource_type_find(struct slice type_url) {
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (slice_equal(slice_from_string(types[i]->type_url), type_url)) {
            return types[i];
        }
    }
    return NULL;
}

/* ---- the name on the wire ---- */

static bool take_varint(struct slice *rest, uint64_t *value) {
    enum { BITS = 64, STEP = 7 };
    *value = 0;
    for (unsigned shift = 0; shift < BITS && rest->len > 0; shift += STEP) {
        uint8_t byte = rest->ptr[0];
        *rest = slice_sub(*rest, 1, rest->len);
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            return true;
        }
    }
    return false;
}

// One field's content; empty for numbers. False at a malformed one.
static bool take_content(struct slice *rest, unsigned wire_type, struct slice *content) {
    enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };
    uint64_t len = 0;
    *content = (struct slice){0};
    switch (wire_type) {
    case VARINT:
        return take_varint(rest, &len);
    case FIXED64:
        len = 8;
        break;
    case FIXED32:
        len = 4;
        break;
    case BYTES:
        if (!take_varint(rest, &len)) {
            return false;
        }
        break;
    default:
        return false;
    }
    if (len > rest->len) {
        return false;
    }
    *content = slice_sub(*rest, 0, (size_t)len);
    *rest = slice_sub(*rest, (size_t)len, rest->len);
    return true;
}

struct slice resource_message_name(const struct resource_type *type,
                                   const struct ProtobufCMessage *message) {
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field(message->descriptor, type->name_field);
    const char *text = *(char *const *)(const void *)((const char *)message + field->offset);
    return slice_from_string(text);
}

struct slice resource_name(const struct resource_type *type, struct slice raw) {
    enum { TAG_TYPE_BITS = 3, BYTES = 2 };
    struct slice name = {0};
    while (raw.len > 0) {
        uint64_t tag;
        struct slice content;
        if (!take_varint(&raw, &tag) || !take_content(&raw, (unsigned)(tag & 7), &content)) {
            break;
        }
        if (tag == ((uint64_t)type->name_field << TAG_TYPE_BITS | BYTES)) {
            name = content; // the last one counts, as in any parser
        }
    }
    return name;
}

/* ---- the ledger ---- */

struct ledger_table {
    const struct ledger_message *messages;
    const uint32_t *count;
};
static const struct ledger_table ledger_tables[] = {
#define LEDGER_TABLE(name) {ledger_##name, &ledger_##name##_count},
    DECODE_LEDGERS(LEDGER_TABLE)
#undef LEDGER_TABLE
};

const struct ledger_message *decode_ledger_at(uint32_t index) {
    for (size_t i = 0; i < ARRAY_LEN(ledger_tables); i++) {
        if (index < *ledger_tables[i].count) {
            return &ledger_tables[i].messages[index];
        }
        index -= *ledger_tables[i].count;
    }
    return NULL;
}

static const struct ledger_message *find_in(const struct ledger_message *messages, uint32_t count,
                                            const char *name) {
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(messages[i].message, name) == 0) {
            return &messages[i];
        }
    }
    return NULL;
}

static const struct ledger_message *find_in_filters(const struct filter_registry *registry,
                                                    const char *name) {
    const struct ledger_message *found = NULL;
    for (size_t i = 0; found == NULL && registry->http != NULL && registry->http[i] != NULL; i++) {
        found = find_in(registry->http[i]->ledger, registry->http[i]->ledger_count, name);
    }
    for (size_t i = 0; found == NULL && registry->network != NULL && registry->network[i] != NULL;
         i++) {
        found = find_in(registry->network[i]->ledger, registry->network[i]->ledger_count, name);
    }
    for (size_t i = 0; found == NULL && registry->listener != NULL && registry->listener[i] != NULL;
         i++) {
        found = find_in(registry->listener[i]->ledger, registry->listener[i]->ledger_count, name);
    }
    return found;
}

const struct ledger_message *decode_ledger_find(void *registry, const char *message) {
    for (size_t i = 0; i < ARRAY_LEN(ledger_tables); i++) {
        const struct ledger_message *found =
            find_in(ledger_tables[i].messages, *ledger_tables[i].count, message);
        if (found != NULL) {
            return found;
        }
    }
    return registry == NULL ? NULL : find_in_filters(registry, message);
}

/* ---- decoding ---- */

static void finish(struct decoder *d, struct config_part *part, uint64_t hash,
                   struct decode_result *result) {
    struct arena *arena = &part->arena;
    struct extra_part *extra = arena_calloc(arena, d->extra_count, sizeof(*extra));
    struct resource_dependency *dependencies =
        arena_calloc(arena, d->dependency_count, sizeof(*dependencies));
    struct tls_need *tls = arena_calloc(arena, d->tls_count, sizeof(*tls));
    if (d->extra_count > 0) {
        memcpy(extra, d->extra, d->extra_count * sizeof(*extra));
    }
    for (uint32_t i = 0; i < d->dependency_count; i++) {
        dependencies[i] = d->dependencies[i];
        dependencies[i].name = arena_dup_slice(arena, dependencies[i].name);
        dependencies[i].config_source = arena_dup_slice(arena, dependencies[i].config_source);
        dependencies[i].stat_prefix = arena_dup_slice(arena, dependencies[i].stat_prefix);
    }
    if (d->tls_count > 0) {
        memcpy(tls, d->tls, d->tls_count * sizeof(*tls));
    }
    *result = (struct decode_result){.part = part,
                                     .extra = extra,
                                     .extra_count = d->extra_count,
                                     .dependencies = dependencies,
                                     .dependency_count = d->dependency_count,
                                     .tls = tls,
                                     .tls_count = d->tls_count,
                                     .hash = hash};
    d->extra_count = 0; // their references are the result's now
}

static void stamp(const struct resource_type *type, const struct decode_options *options,
                  struct slice raw, struct config_part *part) {
    part->version = arena_dup_slice(&part->arena, options->version);
    part->last_updated_us = options->wall_us;
    part->is_static = options->is_static;
    part->raw_type_url = slice_from_string(type->type_url);
    if (options->keep_raw) {
        part->raw = arena_dup_slice(&part->arena, raw);
    }
}

// Keys have been in it.
static void scratch_free(const struct resource_type *type, struct arena *scratch) {
    if (type->kind != CONFIG_ENDPOINT && type->kind != CONFIG_ROUTE) {
        arena_wipe(scratch);
    }
    arena_deinit(scratch);
}

static enum status decode_checked(const struct resource_type *type,
                                  const struct decode_context *context,
                                  const struct decode_options *options, struct arena *scratch,
                                  const ProtobufCMessage *message, struct slice raw,
                                  struct validation *v, struct decode_result *result) {
    pgv_validate(message, NULL, v);
    if (!validation_ok(v)) {
        decode_refused_owner(context->owners, resource_message_name(type, message), message, v);
        return STATUS_INVALID; // decoders rely on what the API requires
    }
    ledger_walk(message, decode_ledger_find, (void *)(uintptr_t)context->registry, v);
    struct decoder d;
    decoder_init(&d, context, options, scratch, v);
    struct config_part *part = type->decode(&d, message);
    if (part != NULL && validation_ok(v)) {
        if (options->keep_raw && raw.len == 0) {
            raw = proto_pack(message, scratch);
        }
        stamp(type, options, raw, part);
        finish(&d, part, canonical_hash(message, scratch), result);
        part = NULL;
    }
    config_part_unref(part);
    decoder_deinit(&d);
    return validation_ok(v) ? STATUS_OK : STATUS_INVALID;
}

enum status resource_decode_message(const struct resource_type *type,
                                    const struct decode_context *context,
                                    const struct decode_options *options,
                                    const ProtobufCMessage *message, struct validation *v,
                                    struct decode_result *result) {
    struct arena scratch;
    arena_init_heap(&scratch, SCRATCH_BLOCK_BYTES);
    *result = (struct decode_result){0};
    enum status status =
        decode_checked(type, context, options, &scratch, message, (struct slice){0}, v, result);
    scratch_free(type, &scratch);
    return status;
}

enum status resource_decode(const struct resource_type *type, const struct decode_context *context,
                            const struct decode_options *options, struct slice raw,
                            struct validation *v, struct decode_result *result) {
    struct arena scratch;
    arena_init_heap(&scratch, SCRATCH_BLOCK_BYTES);
    *result = (struct decode_result){0};
    const struct proto_message_info *info = proto_message_find(slice_from_string(type->message));
    CHECK(info != NULL);
    const ProtobufCMessage *message = proto_unpack(info, raw, &scratch, v);
    enum status status =
        message == NULL ? STATUS_INVALID
                        : decode_checked(type, context, options, &scratch, message, raw, v, result);
    scratch_free(type, &scratch);
    return status;
}

void decode_result_release(struct decode_result *result) {
    for (uint32_t i = 0; i < result->extra_count; i++) {
        config_part_unref(result->extra[i].part);
    }
    config_part_unref(result->part);
    *result = (struct decode_result){0};
}
