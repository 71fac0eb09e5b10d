// SPDX-License-Identifier: Apache-2.0
#include <math.h>

#include "filters/http/jwt_authn/jwt_verify.h"
#include "src/access_log/stream_info.h"
#include "src/http/message.h"

/* Metadata is a flat list that is searched from its head. */
enum { MAX_METADATA_VALUES = 1024 };

#define METADATA_NAMESPACE SLICE("envoy.filters.http.jwt_authn")

void jwt_note_header(struct jwt_judgement *judgement, struct slice name, struct slice value) {
    struct jwt_effect *effect = ARENA_NEW(judgement->arena, struct jwt_effect);
    *effect = (struct jwt_effect){.name = name, .value = value};
    *judgement->tail = effect;
    judgement->tail = &effect->next;
}

/* ---- headers ---- */

static struct slice base64(struct slice bytes, struct arena *arena) {
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint8_t *text = arena_alloc_bytes(arena, (bytes.len + 2) / 3 * 4 + 1);
    size_t len = 0;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t bits = (uint32_t)bytes.ptr[i] << 16;
        bits |= left > 1 ? (uint32_t)bytes.ptr[i + 1] << 8 : 0;
        bits |= left > 2 ? bytes.ptr[i + 2] : 0;
        text[len++] = (uint8_t)alphabet[bits >> 18];
        text[len++] = (uint8_t)alphabet[bits >> 12 & 63];
        text[len++] = left > 1 ? (uint8_t)alphabet[bits >> 6 & 63] : '=';
        text[len++] = left > 2 ? (uint8_t)alphabet[bits & 63] : '=';
    }
    return slice_make(text, len);
}

/* Whole numbers that fit are written as such, the others with six digits. */
static struct slice number_text(const json_t *value, struct arena *arena) {
    double number = json_number_value(value);
    if (json_is_integer(value) && json_integer_value(value) >= 0) {
        return arena_printf(arena, "%lld", (long long)json_integer_value(value));
    }
    if (number >= 0 && number < 18446744073709551616.0 && trunc(number) == number) {
        return arena_printf(arena, "%.0f", number);
    }
    return arena_printf(arena, "%f", number);
}

/* Empty for what no header can carry. */
static struct slice claim_text(const json_t *value, struct arena *arena) {
    struct slice text = SLICE("");
    if (json_is_string(value)) {
        text = arena_dup_slice(arena, jwt_json_text(value));
    } else if (json_is_number(value)) {
        text = number_text(value, arena);
    } else if (json_is_boolean(value)) {
        text = json_is_true(value) ? SLICE("true") : SLICE("false");
    } else if (json_is_object(value) || json_is_array(value)) {
        text = base64(jwt_json_write(value, arena), arena);
    }
    return http_is_field_value(text) ? text : SLICE("");
}

static const json_t *find_claim(const json_t *payload, const struct jwt_texts *path) {
    const json_t *at = payload;
    for (uint32_t i = 0; at != NULL && i < path->count; i++) {
        at = json_object_getn(at, (const char *)path->items[i].ptr, path->items[i].len);
    }
    return at;
}

static bool note_headers(struct jwt_judgement *judgement, const struct jwt_provider *provider,
                         const struct jwt_token *token) {
    bool has_any = false;
    if (provider->payload_header.len > 0) {
        struct slice payload = token->encoded_payload;
        if (provider->pads_payload_header) {
            static const char *const padding[] = {"", "", "==", "="};
            payload = arena_printf(judgement->arena, "%.*s%s", SLICE_ARG(payload),
                                   padding[payload.len % 4]);
        }
        jwt_note_header(judgement, provider->payload_header, payload);
        has_any = true;
    }
    for (uint32_t i = 0; i < provider->claim_header_count; i++) {
        const struct jwt_claim_header *to = &provider->claim_headers[i];
        struct slice text = claim_text(find_claim(token->payload, &to->path), judgement->arena);
        if (text.len > 0) {
            jwt_note_header(judgement, to->header, text);
            has_any = true;
        }
    }
    return has_any;
}

/* ---- metadata ---- */

struct flattening {
    struct jwt_judgement *judgement;
    const struct jwt_texts *space_delimited;
    uint32_t count;
};

static struct slice list_of_words(struct flattening *f, struct slice text) {
    json_t *list = json_array();
    struct slice word;
    while (slice_split(&text, ' ', &word)) {
        if (word.len > 0) {
            (void)json_array_append_new(list, json_stringn((const char *)word.ptr, word.len));
        }
    }
    struct slice out = jwt_json_write(list, f->judgement->arena);
    json_decref(list);
    return out;
}

static bool is_space_delimited(const struct flattening *f, struct slice claim) {
    for (uint32_t i = 0; f->space_delimited != NULL && i < f->space_delimited->count; i++) {
        if (slice_equal(f->space_delimited->items[i], claim)) {
            return true;
        }
    }
    return false;
}

static void flatten(struct flattening *f, struct slice path, const json_t *object, bool is_root) {
    struct arena *arena = f->judgement->arena;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, key, value) {
        struct slice name = slice_from_string(key);
        struct slice at = arena_printf(arena, "%.*s.%.*s", SLICE_ARG(path), SLICE_ARG(name));
        if (json_is_object(value)) {
            flatten(f, at, value, false);
            continue;
        }
        if (++f->count > MAX_METADATA_VALUES) {
            return;
        }
        bool is_text = json_is_string(value),
             is_words = is_root && is_text && is_space_delimited(f, name);
        struct slice text = is_words  ? list_of_words(f, jwt_json_text(value))
                            : is_text ? jwt_json_text(value)
                                      : jwt_json_write(value, arena);
        stream_info_set_metadata(f->judgement->info, METADATA_NAMESPACE, at, text,
                                 is_text && !is_words);
    }
}

/* Claims that are left out could be those that a later filter denies by: too many are an error. */
static bool note_document(struct jwt_judgement *judgement, struct slice key, const json_t *object,
                          const struct jwt_texts *space_delimited) {
    struct flattening f = {.judgement = judgement, .space_delimited = space_delimited};
    if (key.len > 0) {
        flatten(&f, key, object, true);
    }
    return f.count <= MAX_METADATA_VALUES;
}

enum jwt_status jwt_note_token(struct jwt_judgement *judgement, const struct jwt_provider *provider,
                               const struct jwt_token *token) {
    bool has_any = note_headers(judgement, provider, token);
    if (!note_document(judgement, provider->header_in_metadata, token->header, NULL) ||
        !note_document(judgement, provider->payload_in_metadata, token->payload,
                       &provider->space_delimited)) {
        return JWT_PAYLOAD_BAD_JSON;
    }
    has_any =
        has_any || provider->header_in_metadata.len > 0 || provider->payload_in_metadata.len > 0;
    judgement->clears_route = judgement->clears_route || (has_any && provider->clears_route);
    return JWT_OK;
}

void jwt_note_failure(struct jwt_judgement *judgement, const struct jwt_provider *provider,
                      enum jwt_status status) {
    if (provider->failure_in_metadata.len == 0) {
        return;
    }
    struct arena *arena = judgement->arena;
    struct slice key = provider->failure_in_metadata;
    stream_info_set_metadata(judgement->info, METADATA_NAMESPACE,
                             arena_printf(arena, "%.*s.code", SLICE_ARG(key)),
                             arena_printf(arena, "%d", (int)status), false);
    stream_info_set_metadata(judgement->info, METADATA_NAMESPACE,
                             arena_printf(arena, "%.*s.message", SLICE_ARG(key)),
                             jwt_status_text(status), true);
}
