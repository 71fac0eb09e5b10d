// SPDX-License-Identifier: Apache-2.0
/*
 * mutate_resources FOLDER [--count N] [--seconds S] [--seed X] [--first I]
 *
 * Sends mutants of right resources to the xDS client and looks at what it makes of them. FOLDER has for
 * each type (LDS, RDS, CDS, EDS, SDS) a folder: seed-*.json are mutated; keep-*.json are in every
 * response of the type, good.json is the resource "mutant" as it should be, neighbour-a.json and
 * neighbour-b.json are two versions of "neighbour". A response holds a mutant, the neighbour's other
 * version and what is kept. After each: one answer; a refusal names the resource and what is wrong with
 * it, and the last good version stays; the neighbour is applied. State of the world and delta take turns.
 * Mutant I of a seed is the same in every run.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/base/check.h"
#include "src/base/log.h"
#include "tests/mutation/mutation_world.h"
#include "tests/mutation/wire_mutator.h"

enum { TYPES = 5, SEEDS_MAX = 2048, KEPT_MAX = 4, PATH_BYTES = 4096 };
enum { SHOWN = 3 };

/* How many of a hundred mutants are of a type: those with most fields have most. */
static const struct {
    const struct resource_type *type;
    unsigned share;
} TYPE_TABLE[TYPES] = {{&resource_type_listener, 40},
                       {&resource_type_cluster, 25},
                       {&resource_type_route, 22},
                       {&resource_type_endpoint, 8},
                       {&resource_type_secret, 5}};

/* The resources of a type, serialised. */
struct family {
    const struct resource_type *type;
    struct slice seeds[SEEDS_MAX];
    size_t seed_count;
    struct mutation_resource kept[KEPT_MAX];
    size_t kept_count;
    struct slice good, neighbours[2];
    unsigned neighbour; /* which version is in use */
    uint64_t taken, refused, withheld;
};

struct run {
    struct arena arena; /* of the resources */
    struct family families[TYPES];
    struct mutation_world *world;
    uint64_t number, seed;

    bool is_delta;
};

/* ---- reading the folder ---- */

static struct slice read_text(const char *path, struct arena *arena) {
    FILE *file = fopen(path, "rb");
    if (file == NULL || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        exit(2);
    }
    size_t len = (size_t)ftell(file);
    rewind(file);
    uint8_t *text = arena_alloc_bytes(arena, len + 1);
    CHECK(fread(text, 1, len, file) == len);
    fclose(file);
    return slice_make(text, len);
}

static void take_file(struct family *family, const char *folder, const char *name,
                      struct arena *arena) {
    char path[PATH_BYTES];
    snprintf(path, sizeof(path), "%s/%s/%s", folder, family->type->short_name, name);
    struct slice raw = mutation_message(family->type->message, read_text(path, arena), arena);
    if (strncmp(name, "seed-", 5) == 0 && family->seed_count < SEEDS_MAX) {
        family->seeds[family->seed_count++] = raw;
    } else if (strncmp(name, "keep-", 5) == 0) {
        CHECK(family->kept_count < KEPT_MAX);
        family->kept[family->kept_count++] =
            (struct mutation_resource){resource_name(family->type, raw), raw};
    } else if (strncmp(name, "neighbour-", 10) == 0) {
        family->neighbours[name[10] == 'b'] = raw;
    } else if (strcmp(name, "good.json") == 0) {
        family->good = raw;
    }
}

static void read_family(struct family *family, const char *folder, struct arena *arena) {
    char path[PATH_BYTES];
    struct dirent **entries;
    snprintf(path, sizeof(path), "%s/%s", folder, family->type->short_name);
    int count = scandir(path, &entries, NULL, alphasort); // the order decides what a number means
    if (count < 0) {
        perror(path);
        exit(2);
    }
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') {
            take_file(family, folder, entries[i]->d_name, arena);
        }
        free(entries[i]);
    }
    free(entries);
    CHECK(family->seed_count > 0 && family->good.len > 0 && family->neighbours[0].len > 0 &&
          family->neighbours[1].len > 0);
}

/* ---- what must hold ---- */

static void complain(const struct run *run, const struct family *family, const char *what,
                     struct slice raw, struct slice error) {
    fprintf(stderr, "mutant %llu of seed %llu (%s, %s): %s\nanswer: %.*s\nresource: ",
            (unsigned long long)run->number, (unsigned long long)run->seed,
            family->type->short_name, run->is_delta ? "delta" : "SotW", what, SLICE_ARG(error));
    for (size_t i = 0; i < raw.len; i++) {
        fprintf(stderr, "%02x", raw.ptr[i]);
    }
    fprintf(stderr, "\n");
    exit(1);
}

/* A name that may be shown as it is. */
static bool is_plain(struct slice name) {
    enum { SHOWN_MAX = 200 };
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] <= ' ' || name.ptr[i] > '~') {
            return false;
        }
    }
    return name.len > 0 && name.len < SHOWN_MAX;
}

/* "… NAME: PATH: why": a word without blanks between two colons. */
static bool names_a_field(struct slice error) {
    /* No field that the API knows; no field alone; a map's key, which may hold anything; Envoy's words
     * for a folder that is not there, which name it. */
    static const struct slice exceptions[] = {SLICE_INIT("field number "),
                                              SLICE_INIT("malformed field tag"),
                                              SLICE_INIT("duplicate cluster "),
                                              SLICE_INIT("duplicate listener "),
                                              SLICE_INIT("[\""),
                                              SLICE_INIT("unable to add filesystem watch")};
    size_t at;
    if (slice_starts_with(error, SLICE("mutant: "))) {
        error = slice_sub(error, 8, SIZE_MAX);
    }
    for (size_t i = 0; i < ARRAY_LEN(exceptions); i++) {
        if (slice_find(error, exceptions[i]) != SIZE_MAX) {
            return true;
        }
    }
    do {
        size_t end = slice_find(error, SLICE(": ")), blank = slice_find_byte(error, ' ');
        if (end != SIZE_MAX && end > 0 && blank == end + 1) {
            return true;
        }
        at = end;
        error = slice_sub(error, end == SIZE_MAX ? error.len : end + 2, SIZE_MAX);
    } while (at != SIZE_MAX);
    return false;
}

static bool names_the_resource(const struct run *run, struct slice error, struct slice name) {
    return slice_find(error, name) != SIZE_MAX ||
           (run->is_delta && slice_find(error, SLICE("mutant")) != SIZE_MAX);
}

static struct mutation_answer push(struct run *run, struct family *family, struct slice mutant) {
    struct mutation_resource resources[KEPT_MAX + 2];
    size_t count = 0;
    for (size_t i = 0; i < family->kept_count; i++) {
        resources[count++] = family->kept[i];
    }
    resources[count++] = (struct mutation_resource){SLICE("mutant"), mutant};
    resources[count++] =
        (struct mutation_resource){SLICE("neighbour"), family->neighbours[family->neighbour]};
    return mutation_world_push(run->world, family->type, resources, count);
}

static void check_refusal(const struct run *run, struct family *family, struct slice mutant,
                          unsigned last_good, struct slice error) {
    struct slice name = resource_name(family->type, mutant);
    family->refused++;
    if (is_plain(name) && !names_the_resource(run, error, name)) {
        complain(run, family, "the refusal does not name it", mutant, error);
    }
    if (is_plain(name) && !names_a_field(error)) {
        complain(run, family, "the refusal names no field", mutant, error);
    }
    if ((run->is_delta || slice_equal(name, SLICE("mutant"))) &&
        mutation_world_version(run->world, family->type, SLICE("mutant")) != last_good) {
        complain(run, family, "the last good one has gone", mutant, error);
    }
}

/* Back to what was there before, whatever the mutant did. */
static void heal(struct run *run, struct family *family) {
    struct mutation_answer answer = push(run, family, family->good);
    if (!answer.is_there || answer.error.len > 0) {
        complain(run, family, "the good one is not taken again", family->good, answer.error);
    }
    if (mutation_world_version(run->world, family->type, SLICE("mutant")) == 0) {
        complain(run, family, "the good one is not there again", family->good, answer.error);
    }
}

static void try_mutant(struct run *run, struct family *family, struct slice mutant) {
    unsigned last_good = mutation_world_version(run->world, family->type, SLICE("mutant"));
    family->neighbour = !family->neighbour;
    struct mutation_answer answer = push(run, family, mutant);
    if (!answer.is_there) {
        family->withheld++; // it waits for something, for as long as it says itself
    } else if (answer.error.len > 0) {
        check_refusal(run, family, mutant, last_good, answer.error);
    } else {
        family->taken++;
    }
    if (mutation_world_version(run->world, family->type, SLICE("neighbour")) !=
            mutation_world_pushes(run->world) &&
        !slice_equal(resource_name(family->type, mutant), SLICE("neighbour"))) {
        complain(run, family, "its neighbour was not applied", mutant, answer.error);
    }
    heal(run, family);
}

/* ---- the run ---- */

static struct family *choose_family(struct run *run, struct random *random) {
    uint64_t at = random_below(random, 100);
    size_t i = 0;
    while (at >= TYPE_TABLE[i].share) {
        at -= TYPE_TABLE[i++].share;
    }
    return &run->families[i];
}

static void one(struct run *run) {
    struct random random;
    struct arena arena;
    random_init_seed(&random, run->seed * 0x9e3779b97f4a7c15ULL + run->number);
    arena_init_heap(&arena, 0);
    struct family *family = choose_family(run, &random);
    struct slice seed = family->seeds[random_below(&random, family->seed_count)];
    struct family *other = choose_family(run, &random);
    struct slice donor = other->seeds[random_below(&random, other->seed_count)];
    try_mutant(run, family, wire_mutate(seed, donor, &random, &arena));
    arena_deinit(&arena);
}

/* Clusters before their endpoints, listeners before their routes and secrets. */
static void begin(struct run *run, bool is_delta) {
    static const unsigned order[TYPES] = {1, 3, 0, 2, 4};
    mutation_world_free(run->world);
    run->is_delta = is_delta;
    run->world = mutation_world_new(is_delta);
    for (unsigned i = 0; i < TYPES; i++) {
        (void)push(run, &run->families[order[i]], run->families[order[i]].good);
    }
    for (unsigned i = 0; i < TYPES; i++) {
        heal(run, &run->families[i]);
    }
}

struct arguments {
    const char *folder;
    uint64_t count, seconds, seed, first;
};

static void usage(void) {
    fprintf(stderr, "usage: mutate_resources FOLDER [--count N] [--seconds S] [--seed X] "
                    "[--first I]\n");
    exit(2);
}

static struct arguments read_arguments(int argc, char **argv) {
    struct arguments args = {.count = UINT64_MAX, .seconds = UINT64_MAX, .seed = 1};
    for (int i = 1; i < argc; i++) {
        const char *names[] = {"--count", "--seconds", "--seed", "--first"};
        uint64_t *values[] = {&args.count, &args.seconds, &args.seed, &args.first};
        size_t at = 0;
        while (at < ARRAY_LEN(names) && strcmp(argv[i], names[at]) != 0) {
            at++;
        }
        if (at < ARRAY_LEN(names) && i + 1 < argc) {
            *values[at] = strtoull(argv[++i], NULL, 10);
        } else if (argv[i][0] != '-' && args.folder == NULL) {
            args.folder = argv[i];
        } else {
            usage();
        }
    }
    if (args.folder == NULL || (args.count == UINT64_MAX && args.seconds == UINT64_MAX)) {
        usage();
    }
    return args;
}

static void report(const struct run *run, uint64_t done, uint64_t ms) {
    for (size_t i = 0; i < TYPES; i++) {
        const struct family *f = &run->families[i];
        printf("%s: %zu seeds, %llu taken, %llu refused, %llu withheld\n", f->type->short_name,
               f->seed_count, (unsigned long long)f->taken, (unsigned long long)f->refused,
               (unsigned long long)f->withheld);
    }
    printf("%llu mutants of seed %llu in %llu.%03llu s\n", (unsigned long long)done,
           (unsigned long long)run->seed, (unsigned long long)ms / 1000,
           (unsigned long long)ms % 1000);
}

static uint64_t now_ms(void) {
    return clock_system()->monotonic_us(clock_system()) / 1000;
}

enum { BLOCK = 1000 }; /* mutants of one variant before the other's turn */

int main(int argc, char **argv) {
    struct arguments args = read_arguments(argc, argv);
    log_set_level(LOG_OFF);
    struct run run = {.seed = args.seed};
    arena_init_heap(&run.arena, 0);
    for (size_t i = 0; i < TYPES; i++) {
        run.families[i].type = TYPE_TABLE[i].type;
        read_family(&run.families[i], args.folder, &run.arena);
    }
    uint64_t start = now_ms(), done = 0;
    for (; done < args.count && (now_ms() - start) / 1000 < args.seconds; done++) {
        run.number = args.first + done;
        if (done == 0 || run.number % BLOCK == 0) {
            begin(&run, run.number / BLOCK % 2 == 1);
        }
        one(&run);
    }
    mutation_world_free(run.world);
    report(&run, done, now_ms() - start);
    arena_deinit(&run.arena);
    return EXIT_SUCCESS;
}
