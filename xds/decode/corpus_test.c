// SPDX-License-Identifier: Apache-2.0
// Decodes every resource below a folder of real configurations (argument or SALLYPORT_CORPUS; without
// one nothing is done) and prints why which were refused. Fails where a resource is refused without a
// reason, or where anything but resources' own faults stops it.
#include "xds/decode/decode_test_fixture.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/base/hash_map.h"
#include "src/tls/testing/test_certs.h"

struct tally {
    struct decode_fixture fixture;
    struct arena arena; /* of the reasons */
    struct hash_map reasons;
    uint32_t decoded, refused, files, silent;
    struct slice cert, key; /* escaped for JSON */
    struct test_cert *ca, *made;
};

struct reason {
    struct slice text;
    uint32_t count;
    struct slice example;
};

static struct slice read_file(const char *path, struct arena *arena) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    if (fd < 0 || fstat(fd, &info) != 0) {
        return (struct slice){0};
    }
    uint8_t *bytes = arena_alloc_bytes(arena, (size_t)info.st_size + 1);
    ssize_t len = read(fd, bytes, (size_t)info.st_size);
    close(fd);
    return slice_make(bytes, len < 0 ? 0 : (size_t)len);
}

static struct slice escaped(struct slice pem, struct arena *arena) {
    uint8_t *out = arena_alloc_bytes(arena, pem.len * 2);
    size_t len = 0;
    for (size_t i = 0; i < pem.len; i++) {
        if (pem.ptr[i] == '\n') {
            out[len++] = '\\';
            out[len++] = 'n';
        } else {
            out[len++] = pem.ptr[i];
        }
    }
    return slice_make(out, len);
}

static struct slice replaced(struct slice text, struct slice mark, struct slice by,
                             struct arena *arena) {
    size_t at;
    while ((at = slice_find(text, mark)) != SIZE_MAX) {
        text = arena_printf(arena, "%.*s%.*s%.*s", SLICE_ARG(slice_sub(text, 0, at)), SLICE_ARG(by),
                            SLICE_ARG(slice_sub(text, at + mark.len, text.len)));
    }
    return text;
}

// What one error says, without the names in it.
static struct slice gist(struct slice message, struct arena *arena) {
    struct slice copy = arena_dup_slice(arena, slice_sub(message, 0, 110));
    return copy;
}

static void count_reason(struct tally *tally, struct slice message, const char *file) {
    struct slice text = gist(message, &tally->arena);
    struct reason *reason = hash_map_get(&tally->reasons, text);
    if (reason == NULL) {
        reason = ARENA_NEW(&tally->arena, struct reason);
        reason->text = text;
        reason->example = arena_dup_slice(&tally->arena, slice_from_string(file));
        hash_map_put(&tally->reasons, reason->text, reason);
    }
    reason->count++;
}

static void note_refusal(struct tally *tally, const char *file) {
    struct decode_fixture *f = &tally->fixture;
    bool is_said = false;
    tally->refused++;
    for (uint32_t i = 0; i < f->v.finding_count; i++) {
        if (f->v.findings[i].kind == FINDING_ERROR) {
            count_reason(tally, f->v.findings[i].message, file);
            is_said = true;
        }
    }
    if (!is_said) {
        tally->silent++;
    }
}

static void decode_node(struct tally *tally, const struct document_node *node, const char *file) {
    struct decode_fixture *f = &tally->fixture;
    struct arena arena;
    struct validation v;
    struct proto_json_read_options options = {.unknown_is_error = false};
    arena_init_heap(&arena, 0);
    validation_init(&v, &arena, SLICE("json"));
    ProtobufCMessage *message = proto_json_read(proto_message_find(SLICE("google.protobuf.Any")),
                                                node, &options, &arena, &v);
    if (message != NULL && validation_ok(&v)) {
        struct proto_any any = proto_any_view(message);
        const struct resource_type *type = resource_type_find(any.type_url);
        if (type != NULL) {
            arena_reset(&f->arena);
            validation_init(&f->v, &f->arena, resource_name(type, any.value));
            enum status status =
                resource_decode(type, &f->context, &f->options, any.value, &f->v, &f->result);
            tally->decoded += status == STATUS_OK;
            if (status != STATUS_OK) {
                note_refusal(tally, file);
            }
            decode_result_release(&f->result);
        }
    }
    arena_deinit(&arena);
}

static void decode_file(struct tally *tally, const char *path) {
    struct arena arena;
    const struct document_node *root = NULL;
    arena_init_heap(&arena, 1024 * 1024);
    struct slice text = read_file(path, &arena);
    text = replaced(text, SLICE("@@TEST_CERT@@"), tally->cert, &arena);
    text = replaced(text, SLICE("@@TEST_KEY@@"), tally->key, &arena);
    if (document_parse_json(text, &arena, &root, NULL) == STATUS_OK &&
        root->kind == DOCUMENT_OBJECT) {
        for (const struct document_node *member = root->first; member != NULL;
             member = member->next) {
            if (!slice_equal(member->key, SLICE("resources"))) {
                continue;
            }
            tally->files++;
            for (const struct document_node *node = member->first; node != NULL;
                 node = node->next) {
                decode_node(tally, node, path);
            }
        }
    }
    arena_deinit(&arena);
}

static void walk(struct tally *tally, const char *folder) {
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        return;
    }
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        char path[4096];
        struct stat info;
        if (entry->d_name[0] == '.') {
            continue;
        }
        (void)snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        if (stat(path, &info) != 0) {
            continue;
        }
        if (S_ISDIR(info.st_mode)) {
            walk(tally, path);
        } else if (slice_ends_with(slice_from_string(path), SLICE(".json"))) {
            decode_file(tally, path);
        }
    }
    closedir(dir);
}

static void print_reasons(const struct tally *tally) {
    struct slice key;
    void *value;
    size_t at = 0;
    while (hash_map_next(&tally->reasons, &at, &key, &value)) {
        const struct reason *reason = value;
        printf("%5u  %.*s   [%.*s]\n", reason->count, SLICE_ARG(reason->text),
               SLICE_ARG(reason->example));
    }
    printf("files %u, decoded %u, refused %u, without a reason %u\n", tally->files, tally->decoded,
           tally->refused, tally->silent);
}

START_TEST(corpus_resources_decode_or_are_refused_with_a_reason) {
    struct tally tally = {0};
    decode_fixture_init(&tally.fixture);
    arena_init_heap(&tally.arena, 0);
    hash_map_init(&tally.reasons);
    tally.ca = test_cert_ca("corpus");
    tally.made = test_cert_leaf(tally.ca, "corpus.test");
    tally.cert = escaped(test_cert_pem(tally.made), &tally.arena);
    tally.key = escaped(test_cert_key_pem(tally.made), &tally.arena);
    walk(&tally, getenv("SALLYPORT_CORPUS"));
    print_reasons(&tally);
    ck_assert_uint_gt(tally.files, 0);
    ck_assert_uint_gt(tally.decoded, 0);
    ck_assert_uint_eq(tally.silent, 0);
    hash_map_deinit(&tally.reasons);
    test_cert_free(tally.made);
    test_cert_free(tally.ca);
    arena_deinit(&tally.arena);
    decode_fixture_deinit(&tally.fixture);
}
END_TEST

int main(int argc, char **argv) {
    enum { TIMEOUT_S = 600 };
    if (argc > 1) {
        setenv("SALLYPORT_CORPUS", argv[1], 1);
    }
    if (getenv("SALLYPORT_CORPUS") == NULL) {
        printf("no corpus is given (SALLYPORT_CORPUS): nothing to do\n");
        return EXIT_SUCCESS;
    }
    TCase *tcase = tcase_create("corpus");
    tcase_set_timeout(tcase, TIMEOUT_S);
    tcase_add_test(tcase, corpus_resources_decode_or_are_refused_with_a_reason);
    return run_suite("corpus", tcase);
}
