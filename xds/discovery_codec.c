// SPDX-License-Identifier: Apache-2.0
#include "xds/discovery_codec.h"

#include "envoy/service/discovery/v3/discovery.pb-c.h"
#include "google/rpc/status.pb-c.h"
#include "src/base/check.h"
#include "xds/proto_reflect.h"

/* ---- the wire form ---- */

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

enum { MAX_VARINT_BYTES = 10 };

struct wire_field {
    uint32_t number;
    enum wire_type type;
    uint64_t value;     /* VARINT */
    struct slice bytes; /* BYTES */
};

static bool read_varint(struct slice *rest, uint64_t *value) {
    uint64_t result = 0;
    for (size_t i = 0; i < MAX_VARINT_BYTES && i < rest->len; i++) {
        result |= (uint64_t)(rest->ptr[i] & 0x7f) << (7 * i);
        if ((rest->ptr[i] & 0x80) == 0) {
            *rest = slice_sub(*rest, i + 1, SIZE_MAX);
            *value = result;
            return true;
        }
    }
    return false;
}

static bool skip_fixed(struct slice *rest, size_t len) {
    if (rest->len < len) {
        return false;
    }
    *rest = slice_sub(*rest, len, SIZE_MAX);
    return true;
}

static bool read_bytes(struct slice *rest, struct slice *bytes) {
    uint64_t len;
    if (!read_varint(rest, &len) || len > rest->len) {
        return false;
    }
    *bytes = slice_sub(*rest, 0, (size_t)len);
    *rest = slice_sub(*rest, (size_t)len, SIZE_MAX);
    return true;
}

// One field off *rest, which is not empty; false where the bytes are no message.
static bool read_field(struct slice *rest, struct wire_field *field) {
    uint64_t key;
    if (!read_varint(rest, &key) || key >> 3 == 0 || key >> 3 > 0x1fffffff) {
        return false;
    }
    field->number = (uint32_t)(key >> 3);
    field->type = (enum wire_type)(key & 7);
    switch ((unsigned)field->type) {
    case WIRE_VARINT:
        return read_varint(rest, &field->value);
    case WIRE_FIXED64:
        return skip_fixed(rest, 8);
    case WIRE_FIXED32:
        return skip_fixed(rest, 4);
    case WIRE_BYTES:
        return read_bytes(rest, &field->bytes);
    default:
        return false; // groups are not of proto3
    }
}

static bool is_text(struct slice text) {
    return slice_find_byte(text, 0) == SIZE_MAX && slice_is_utf8(text);
}

/* What a message does with each of its fields; false refuses the message. */
typedef bool field_fn(void *arg, const struct wire_field *field);

static bool read_message(struct slice bytes, field_fn *fn, void *arg) {
    struct wire_field field;
    while (bytes.len > 0) {
        if (!read_field(&bytes, &field) || !fn(arg, &field)) {
            return false;
        }
    }
    return true;
}

static bool take_text(const struct wire_field *field, struct slice *out) {
    *out = field->bytes;
    return field->type == WIRE_BYTES && is_text(field->bytes);
}

/* ---- resources ---- */

static bool take_any_field(void *arg, const struct wire_field *field) {
    struct discovery_resource *resource = arg;
    switch (field->number) {
    case 1:
        return take_text(field, &resource->type_url);
    case 2:
        resource->value = field->bytes;
        return field->type == WIRE_BYTES;
    default:
        return true;
    }
}

struct duration {
    int64_t seconds;
    int32_t nanos;
};

static bool take_duration_field(void *arg, const struct wire_field *field) {
    struct duration *duration = arg;
    if (field->number == 1) {
        duration->seconds = (int64_t)field->value;
        return field->type == WIRE_VARINT;
    }
    if (field->number == 2) {
        duration->nanos = (int32_t)field->value;
        return field->type == WIRE_VARINT;
    }
    return true;
}

enum { MAX_TTL_SECONDS = 10 * 366 * 24 * 3600 };

static bool take_ttl(struct discovery_resource *resource, const struct wire_field *field) {
    struct duration duration = {0};
    if (field->type != WIRE_BYTES || !read_message(field->bytes, take_duration_field, &duration) ||
        duration.seconds < 0 || duration.seconds > MAX_TTL_SECONDS || duration.nanos < 0 ||
        duration.nanos > 999999999) {
        return false;
    }
    resource->has_ttl = true;
    resource->ttl_ms = (uint64_t)duration.seconds * 1000 + (uint64_t)duration.nanos / 1000000;
    return true;
}

static bool take_wrapper_field(void *arg, const struct wire_field *field) {
    struct discovery_resource *resource = arg;
    switch (field->number) {
    case 1:
        return take_text(field, &resource->version);
    case 2:
        resource->has_body = true;
        return field->type == WIRE_BYTES && read_message(field->bytes, take_any_field, resource);
    case 3:
        return take_text(field, &resource->name);
    case 6:
        return take_ttl(resource, field);
    default:
        return true;
    }
}

static bool open_wrapper(struct discovery_resource *resource, struct slice wrapper) {
    resource->is_wrapped = true;
    resource->has_body = false;
    resource->type_url = SLICE("");
    resource->value = SLICE("");
    return read_message(wrapper, take_wrapper_field, resource);
}

static bool take_sotw_resource(struct discovery_resource *resource, struct slice any) {
    resource->has_body = true;
    if (!read_message(any, take_any_field, resource)) {
        return false;
    }
    if (slice_ends_with(resource->type_url, SLICE("/envoy.service.discovery.v3.Resource"))) {
        return open_wrapper(resource, resource->value);
    }
    return true;
}

/* ---- responses ---- */

struct response_reader {
    struct discovery_response *response;
    struct discovery_resource *resources;
    struct slice *removed;
    uint32_t resource_count, removed_count;
};

static bool count_field(void *arg, const struct wire_field *field) {
    struct response_reader *reader = arg;
    if (field->number == 2) {
        reader->resource_count++;
    } else if (field->number == 6 && reader->response->variant == DISCOVERY_DELTA) {
        reader->removed_count++;
    }
    return reader->resource_count <= DISCOVERY_MAX_RESOURCES &&
           reader->removed_count <= DISCOVERY_MAX_RESOURCES;
}

static bool take_identifier(void *arg, const struct wire_field *field) {
    struct slice *identifier = arg;
    return field->number != 1 || take_text(field, identifier);
}

static bool take_control_plane(struct response_reader *reader, const struct wire_field *field) {
    return field->type == WIRE_BYTES &&
           read_message(field->bytes, take_identifier, &reader->response->control_plane);
}

static bool take_resource(struct response_reader *reader, const struct wire_field *field) {
    struct discovery_resource *resource = &reader->resources[reader->resource_count++];
    if (field->type != WIRE_BYTES) {
        return false;
    }
    return reader->response->variant == DISCOVERY_DELTA
               ? open_wrapper(resource, field->bytes)
               : take_sotw_resource(resource, field->bytes);
}

static bool take_sotw_field(void *arg, const struct wire_field *field) {
    struct response_reader *reader = arg;
    switch (field->number) {
    case 1:
        return take_text(field, &reader->response->version);
    case 2:
        return take_resource(reader, field);
    case 4:
        return take_text(field, &reader->response->type_url);
    case 5:
        return take_text(field, &reader->response->nonce);
    case 6:
        return take_control_plane(reader, field);
    default:
        return true;
    }
}

static bool take_delta_field(void *arg, const struct wire_field *field) {
    struct response_reader *reader = arg;
    switch (field->number) {
    case 1:
        return take_text(field, &reader->response->version);
    case 2:
        return take_resource(reader, field);
    case 4:
        return take_text(field, &reader->response->type_url);
    case 5:
        return take_text(field, &reader->response->nonce);
    case 6:
        return take_text(field, &reader->removed[reader->removed_count++]);
    case 7:
        return take_control_plane(reader, field);
    default:
        return true;
    }
}

enum status discovery_response_parse(enum discovery_variant variant, struct slice bytes,
                                     struct arena *arena, struct discovery_response *response,
                                     struct error *err) {
    struct discovery_response parsed = {.variant = variant};
    struct response_reader reader = {.response = &parsed};
    if (!read_message(bytes, count_field, &reader)) {
        if (reader.resource_count > DISCOVERY_MAX_RESOURCES ||
            reader.removed_count > DISCOVERY_MAX_RESOURCES) {
            return error_set(err, STATUS_LIMIT, "more than %d resources in one response",
                             DISCOVERY_MAX_RESOURCES);
        }
        return error_set(err, STATUS_PROTOCOL, "malformed discovery response");
    }
    reader.resources = ARENA_NEW_ARRAY(arena, reader.resource_count, struct discovery_resource);
    reader.removed = ARENA_NEW_ARRAY(arena, reader.removed_count, struct slice);
    reader.resource_count = 0;
    reader.removed_count = 0;
    field_fn *take = variant == DISCOVERY_DELTA ? take_delta_field : take_sotw_field;
    if (!read_message(bytes, take, &reader)) {
        return error_set(err, STATUS_PROTOCOL, "malformed discovery response");
    }
    parsed.resources = reader.resources;
    parsed.resource_count = reader.resource_count;
    parsed.removed = reader.removed;
    parsed.removed_count = reader.removed_count;
    *response = parsed;
    return STATUS_OK;
}

/* ---- requests ---- */

static char **texts(const struct slice *items, uint32_t count, struct arena *arena) {
    char **result = ARENA_NEW_ARRAY(arena, count, char *);
    for (uint32_t i = 0; i < count; i++) {
        result[i] = arena_dup_string(arena, items[i]);
    }
    return result;
}

/* A protobuf string: one that is not UTF-8 would make the server end the stream, and what is told here
 * may quote a name that was refused for just that. */
static char *wire_text(struct slice text, struct arena *arena) {
    char *result = arena_dup_string(arena, text);
    bool is_utf8 = slice_is_utf8(text);
    for (size_t i = 0; i < text.len; i++) {
        if (result[i] == '\0' || (!is_utf8 && ((uint8_t)result[i] & 0x80) != 0)) {
            result[i] = '?';
        }
    }
    return result;
}

static Google__Rpc__Status *error_detail(const struct discovery_request *request,
                                         struct arena *arena) {
    if (!request->is_refusal) {
        return NULL;
    }
    Google__Rpc__Status *status = ARENA_NEW(arena, Google__Rpc__Status);
    google__rpc__status__init(status);
    size_t len = request->error.len;
    if (len > DISCOVERY_MAX_ERROR_BYTES) {
        len = DISCOVERY_MAX_ERROR_BYTES;
        while (len > 0 && (request->error.ptr[len] & 0xc0) == 0x80) {
            len--; // not in the middle of a character
        }
    }
    status->code = DISCOVERY_ERROR_CODE;
    status->message = wire_text(slice_sub(request->error, 0, len), arena);
    return status;
}

// The API's structs are not const; packing only reads them.
static Envoy__Config__Core__V3__Node *node_of(const struct discovery_request *request) {
    return (Envoy__Config__Core__V3__Node *)(uintptr_t)request->node;
}

static struct slice encode_sotw(const struct discovery_request *request, struct arena *arena) {
    Envoy__Service__Discovery__V3__DiscoveryRequest message;
    envoy__service__discovery__v3__discovery_request__init(&message);
    message.version_info = arena_dup_string(arena, request->version);
    message.node = node_of(request);
    message.resource_names = texts(request->names, request->name_count, arena);
    message.n_resource_names = request->name_count;
    message.type_url = arena_dup_string(arena, request->type_url);
    message.response_nonce = arena_dup_string(arena, request->nonce);
    message.error_detail = error_detail(request, arena);
    return proto_pack(&message.base, arena);
}

#define VERSION_ENTRY                                                                              \
    Envoy__Service__Discovery__V3__DeltaDiscoveryRequest__InitialResourceVersionsEntry

static VERSION_ENTRY **version_entries(const struct discovery_request *request,
                                       struct arena *arena) {
    uint32_t count = request->initial_version_count;
    VERSION_ENTRY **entries = ARENA_NEW_ARRAY(arena, count, VERSION_ENTRY *);
    VERSION_ENTRY *items = ARENA_NEW_ARRAY(arena, count, VERSION_ENTRY);
    for (uint32_t i = 0; i < count; i++) {
        envoy__service__discovery__v3__delta_discovery_request__initial_resource_versions_entry__init(
            &items[i]);
        items[i].key = arena_dup_string(arena, request->initial_versions[i].name);
        items[i].value = arena_dup_string(arena, request->initial_versions[i].version);
        entries[i] = &items[i];
    }
    return entries;
}

static struct slice encode_delta(const struct discovery_request *request, struct arena *arena) {
    Envoy__Service__Discovery__V3__DeltaDiscoveryRequest message;
    envoy__service__discovery__v3__delta_discovery_request__init(&message);
    message.node = node_of(request);
    message.type_url = arena_dup_string(arena, request->type_url);
    message.resource_names_subscribe = texts(request->names, request->name_count, arena);
    message.n_resource_names_subscribe = request->name_count;
    message.resource_names_unsubscribe =
        texts(request->unsubscribed, request->unsubscribed_count, arena);
    message.n_resource_names_unsubscribe = request->unsubscribed_count;
    message.initial_resource_versions = version_entries(request, arena);
    message.n_initial_resource_versions = request->initial_version_count;
    message.response_nonce = arena_dup_string(arena, request->nonce);
    message.error_detail = error_detail(request, arena);
    return proto_pack(&message.base, arena);
}

struct slice discovery_request_encode(enum discovery_variant variant,
                                      const struct discovery_request *request,
                                      struct arena *arena) {
    return variant == DISCOVERY_DELTA ? encode_delta(request, arena) : encode_sotw(request, arena);
}
