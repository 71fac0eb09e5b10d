// SPDX-License-Identifier: Apache-2.0
#include "src/filter_chain/http_filter_chain.h"

#include "src/base/check.h"
#include "src/config/listener_config.h"
#include "src/event/io_context.h"

/* ---- set-up and end ---- */

void http_filter_chain_init(struct http_filter_chain *chain,
                            const struct http_filter_chain_host_ops *ops, void *host,
                            struct arena *arena, struct io_context *io, struct stream_info *info,
                            uint32_t buffer_limit_bytes) {
    *chain = (struct http_filter_chain){
        .ops = ops,
        .host = host,
        .arena = arena,
        .io = io,
        .info = info,
        .decode_limit_bytes = buffer_limit_bytes,
        .encode_limit_bytes = buffer_limit_bytes,
    };
}

/* The most specific level that names the filter decides whether it runs. */
static bool filter_is_enabled(const struct http_filter_config *config,
                              const struct filter_overrides *const *overrides) {
    for (; overrides != NULL && *overrides != NULL; overrides++) {
        for (uint32_t i = 0; i < (*overrides)->count; i++) {
            const struct filter_override *item = &(*overrides)->items[i];
            if (item->name_id == config->name_id) {
                return !item->is_disabled;
            }
        }
    }
    return !config->is_disabled;
}

void http_filter_chain_create(struct http_filter_chain *chain,
                              const struct http_filter_config *configs, uint32_t count,
                              const struct filter_overrides *const *overrides) {
    chain->slots = ARENA_NEW_ARRAY(chain->arena, count, struct filter_slot);
    for (uint32_t i = 0; i < count; i++) {
        if (!filter_is_enabled(&configs[i], overrides)) {
            continue;
        }
        struct http_filter *filter =
            configs[i].factory->create(configs[i].config, chain->arena, chain->io);
        if (filter == NULL) {
            continue;
        }
        struct filter_slot *slot = &chain->slots[chain->count];
        filter->chain = chain;
        filter->config = &configs[i];
        filter->index = chain->count++;
        slot->filter = filter;
    }
}

static void drop_held(struct filter_direction *state) {
    if (state->held != NULL) {
        buffer_deinit(state->held);
    }
}

void http_filter_chain_destroy(struct http_filter_chain *chain) {
    if (chain->is_destroyed) {
        return;
    }
    chain->is_destroyed = true;
    chain->decode_aborted = true;
    chain->encode_aborted = true;
    for (uint32_t i = 0; i < chain->count; i++) {
        struct filter_slot *slot = &chain->slots[i];
        if (slot->filter->ops->on_destroy != NULL) {
            slot->filter->ops->on_destroy(slot->filter);
        }
        drop_held(&slot->decode);
        drop_held(&slot->encode);
    }
}

/* ---- back-pressure ---- */

static void notify_response_watermark(struct http_filter_chain *chain, bool above) {
    for (uint32_t i = chain->count; i-- > 0 && !chain->is_destroyed;) {
        struct http_filter *filter = chain->slots[i].filter;
        void (*notify)(struct http_filter *) =
            above ? filter->ops->on_above_write_watermark : filter->ops->on_below_write_watermark;
        if (notify != NULL) {
            notify(filter);
        }
    }
}

void http_filter_chain_pause_response(struct http_filter_chain *chain, bool pause) {
    if (pause) {
        if (chain->encode_pauses++ == 0) {
            notify_response_watermark(chain, true);
        }
        return;
    }
    CHECK(chain->encode_pauses > 0);
    if (--chain->encode_pauses == 0) {
        notify_response_watermark(chain, false);
    }
}

/* ---- one direction ----
 * Decoding walks the slots upwards, encoding downwards; `position` counts from the direction's start, so
 * that both share every rule below. */

struct direction_ops {
    bool is_decode;
};
static const struct direction_ops decoding = {true};
static const struct direction_ops encoding = {false};

static struct filter_slot *slot_at(struct http_filter_chain *chain,
                                   const struct direction_ops *direction, uint32_t position) {
    return &chain->slots[direction->is_decode ? position : chain->count - 1 - position];
}

static uint32_t position_of(const struct http_filter *f, const struct direction_ops *direction) {
    return direction->is_decode ? f->index : f->chain->count - 1 - f->index;
}

static struct filter_direction *state_of(struct filter_slot *slot,
                                         const struct direction_ops *direction) {
    return direction->is_decode ? &slot->decode : &slot->encode;
}

static bool is_aborted(const struct http_filter_chain *chain,
                       const struct direction_ops *direction) {
    return direction->is_decode ? chain->decode_aborted : chain->encode_aborted;
}

static struct header_map *headers_of(const struct http_filter_chain *chain,
                                     const struct direction_ops *direction) {
    return direction->is_decode ? chain->request_headers : chain->response_headers;
}

static struct header_map *trailers_of(const struct http_filter_chain *chain,
                                      const struct direction_ops *direction) {
    return direction->is_decode ? chain->request_trailers : chain->response_trailers;
}

static void set_source_paused(struct http_filter_chain *chain,
                              const struct direction_ops *direction, struct filter_direction *state,
                              bool paused) {
    if (state->source_paused == paused) {
        return;
    }
    state->source_paused = paused;
    if (direction->is_decode) {
        chain->ops->pause_request(chain->host, paused);
    } else {
        http_filter_chain_pause_response(chain, paused);
    }
}

/* Few streams have a filter that holds anything. */
static struct buffer *held_buffer(struct http_filter_chain *chain, struct filter_direction *state) {
    if (state->held == NULL) {
        state->held = ARENA_NEW(chain->arena, struct buffer);
        buffer_init(state->held, &chain->io->buffers);
    }
    return state->held;
}

/* Over the limit: a HOLD fails the message, the other stops pause its source. */
static void check_held_limit(struct http_filter_chain *chain, const struct direction_ops *direction,
                             struct filter_direction *state) {
    uint32_t limit = direction->is_decode ? chain->decode_limit_bytes : chain->encode_limit_bytes;
    if (limit == 0 || filter_direction_held_bytes(state) <= limit) {
        return;
    }
    if (state->stop != FILTER_HOLDING) {
        set_source_paused(chain, direction, state, true);
        return;
    }
    struct local_reply reply = {.grpc_status = -1, .flag = RESPONSE_FLAG_COUNT};
    if (direction->is_decode) {
        reply.status = 413;
        reply.body = SLICE("Payload Too Large");
        reply.details = SLICE("request_payload_too_large");
    } else {
        reply.status = 500;
        reply.body = SLICE("Internal Server Error");
        reply.details = SLICE("response_payload_too_large");
    }
    chain->ops->local_reply(chain->host, &reply);
}

static void deliver_headers(struct http_filter_chain *chain, const struct direction_ops *direction,
                            bool end_stream) {
    if (direction->is_decode) {
        return; /* the terminal filter was the last */
    }
    chain->response_headers_out = true;
    chain->ops->encode_headers(chain->host, chain->response_headers, end_stream);
}

static void deliver_data(struct http_filter_chain *chain, const struct direction_ops *direction,
                         struct buffer *data, bool end_stream) {
    if (direction->is_decode) {
        buffer_clear(data);
        return;
    }
    chain->ops->encode_data(chain->host, data, end_stream);
}

static void deliver_trailers(struct http_filter_chain *chain,
                             const struct direction_ops *direction) {
    if (!direction->is_decode) {
        chain->ops->encode_trailers(chain->host, chain->response_trailers);
    }
}

static void pass_headers(struct http_filter_chain *chain, const struct direction_ops *direction,
                         uint32_t position, bool end_stream) {
    for (; position < chain->count; position++) {
        struct filter_slot *slot = slot_at(chain, direction, position);
        struct filter_direction *state = state_of(slot, direction);
        const struct http_filter_ops *ops = slot->filter->ops;
        enum http_filter_verdict (*call)(struct http_filter *, struct header_map *, bool) =
            direction->is_decode ? ops->decode_headers : ops->encode_headers;
        if (call == NULL) {
            continue;
        }
        state->in_callback = true;
        enum http_filter_verdict verdict =
            call(slot->filter, headers_of(chain, direction), end_stream);
        state->in_callback = false;
        if (is_aborted(chain, direction)) {
            return;
        }
        if (verdict != HTTP_FILTER_CONTINUE) {
            state->headers_pending = true;
            state->ended_by_headers = end_stream;
            state->stop = verdict == HTTP_FILTER_PAUSE ? FILTER_PAUSED : FILTER_HOLDING;
            return;
        }
    }
    deliver_headers(chain, direction, end_stream);
}

/* The filter at `position` lets go: its pending headers go on. False when the chain ended meanwhile. */
static bool release_headers(struct http_filter_chain *chain, const struct direction_ops *direction,
                            uint32_t position, bool end_stream) {
    struct filter_direction *state = state_of(slot_at(chain, direction, position), direction);
    state->stop = FILTER_FLOWING;
    set_source_paused(chain, direction, state, false);
    if (state->headers_pending) {
        state->headers_pending = false;
        pass_headers(chain, direction, position + 1, end_stream);
    }
    return !is_aborted(chain, direction);
}

static void pass_trailers(struct http_filter_chain *chain, const struct direction_ops *direction,
                          uint32_t position);

static enum http_filter_verdict call_data(const struct direction_ops *direction,
                                          struct filter_slot *slot, struct buffer *data,
                                          bool end_stream) {
    const struct http_filter_ops *ops = slot->filter->ops;
    enum http_filter_verdict (*call)(struct http_filter *, struct buffer *, bool) =
        direction->is_decode ? ops->decode_data : ops->encode_data;
    struct filter_direction *state = state_of(slot, direction);
    if (call == NULL) {
        /* A filter that stopped the headers and does not look at data holds the data too. */
        return state->stop == FILTER_FLOWING ? HTTP_FILTER_CONTINUE : HTTP_FILTER_HOLD;
    }
    state->in_callback = true;
    enum http_filter_verdict verdict = call(slot->filter, data, end_stream);
    state->in_callback = false;
    return verdict;
}

static void hold_data(struct http_filter_chain *chain, const struct direction_ops *direction,
                      struct filter_direction *state, struct buffer *data, bool end_stream,
                      enum filter_stop stop) {
    state->stop = stop;
    state->data_ended = state->data_ended || end_stream;
    if (stop != FILTER_FLOWING) {
        buffer_move(held_buffer(chain, state), data);
        check_held_limit(chain, direction, state);
    }
}

/* The filter's verdict on data is to keep it (or it took it): true when the walk ends here. */
static bool keep_data(struct http_filter_chain *chain, const struct direction_ops *direction,
                      struct filter_direction *state, enum http_filter_verdict verdict,
                      struct buffer *data, bool end_stream) {
    switch (verdict) {
    case HTTP_FILTER_CONTINUE:
        return false;
    case HTTP_FILTER_HOLD:
        hold_data(chain, direction, state, data, end_stream, FILTER_HOLDING);
        return true;
    case HTTP_FILTER_PAUSE:
        hold_data(chain, direction, state, data, end_stream, FILTER_HOLDING_WATERMARKED);
        return true;
    case HTTP_FILTER_CONSUMED:
        buffer_clear(data);
        state->data_ended = state->data_ended || end_stream;
        if (state->stop == FILTER_FLOWING) {
            state->stop = FILTER_HOLDING;
        }
        return true;
    }
    return false;
}

/* What is held comes in front of `data`. */
static void put_held_before(struct filter_direction *state, struct buffer *data) {
    if (filter_direction_held_bytes(state) > 0) {
        buffer_move(state->held, data);
        buffer_move(data, state->held);
    }
}

/* Data goes through the filters from `position` on. `data` is empty afterwards. */
static void pass_data(struct http_filter_chain *chain, const struct direction_ops *direction,
                      uint32_t position, struct buffer *data, bool end_stream) {
    for (; position < chain->count; position++) {
        struct filter_slot *slot = slot_at(chain, direction, position);
        struct filter_direction *state = state_of(slot, direction);
        if (state->stop == FILTER_PAUSED) {
            hold_data(chain, direction, state, data, end_stream, FILTER_PAUSED);
            return;
        }
        enum http_filter_verdict verdict = call_data(direction, slot, data, end_stream);
        if (is_aborted(chain, direction)) {
            buffer_clear(data);
            return;
        }
        bool adds_trailers = state->trailers_added;
        if (adds_trailers) {
            state->trailers_added = false;
            state->trailers_called = true;
            end_stream = false;
        }
        if (keep_data(chain, direction, state, verdict, data, end_stream)) {
            state->trailers_pending = state->trailers_pending || adds_trailers;
            return;
        }
        if (state->stop != FILTER_FLOWING || filter_direction_held_bytes(state) > 0) {
            if (!release_headers(chain, direction, position, false)) {
                buffer_clear(data);
                return;
            }
            put_held_before(state, data);
        }
        if (adds_trailers) {
            pass_data(chain, direction, position + 1, data, false);
            if (!is_aborted(chain, direction)) {
                pass_trailers(chain, direction, position + 1);
            }
            return;
        }
    }
    deliver_data(chain, direction, data, end_stream);
}

static void pass_trailers(struct http_filter_chain *chain, const struct direction_ops *direction,
                          uint32_t position) {
    for (; position < chain->count; position++) {
        struct filter_slot *slot = slot_at(chain, direction, position);
        struct filter_direction *state = state_of(slot, direction);
        if (state->stop == FILTER_PAUSED) {
            state->trailers_pending = true;
            return;
        }
        const struct http_filter_ops *ops = slot->filter->ops;
        enum http_filter_verdict (*call)(struct http_filter *, struct header_map *) =
            direction->is_decode ? ops->decode_trailers : ops->encode_trailers;
        enum http_filter_verdict verdict =
            state->stop == FILTER_FLOWING ? HTTP_FILTER_CONTINUE : HTTP_FILTER_HOLD;
        if (call != NULL) {
            state->in_callback = true;
            verdict = call(slot->filter, trailers_of(chain, direction));
            state->in_callback = false;
        }
        if (is_aborted(chain, direction)) {
            return;
        }
        if (verdict != HTTP_FILTER_CONTINUE) {
            state->trailers_pending = true;
            state->trailers_called = true;
            if (state->stop == FILTER_FLOWING) {
                state->stop = FILTER_HOLDING;
            }
            return;
        }
        if (state->stop == FILTER_FLOWING && filter_direction_held_bytes(state) == 0) {
            continue;
        }
        if (!release_headers(chain, direction, position, false)) {
            return;
        }
        if (filter_direction_held_bytes(state) > 0) {
            struct buffer data;
            buffer_init(&data, &chain->io->buffers);
            put_held_before(state, &data);
            pass_data(chain, direction, position + 1, &data, false);
            buffer_deinit(&data);
            if (is_aborted(chain, direction)) {
                return;
            }
        }
    }
    deliver_trailers(chain, direction);
}

static void continue_direction(struct http_filter *f, const struct direction_ops *direction) {
    struct http_filter_chain *chain = f->chain;
    uint32_t position = position_of(f, direction);
    struct filter_direction *state = state_of(slot_at(chain, direction, position), direction);
    ASSERT(!state->in_callback);
    if (is_aborted(chain, direction) || state->stop == FILTER_FLOWING) {
        return;
    }
    /* A paused filter has not seen its data and trailers yet: they start at the filter itself. */
    bool unseen = state->stop == FILTER_PAUSED;
    bool had_headers = state->headers_pending;
    /* Headers that were the whole message and have gone ahead of injected data left their end here. */
    bool end_was_parted = state->ended_by_headers && !had_headers;
    /* Trailers that the filter added are the end now, wherever it was before. */
    bool data_ended = (state->data_ended || end_was_parted) && !state->trailers_pending;
    bool has_data = filter_direction_held_bytes(state) > 0;
    bool headers_end = !state->trailers_pending && !has_data &&
                       (state->ended_by_headers || (data_ended && !unseen));
    if (!release_headers(chain, direction, position, headers_end)) {
        return;
    }
    uint32_t next = unseen && !end_was_parted ? position : position + 1;
    bool must_end = data_ended && !(had_headers && headers_end) && !state->data_end_passed;
    if (has_data || must_end) {
        struct buffer data;
        buffer_init(&data, &chain->io->buffers);
        put_held_before(state, &data);
        state->data_end_passed = data_ended && next != position;
        pass_data(chain, direction, next, &data, data_ended);
        buffer_deinit(&data);
    }
    if (state->trailers_pending && !is_aborted(chain, direction) && state->stop == FILTER_FLOWING) {
        state->trailers_pending = false;
        pass_trailers(chain, direction, state->trailers_called ? position + 1 : position);
    }
}

/* ---- entry points ---- */

void http_filter_chain_decode_headers(struct http_filter_chain *chain, struct header_map *headers,
                                      bool end_stream) {
    chain->request_headers = headers;
    if (!chain->decode_aborted) {
        pass_headers(chain, &decoding, 0, end_stream);
    }
}

void http_filter_chain_decode_data(struct http_filter_chain *chain, struct buffer *data,
                                   bool end_stream) {
    if (chain->decode_aborted) {
        buffer_clear(data);
        return;
    }
    pass_data(chain, &decoding, 0, data, end_stream);
}

void http_filter_chain_decode_trailers(struct http_filter_chain *chain,
                                       struct header_map *trailers) {
    chain->request_trailers = trailers;
    if (!chain->decode_aborted) {
        pass_trailers(chain, &decoding, 0);
    }
}

void http_filter_chain_local_reply(struct http_filter_chain *chain, const struct local_reply *reply,
                                   struct header_map *headers, struct buffer *body) {
    chain->decode_aborted = true;
    chain->is_local_reply = true;
    for (uint32_t i = 0; i < chain->count; i++) {
        struct http_filter *filter = chain->slots[i].filter;
        if (filter->ops->on_local_reply != NULL) {
            filter->ops->on_local_reply(filter, reply->status, reply->details);
        }
    }
    chain->response_started = true;
    chain->response_headers = headers;
    bool has_body = !buffer_is_empty(body);
    pass_headers(chain, &encoding, 0, !has_body);
    if (has_body && !chain->encode_aborted) {
        pass_data(chain, &encoding, 0, body, true);
    }
    buffer_clear(body);
}

/* ---- services for filters ---- */

struct arena *http_filter_arena(const struct http_filter *f) {
    return f->chain->arena;
}

struct io_context *http_filter_io(const struct http_filter *f) {
    return f->chain->io;
}

struct stream_info *http_filter_info(const struct http_filter *f) {
    return f->chain->info;
}

struct header_map *http_filter_request_headers(const struct http_filter *f) {
    return f->chain->request_headers;
}

struct header_map *http_filter_request_trailers(const struct http_filter *f) {
    return f->chain->request_trailers;
}

struct header_map *http_filter_response_headers(const struct http_filter *f) {
    return f->chain->response_headers;
}

struct header_map *http_filter_response_trailers(const struct http_filter *f) {
    return f->chain->response_trailers;
}

void http_filter_continue_decoding(struct http_filter *f) {
    continue_direction(f, &decoding);
}

void http_filter_continue_encoding(struct http_filter *f) {
    continue_direction(f, &encoding);
}

struct buffer *http_filter_decoding_buffer(struct http_filter *f) {
    return held_buffer(f->chain, &f->chain->slots[f->index].decode);
}

struct buffer *http_filter_encoding_buffer(struct http_filter *f) {
    return held_buffer(f->chain, &f->chain->slots[f->index].encode);
}

static void inject_data(struct http_filter *f, const struct direction_ops *direction,
                        struct buffer *data, bool end_stream) {
    struct http_filter_chain *chain = f->chain;
    if (is_aborted(chain, direction)) {
        buffer_clear(data);
        return;
    }
    uint32_t position = position_of(f, direction);
    struct filter_direction *state = state_of(slot_at(chain, direction, position), direction);
    if (state->headers_pending) {
        state->headers_pending = false;
        pass_headers(chain, direction, position + 1, false);
    }
    state->data_end_passed = state->data_end_passed || end_stream;
    if (!is_aborted(chain, direction)) {
        pass_data(chain, direction, position + 1, data, end_stream);
    }
    buffer_clear(data);
}

void http_filter_inject_decoded_data(struct http_filter *f, struct buffer *data, bool end_stream) {
    inject_data(f, &decoding, data, end_stream);
}

void http_filter_inject_encoded_data(struct http_filter *f, struct buffer *data, bool end_stream) {
    inject_data(f, &encoding, data, end_stream);
}

static struct header_map *new_trailers(struct http_filter_chain *chain) {
    struct header_map *trailers = ARENA_NEW(chain->arena, struct header_map);
    header_map_init(trailers, chain->arena);
    return trailers;
}

struct header_map *http_filter_add_decoded_trailers(struct http_filter *f) {
    struct http_filter_chain *chain = f->chain;
    CHECK(chain->request_trailers == NULL);
    chain->request_trailers = new_trailers(chain);
    chain->slots[f->index].decode.trailers_added = true;
    return chain->request_trailers;
}

struct header_map *http_filter_add_encoded_trailers(struct http_filter *f) {
    struct http_filter_chain *chain = f->chain;
    CHECK(chain->response_trailers == NULL);
    chain->response_trailers = new_trailers(chain);
    chain->slots[f->index].encode.trailers_added = true;
    return chain->response_trailers;
}

uint32_t http_filter_decoder_buffer_limit(const struct http_filter *f) {
    return f->chain->decode_limit_bytes;
}

void http_filter_set_decoder_buffer_limit(struct http_filter *f, uint32_t bytes) {
    if (bytes > f->chain->decode_limit_bytes) {
        f->chain->decode_limit_bytes = bytes;
    }
}

void http_filter_set_encoder_buffer_limit(struct http_filter *f, uint32_t bytes) {
    if (bytes > f->chain->encode_limit_bytes) {
        f->chain->encode_limit_bytes = bytes;
    }
}

void http_filter_local_reply(struct http_filter *f, const struct local_reply *reply) {
    if (!f->chain->is_destroyed) {
        f->chain->ops->local_reply(f->chain->host, reply);
    }
}

void http_filter_reset_stream(struct http_filter *f, enum http_reset_reason reason,
                              struct slice details) {
    if (!f->chain->is_destroyed) {
        f->chain->ops->reset(f->chain->host, reason, details);
    }
}

const struct route *http_filter_route(struct http_filter *f) {
    return f->chain->ops->route(f->chain->host);
}

const struct virtual_host *http_filter_virtual_host(struct http_filter *f) {
    return f->chain->ops->virtual_host(f->chain->host);
}

const struct route_part *http_filter_route_config(struct http_filter *f) {
    return f->chain->ops->route_config(f->chain->host);
}

const struct weighted_cluster *http_filter_weighted_cluster(struct http_filter *f) {
    return f->chain->ops->weighted_cluster(f->chain->host);
}

void http_filter_clear_route(struct http_filter *f) {
    f->chain->ops->clear_route(f->chain->host);
}

void http_filter_set_route_cluster(struct http_filter *f, uint32_t cluster_slot,
                                   struct slice name) {
    f->chain->ops->set_route_cluster(f->chain->host, cluster_slot, name);
}

static const void *override_of(const struct filter_overrides *level, uint32_t name_id) {
    for (uint32_t i = 0; i < level->count; i++) {
        if (level->items[i].name_id == name_id) {
            return level->items[i].config;
        }
    }
    return NULL;
}

enum { ROUTE_LEVELS = 4 };

uint32_t http_filter_route_levels(struct http_filter *f, const void **configs, uint32_t max) {
    const struct route *route = http_filter_route(f);
    const struct route_part *part = http_filter_route_config(f);
    const struct virtual_host *vhost = http_filter_virtual_host(f);
    const struct weighted_cluster *weighted = http_filter_weighted_cluster(f);
    const struct filter_overrides *levels[ROUTE_LEVELS] = {
        part == NULL ? NULL : &part->filters,
        vhost == NULL ? NULL : &vhost->filters,
        route == NULL ? NULL : &route->filters,
        weighted == NULL ? NULL : &weighted->filters,
    };
    uint32_t found = 0;
    for (uint32_t i = 0; i < ROUTE_LEVELS && found < max; i++) {
        const void *config = levels[i] == NULL ? NULL : override_of(levels[i], f->config->name_id);
        if (config != NULL) {
            configs[found++] = config;
        }
    }
    return found;
}

const void *http_filter_route_specific(struct http_filter *f) {
    const void *configs[ROUTE_LEVELS];
    uint32_t count = http_filter_route_levels(f, configs, ROUTE_LEVELS);
    return count == 0 ? NULL : configs[count - 1];
}

bool http_filter_recreate_stream(struct http_filter *f) {
    return !f->chain->is_destroyed && f->chain->ops->recreate(f->chain->host);
}

/* Once the proxy answers by itself, what the terminal filter still gets is nobody's. */
static bool takes_no_answer(const struct http_filter_chain *chain) {
    return chain->encode_aborted || chain->is_local_reply;
}

void http_filter_encode_informational(struct http_filter *f, struct header_map *headers) {
    struct http_filter_chain *chain = f->chain;
    if (takes_no_answer(chain)) {
        return;
    }
    for (uint32_t i = f->index; i-- > 0 && !chain->encode_aborted;) {
        struct http_filter *filter = chain->slots[i].filter;
        if (filter->ops->encode_informational != NULL) {
            (void)filter->ops->encode_informational(filter, headers);
        }
    }
    if (!chain->encode_aborted) {
        chain->ops->encode_informational(chain->host, headers);
    }
}

void http_filter_encode_headers(struct http_filter *f, struct header_map *headers,
                                bool end_stream) {
    struct http_filter_chain *chain = f->chain;
    if (takes_no_answer(chain)) {
        return;
    }
    chain->response_started = true;
    chain->response_headers = headers;
    pass_headers(chain, &encoding, position_of(f, &encoding) + 1, end_stream);
}

void http_filter_encode_data(struct http_filter *f, struct buffer *data, bool end_stream) {
    if (takes_no_answer(f->chain)) {
        buffer_clear(data);
        return;
    }
    pass_data(f->chain, &encoding, position_of(f, &encoding) + 1, data, end_stream);
}

void http_filter_encode_trailers(struct http_filter *f, struct header_map *trailers) {
    if (!takes_no_answer(f->chain)) {
        f->chain->response_trailers = trailers;
        pass_trailers(f->chain, &encoding, position_of(f, &encoding) + 1);
    }
}

void http_filter_pause_request(struct http_filter *f, bool pause) {
    if (!f->chain->is_destroyed) {
        f->chain->ops->pause_request(f->chain->host, pause);
    }
}

bool http_filter_is_response_paused(const struct http_filter *f) {
    return f->chain->encode_pauses > 0;
}

bool http_filter_is_load_shed(struct http_filter *f) {
    const struct http_filter_chain *chain = f->chain;
    return chain->ops->is_load_shed != NULL && chain->ops->is_load_shed(chain->host);
}

void http_filter_log_input(const struct http_filter *f, struct log_format_input *input) {
    f->chain->ops->log_input(f->chain->host, input);
}
