// SPDX-License-Identifier: Apache-2.0
#include "xds/decode/tls_builder.h"

#include "src/base/check.h"
#include "src/matcher/regex.h"
#include "src/matcher/string_matcher.h"
#include "xds/decode/tls_config.h"

/* What one build works with; all lies in an arena that is wiped afterwards. */
struct building {
    const struct config_store *store;
    const struct tls_config *config;
    struct arena *arena;
    struct tls_context_options options;
    bool is_waiting; /* a secret is not there yet */
};

static const struct secret_part *find_secret(struct building *b, uint32_t slot) {
    const struct secret_part *secret =
        (const struct secret_part *)config_store_get(b->store, CONFIG_SECRET, slot);
    b->is_waiting = b->is_waiting || secret == NULL;
    return secret;
}

static enum status check_kind(const struct secret_part *secret, enum secret_kind kind,
                              const char *what, struct error *err) {
    if (secret->kind == kind) {
        return STATUS_OK;
    }
    return error_set(err, STATUS_INVALID, "secret '%.*s' is not a %s", SLICE_ARG(secret->part.name),
                     what);
}

static enum status add_certificates(struct building *b, struct error *err) {
    uint32_t count = b->config->certificate_slot_count;
    if (count == 0) {
        return STATUS_OK;
    }
    struct tls_certificate_source *certificates =
        ARENA_NEW_ARRAY(b->arena, count, struct tls_certificate_source);
    for (uint32_t i = 0; i < count; i++) {
        const struct secret_part *secret = find_secret(b, b->config->certificate_slots[i]);
        if (secret == NULL) {
            return STATUS_OK;
        }
        TRY(check_kind(secret, SECRET_CERTIFICATE, "tls_certificate", err));
        certificates[i] = secret->certificate;
        certificates[i].name = secret->part.name;
    }
    b->options.certificates = certificates;
    b->options.certificate_count = count;
    return STATUS_OK;
}

static const struct slice *joined_slices(struct arena *arena, const struct slice *a,
                                         uint32_t a_count, const struct slice *b,
                                         uint32_t b_count) {
    struct slice *all = arena_calloc(arena, (size_t)a_count + b_count, sizeof(*all));
    for (uint32_t i = 0; i < a_count; i++) {
        all[i] = a[i];
    }
    for (uint32_t i = 0; i < b_count; i++) {
        all[a_count + i] = b[i];
    }
    return all;
}

static void join_sans(struct arena *arena, struct tls_validation_source *to,
                      const struct tls_validation_source *more) {
    uint32_t count = to->san_matcher_count + more->san_matcher_count;
    struct tls_san_matcher *all = ARENA_NEW_ARRAY(arena, count, struct tls_san_matcher);
    for (uint32_t i = 0; i < count; i++) {
        all[i] = i < to->san_matcher_count ? to->san_matchers[i]
                                           : more->san_matchers[i - to->san_matcher_count];
    }
    to->san_matchers = all;
    to->san_matcher_count = count;
}

// As protobuf merges: what the secret says wins, lists are joined.
static struct tls_validation_source merged(struct arena *arena,
                                           const struct tls_validation_source *base,
                                           const struct tls_validation_source *secret) {
    struct tls_validation_source all = *base;
    if (secret->trusted_ca_pem.len > 0) {
        all.trusted_ca_pem = secret->trusted_ca_pem;
        all.trusted_ca_name = secret->trusted_ca_name;
    }
    if (secret->crl_pem.len > 0) {
        all.crl_pem = secret->crl_pem;
    }
    join_sans(arena, &all, secret);
    all.certificate_hashes =
        joined_slices(arena, base->certificate_hashes, base->certificate_hash_count,
                      secret->certificate_hashes, secret->certificate_hash_count);
    all.certificate_hash_count += secret->certificate_hash_count;
    all.spki_pins = joined_slices(arena, base->spki_pins, base->spki_pin_count, secret->spki_pins,
                                  secret->spki_pin_count);
    all.spki_pin_count += secret->spki_pin_count;
    all.allow_expired = base->allow_expired || secret->allow_expired;
    all.accept_untrusted = base->accept_untrusted || secret->accept_untrusted;
    all.only_leaf_crl = base->only_leaf_crl || secret->only_leaf_crl;
    if (secret->max_verify_depth > 0) {
        all.max_verify_depth = secret->max_verify_depth;
    }
    return all;
}

static enum status add_validation(struct building *b, struct error *err) {
    if (b->config->validation_slot == CONFIG_SLOT_NONE) {
        return STATUS_OK;
    }
    const struct secret_part *secret = find_secret(b, b->config->validation_slot);
    if (secret == NULL) {
        return STATUS_OK;
    }
    TRY(check_kind(secret, SECRET_VALIDATION, "validation_context", err));
    struct tls_validation_source *validation = ARENA_NEW(b->arena, struct tls_validation_source);
    *validation = b->config->combined_validation && b->options.validation != NULL
                      ? merged(b->arena, b->options.validation, &secret->validation)
                      : secret->validation;
    b->options.validation = validation;
    return tls_validation_check(validation, err);
}

static enum status add_ticket_keys(struct building *b, struct error *err) {
    if (b->config->ticket_keys_slot == CONFIG_SLOT_NONE) {
        return STATUS_OK;
    }
    const struct secret_part *secret = find_secret(b, b->config->ticket_keys_slot);
    if (secret == NULL) {
        return STATUS_OK;
    }
    TRY(check_kind(secret, SECRET_TICKET_KEYS, "session_ticket_keys", err));
    b->options.ticket_keys = secret->ticket_keys;
    b->options.ticket_key_count = secret->ticket_key_count;
    return STATUS_OK;
}

/* Matchers of names: a context may outlive the secret and the resource that they came from. */
struct san_copies {
    struct arena arena;
    struct string_matcher *matchers;
    uint32_t count;
};

static void san_copies_free(void *object) {
    struct san_copies *copies = object;
    for (uint32_t i = 0; i < copies->count; i++) {
        // The copy owns one reference.
        regex_free((struct regex *)(uintptr_t)copies->matchers[i].regex);
    }
    struct arena arena = copies->arena;
    arena_deinit(&arena);
}

static void copy_sans(struct building *b) {
    const struct tls_validation_source *from = b->options.validation;
    if (from == NULL || from->san_matcher_count == 0) {
        return;
    }
    uint32_t count = from->san_matcher_count;
    struct arena arena;
    arena_init_heap(&arena, 0);
    struct san_copies *copies = ARENA_NEW(&arena, struct san_copies);
    copies->matchers = ARENA_NEW_ARRAY(&arena, count, struct string_matcher);
    copies->count = count;
    struct tls_san_matcher *sans = ARENA_NEW_ARRAY(b->arena, count, struct tls_san_matcher);
    for (uint32_t i = 0; i < count; i++) {
        const struct string_matcher *matcher = from->san_matchers[i].matcher;
        copies->matchers[i] = *matcher;
        copies->matchers[i].text = arena_dup_slice(&arena, matcher->text);
        copies->matchers[i].regex = matcher->regex == NULL ? NULL : regex_ref(matcher->regex);
        sans[i] = from->san_matchers[i];
        sans[i].matcher = &copies->matchers[i];
        sans[i].exact = copies->matchers[i].text;
    }
    struct tls_validation_source *validation = ARENA_NEW(b->arena, struct tls_validation_source);
    *validation = *from;
    validation->san_matchers = sans;
    b->options.validation = validation;
    copies->arena = arena;
    b->options.on_free = san_copies_free;
    b->options.on_free_arg = copies;
}

static struct tls_context *make_context(struct building *b, struct error *err) {
    copy_sans(b);
    struct tls_context *context = tls_context_new(&b->options, err);
    if (context == NULL && b->options.on_free != NULL) {
        b->options.on_free(b->options.on_free_arg);
    }
    return context;
}

static void release_context(void *context) {
    tls_context_unref(context);
}

static enum status build(struct building *b, struct slice name, struct tls_part **part,
                         struct error *err) {
    TRY(add_certificates(b, err));
    TRY(add_validation(b, err));
    TRY(add_ticket_keys(b, err));
    struct tls_context *context = NULL;
    if (!b->is_waiting) {
        context = make_context(b, err);
        if (context == NULL) {
            return STATUS_INVALID;
        }
    }
    struct tls_part *made = config_part_new(CONFIG_TLS, sizeof(*made), name);
    made->context = context;
    if (context != NULL) {
        config_part_on_free(&made->part, release_context, context);
    }
    *part = made;
    return STATUS_OK;
}

enum status tls_builder_make(const struct config_store *store, struct slice name,
                             const struct tls_config *config, struct tls_part **part,
                             struct error *err) {
    struct arena arena;
    arena_init_heap(&arena, 0);
    struct building b = {
        .store = store, .config = config, .arena = &arena, .options = config->options};
    enum status status = build(&b, name, part, err);
    arena_deinit(&arena);
    return status;
}

enum status tls_builder_put(struct config_store *store, uint32_t slot,
                            const struct tls_config *config, struct error *err) {
    struct tls_part *part = NULL;
    TRY(tls_builder_make(store, config_store_slot_name(store, CONFIG_TLS, slot), config, &part,
                         err));
    config_store_put(store, CONFIG_TLS, slot, &part->part);
    return STATUS_OK;
}

bool tls_builder_uses(const struct tls_config *config, uint32_t secret_slot) {
    for (uint32_t i = 0; i < config->certificate_slot_count; i++) {
        if (config->certificate_slots[i] == secret_slot) {
            return true;
        }
    }
    return secret_slot != CONFIG_SLOT_NONE &&
           (config->validation_slot == secret_slot || config->ticket_keys_slot == secret_slot);
}
