// SPDX-License-Identifier: Apache-2.0
#include "filters/http/jwt_authn/jwks_async.h"

#include "filters/http/jwt_authn/jwks_fetch.h"
#include "src/base/check.h"
#include "src/config/config_store.h"
#include "src/config/config_task.h"
#include "src/event/io_context.h"
#include "src/event/timer.h"

enum { JWKS_ASYNC_MAGIC = 0x4a4b4153, REFETCH_BEFORE_EXPIRY_MS = 5000 };

struct jwks_async {
    uint32_t magic;
    struct config_task task;
    struct jwks_async_options options;
    struct io_context *io;        /* control */
    struct jwks_request *request; /* NULL: none under way */
    struct timer refetch;
};

/* ---- to all threads ---- */

struct jwks_news {
    struct jwks_source *source;
    struct jwks *jwks; /* referenced */
};

static void take_here(void *arg, struct io_context *io) {
    const struct jwks_news *news = arg;
    jwks_source_set(news->source, io, news->jwks, UINT64_MAX);
}

static void on_taken(void *arg) {
    struct jwks_news *news = arg;
    jwks_unref(news->jwks);
    mem_free(news);
}

static void publish(const struct jwks_async *async, struct jwks *jwks) {
    struct jwks_news *news = mem_alloc(sizeof(*news));
    *news = (struct jwks_news){.source = async->options.source, .jwks = jwks_ref(jwks)};
    config_store_tell(async->options.store, async->options.part, take_here, on_taken, news);
}

/* ---- fetching ---- */

/* So that requests need not fetch meanwhile. */
static uint64_t good_refetch_ms(const struct jwks_async *async) {
    uint64_t cache_ms = jwks_source_remote(async->options.source)->cache_ms;
    return cache_ms > REFETCH_BEFORE_EXPIRY_MS ? cache_ms - REFETCH_BEFORE_EXPIRY_MS : cache_ms;
}

static void on_fetched(void *arg, struct jwks *jwks, uint64_t now_ms) {
    struct jwks_async *async = arg;
    CHECK_MAGIC(async, JWKS_ASYNC_MAGIC);
    (void)now_ms;
    async->request = NULL;
    if (jwks != NULL) {
        publish(async, jwks);
    }
    timer_arm(async->io->loop, &async->refetch,
              jwks != NULL ? good_refetch_ms(async) : async->options.failed_refetch_ms);
    config_task_done(&async->task);
}

static void fetch(void *arg) {
    struct jwks_async *async = arg;
    CHECK_MAGIC(async, JWKS_ASYNC_MAGIC);
    async->request =
        jwks_request_start(jwks_source_remote(async->options.source), async->io, on_fetched, async);
}

static struct jwks_async *async_of(struct config_task *task) {
    struct jwks_async *async = CONTAINER_OF(task, struct jwks_async, task);
    CHECK_MAGIC(async, JWKS_ASYNC_MAGIC);
    return async;
}

static void start(struct config_task *task, struct io_context *io) {
    struct jwks_async *async = async_of(task);
    async->io = io;
    fetch(async);
}

static void stop(struct config_task *task) {
    struct jwks_async *async = async_of(task);
    timer_cancel(&async->refetch);
    if (async->request != NULL) {
        jwks_request_cancel(async->request);
        async->request = NULL;
    }
}

static const struct config_task_ops task_ops = {.start = start, .stop = stop};

void jwks_async_add(const struct jwks_async_options *options) {
    struct jwks_async *async = ARENA_NEW(&options->part->arena, struct jwks_async);
    async->magic = JWKS_ASYNC_MAGIC;
    async->options = *options;
    async->task = (struct config_task){.ops = &task_ops, .is_awaited = options->is_awaited};
    timer_init(&async->refetch, fetch, async);
    config_part_add_task(options->part, &async->task);
}
