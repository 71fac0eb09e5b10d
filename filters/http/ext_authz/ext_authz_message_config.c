// SPDX-License-Identifier: Apache-2.0
/* CheckRequest and CheckResponse. Named _config because only such files may know protobuf. */
#include <stdlib.h>

#include "envoy/service/auth/v3/external_auth.pb-c.h"
#include "filters/http/ext_authz/ext_authz_check.h"
#include "filters/http/ext_authz/ext_authz_wire_config.h"
#include "src/access_log/json_text.h"
#include "src/base/check.h"
#include "src/net/address.h"

typedef Envoy__Service__Auth__V3__AttributeContext Attributes;
typedef Envoy__Service__Auth__V3__AttributeContext__Peer PeerMessage;
typedef Envoy__Service__Auth__V3__AttributeContext__HttpRequest HttpMessage;
typedef Envoy__Service__Auth__V3__CheckResponse ResponseMessage;
typedef Envoy__Config__Core__V3__HeaderValueOption HeaderOption;
typedef Envoy__Config__Core__V3__Metadata MetadataMessage;
typedef Google__Protobuf__Struct StructMessage;
typedef Google__Protobuf__Struct__FieldsEntry FieldMessage;
typedef Google__Protobuf__Value ValueMessage;

enum { BODY_FIELD = 11, MAX_VALUE_DEPTH = 32 };

static char *text_of(struct slice text, struct arena *arena) {
    return arena_dup_string(arena, text);
}

/* ---- metadata: flat paths become structs again ---- */

static ValueMessage *json_value(const struct json_text *json, struct arena *arena);

static void json_list(const struct json_text *json, ValueMessage *value, struct arena *arena) {
    Google__Protobuf__ListValue *list = arena_alloc(arena, sizeof(*list));
    google__protobuf__list_value__init(list);
    list->values = ARENA_NEW_ARRAY(arena, json->count, ValueMessage *);
    for (const struct json_text *item = json->first; item != NULL; item = item->next) {
        list->values[list->n_values++] = json_value(item, arena);
    }
    value->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE;
    value->list_value = list;
}

static StructMessage *struct_new(struct arena *arena) {
    StructMessage *message = arena_alloc(arena, sizeof(*message));
    google__protobuf__struct__init(message);
    return message;
}

static FieldMessage *struct_add(StructMessage *message, struct slice key, struct arena *arena) {
    size_t count = message->n_fields;
    if ((count & (count - 1)) == 0) {
        /* Full at each power of two. */
        FieldMessage **fields = ARENA_NEW_ARRAY(arena, count == 0 ? 1 : count * 2, FieldMessage *);
        for (size_t i = 0; i < count; i++) {
            fields[i] = message->fields[i];
        }
        message->fields = fields;
    }
    FieldMessage *field = arena_alloc(arena, sizeof(*field));
    google__protobuf__struct__fields_entry__init(field);
    field->key = text_of(key, arena);
    message->fields[message->n_fields++] = field;
    return field;
}

static void json_object(const struct json_text *json, ValueMessage *value, struct arena *arena) {
    value->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE;
    value->struct_value = struct_new(arena);
    for (const struct json_text *item = json->first; item != NULL; item = item->next) {
        struct_add(value->struct_value, item->key, arena)->value = json_value(item, arena);
    }
}

static ValueMessage *value_new(struct arena *arena) {
    ValueMessage *value = arena_alloc(arena, sizeof(*value));
    google__protobuf__value__init(value);
    return value;
}

static ValueMessage *json_value(const struct json_text *json, struct arena *arena) {
    ValueMessage *value = value_new(arena);
    switch (json->kind) {
    case JSON_NULL:
        value->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NULL_VALUE;
        break;
    case JSON_FALSE:
    case JSON_TRUE:
        value->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE;
        value->bool_value = json->kind == JSON_TRUE;
        break;
    case JSON_NUMBER:
        value->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE;
        value->number_value = strtod(text_of(json->text, arena), NULL);
        break;
    case JSON_STRING:
        value->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE;
        value->string_value = text_of(authz_utf8(json->text, arena), arena);
        break;
    case JSON_ARRAY:
        json_list(json, value, arena);
        break;
    case JSON_OBJECT:
        json_object(json, value, arena);
        break;
    }
    return value;
}

static ValueMessage *leaf_value(const struct authz_metadata *item, struct arena *arena) {
    struct json_text *json = NULL;
    if (!item->is_string && json_text_parse(item->value, arena, &json, NULL) == STATUS_OK) {
        return json_value(json, arena);
    }
    ValueMessage *value = value_new(arena);
    value->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE;
    value->string_value = text_of(authz_utf8(item->value, arena), arena);
    return value;
}

/* The struct below `message` at one path element; NULL where a plain value stands there. */
static StructMessage *inner_struct(StructMessage *message, struct slice key, struct arena *arena) {
    for (size_t i = 0; i < message->n_fields; i++) {
        if (slice_equal(slice_from_string(message->fields[i]->key), key)) {
            ValueMessage *value = message->fields[i]->value;
            return value->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE
                       ? value->struct_value
                       : NULL;
        }
    }
    ValueMessage *value = value_new(arena);
    value->kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE;
    value->struct_value = struct_new(arena);
    struct_add(message, key, arena)->value = value;
    return value->struct_value;
}

static void put_path(StructMessage *message, const struct authz_metadata *item,
                     struct arena *arena) {
    struct slice path = authz_utf8(item->key, arena);
    for (int depth = 0; depth < MAX_VALUE_DEPTH; depth++) {
        size_t dot = slice_find_byte(path, '.');
        if (dot == SIZE_MAX) {
            break;
        }
        StructMessage *inner = inner_struct(message, slice_sub(path, 0, dot), arena);
        if (inner == NULL) {
            break;
        }
        message = inner;
        path = slice_sub(path, dot + 1, SIZE_MAX);
    }
    struct_add(message, path, arena)->value = leaf_value(item, arena);
}

static MetadataMessage *encode_metadata(const struct authz_metadata *items, uint32_t count,
                                        struct arena *arena) {
    typedef Envoy__Config__Core__V3__Metadata__FilterMetadataEntry Entry;
    MetadataMessage *message = arena_alloc(arena, sizeof(*message));
    envoy__config__core__v3__metadata__init(message);
    message->filter_metadata = ARENA_NEW_ARRAY(arena, count, Entry *);
    for (uint32_t i = 0; i < count;) {
        uint32_t end = i;
        while (end < count && slice_equal(items[end].space, items[i].space)) {
            end++;
        }
        Entry *entry = arena_alloc(arena, sizeof(*entry));
        envoy__config__core__v3__metadata__filter_metadata_entry__init(entry);
        entry->key = text_of(authz_utf8(items[i].space, arena), arena);
        entry->value = struct_new(arena);
        for (uint32_t at = i; at < end; at++) {
            put_path(entry->value, &items[at], arena);
        }
        message->filter_metadata[message->n_filter_metadata++] = entry;
        i = end;
    }
    return message;
}

/* ---- the request ---- */

static Envoy__Config__Core__V3__Address *encode_address(const struct address *address,
                                                        struct arena *arena) {
    Envoy__Config__Core__V3__Address *message = arena_alloc(arena, sizeof(*message));
    envoy__config__core__v3__address__init(message);
    char text[ADDRESS_TEXT_BYTES];
    char *name = text_of(address_ip_text(address, text), arena);
    if (address_is_unix(address)) {
        Envoy__Config__Core__V3__Pipe *pipe = arena_alloc(arena, sizeof(*pipe));
        envoy__config__core__v3__pipe__init(pipe);
        pipe->path = name;
        message->address_case = ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_PIPE;
        message->pipe = pipe;
        return message;
    }
    Envoy__Config__Core__V3__SocketAddress *socket = arena_alloc(arena, sizeof(*socket));
    envoy__config__core__v3__socket_address__init(socket);
    socket->address = name;
    socket->port_specifier_case =
        ENVOY__CONFIG__CORE__V3__SOCKET_ADDRESS__PORT_SPECIFIER_PORT_VALUE;
    socket->port_value = address_port(address);
    message->address_case = ENVOY__CONFIG__CORE__V3__ADDRESS__ADDRESS_SOCKET_ADDRESS;
    message->socket_address = socket;
    return message;
}

static PeerMessage *encode_peer(const struct authz_peer *peer, struct arena *arena) {
    PeerMessage *message = arena_alloc(arena, sizeof(*message));
    envoy__service__auth__v3__attribute_context__peer__init(message);
    if (peer->address != NULL && peer->address->len > 0) {
        message->address = encode_address(peer->address, arena);
    }
    message->service = text_of(peer->service, arena);
    message->principal = text_of(peer->principal, arena);
    message->certificate = text_of(peer->certificate, arena);
    return message;
}

static void encode_header_map(const struct authz_check *check, HttpMessage *http,
                              struct arena *arena) {
    typedef Envoy__Config__Core__V3__HeaderValue Header;
    http->header_map = arena_alloc(arena, sizeof(*http->header_map));
    envoy__config__core__v3__header_map__init(http->header_map);
    http->header_map->headers = ARENA_NEW_ARRAY(arena, check->header_count, Header *);
    for (uint32_t i = 0; i < check->header_count; i++) {
        Header *header = arena_alloc(arena, sizeof(*header));
        envoy__config__core__v3__header_value__init(header);
        header->key = text_of(check->headers[i].name, arena);
        header->raw_value = (ProtobufCBinaryData){
            .len = check->headers[i].value.len,
            .data = (uint8_t *)(uintptr_t)check->headers[i].value.ptr,
        };
        http->header_map->headers[http->header_map->n_headers++] = header;
    }
}

static void encode_headers(const struct authz_check *check, HttpMessage *http,
                           struct arena *arena) {
    typedef Envoy__Service__Auth__V3__AttributeContext__HttpRequest__HeadersEntry Header;
    if (check->raw_headers) {
        encode_header_map(check, http, arena);
        return;
    }
    http->headers = ARENA_NEW_ARRAY(arena, check->header_count, Header *);
    for (uint32_t i = 0; i < check->header_count; i++) {
        Header *header = arena_alloc(arena, sizeof(*header));
        envoy__service__auth__v3__attribute_context__http_request__headers_entry__init(header);
        header->key = text_of(check->headers[i].name, arena);
        header->value = text_of(check->headers[i].value, arena);
        http->headers[http->n_headers++] = header;
    }
}

/* Text of a body may hold NUL bytes, where a C string would end: it goes as a field of raw bytes, which
 * is the same on the wire. */
static void encode_body(const struct authz_check *check, HttpMessage *http, struct arena *arena) {
    if (check->body.len == 0) {
        return;
    }
    if (check->body_as_bytes) {
        http->raw_body = (ProtobufCBinaryData){.len = check->body.len,
                                               .data = (uint8_t *)(uintptr_t)check->body.ptr};
        return;
    }
    ProtobufCMessageUnknownField *field = arena_alloc(arena, sizeof(*field));
    struct slice data = authz_wire_prefixed(authz_utf8(check->body, arena), arena);
    *field = (ProtobufCMessageUnknownField){
        .tag = BODY_FIELD,
        .wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED,
        .len = data.len,
        .data = (uint8_t *)(uintptr_t)data.ptr,
    };
    http->base.n_unknown_fields = 1;
    http->base.unknown_fields = field;
}

static Envoy__Service__Auth__V3__AttributeContext__Request *
encode_request(const struct authz_check *check, struct arena *arena) {
    HttpMessage *http = arena_alloc(arena, sizeof(*http));
    envoy__service__auth__v3__attribute_context__http_request__init(http);
    http->id = text_of(arena_printf(arena, "%llu", (unsigned long long)check->stream_id), arena);
    http->method = text_of(check->method, arena);
    http->path = text_of(check->path, arena);
    http->host = text_of(check->host, arena);
    http->scheme = text_of(check->scheme, arena);
    http->protocol = text_of(check->protocol, arena);
    http->size = (int64_t)check->size;
    encode_headers(check, http, arena);
    encode_body(check, http, arena);
    Envoy__Service__Auth__V3__AttributeContext__Request *request =
        arena_alloc(arena, sizeof(*request));
    envoy__service__auth__v3__attribute_context__request__init(request);
    request->http = http;
    request->time = arena_alloc(arena, sizeof(*request->time));
    google__protobuf__timestamp__init(request->time);
    request->time->seconds = (int64_t)(check->start_wall_us / 1000000);
    request->time->nanos = (int32_t)(check->start_wall_us % 1000000 * 1000);
    return request;
}

static void encode_extensions(const struct authz_check *check, Attributes *attributes,
                              struct arena *arena) {
    typedef Envoy__Service__Auth__V3__AttributeContext__ContextExtensionsEntry Extension;
    attributes->context_extensions =
        ARENA_NEW_ARRAY(arena, check->context_extension_count, Extension *);
    for (uint32_t i = 0; i < check->context_extension_count; i++) {
        Extension *extension = arena_alloc(arena, sizeof(*extension));
        envoy__service__auth__v3__attribute_context__context_extensions_entry__init(extension);
        extension->key = text_of(check->context_extensions[i].name, arena);
        extension->value = text_of(check->context_extensions[i].value, arena);
        attributes->context_extensions[attributes->n_context_extensions++] = extension;
    }
}

struct slice authz_message_encode(const struct authz_check *check, struct arena *arena) {
    Attributes attributes = ENVOY__SERVICE__AUTH__V3__ATTRIBUTE_CONTEXT__INIT;
    attributes.source = encode_peer(&check->source, arena);
    attributes.destination = encode_peer(&check->destination, arena);
    attributes.request = encode_request(check, arena);
    encode_extensions(check, &attributes, arena);
    attributes.metadata_context = encode_metadata(check->metadata, check->metadata_count, arena);
    attributes.route_metadata_context =
        encode_metadata(check->route_metadata, check->route_metadata_count, arena);
    Envoy__Service__Auth__V3__AttributeContext__TLSSession tls =
        ENVOY__SERVICE__AUTH__V3__ATTRIBUTE_CONTEXT__TLSSESSION__INIT;
    if (check->has_tls_session) {
        tls.sni = text_of(check->sni, arena);
        attributes.tls_session = &tls;
    }
    Envoy__Service__Auth__V3__CheckRequest request = ENVOY__SERVICE__AUTH__V3__CHECK_REQUEST__INIT;
    request.attributes = &attributes;
    size_t size = envoy__service__auth__v3__check_request__get_packed_size(&request);
    uint8_t *bytes = arena_alloc_bytes(arena, size);
    envoy__service__auth__v3__check_request__pack(&request, bytes);
    return slice_make(bytes, size);
}

/* ---- the response ---- */

static struct slice dup_text(const char *text, struct arena *arena) {
    return arena_dup_slice(arena, slice_from_string(text));
}

/* A request's headers are set unless the old `append` says to join. */
static enum authz_header_action request_action(const HeaderOption *option) {
    bool appends = option->append != NULL && option->append->value;
    return appends ? AUTHZ_HEADER_APPEND_IF_EXISTS : AUTHZ_HEADER_SET;
}

static enum authz_header_action response_action(const HeaderOption *option, bool *is_invalid) {
    if (option->append != NULL) {
        return option->append->value ? AUTHZ_HEADER_ADD : AUTHZ_HEADER_SET;
    }
    switch ((int)option->append_action) {
    case ENVOY__CONFIG__CORE__V3__HEADER_VALUE_OPTION__HEADER_APPEND_ACTION__APPEND_IF_EXISTS_OR_ADD:
        return AUTHZ_HEADER_ADD;
    case ENVOY__CONFIG__CORE__V3__HEADER_VALUE_OPTION__HEADER_APPEND_ACTION__ADD_IF_ABSENT:
        return AUTHZ_HEADER_ADD_IF_ABSENT;
    case ENVOY__CONFIG__CORE__V3__HEADER_VALUE_OPTION__HEADER_APPEND_ACTION__OVERWRITE_IF_EXISTS_OR_ADD:
        return AUTHZ_HEADER_SET;
    case ENVOY__CONFIG__CORE__V3__HEADER_VALUE_OPTION__HEADER_APPEND_ACTION__OVERWRITE_IF_EXISTS:
        return AUTHZ_HEADER_SET_IF_EXISTS;
    default:
        *is_invalid = true;
        return AUTHZ_HEADER_SET;
    }
}

enum header_use { FOR_REQUEST, FOR_RESPONSE, FOR_REPLY };

static void decode_headers(HeaderOption *const *options, size_t count, enum header_use use,
                           struct arena *arena, struct authz_headers *out, bool *is_invalid) {
    out->items = ARENA_NEW_ARRAY(arena, count, struct authz_header);
    for (size_t i = 0; i < count; i++) {
        if (options[i]->header == NULL) {
            continue;
        }
        bool unknown = false;
        enum authz_header_action action = use == FOR_RESPONSE
                                              ? response_action(options[i], &unknown)
                                              : request_action(options[i]);
        *is_invalid = *is_invalid || unknown;
        /* Envoy drops what cannot be done to a reply that has no such header yet. */
        if (unknown || (use == FOR_REPLY && action == AUTHZ_HEADER_APPEND_IF_EXISTS)) {
            continue;
        }
        out->items[out->count++] = (struct authz_header){
            .name = authz_lower(slice_from_string(options[i]->header->key), arena),
            .value = dup_text(options[i]->header->value, arena),
            .action = action,
        };
    }
}

static const struct slice *decode_texts(char *const *texts, size_t count, bool lower,
                                        struct arena *arena) {
    struct slice *out = ARENA_NEW_ARRAY(arena, count, struct slice);
    for (size_t i = 0; i < count; i++) {
        out[i] =
            lower ? authz_lower(slice_from_string(texts[i]), arena) : dup_text(texts[i], arena);
    }
    return out;
}

static void decode_ok(const Envoy__Service__Auth__V3__OkHttpResponse *message, struct arena *arena,
                      struct authz_response *response) {
    bool ignored = false;
    decode_headers(message->headers, message->n_headers, FOR_REQUEST, arena, &response->request,
                   &ignored);
    decode_headers(message->response_headers_to_add, message->n_response_headers_to_add,
                   FOR_RESPONSE, arena, &response->response, &response->has_invalid_action);
    response->remove =
        decode_texts(message->headers_to_remove, message->n_headers_to_remove, true, arena);
    response->remove_count = (uint32_t)message->n_headers_to_remove;
    response->query_remove = decode_texts(message->query_parameters_to_remove,
                                          message->n_query_parameters_to_remove, false, arena);
    response->query_remove_count = (uint32_t)message->n_query_parameters_to_remove;
    size_t count = message->n_query_parameters_to_set;
    struct authz_pair *set = ARENA_NEW_ARRAY(arena, count, struct authz_pair);
    for (size_t i = 0; i < count; i++) {
        set[i] = (struct authz_pair){dup_text(message->query_parameters_to_set[i]->key, arena),
                                     dup_text(message->query_parameters_to_set[i]->value, arena)};
    }
    response->query_set = set;
    response->query_set_count = (uint32_t)count;
}

static void decode_reply(const Envoy__Service__Auth__V3__DeniedHttpResponse *message,
                         struct arena *arena, struct authz_response *response) {
    bool ignored = false;
    int32_t status = message->status == NULL ? 0 : (int32_t)message->status->code;
    response->status = status < 0 ? 0 : (uint32_t)status;
    response->body = dup_text(message->body, arena);
    decode_headers(message->headers, message->n_headers, FOR_REPLY, arena, &response->reply,
                   &ignored);
}

/* ---- dynamic metadata of the answer ---- */

struct flattening {
    struct arena *arena;
    struct authz_metadata *items; /* NULL while counting */
    uint32_t count;
};

static void flatten(struct flattening *f, struct slice path, const StructMessage *from);

static void flatten_value(struct flattening *f, struct slice path, const ValueMessage *value) {
    if (value->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE) {
        flatten(f, path, value->struct_value);
        return;
    }
    uint32_t at = f->count++;
    if (f->items != NULL) {
        bool is_string = value->kind_case == GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE;
        f->items[at] = (struct authz_metadata){
            .key = path,
            .value = is_string ? dup_text(value->string_value, f->arena)
                               : authz_json_of_value(value, f->arena),
            .is_string = is_string,
        };
    }
}

static void flatten(struct flattening *f, struct slice path, const StructMessage *from) {
    for (size_t i = 0; i < from->n_fields; i++) {
        struct slice key = slice_from_string(from->fields[i]->key), at = {0};
        if (f->items != NULL) {
            at = path.len == 0
                     ? arena_dup_slice(f->arena, key)
                     : arena_printf(f->arena, "%.*s.%.*s", SLICE_ARG(path), SLICE_ARG(key));
        }
        if (from->fields[i]->value != NULL) {
            flatten_value(f, at, from->fields[i]->value);
        }
    }
}

static void decode_metadata(const StructMessage *message, struct arena *arena,
                            struct authz_response *response) {
    if (message == NULL) {
        return;
    }
    struct flattening f = {.arena = arena};
    flatten(&f, SLICE(""), message);
    f.items = ARENA_NEW_ARRAY(arena, f.count, struct authz_metadata);
    f.count = 0;
    flatten(&f, SLICE(""), message);
    response->metadata = f.items;
    response->metadata_count = f.count;
}

static const StructMessage *metadata_of(const ResponseMessage *message) {
    bool is_ok = message->http_response_case ==
                 ENVOY__SERVICE__AUTH__V3__CHECK_RESPONSE__HTTP_RESPONSE_OK_RESPONSE;
    return is_ok && message->ok_response->dynamic_metadata != NULL
               ? message->ok_response->dynamic_metadata
               : message->dynamic_metadata;
}

static void decode_response(const ResponseMessage *message, struct arena *arena,
                            struct authz_response *response) {
    int32_t code = message->status == NULL ? 0 : message->status->code;
    int body = (int)message->http_response_case;
    if (code == 0) {
        response->verdict = AUTHZ_VERDICT_OK;
        if (body == ENVOY__SERVICE__AUTH__V3__CHECK_RESPONSE__HTTP_RESPONSE_OK_RESPONSE) {
            decode_ok(message->ok_response, arena, response);
        }
    } else if (body == ENVOY__SERVICE__AUTH__V3__CHECK_RESPONSE__HTTP_RESPONSE_ERROR_RESPONSE) {
        response->verdict = AUTHZ_VERDICT_ERROR;
        decode_reply(message->error_response, arena, response);
    } else {
        response->verdict = AUTHZ_VERDICT_DENIED;
        response->status = 403;
        if (body == ENVOY__SERVICE__AUTH__V3__CHECK_RESPONSE__HTTP_RESPONSE_DENIED_RESPONSE) {
            decode_reply(message->denied_response, arena, response);
        }
    }
    decode_metadata(metadata_of(message), arena, response);
}

enum status authz_message_decode(struct slice bytes, struct arena *arena,
                                 struct authz_response *response) {
    const ProtobufCMessageDescriptor *descriptor =
        &envoy__service__auth__v3__check_response__descriptor;
    *response = (struct authz_response){.verdict = AUTHZ_VERDICT_ERROR};
    TRY(authz_wire_check(descriptor, bytes));
    ProtobufCAllocator allocator;
    authz_wire_allocator(&allocator, arena);
    ResponseMessage *message = (ResponseMessage *)(void *)protobuf_c_message_unpack(
        descriptor, &allocator, bytes.len, bytes.ptr);
    if (message == NULL) {
        return STATUS_INVALID;
    }
    decode_response(message, arena, response);
    return STATUS_OK;
}
