// SPDX-License-Identifier: Apache-2.0
/* What the router answers by itself. Texts and details are Envoy's. */
#include "filters/http/router/router.h"

#include "src/event/io_context.h"
#include "src/route/header_mutation.h"
#include "src/route/route_action.h"

static struct local_reply make_reply(uint32_t status, struct slice body, struct slice details,
                                     enum response_flag flag) {
    return (struct local_reply){
        .status = status,
        .body = body,
        .details = details,
        .grpc_status = -1,
        .flag = flag,
    };
}

static void answer(struct router *router, const struct local_reply *reply) {
    router->is_done = true;
    router_timeouts_cancel(router);
    http_filter_local_reply(&router->base, reply);
}

/* An answer in an upstream's place. */
static void answer_for_cluster(struct router *router, const struct local_reply *reply) {
    upstream_report_local_reply(router->io, router->cluster_slot, reply->status,
                                header_map_has(router->request_headers, HEADER_X_ENVOY_INTERNAL));
    answer(router, reply);
}

void router_count(struct router *router, enum router_stat stat) {
    stats_inc(router->config->stats, router->io->index, stat);
}

void router_count_cluster(struct router *router, enum cluster_stat stat) {
    stats_inc(upstream_cluster_stats(router->io, router->cluster_slot), router->io->index,
              (uint32_t)stat);
}

void router_reply_no_route(struct router *router) {
    router_count(router, ROUTER_NO_ROUTE);
    struct local_reply reply =
        make_reply(404, SLICE(""), SLICE("route_not_found"), RESPONSE_FLAG_NO_ROUTE_FOUND);
    answer(router, &reply);
}

/* Response headers of the route apply to its own answers too. */
static void add_route_headers(struct router *router, struct header_map *headers) {
    struct log_format_input input;
    http_filter_log_input(&router->base, &input);
    input.response_headers = headers;
    route_apply_response_headers(http_filter_route_config(&router->base),
                                 http_filter_virtual_host(&router->base), router->route, NULL,
                                 headers, &input);
}

struct redirect_reply {
    struct router *router;
    struct slice location;
    struct slice content_type;
};

static void modify_redirect(void *arg, struct header_map *headers) {
    const struct redirect_reply *redirect = arg;
    header_map_append(headers, HEADER_LOCATION, redirect->location);
    if (!redirect->router->route->redirect->is_require_tls) {
        add_route_headers(redirect->router, headers);
    }
}

void router_reply_redirect(struct router *router) {
    router_count(router, ROUTER_RQ_DIRECT_RESPONSE); // as Envoy counts the redirects of routes
    struct redirect_reply redirect = {
        .router = router,
        .location = route_redirect_location(router->route, router->request_headers,
                                            http_filter_arena(&router->base)),
    };
    struct local_reply reply = make_reply(router->route->redirect->response_code, SLICE(""),
                                          SLICE("direct_response"), RESPONSE_FLAG_COUNT);
    reply.modify = modify_redirect;
    reply.arg = &redirect;
    answer(router, &reply);
}

/* What a 201 or 3xx of direct_response points to: the request's own URL. */
static struct slice request_url(const struct router *router) {
    struct slice scheme = header_map_get(router->request_headers, HEADER_SCHEME);
    struct slice host = header_map_get(router->request_headers, HEADER_AUTHORITY);
    struct slice path = header_map_get(router->request_headers, HEADER_PATH);
    return arena_printf(http_filter_arena(&router->base), "%.*s://%.*s%.*s", SLICE_ARG(scheme),
                        SLICE_ARG(host), SLICE_ARG(path));
}

static void modify_direct(void *arg, struct header_map *headers) {
    const struct redirect_reply *direct = arg;
    if (direct->location.len > 0) {
        header_map_append(headers, HEADER_LOCATION, direct->location);
    }
    if (direct->content_type.len > 0) {
        header_map_set(headers, HEADER_CONTENT_TYPE, direct->content_type);
    }
    add_route_headers(direct->router, headers);
}

void router_reply_direct(struct router *router) {
    router_count(router, ROUTER_RQ_DIRECT_RESPONSE);
    const struct direct_response_action *action = router->route->direct;
    struct slice body = action->body;
    if (action->body_format != NULL) {
        struct log_format_input input;
        http_filter_log_input(&router->base, &input);
        input.local_reply_body = body;
        body = log_format_text(action->body_format, &input, http_filter_arena(&router->base));
    }
    struct redirect_reply direct = {.router = router, .content_type = action->content_type};
    if (action->status == 201 || action->status / 100 == 3) {
        direct.location = request_url(router);
    }
    struct local_reply reply =
        make_reply(action->status, body, SLICE("direct_response"), RESPONSE_FLAG_COUNT);
    reply.modify = modify_direct;
    reply.arg = &direct;
    answer(router, &reply);
}

static void modify_overflow(void *arg, struct header_map *headers) {
    const struct router *router = arg;
    if (!router->config->suppress_envoy_headers) {
        header_map_append(headers, HEADER_X_ENVOY_OVERLOADED, SLICE("true"));
    }
}

static void modify_dropped(void *arg, struct header_map *headers) {
    const struct router *router = arg;
    if (!router->config->suppress_envoy_headers) {
        header_map_append_name(headers, SLICE("x-envoy-drop-overload"), SLICE("true"));
    }
}

static void modify_dropped_all(void *arg, struct header_map *headers) {
    const struct router *router = arg;
    if (!router->config->suppress_envoy_headers) {
        header_map_append_name(headers, SLICE("x-envoy-unconditional-drop-overload"),
                               SLICE("true"));
    }
}

void router_reply_overload(struct router *router) {
    router_count(router, ROUTER_RQ_OVERLOAD_LOCAL_REPLY);
    http_filter_info(&router->base)->upstream->attempts = 1; /* as Envoy counts it */
    struct local_reply reply =
        make_reply(503, SLICE("envoy overloaded"), SLICE("overload"), RESPONSE_FLAG_COUNT);
    http_filter_local_reply(&router->base, &reply);
}

void router_reply_failure(struct router *router, enum upstream_failure failure) {
    struct local_reply reply = {.grpc_status = -1, .flag = RESPONSE_FLAG_COUNT};
    switch (failure) {
    case UPSTREAM_FAILURE_NO_CLUSTER:
        router_count(router, ROUTER_NO_CLUSTER);
        http_filter_info(&router->base)->upstream->attempts = 0; /* none was made */
        reply = make_reply(router->action->cluster_not_found_code, SLICE(""),
                           SLICE("cluster_not_found"), RESPONSE_FLAG_NO_CLUSTER_FOUND);
        break;
    case UPSTREAM_FAILURE_NO_HOST:
        reply = make_reply(503, SLICE("no healthy upstream"), SLICE("no_healthy_upstream"),
                           RESPONSE_FLAG_NO_HEALTHY_UPSTREAM);
        break;
    case UPSTREAM_FAILURE_DROPPED:
        http_filter_info(&router->base)->upstream->attempts = 0;
        reply = make_reply(503, SLICE("drop overload"), SLICE("drop_overload"),
                           RESPONSE_FLAG_DROP_OVERLOAD);
        reply.modify = modify_dropped;
        reply.arg = router;
        break;
    case UPSTREAM_FAILURE_DROPPED_ALL:
        http_filter_info(&router->base)->upstream->attempts = 0;
        reply = make_reply(503, SLICE("unconditional drop overload"),
                           SLICE("unconditional_drop_overload"),
                           RESPONSE_FLAG_UNCONDITIONAL_DROP_OVERLOAD);
        reply.modify = modify_dropped_all;
        reply.arg = router;
        break;
    case UPSTREAM_FAILURE_NONE:
    case UPSTREAM_FAILURE_OVERFLOW:
    case UPSTREAM_FAILURE_PENDING:
        router_reply_reset(router, HTTP_RESET_OVERFLOW);
        return;
    }
    answer_for_cluster(router, &reply);
}

struct reset_answer {
    const char *text;   /* in the body */
    const char *detail; /* in the details */
    uint32_t status;
    enum response_flag flag;
};

/* Indexed by enum http_reset_reason. */
static const struct reset_answer reset_answers[] = {
    [HTTP_RESET_LOCAL] = {"local reset", "local_reset", 503, RESPONSE_FLAG_LOCAL_RESET},
    [HTTP_RESET_LOCAL_REFUSED] = {"local refused stream reset", "local_refused_stream_reset", 503,
                                  RESPONSE_FLAG_LOCAL_RESET},
    [HTTP_RESET_REMOTE] = {"remote reset", "remote_reset", 503,
                           RESPONSE_FLAG_UPSTREAM_REMOTE_RESET},
    [HTTP_RESET_REMOTE_REFUSED] = {"remote refused stream reset", "remote_refused_stream_reset",
                                   503, RESPONSE_FLAG_UPSTREAM_REMOTE_RESET},
    [HTTP_RESET_CONNECT_ERROR] = {"remote error with CONNECT request",
                                  "remote_error_with_CONNECT_request", 503,
                                  RESPONSE_FLAG_UPSTREAM_REMOTE_RESET},
    [HTTP_RESET_CONNECTION_TERMINATION] = {"connection termination", "connection_termination", 503,
                                           RESPONSE_FLAG_UPSTREAM_CONNECTION_TERMINATION},
    [HTTP_RESET_CONNECTION_FAILURE] = {"remote connection failure", "remote_connection_failure",
                                       503, RESPONSE_FLAG_UPSTREAM_CONNECTION_FAILURE},
    [HTTP_RESET_CONNECTION_TIMEOUT] = {"connection timeout", "connection_timeout", 503,
                                       RESPONSE_FLAG_UPSTREAM_CONNECTION_FAILURE},
    [HTTP_RESET_OVERFLOW] = {"overflow", "overflow", 503, RESPONSE_FLAG_UPSTREAM_OVERFLOW},
    [HTTP_RESET_OVERLOAD] = {"overload manager reset", "overload_manager_reset", 503,
                             RESPONSE_FLAG_OVERLOAD_MANAGER},
    [HTTP_RESET_PROTOCOL_ERROR] = {"protocol error", "protocol_error", 502,
                                   RESPONSE_FLAG_UPSTREAM_PROTOCOL_ERROR},
};

/* Details hold no blanks: they are one token of a log line. */
static struct slice reset_details(struct router *router, const char *prefix, const char *detail) {
    struct arena *arena = http_filter_arena(&router->base);
    struct slice reason = http_filter_info(&router->base)->upstream->transport_failure_reason;
    struct slice text = reason.len == 0
                            ? arena_printf(arena, "%s{%s}", prefix, detail)
                            : arena_printf(arena, "%s{%s|%.*s}", prefix, detail, SLICE_ARG(reason));
    uint8_t *bytes = arena_alloc_bytes(arena, text.len);
    for (size_t i = 0; i < text.len; i++) {
        bytes[i] = text.ptr[i] == ' ' ? '_' : text.ptr[i];
    }
    return slice_make(bytes, text.len);
}

/* As in Envoy: of a call that had begun well, and could still have ended well. */
static bool is_open_grpc(const struct router *router) {
    return http_is_grpc(router->request_headers) &&
           http_filter_info(&router->base)->response_code == 200;
}

void router_reply_reset(struct router *router, enum http_reset_reason reason) {
    const struct reset_answer *kind = &reset_answers[reason];
    struct stream_info *info = http_filter_info(&router->base);
    stream_info_set_flag(info, kind->flag);
    if (router->response_started) {
        if (is_open_grpc(router)) {
            router_count(router, ROUTER_RQ_RESET_AFTER_DOWNSTREAM_RESPONSE_STARTED);
        }
        router->is_done = true;
        http_filter_reset_stream(
            &router->base, HTTP_RESET_LOCAL,
            reset_details(router, "upstream_reset_after_response_started", kind->detail));
        return;
    }
    struct slice body = arena_printf(
        http_filter_arena(&router->base),
        "upstream connect error or disconnect/reset before headers. %sreset reason: %s",
        router->attempt_count > 1 ? "retried and the latest " : "", kind->text);
    struct local_reply reply = make_reply(
        kind->status, body,
        reset_details(router, "upstream_reset_before_response_started", kind->detail), kind->flag);
    if (reason == HTTP_RESET_OVERFLOW) {
        reply.modify = modify_overflow;
        reply.arg = router;
    }
    answer_for_cluster(router, &reply);
}

void router_reply_timeout(struct router *router, struct slice details) {
    struct stream_info *info = http_filter_info(&router->base);
    stream_info_set_flag(info, RESPONSE_FLAG_UPSTREAM_REQUEST_TIMEOUT);
    if (router->response_started) {
        router->is_done = true;
        http_filter_reset_stream(&router->base, HTTP_RESET_LOCAL, details);
        return;
    }
    uint32_t status = router->timeout_alt_response ? 204 : 504;
    struct slice body =
        router->timeout_alt_response ? SLICE("") : SLICE("upstream request timeout");
    struct local_reply reply =
        make_reply(status, body, details, RESPONSE_FLAG_UPSTREAM_REQUEST_TIMEOUT);
    answer_for_cluster(router, &reply);
}
