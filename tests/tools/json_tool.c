// SPDX-License-Identifier: Apache-2.0
/*
 * Reads configuration documents the way the loader does, for checks over whole folders:
 *   json_tool --dump TYPE FILE       the document as that message type, written back as JSON
 *   json_tool --round-trip FOLDER    every *.json below it: read, pack, check the wire form, unpack,
 *                                    write and read again; both packed forms must be equal
 * Exit code 1 where a file failed. Inline @@TEST_KEY@@ placeholders are text like any other.
 */
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/base/check.h"
#include "xds/bootstrap/document.h"
#include "xds/bootstrap/proto_json.h"
#include "xds/proto_reflect.h"

struct file_kind {
    const char *suffix;
    const char *type;
};

static const struct file_kind KINDS[] = {
    {".bootstrap.json", "envoy.config.bootstrap.v3.Bootstrap"},
    {".json", "envoy.service.discovery.v3.DiscoveryResponse"},
};

static char *read_file(const char *path, size_t *len) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    size_t capacity = 1 << 16;
    char *text = mem_alloc(capacity);
    *len = 0;
    for (;;) {
        *len += fread(text + *len, 1, capacity - *len, file);
        if (*len < capacity) {
            break;
        }
        capacity *= 2;
        text = mem_realloc(text, capacity);
    }
    fclose(file);
    return text;
}

static ProtobufCMessage *parse(const char *type, struct slice text, bool is_yaml,
                               struct arena *arena, struct error *err) {
    struct arena tree;
    arena_init_heap(&tree, 1 << 16);
    const struct document_node *root;
    ProtobufCMessage *message = NULL;
    enum status status = is_yaml ? document_parse_yaml(text, &tree, &root, err)
                                 : document_parse_json(text, &tree, &root, err);
    if (status == STATUS_OK) {
        struct validation v;
        validation_init(&v, arena, SLICE(""));
        struct proto_json_read_options options = {.unknown_is_error = true};
        const struct proto_message_info *info = proto_message_find(slice_from_string(type));
        message = proto_json_read(info, root, &options, arena, &v);
        if (validation_result(&v, err) != STATUS_OK) {
            message = NULL;
        }
    }
    arena_deinit(&tree);
    return message;
}

static bool fail(const char *path, const char *what, const char *why) {
    printf("FAIL %s: %s: %s\n", path, what, why);
    return false;
}

static bool round_trip(const char *path, const char *type, struct slice text, struct arena *arena) {
    struct error err = {0};
    const struct proto_message_info *info = proto_message_find(slice_from_string(type));
    ProtobufCMessage *first = parse(type, text, false, arena, &err);
    if (first == NULL) {
        return fail(path, "read", err.message);
    }
    struct slice packed = proto_pack(first, arena);
    struct validation v;
    validation_init(&v, arena, SLICE(""));
    ProtobufCMessage *unpacked = proto_unpack(info, packed, arena, &v);
    if (unpacked == NULL) {
        (void)!validation_result(&v, &err);
        return fail(path, "wire form", err.message);
    }
    struct proto_json_write_options options = {.is_pretty = true};
    struct slice written = proto_json_text(unpacked, &options, arena);
    ProtobufCMessage *second = parse(type, written, false, arena, &err);
    if (second == NULL) {
        return fail(path, "read what was written", err.message);
    }
    if (!slice_equal(packed, proto_pack(second, arena))) {
        return fail(path, "round trip", "the packed forms differ");
    }
    return true;
}

static bool check_file(const char *path) {
    size_t len;
    char *text = read_file(path, &len);
    if (text == NULL) {
        return fail(path, "open", "cannot be read");
    }
    struct slice content = slice_make(text, len);
    struct slice name = slice_from_string(path);
    struct arena arena;
    arena_init_heap(&arena, 1 << 16);
    const struct file_kind *kind = KINDS;
    while (!slice_ends_with(name, slice_from_string(kind->suffix))) {
        kind++;
    }
    bool ok = round_trip(path, kind->type, content, &arena);
    arena_deinit(&arena);
    mem_free(text);
    return ok;
}

/* Every file is looked at, also after a failure. */
static int round_trip_folder(char *folder) {
    char *const roots[] = {folder, NULL};
    FTS *walk = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    int failed = 0;
    int checked = 0;
    for (FTSENT *entry = NULL; walk != NULL && (entry = fts_read(walk)) != NULL;) {
        struct slice path = slice_from_string(entry->fts_path);
        if (entry->fts_info == FTS_F && slice_ends_with(path, SLICE(".json"))) {
            checked++;
            failed += check_file(entry->fts_path) ? 0 : 1;
        }
    }
    if (walk != NULL) {
        fts_close(walk);
    }
    printf("%d files, %d failed\n", checked, failed);
    return checked == 0 || failed > 0 ? 1 : 0;
}

static int dump(const char *type, const char *path) {
    size_t len;
    char *text = read_file(path, &len);
    if (text == NULL || proto_message_find(slice_from_string(type)) == NULL) {
        fprintf(stderr, "no such file or type\n");
        return 1;
    }
    struct arena arena;
    struct error err = {0};
    arena_init_heap(&arena, 1 << 16);
    bool is_yaml = !slice_ends_with(slice_from_string(path), SLICE(".json"));
    ProtobufCMessage *message = parse(type, slice_make(text, len), is_yaml, &arena, &err);
    if (message == NULL) {
        printf("%s\n", err.message);
    } else {
        struct proto_json_write_options options = {.is_pretty = true, .redact = true};
        printf("%.*s\n", SLICE_ARG(proto_json_text(message, &options, &arena)));
    }
    arena_deinit(&arena);
    mem_free(text);
    return message == NULL ? 1 : 0;
}

int main(int argc, char **argv) {
    if (argc == 4 && strcmp(argv[1], "--dump") == 0) {
        return dump(argv[2], argv[3]);
    }
    if (argc == 3 && strcmp(argv[1], "--round-trip") == 0) {
        return round_trip_folder(argv[2]);
    }
    fprintf(stderr, "usage: json_tool --dump TYPE FILE | --round-trip FOLDER\n");
    return 2;
}
