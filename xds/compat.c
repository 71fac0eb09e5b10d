// SPDX-License-Identifier: Apache-2.0
#include "xds/decode/decoder.h"

#include "xds/compat.h"

#include <stdio.h>

#include "envoy/config/bootstrap/v3/bootstrap.pb-c.h"
#include "src/base/buffer.h"
#include "xds/bootstrap/bootstrap_loader.h"
#include "xds/bootstrap/proto_json.h"
#include "xds/ledger_walk.h"
#include "xds/pgv_validate.h"
#include "xds/typed_config.h"

enum { COMPAT_MAX_BYTES = 256 * 1024 * 1024 };

struct compat {
    const struct decode_context *context;
    struct arena *arena;
    uint32_t errors;
    uint32_t ignored;
    uint32_t resources;
};

/* ---- printing ---- */

static const char *kind_text(enum finding_kind kind) {
    switch (kind) {
    case FINDING_ERROR:
        return "refused";
    case FINDING_UNKNOWN:
        return "unknown";
    case FINDING_IGNORED:
        return "ignored";
    case FINDING_DEPRECATED:
        return "deprecated";
    }
    return "";
}

static void print_findings(struct compat *compat, const struct validation *v) {
    for (uint32_t i = 0; i < v->finding_count; i++) {
        const struct finding *finding = &v->findings[i];
        printf("  %-10s %.*s: %.*s\n", kind_text(finding->kind), SLICE_ARG(finding->path),
               SLICE_ARG(finding->message));
        compat->ignored += finding->kind == FINDING_IGNORED || finding->kind == FINDING_UNKNOWN;
    }
    compat->errors += v->error_count;
}

/* ---- one message ---- */

static void check_resource(struct compat *compat, const struct resource_type *type,
                           const ProtobufCMessage *message) {
    struct validation v;
    struct decode_result result;
    struct decode_options options = {.is_static = false};
    validation_init(&v, compat->arena, (struct slice){NULL, 0});
    enum status status =
        resource_decode_message(type, compat->context, &options, message, &v, &result);
    struct slice name = status != STATUS_OK          ? SLICE("(refused)")
                        : result.part->name.len == 0 ? SLICE("(no name)")
                                                     : result.part->name;
    printf("%s %.*s: %s\n", type->short_name, SLICE_ARG(name),
           v.finding_count == 0 && status == STATUS_OK ? "all honoured" : "");
    print_findings(compat, &v);
    compat->resources++;
    if (status == STATUS_OK) {
        decode_result_release(&result);
    }
}

static void check_static(struct compat *compat,
                         const Envoy__Config__Bootstrap__V3__Bootstrap *bootstrap) {
    const Envoy__Config__Bootstrap__V3__Bootstrap__StaticResources *resources =
        bootstrap->static_resources;
    if (resources == NULL) {
        return;
    }
    for (size_t i = 0; i < resources->n_secrets; i++) {
        check_resource(compat, &resource_type_secret, &resources->secrets[i]->base);
    }
    for (size_t i = 0; i < resources->n_clusters; i++) {
        check_resource(compat, &resource_type_cluster, &resources->clusters[i]->base);
    }
    for (size_t i = 0; i < resources->n_listeners; i++) {
        check_resource(compat, &resource_type_listener, &resources->listeners[i]->base);
    }
}

/* The bootstrap's own fields; its resources are checked one by one. */
static void check_bootstrap(struct compat *compat, ProtobufCMessage *message) {
    Envoy__Config__Bootstrap__V3__Bootstrap *bootstrap =
        (Envoy__Config__Bootstrap__V3__Bootstrap *)(void *)message;
    check_static(compat, bootstrap);
    bootstrap->static_resources = NULL;
    struct validation v;
    validation_init(&v, compat->arena, (struct slice){NULL, 0});
    ledger_walk(message, decode_ledger_find, (void *)(uintptr_t)compat->context->registry, &v);
    printf("bootstrap: %s\n", v.finding_count == 0 ? "all honoured" : "");
    print_findings(compat, &v);
}

static void check_message(struct compat *compat, const ProtobufCMessage *message);

/* What a config_dump and a DiscoveryResponse hold: Any's at any depth. */
static void check_inner(struct compat *compat, const ProtobufCMessage *message) {
    const ProtobufCMessageDescriptor *descriptor = message->descriptor;
    for (unsigned i = 0; i < descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
        if (field->type != PROTOBUF_C_TYPE_MESSAGE) {
            continue;
        }
        const char *base = (const char *)message;
        if (field->label == PROTOBUF_C_LABEL_REPEATED) {
            size_t count = *(const size_t *)(const void *)(base + field->quantifier_offset);
            ProtobufCMessage *const *items =
                *(ProtobufCMessage *const *const *)(const void *)(base + field->offset);
            for (size_t j = 0; j < count; j++) {
                check_message(compat, items[j]);
            }
            continue;
        }
        bool is_other_member =
            (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 &&
            *(const uint32_t *)(const void *)(base + field->quantifier_offset) != field->id;
        const ProtobufCMessage *child =
            *(ProtobufCMessage *const *)(const void *)(base + field->offset);
        if (!is_other_member && child != NULL) {
            check_message(compat, child);
        }
    }
}

static void check_any(struct compat *compat, const ProtobufCMessage *any) {
    struct validation v;
    validation_init(&v, compat->arena, (struct slice){NULL, 0});
    const struct proto_message_info *info = NULL;
    struct slice type_url = {NULL, 0};
    const ProtobufCMessage *inner = typed_config_open(any, compat->arena, &info, &type_url, &v);
    if (inner == NULL) {
        printf("%.*s: a type that is not known\n", SLICE_ARG(type_url));
        print_findings(compat, &v);
        return;
    }
    check_message(compat, inner);
}

static bool is_type(const ProtobufCMessage *message, const char *name) {
    return strcmp(message->descriptor->name, name) == 0;
}

static void check_message(struct compat *compat, const ProtobufCMessage *message) {
    if (is_type(message, "google.protobuf.Any")) {
        check_any(compat, message);
        return;
    }
    if (is_type(message, "envoy.config.bootstrap.v3.Bootstrap")) {
        check_bootstrap(compat, (ProtobufCMessage *)(uintptr_t)message);
        return;
    }
    for (uint32_t i = 0; resource_type_at(i) != NULL; i++) {
        if (is_type(message, resource_type_at(i)->message)) {
            check_resource(compat, resource_type_at(i), message);
            return;
        }
    }
    bool is_container = strncmp(message->descriptor->name, "envoy.admin.v3.", 15) == 0 ||
                        strncmp(message->descriptor->name, "envoy.service.discovery.v3.", 27) == 0;
    if (is_container) {
        check_inner(compat, message);
        return;
    }
    if (strncmp(message->descriptor->name, "google.protobuf.", 16) != 0) {
        printf("%s: not a resource\n", message->descriptor->name);
    }
}

/* ---- one file ---- */

static bool has_key(const struct document_node *root, const char *key) {
    for (const struct document_node *child = root->first; child != NULL; child = child->next) {
        if (slice_equal(child->key, slice_from_string(key))) {
            return true;
        }
    }
    return false;
}

/* By its top-level members. */
static struct slice type_of_document(const struct document_node *root) {
    if (has_key(root, "@type")) {
        return SLICE("google.protobuf.Any");
    }
    if (has_key(root, "configs")) {
        return SLICE("envoy.admin.v3.ConfigDump");
    }
    if (has_key(root, "resources")) {
        return SLICE("envoy.service.discovery.v3.DiscoveryResponse");
    }
    return SLICE("envoy.config.bootstrap.v3.Bootstrap");
}

static enum status parse_text(struct slice text, struct arena *arena,
                              const struct document_node **root, struct error *err) {
    struct slice start = slice_trim(text);
    bool is_json = start.len > 0 && start.ptr[0] == '{';
    return is_json ? document_parse_json(text, arena, root, err)
                   : document_parse_yaml(text, arena, root, err);
}

static enum status load(const char *path, struct compat *compat, ProtobufCMessage **message,
                        struct validation *v, struct error *err) {
    struct slice text;
    const struct document_node *root = NULL;
    TRY(config_file_read(path, COMPAT_MAX_BYTES, compat->arena, &text, err));
    TRY(parse_text(text, compat->arena, &root, err));
    struct proto_json_read_options options = {.unknown_is_error = false};
    const struct proto_message_info *info = proto_message_find(type_of_document(root));
    *message = proto_json_read(info, root, &options, compat->arena, v);
    return STATUS_OK;
}

uint32_t compat_file(const char *path, const struct decode_context *context) {
    struct arena arena;
    arena_init_heap(&arena, 65536);
    struct compat compat = {.context = context, .arena = &arena};
    struct validation v;
    struct error err = {.status = STATUS_OK};
    ProtobufCMessage *message = NULL;
    validation_init(&v, &arena, (struct slice){NULL, 0});
    printf("# %s\n", path);
    if (load(path, &compat, &message, &v, &err) != STATUS_OK) {
        printf("%s\n", err.message);
        arena_deinit(&arena);
        return 1;
    }
    print_findings(&compat, &v);
    check_message(&compat, message);
    printf("%u resources, %u refused, %u ignored\n\n", compat.resources, compat.errors,
           compat.ignored);
    arena_deinit(&arena);
    return compat.errors;
}

/* ---- the document ---- */

/* One message is one paragraph: its fields by verdict, with the reason where one is given. */
struct document_state {
    const struct proto_message_info *message;
    struct buffer lists[LEDGER_REFUSED + 1];
};

static const char *verdict_text(enum ledger_verdict verdict) {
    switch (verdict) {
    case LEDGER_HONOURED:
        return "honoured";
    case LEDGER_HARMLESS:
        return "harmless";
    case LEDGER_IGNORED:
        return "ignored";
    case LEDGER_REFUSED:
        return "refused";
    }
    return "";
}

static void print_message(struct document_state *state) {
    if (state->message == NULL) {
        return;
    }
    printf("\n**%s**", state->message->name);
    for (int verdict = LEDGER_HONOURED; verdict <= LEDGER_REFUSED; verdict++) {
        struct buffer *list = &state->lists[verdict];
        if (list->len > 0) {
            struct slice text = buffer_linearize(list, list->len);
            printf("  \n%s: %.*s", verdict_text((enum ledger_verdict)verdict), SLICE_ARG(text));
        }
        buffer_clear(list);
    }
    printf("\n");
}

static void add_field(void *arg, const struct proto_message_info *message,
                      const struct proto_field_info *field, bool is_documented,
                      struct ledger_answer answer) {
    struct document_state *state = arg;
    if (!is_documented) {
        return;
    }
    if (state->message != message) {
        print_message(state);
        state->message = message;
    }
    struct buffer *list = &state->lists[answer.verdict];
    buffer_append_printf(list, "%s`%s`", list->len > 0 ? ", " : "", field->name);
    if (answer.note != NULL) {
        buffer_append_printf(list, " (%s)", answer.note);
    }
}

void compat_document(const struct filter_registry *registry) {
    printf(
        "# Compatibility\n\n"
        "What becomes of each field of the API, message by message. Generated from the decoders'\n"
        "own tables by `sallyport compat --doc`; a test compares. *honoured*: as Envoy 1.40.\n"
        "*harmless*: accepted, changes nothing that a request sees. *ignored*: accepted, named in a\n"
        "warning and by `sallyport compat`. *refused*: the resource is refused. A message that is not\n"
        "listed is not looked at: a field that holds one is ignored, a filter of such a type is\n"
        "refused.\n");
    struct buffer_pool pool;
    struct document_state state = {.message = NULL};
    buffer_pool_init(&pool);
    for (int verdict = LEDGER_HONOURED; verdict <= LEDGER_REFUSED; verdict++) {
        buffer_init(&state.lists[verdict], &pool);
    }
    ledger_visit_all(decode_ledger_find, (void *)(uintptr_t)registry, add_field, &state);
    print_message(&state);
    buffer_pool_deinit(&pool);
}
