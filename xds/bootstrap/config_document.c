// SPDX-License-Identifier: Apache-2.0
/* Reading of one configuration file, whatever its format. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "src/base/check.h"
#include "xds/bootstrap/bootstrap_loader.h"
#include "xds/bootstrap/document.h"
#include "xds/bootstrap/proto_json.h"
#include "xds/proto_reflect.h"

enum config_format {
    CONFIG_FORMAT_JSON,
    CONFIG_FORMAT_YAML,
    CONFIG_FORMAT_BINARY,
    CONFIG_FORMAT_TEXT,
};

enum { TREE_BLOCK_BYTES = 256 * 1024, FIRST_READ_BYTES = 64 * 1024 };

static enum config_format format_of(struct slice name) {
    if (slice_ends_with_nocase(name, SLICE(".yaml")) ||
        slice_ends_with_nocase(name, SLICE(".yml"))) {
        return CONFIG_FORMAT_YAML;
    }
    if (slice_ends_with_nocase(name, SLICE(".pb"))) {
        return CONFIG_FORMAT_BINARY;
    }
    if (slice_ends_with_nocase(name, SLICE(".pb_text"))) {
        return CONFIG_FORMAT_TEXT;
    }
    return CONFIG_FORMAT_JSON;
}

struct file_content {
    uint8_t *bytes;
    size_t len, capacity;
};

static enum status read_all(int fd, size_t max_bytes, struct file_content *content,
                            const char *path, struct error *err) {
    for (;;) {
        if (content->len == content->capacity) {
            content->capacity = content->capacity == 0 ? FIRST_READ_BYTES : content->capacity * 2;
            content->bytes = mem_realloc(content->bytes, content->capacity);
        }
        ssize_t got = read(fd, content->bytes + content->len, content->capacity - content->len);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return error_set(err, STATUS_IO, "unable to read file: %s: %s", path, strerror(errno));
        }
        if (got == 0) {
            return STATUS_OK;
        }
        content->len += (size_t)got;
        if (content->len > max_bytes) {
            return error_set(err, STATUS_LIMIT, "file %s is larger than %zu bytes", path,
                             max_bytes);
        }
    }
}

enum status config_file_read(const char *path, size_t max_bytes, struct arena *arena,
                             struct slice *content, struct error *err) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return error_set(err, STATUS_NOT_FOUND, "Invalid path: %s", path);
    }
    struct file_content read = {0};
    enum status status = read_all(fd, max_bytes, &read, path, err);
    if (status == STATUS_OK) {
        *content = arena_dup_slice(arena, slice_make(read.bytes, read.len));
    }
    mem_free(read.bytes);
    close(fd);
    return status;
}

/* The text of all errors that `v` has got since `errors_before`; `err` is scratch space. */
static const char *errors_text(const struct validation *v, struct error *err) {
    (void)!validation_result(v, err);
    return err->message;
}

static enum status read_tree(const struct config_document *document,
                             const struct document_node *root, struct arena *arena,
                             ProtobufCMessage **message, struct validation *v, struct error *err) {
    struct proto_json_report report;
    struct proto_json_read_options options = {.unknown_is_error = document->unknown_is_error,
                                              .report = &report};
    const char *type = document->info->name;
    struct error details = {0};
    *message = proto_json_read(document->info, root, &options, arena, v);
    if (report.other_errors > 0) {
        return error_set(err, STATUS_INVALID,
                         "Unable to parse JSON as proto (INVALID_ARGUMENT: invalid JSON in %s: %s)",
                         type, errors_text(v, &details));
    }
    if (document->unknown_is_error && report.unknown_names > 0) {
        return error_set(err, STATUS_INVALID,
                         "Protobuf message (type %s reason INVALID_ARGUMENT: invalid JSON in %s: "
                         "%s) has unknown fields",
                         type, type, errors_text(v, &details));
    }
    return STATUS_OK;
}

static enum status parse_json(const struct config_document *document, struct arena *tree,
                              const struct document_node **root, struct validation *v,
                              struct error *err) {
    struct error details = {0};
    enum status status = document_parse_json(document->content, tree, root, &details);
    if (status == STATUS_OK) {
        return STATUS_OK;
    }
    validation_error(v, "%s", details.message);
    return error_set(err, status,
                     "Unable to parse JSON as proto (INVALID_ARGUMENT: invalid JSON in %s, %s)",
                     document->info->name, details.message);
}

static enum status parse_yaml(const struct config_document *document, struct arena *tree,
                              const struct document_node **root, struct validation *v,
                              struct error *err) {
    struct error details = {0};
    enum status status = document_parse_yaml(document->content, tree, root, &details);
    if (status != STATUS_OK) {
        validation_error(v, "%s", details.message);
        return error_set(err, status, "%s", details.message);
    }
    enum document_kind kind = (*root)->kind;
    if (kind != DOCUMENT_OBJECT && kind != DOCUMENT_ARRAY) {
        validation_error(v, "expected a mapping, found %s", document_kind_name(kind));
        return error_set(err, STATUS_INVALID,
                         "Unable to convert YAML as JSON: expected a mapping, found %s",
                         document_kind_name(kind));
    }
    return STATUS_OK;
}

static enum status parse_tree(const struct config_document *document, bool is_yaml,
                              struct arena *arena, ProtobufCMessage **message, struct validation *v,
                              struct error *err) {
    struct arena tree;
    const struct document_node *root = NULL;
    arena_init_heap(&tree, TREE_BLOCK_BYTES);
    enum status status = is_yaml ? parse_yaml(document, &tree, &root, v, err)
                                 : parse_json(document, &tree, &root, v, err);
    if (status == STATUS_OK) {
        status = read_tree(document, root, arena, message, v, err);
    }
    arena_deinit(&tree);
    return status;
}

/* Envoy has one sentence for all that can be wrong here; ours goes on with the reasons. */
static enum status parse_text(const struct config_document *document, struct arena *arena,
                              ProtobufCMessage **message, struct validation *v, struct error *err) {
    struct arena tree;
    const struct document_node *root = NULL;
    struct error details = {0};
    struct proto_json_read_options options = {.unknown_is_error = true, .is_text_format = true};
    arena_init_heap(&tree, TREE_BLOCK_BYTES);
    enum status status = document_parse_text(document->content, &tree, &root, &details);
    if (status == STATUS_OK) {
        *message = proto_json_read(document->info, root, &options, arena, v);
        status = validation_result(v, &details);
    } else {
        validation_error(v, "%s", details.message);
    }
    arena_deinit(&tree);
    if (status == STATUS_OK) {
        return STATUS_OK;
    }
    return error_set(err, status, "Unable to parse file \"%.*s\" as a text protobuf (type %s): %s",
                     SLICE_ARG(document->name), document->info->name, details.message);
}

static enum status refuse_unknown(const struct config_document *document, uint32_t from,
                                  struct validation *v, struct error *err) {
    for (uint32_t i = from; i < v->finding_count; i++) {
        const struct finding *finding = &v->findings[i];
        if (finding->kind == FINDING_UNKNOWN) {
            validation_error(v, "%.*s: %.*s", SLICE_ARG(finding->path),
                             SLICE_ARG(finding->message));
            return error_set(err, STATUS_INVALID,
                             "Protobuf message (type %s(%.*s) with %.*s) has unknown fields",
                             document->info->name, SLICE_ARG(finding->path),
                             SLICE_ARG(finding->message));
        }
    }
    return STATUS_OK;
}

static enum status parse_binary(const struct config_document *document, struct arena *arena,
                                ProtobufCMessage **message, struct validation *v,
                                struct error *err) {
    struct error details = {0};
    uint32_t findings_before = v->finding_count;
    *message = proto_unpack(document->info, document->content, arena, v);
    if (*message == NULL) {
        return error_set(err, STATUS_INVALID,
                         "Unable to parse file \"%.*s\" as a binary protobuf (type %s): %s",
                         SLICE_ARG(document->name), document->info->name, errors_text(v, &details));
    }
    return document->unknown_is_error ? refuse_unknown(document, findings_before, v, err)
                                      : STATUS_OK;
}

enum status config_document_parse(const struct config_document *document, struct arena *arena,
                                  ProtobufCMessage **message, struct validation *v,
                                  struct error *err) {
    switch (format_of(document->name)) {
    case CONFIG_FORMAT_JSON:
        return parse_tree(document, false, arena, message, v, err);
    case CONFIG_FORMAT_YAML:
        return parse_tree(document, true, arena, message, v, err);
    case CONFIG_FORMAT_BINARY:
        return parse_binary(document, arena, message, v, err);
    case CONFIG_FORMAT_TEXT:
        return parse_text(document, arena, message, v, err);
    }
    return error_set(err, STATUS_INTERNAL, "unknown format");
}
