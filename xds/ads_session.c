// SPDX-License-Identifier: Apache-2.0
#include "xds/ads_session.h"

#include "src/base/check.h"
#include "src/base/hash_map.h"
#include "src/base/list.h"
#include "src/base/log.h"

enum { SESSION_MAGIC = 0x53444150 };

/* A resource that is wanted, or (delta) held without being named. */
struct ads_name {
    struct list_node node; /* in ads_type.names, in the order of subscription */
    struct slice name;     /* its bytes follow the struct */
    uint32_t refs;         /* subscribers; 0: held through the wildcard, or about to be given up */
    bool is_sent;          /* delta: the stream's server knows that it is wanted */
    struct slice version;  /* delta: of the accepted resource; ptr NULL: none is held */
    uint8_t bytes[];
};

/* An answer that is due (delta: one per response; SotW: the last one). */
struct ads_answer {
    struct list_node node;
    struct slice nonce;
    struct slice error; /* ptr NULL: accepted */
};

struct ads_type {
    struct list_node node;       /* in ads_session.types */
    struct list_node dirty_node; /* in ads_session.dirty while there is something to send */
    struct slice url;
    struct list_node names;
    struct hash_map by_name;
    uint32_t named; /* names with refs */
    uint32_t wildcard_refs;
    uint32_t paused;
    bool is_started;       /* a request went out on this stream */
    bool is_changed;       /* subscriptions differ from what the server was told */
    bool is_wildcard_sent; /* delta */
    struct slice version;  /* SotW: last accepted */
    struct slice nonce;    /* of the last response of this stream */
    struct list_node answers;
};

struct ads_session {
    uint32_t magic;
    struct ads_session_options options;
    struct list_node types;
    struct list_node dirty;
    bool is_open;
    bool is_node_sent; /* on this stream */
};

/* ---- owned text ---- */

static struct slice own(struct slice text) {
    return slice_make(mem_dup_string((const char *)text.ptr, text.len), text.len);
}

static void disown(struct slice *text) {
    mem_free((void *)(uintptr_t)text->ptr);
    *text = (struct slice){NULL, 0};
}

static void replace(struct slice *text, struct slice with) {
    struct slice copy = own(with);
    disown(text);
    *text = copy;
}

/* ---- types and names ---- */

static struct ads_type *find_type(const struct ads_session *session, struct slice url) {
    LIST_FOR_EACH (node, &session->types) {
        struct ads_type *type = LIST_ENTRY(node, struct ads_type, node);
        if (slice_equal(type->url, url)) {
            return type;
        }
    }
    return NULL;
}

static struct ads_type *obtain_type(struct ads_session *session, struct slice url) {
    struct ads_type *type = find_type(session, url);
    if (type != NULL) {
        return type;
    }
    type = mem_calloc(1, sizeof(*type));
    type->url = own(url);
    list_init(&type->names);
    list_init(&type->answers);
    list_init(&type->dirty_node);
    hash_map_init(&type->by_name);
    list_push_back(&session->types, &type->node);
    return type;
}

static void free_name(struct ads_type *type, struct ads_name *name) {
    hash_map_remove(&type->by_name, name->name);
    list_remove(&name->node);
    disown(&name->version);
    mem_free(name);
}

static void free_answer(struct ads_answer *answer) {
    list_remove(&answer->node);
    disown(&answer->nonce);
    disown(&answer->error);
    mem_free(answer);
}

static void drop_answers(struct ads_type *type) {
    LIST_FOR_EACH_SAFE (node, &type->answers) {
        free_answer(LIST_ENTRY(node, struct ads_answer, node));
    }
}

static void free_type(struct ads_type *type) {
    LIST_FOR_EACH_SAFE (node, &type->names) {
        free_name(type, LIST_ENTRY(node, struct ads_name, node));
    }
    drop_answers(type);
    hash_map_deinit(&type->by_name);
    list_remove(&type->dirty_node);
    list_remove(&type->node);
    disown(&type->url);
    disown(&type->version);
    disown(&type->nonce);
    mem_free(type);
}

static struct ads_name *obtain_name(struct ads_type *type, struct slice text) {
    struct ads_name *name = hash_map_get(&type->by_name, text);
    if (name != NULL) {
        return name;
    }
    name = mem_calloc(1, sizeof(*name) + text.len);
    if (text.len > 0) {
        memcpy(name->bytes, text.ptr, text.len);
    }
    name->name = slice_make(name->bytes, text.len);
    list_push_back(&type->names, &name->node);
    hash_map_put(&type->by_name, name->name, name);
    return name;
}

static bool is_wanted(const struct ads_type *type) {
    return type->named > 0 || type->wildcard_refs > 0;
}

static bool is_delta(const struct ads_session *session) {
    return session->options.variant == DISCOVERY_DELTA;
}

static void mark_dirty(struct ads_session *session, struct ads_type *type) {
    if (!list_is_linked(&type->dirty_node)) {
        list_push_back(&session->dirty, &type->dirty_node);
    }
    if (session->is_open && type->paused == 0) {
        session->options.handler->on_pending(session->options.arg);
    }
}

static void mark_changed(struct ads_session *session, struct ads_type *type) {
    type->is_changed = true;
    mark_dirty(session, type);
}

/* ---- subscriptions ---- */

void ads_session_subscribe(struct ads_session *session, struct slice type_url, struct slice name) {
    CHECK_MAGIC(session, SESSION_MAGIC);
    struct ads_type *type = obtain_type(session, type_url);
    if (name.len == 0) {
        type->wildcard_refs++;
        mark_changed(session, type);
        return;
    }
    struct ads_name *entry = obtain_name(type, name);
    type->named += entry->refs == 0 ? 1 : 0;
    entry->refs++;
    if (entry->refs == 1) {
        entry->is_sent = false; // given up and wanted again: the server is to send it anew
    }
    if (entry->refs == 1 || !is_delta(session)) {
        mark_changed(session, type);
    }
}

static void release_name(struct ads_session *session, struct ads_type *type,
                         struct ads_name *name) {
    type->named--;
    mark_changed(session, type);
    // Delta must still tell the server; through the wildcard the resource may stay held.
    if (is_delta(session) && (name->is_sent || type->wildcard_refs > 0)) {
        if (type->wildcard_refs == 0) {
            disown(&name->version);
        }
        return;
    }
    free_name(type, name);
}

static void release_wildcard(struct ads_session *session, struct ads_type *type) {
    mark_changed(session, type);
    LIST_FOR_EACH_SAFE (node, &type->names) {
        struct ads_name *name = LIST_ENTRY(node, struct ads_name, node);
        if (name->refs == 0 && !name->is_sent) {
            free_name(type, name);
        }
    }
}

void ads_session_unsubscribe(struct ads_session *session, struct slice type_url,
                             struct slice name) {
    CHECK_MAGIC(session, SESSION_MAGIC);
    struct ads_type *type = find_type(session, type_url);
    if (type == NULL) {
        return;
    }
    if (name.len == 0) {
        if (type->wildcard_refs > 0 && --type->wildcard_refs == 0) {
            release_wildcard(session, type);
        }
        return;
    }
    struct ads_name *entry = hash_map_get(&type->by_name, name);
    if (entry != NULL && entry->refs > 0 && --entry->refs == 0) {
        release_name(session, type, entry);
    }
}

void ads_session_pause(struct ads_session *session, struct slice type_url) {
    CHECK_MAGIC(session, SESSION_MAGIC);
    obtain_type(session, type_url)->paused++;
}

void ads_session_resume(struct ads_session *session, struct slice type_url) {
    CHECK_MAGIC(session, SESSION_MAGIC);
    struct ads_type *type = find_type(session, type_url);
    ASSERT(type != NULL && type->paused > 0);
    if (--type->paused == 0 && list_is_linked(&type->dirty_node) && session->is_open) {
        session->options.handler->on_pending(session->options.arg);
    }
}

/* ---- streams ---- */

void ads_session_opened(struct ads_session *session) {
    CHECK_MAGIC(session, SESSION_MAGIC);
    ASSERT(!session->is_open);
    session->is_open = true;
    session->is_node_sent = false;
    LIST_FOR_EACH (node, &session->types) {
        struct ads_type *type = LIST_ENTRY(node, struct ads_type, node);
        if (is_wanted(type)) {
            mark_changed(session, type);
        }
    }
}

static void forget_stream(struct ads_type *type) {
    type->is_started = false;
    type->is_changed = false;
    type->is_wildcard_sent = false;
    list_remove(&type->dirty_node);
    drop_answers(type);
    disown(&type->nonce);
    LIST_FOR_EACH_SAFE (node, &type->names) {
        struct ads_name *name = LIST_ENTRY(node, struct ads_name, node);
        name->is_sent = false;
        if (name->refs == 0 && (type->wildcard_refs == 0 || name->version.ptr == NULL)) {
            free_name(type, name);
        }
    }
}

void ads_session_closed(struct ads_session *session) {
    CHECK_MAGIC(session, SESSION_MAGIC);
    session->is_open = false;
    LIST_FOR_EACH (node, &session->types) {
        forget_stream(LIST_ENTRY(node, struct ads_type, node));
    }
}

bool ads_session_is_open(const struct ads_session *session) {
    return session->is_open;
}

/* ---- responses ---- */

static bool is_asked_for(const struct ads_type *type, struct slice name) {
    const struct ads_name *entry = hash_map_get(&type->by_name, name);
    return type->wildcard_refs > 0 || (entry != NULL && entry->refs > 0);
}

// Delta servers may send what was unsubscribed meanwhile.
static void leave_out_unwanted(const struct ads_type *type, struct discovery_response *response,
                               struct arena *arena) {
    if (type->wildcard_refs > 0) {
        return;
    }
    struct discovery_resource *kept =
        ARENA_NEW_ARRAY(arena, response->resource_count, struct discovery_resource);
    struct slice *removed = ARENA_NEW_ARRAY(arena, response->removed_count, struct slice);
    uint32_t kept_count = 0;
    uint32_t removed_count = 0;
    for (uint32_t i = 0; i < response->resource_count; i++) {
        if (is_asked_for(type, response->resources[i].name)) {
            kept[kept_count++] = response->resources[i];
        }
    }
    for (uint32_t i = 0; i < response->removed_count; i++) {
        if (is_asked_for(type, response->removed[i])) {
            removed[removed_count++] = response->removed[i];
        }
    }
    response->resources = kept;
    response->resource_count = kept_count;
    response->removed = removed;
    response->removed_count = removed_count;
}

enum status ads_session_receive(struct ads_session *session, struct slice bytes,
                                struct error *err) {
    CHECK_MAGIC(session, SESSION_MAGIC);
    struct arena arena;
    struct discovery_response response;
    arena_init_heap(&arena, 0);
    enum status status =
        discovery_response_parse(session->options.variant, bytes, &arena, &response, err);
    struct ads_type *type = status == STATUS_OK ? find_type(session, response.type_url) : NULL;
    if (type != NULL && type->is_started) {
        replace(&type->nonce, response.nonce);
        if (is_delta(session)) {
            leave_out_unwanted(type, &response, &arena);
        }
        session->options.handler->on_response(session->options.arg, &response);
    } else if (status == STATUS_OK) {
        LOG(CONFIG, WARN,
            "Ignoring the message for type URL %.*s as it has no current subscribers.",
            SLICE_ARG(response.type_url));
    }
    arena_deinit(&arena);
    return status;
}

static void record_version(struct ads_type *type, const struct discovery_resource *resource) {
    struct ads_name *name = hash_map_get(&type->by_name, resource->name);
    bool is_named = name != NULL && name->refs > 0;
    if (!is_named && type->wildcard_refs == 0) {
        return;
    }
    name = obtain_name(type, resource->name);
    if (resource->has_body || name->version.ptr != NULL) {
        replace(&name->version, resource->version);
    }
}

static void record_removal(struct ads_type *type, struct slice text) {
    struct ads_name *name = hash_map_get(&type->by_name, text);
    if (name == NULL) {
        return;
    }
    disown(&name->version);
    if (name->refs == 0 && !name->is_sent) {
        free_name(type, name);
    }
}

static void record_accepted(struct ads_session *session, struct ads_type *type,
                            const struct discovery_response *response) {
    if (!is_delta(session)) {
        replace(&type->version, response->version);
        return;
    }
    for (uint32_t i = 0; i < response->resource_count; i++) {
        record_version(type, &response->resources[i]);
    }
    for (uint32_t i = 0; i < response->removed_count; i++) {
        record_removal(type, response->removed[i]);
    }
}

void ads_session_answer(struct ads_session *session, const struct discovery_response *response,
                        struct slice error) {
    CHECK_MAGIC(session, SESSION_MAGIC);
    struct ads_type *type = find_type(session, response->type_url);
    if (type == NULL) {
        return;
    }
    if (error.len == 0) {
        record_accepted(session, type, response);
    }
    // SotW: only the newest response is answered. A nonce of an earlier stream means nothing now.
    bool is_newest = slice_equal(type->nonce, response->nonce);
    if (!session->is_open || type->nonce.ptr == NULL || (!is_newest && !is_delta(session))) {
        return;
    }
    if (!is_delta(session)) {
        drop_answers(type);
    }
    struct ads_answer *answer = mem_calloc(1, sizeof(*answer));
    answer->nonce = own(response->nonce);
    if (error.len > 0) {
        answer->error = own(error);
    }
    list_push_back(&type->answers, &answer->node);
    mark_dirty(session, type);
}

void ads_session_forget(struct ads_session *session, struct slice type_url, struct slice name) {
    struct ads_type *type = find_type(session, type_url);
    if (type != NULL) {
        record_removal(type, name);
    }
}

/* ---- requests ---- */

static void fill_answer(struct discovery_request *request, const struct ads_answer *answer) {
    request->nonce = answer->nonce;
    request->is_refusal = answer->error.ptr != NULL;
    request->error = answer->error;
}

static void send_request(struct ads_session *session, struct ads_type *type,
                         struct discovery_request *request, struct arena *arena) {
    request->type_url = type->url;
    if (!session->is_node_sent || !session->options.node_on_first_message_only) {
        request->node = session->options.node;
    }
    session->is_node_sent = true;
    type->is_started = true;
    session->options.handler->send(
        session->options.arg, discovery_request_encode(session->options.variant, request, arena));
}

// The legacy wildcard is an empty list; beside names it must be said.
static void list_names(const struct ads_type *type, struct discovery_request *request,
                       struct arena *arena) {
    struct slice *names = ARENA_NEW_ARRAY(arena, (size_t)type->named + 1, struct slice);
    uint32_t count = 0;
    if (type->wildcard_refs > 0 && type->named > 0) {
        names[count++] = SLICE("*");
    }
    LIST_FOR_EACH (node, &type->names) {
        const struct ads_name *name = LIST_ENTRY(node, struct ads_name, node);
        if (name->refs > 0) {
            names[count++] = name->name;
        }
    }
    request->names = names;
    request->name_count = count;
}

static void flush_sotw(struct ads_session *session, struct ads_type *type, struct arena *arena) {
    struct discovery_request request = {.version = type->version, .nonce = type->nonce};
    list_names(type, &request, arena);
    if (!list_is_empty(&type->answers)) {
        fill_answer(&request, LIST_ENTRY(type->answers.next, struct ads_answer, node));
    }
    send_request(session, type, &request, arena);
    drop_answers(type);
}

static void list_versions(const struct ads_type *type, struct discovery_request *request,
                          struct arena *arena) {
    struct discovery_version *versions =
        ARENA_NEW_ARRAY(arena, type->by_name.count, struct discovery_version);
    uint32_t count = 0;
    LIST_FOR_EACH (node, &type->names) {
        const struct ads_name *name = LIST_ENTRY(node, struct ads_name, node);
        if (name->version.ptr != NULL) {
            versions[count++] = (struct discovery_version){name->name, name->version};
        }
    }
    request->initial_versions = versions;
    request->initial_version_count = count;
}

// What changed since the server was told, which is all of it on a new stream.
static void list_delta(struct ads_type *type, struct discovery_request *request,
                       struct arena *arena) {
    size_t limit = type->by_name.count + 1;
    struct slice *added = ARENA_NEW_ARRAY(arena, limit, struct slice);
    struct slice *gone = ARENA_NEW_ARRAY(arena, limit, struct slice);
    if (type->wildcard_refs > 0 && !type->is_wildcard_sent &&
        (type->named > 0 || type->is_started)) {
        added[request->name_count++] = SLICE("*");
    } else if (type->wildcard_refs == 0 && type->is_wildcard_sent) {
        gone[request->unsubscribed_count++] = SLICE("*");
    }
    type->is_wildcard_sent = type->wildcard_refs > 0;
    LIST_FOR_EACH_SAFE (node, &type->names) {
        struct ads_name *name = LIST_ENTRY(node, struct ads_name, node);
        if (name->refs > 0 && !name->is_sent) {
            added[request->name_count++] = name->name;
            name->is_sent = true;
        } else if (name->refs == 0 && name->is_sent) {
            gone[request->unsubscribed_count++] = arena_dup_slice(arena, name->name);
            name->is_sent = false;
            if (name->version.ptr == NULL) {
                free_name(type, name);
            }
        }
    }
    request->names = added;
    request->unsubscribed = gone;
}

static void flush_delta(struct ads_session *session, struct ads_type *type, struct arena *arena) {
    bool is_first = !type->is_started;
    struct discovery_request request = {.type_url = type->url};
    if (is_first) {
        list_versions(type, &request, arena);
    }
    list_delta(type, &request, arena);
    bool has_news = is_first || request.name_count > 0 || request.unsubscribed_count > 0;
    while (has_news || !list_is_empty(&type->answers)) {
        if (!list_is_empty(&type->answers)) {
            struct ads_answer *answer = LIST_ENTRY(type->answers.next, struct ads_answer, node);
            fill_answer(&request, answer);
            send_request(session, type, &request, arena);
            free_answer(answer);
        } else {
            send_request(session, type, &request, arena);
        }
        request = (struct discovery_request){.type_url = type->url};
        has_news = false;
    }
}

static void flush_type(struct ads_session *session, struct ads_type *type) {
    struct arena arena;
    list_remove(&type->dirty_node);
    // Nobody wants the type and the server was never asked for it.
    bool has_answer = !list_is_empty(&type->answers);
    if (!is_wanted(type) && !type->is_started) {
        type->is_changed = false;
        return;
    }
    if (!type->is_changed && !has_answer) {
        return;
    }
    arena_init_heap(&arena, 0);
    if (is_delta(session)) {
        flush_delta(session, type, &arena);
    } else {
        flush_sotw(session, type, &arena);
    }
    type->is_changed = false;
    arena_deinit(&arena);
}

void ads_session_flush(struct ads_session *session) {
    CHECK_MAGIC(session, SESSION_MAGIC);
    if (!session->is_open) {
        return;
    }
    LIST_FOR_EACH_SAFE (node, &session->dirty) {
        struct ads_type *type = LIST_ENTRY(node, struct ads_type, dirty_node);
        if (type->paused == 0) {
            flush_type(session, type);
        }
    }
}

uint32_t ads_session_pending(const struct ads_session *session) {
    uint32_t count = 0;
    LIST_FOR_EACH (node, &session->dirty) {
        count++;
    }
    return count;
}

struct slice ads_session_version(const struct ads_session *session, struct slice type_url) {
    const struct ads_type *type = find_type(session, type_url);
    return type != NULL ? type->version : SLICE("");
}

struct ads_session *ads_session_new(const struct ads_session_options *options) {
    struct ads_session *session = mem_calloc(1, sizeof(*session));
    session->magic = SESSION_MAGIC;
    session->options = *options;
    list_init(&session->types);
    list_init(&session->dirty);
    return session;
}

void ads_session_free(struct ads_session *session) {
    if (session == NULL) {
        return;
    }
    LIST_FOR_EACH_SAFE (node, &session->types) {
        free_type(LIST_ENTRY(node, struct ads_type, node));
    }
    session->magic = 0;
    mem_free(session);
}
