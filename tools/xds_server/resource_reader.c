// SPDX-License-Identifier: Apache-2.0
#include "tools/xds_server/resource_reader.h"

#include "src/base/check.h"
#include "src/config/validation.h"
#include "xds/bootstrap/bootstrap_loader.h"
#include "xds/bootstrap/document.h"
#include "xds/bootstrap/proto_json.h"
#include "xds/pgv_validate.h"
#include "xds/proto_reflect.h"

enum { TREE_BLOCK_BYTES = 64 * 1024 };

struct reader {
    const struct resource_reader_options *options;
    struct resource_part *part;
    struct validation v;
    struct hash_map names; /* of type and name; the values mean nothing */
    uint32_t capacity;
};

static bool ends_with_any(struct slice name, const char *const *endings, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (slice_ends_with_nocase(name, slice_from_string(endings[i]))) {
            return true;
        }
    }
    return false;
}

static bool is_yaml(struct slice name) {
    static const char *const endings[] = {".yaml", ".yml"};
    return ends_with_any(name, endings, ARRAY_LEN(endings));
}

static bool is_protobuf(struct slice name) {
    static const char *const endings[] = {".pb", ".pb_text"};
    return ends_with_any(name, endings, ARRAY_LEN(endings));
}

bool resource_file_is_wanted(struct slice file_name) {
    return file_name.len > 0 && file_name.ptr[0] != '.' &&
           (is_yaml(file_name) || is_protobuf(file_name) ||
            slice_ends_with_nocase(file_name, SLICE(".json")));
}

/* ---- resources ---- */

// The API calls a resource's key "name", but for endpoints.
static struct slice name_of(const struct proto_message_info *info,
                            const ProtobufCMessage *message) {
    static const char *const fields[] = {"name", "cluster_name"};
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const struct proto_field_info *field = proto_field_find(info, slice_from_string(fields[i]));
        const ProtobufCFieldDescriptor *descriptor =
            field == NULL ? NULL : proto_field_descriptor(info, field);
        if (descriptor != NULL && descriptor->type == PROTOBUF_C_TYPE_STRING &&
            descriptor->label != PROTOBUF_C_LABEL_REPEATED) {
            return proto_text(proto_member(message, descriptor));
        }
    }
    return SLICE("");
}

// Keeps the key for the life of the part, which is what the map borrows from.
static bool is_first_of_name(struct reader *reader, const struct catalog_resource *resource) {
    struct slice key = arena_printf(&reader->part->arena, "%.*s %.*s",
                                    SLICE_ARG(resource->type_url), SLICE_ARG(resource->name));
    return hash_map_put(&reader->names, key, reader) == NULL;
}

static void append(struct reader *reader, const struct catalog_resource *resource) {
    struct resource_part *part = reader->part;
    if (!is_first_of_name(reader, resource)) {
        validation_error(&reader->v, "the name '%.*s' is used twice", SLICE_ARG(resource->name));
        return;
    }
    if (part->count == reader->capacity) {
        uint32_t capacity = reader->capacity == 0 ? 16 : reader->capacity * 2;
        struct catalog_resource *grown =
            ARENA_NEW_ARRAY(&part->arena, capacity, struct catalog_resource);
        if (part->count > 0) {
            memcpy(grown, part->resources, part->count * sizeof(*grown));
        }
        part->resources = grown;
        reader->capacity = capacity;
    }
    part->resources[part->count++] = *resource;
}

// `name` is a wrapper's, else empty.
static void add_resource(struct reader *reader, struct proto_any any, struct slice name) {
    struct arena *arena = &reader->part->arena;
    const struct proto_message_info *info = proto_message_find_url(any.type_url);
    if (info == NULL) {
        validation_field_error(&reader->v, "@type", "unknown type '%.*s'", SLICE_ARG(any.type_url));
        return;
    }
    ProtobufCMessage *message = proto_unpack(info, any.value, arena, &reader->v);
    if (message == NULL) {
        return;
    }
    if (!reader->options->skip_rules) {
        pgv_validate(message, NULL, &reader->v);
    }
    if (slice_is_empty(name)) {
        name = name_of(info, message);
    }
    if (slice_is_empty(name)) {
        validation_error(&reader->v, "the %s has no name", info->name);
        return;
    }
    struct catalog_resource resource = {
        .type_url = arena_dup_slice(arena, any.type_url),
        .name = arena_dup_slice(arena, name),
        .value = arena_dup_slice(arena, any.value),
        .hash = slice_xxhash64(any.value, 0),
    };
    resource.version = arena_printf(arena, "%016llx", (unsigned long long)resource.hash);
    append(reader, &resource);
}

static void add_any(struct reader *reader, const ProtobufCMessage *message) {
    struct proto_any any = proto_any_view(message);
    const struct proto_message_info *info = proto_message_find_url(any.type_url);
    if (info == NULL || strcmp(info->name, "envoy.service.discovery.v3.Resource") != 0) {
        add_resource(reader, any, SLICE(""));
        return;
    }
    ProtobufCMessage *wrapper = proto_unpack(info, any.value, &reader->part->arena, &reader->v);
    if (wrapper == NULL) {
        return;
    }
    const struct proto_field_info *field = proto_field_find(info, SLICE("resource"));
    const ProtobufCFieldDescriptor *body = proto_field_descriptor(info, field);
    if (!proto_has(wrapper, body)) {
        validation_field_error(&reader->v, "resource", "is missing");
        return;
    }
    ProtobufCMessage *const *inner = proto_member(wrapper, body);
    add_resource(reader, proto_any_view(*inner), name_of(info, wrapper));
}

/* ---- documents ---- */

static void add_node(struct reader *reader, const struct document_node *node) {
    const struct proto_message_info *info = proto_message_find(SLICE("google.protobuf.Any"));
    struct proto_json_read_options options = {.unknown_is_error = true};
    uint32_t errors = reader->v.error_count;
    if (node->kind != DOCUMENT_OBJECT) {
        validation_error(&reader->v, "expected a resource with an '@type', found %s",
                         document_kind_name(node->kind));
        return;
    }
    ProtobufCMessage *any = proto_json_read(info, node, &options, &reader->part->arena, &reader->v);
    if (reader->v.error_count == errors) {
        add_any(reader, any);
    }
}

static void add_list(struct reader *reader, const struct document_node *list) {
    uint32_t index = 0;
    for (const struct document_node *node = list->first; node != NULL; node = node->next) {
        validation_push_index(&reader->v, index++);
        add_node(reader, node);
        validation_pop(&reader->v);
    }
}

static const struct document_node *member(const struct document_node *object, struct slice key) {
    for (const struct document_node *node = object->first; node != NULL; node = node->next) {
        if (slice_equal(node->key, key) && !node->is_shadowed) {
            return node;
        }
    }
    return NULL;
}

static void add_response(struct reader *reader, const struct document_node *root,
                         const struct document_node *resources) {
    for (const struct document_node *node = root->first; node != NULL; node = node->next) {
        if (node != resources && !slice_equal(node->key, SLICE("version_info")) &&
            !slice_equal(node->key, SLICE("versionInfo")) &&
            !slice_equal(node->key, SLICE("type_url")) &&
            !slice_equal(node->key, SLICE("typeUrl")) && !slice_equal(node->key, SLICE("nonce")) &&
            !slice_equal(node->key, SLICE("@type"))) {
            validation_error(&reader->v,
                             "'%.*s' beside 'resources' is no field of a "
                             "DiscoveryResponse",
                             SLICE_ARG(node->key));
        }
    }
    validation_push(&reader->v, "resources");
    if (resources->kind == DOCUMENT_ARRAY) {
        add_list(reader, resources);
    } else if (resources->kind != DOCUMENT_NULL) {
        validation_error(&reader->v, "expected a list, found %s",
                         document_kind_name(resources->kind));
    }
    validation_pop(&reader->v);
}

static void add_root(struct reader *reader, const struct document_node *root) {
    if (root->kind == DOCUMENT_ARRAY) {
        add_list(reader, root);
        return;
    }
    if (root->kind != DOCUMENT_OBJECT) {
        validation_error(&reader->v, "expected 'resources:' or a resource, found %s",
                         document_kind_name(root->kind));
        return;
    }
    const struct document_node *resources = member(root, SLICE("resources"));
    if (resources != NULL) {
        add_response(reader, root, resources);
    } else {
        add_node(reader, root);
    }
}

static void read_document(struct reader *reader, struct slice text, bool text_is_yaml) {
    struct arena tree;
    struct error err = {0};
    const struct document_node *root = NULL;
    arena_init_heap(&tree, TREE_BLOCK_BYTES);
    enum status status = text_is_yaml ? document_parse_yaml(text, &tree, &root, &err)
                                      : document_parse_json(text, &tree, &root, &err);
    if (status == STATUS_OK) {
        add_root(reader, root);
    } else {
        validation_error(&reader->v, "%s", err.message);
    }
    arena_deinit(&tree);
}

static bool is_separator(struct slice line) {
    return slice_starts_with(line, SLICE("---")) &&
           (line.len == 3 || line.ptr[3] == ' ' || line.ptr[3] == '\r');
}

static bool has_content(struct slice document) {
    struct slice line;
    while (slice_split(&document, '\n', &line)) {
        line = slice_trim(line);
        if (line.len > 0 && line.ptr[0] != '#' && line.ptr[0] != '\r' && !is_separator(line)) {
            return true;
        }
    }
    return false;
}

// Returns true where there was something.
static bool read_yaml_document(struct reader *reader, struct slice document) {
    if (!has_content(document)) {
        return false;
    }
    read_document(reader, document, true);
    return true;
}

// YAML's documents of one stream, each on its own.
static void read_yaml(struct reader *reader, struct slice text) {
    size_t begin = 0, at = 0;
    struct slice rest = text, line;
    bool is_found = false;
    while (slice_split(&rest, '\n', &line)) {
        if (is_separator(line)) {
            is_found = read_yaml_document(reader, slice_sub(text, begin, at - begin)) || is_found;
            begin = at;
        }
        at += line.len + 1;
    }
    is_found = read_yaml_document(reader, slice_sub(text, begin, SIZE_MAX)) || is_found;
    if (!is_found) {
        validation_error(&reader->v, "the file is empty");
    }
}

// Binary and text protobuf have their own loader; it reads the file again.
static enum status read_protobuf(struct reader *reader, struct error *err) {
    struct resource_file file;
    TRY(resource_file_load(reader->part->path, true, &reader->part->arena, &file, &reader->v, err));
    for (uint32_t i = 0; i < file.count; i++) {
        struct proto_any any = {file.entries[i].type_url, file.entries[i].value};
        validation_push(&reader->v, "resources");
        validation_push_index(&reader->v, i);
        add_resource(reader, any, file.entries[i].name);
        validation_pop(&reader->v);
        validation_pop(&reader->v);
    }
    return STATUS_OK;
}

enum status resource_part_read(const char *path, struct slice content,
                               const struct resource_reader_options *options,
                               struct resource_part **part, struct error *err) {
    struct slice name = slice_from_string(path);
    struct reader reader = {.options = options, .part = resource_part_new()};
    reader.part->path = arena_dup_string(&reader.part->arena, name);
    validation_init(&reader.v, &reader.part->arena, name);
    hash_map_init(&reader.names);
    enum status status = STATUS_OK;
    if (is_protobuf(name)) {
        status = read_protobuf(&reader, err);
    } else if (is_yaml(name)) {
        read_yaml(&reader, content);
    } else {
        read_document(&reader, content, false);
    }
    hash_map_deinit(&reader.names);
    if (status == STATUS_OK) {
        status = validation_result(&reader.v, err);
    }
    if (status != STATUS_OK) {
        resource_part_unref(reader.part);
        return status;
    }
    *part = reader.part;
    return STATUS_OK;
}
