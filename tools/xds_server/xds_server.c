// SPDX-License-Identifier: Apache-2.0
#include "tools/xds_server/xds_server.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "src/base/check.h"
#include "src/event/event_loop.h"
#include "src/event/mailbox.h"
#include "src/event/timer.h"
#include "tools/xds_server/discovery_stream.h"
#include "tools/xds_server/grpc_listener.h"
#include "tools/xds_server/resource_folder.h"

enum {
    QUIET_CHECK_MS = 20,
    STEP_MAX_MS = 1000, /* a client that does not answer holds up nobody for longer */
};

struct server {
    struct event_loop *loop;
    struct mailbox *mailbox;
    struct grpc_listener *listener;
    struct resource_folder *folder;
    struct event_watch signal_watch;
    int signal_fd;
    struct list_node calls;
    struct resource_catalog *published;
    /* The change under way; NULL: none. */
    struct resource_catalog *old, *target;
    enum rollout_step step;
    uint64_t step_began_ms;
    struct timer step_timer;
};

struct call {
    struct list_node node;
    struct server *server;
    struct grpc_stream *stream;
    struct discovery_stream *discovery; /* NULL: a health check */
};

/* ---- output ---- */

static void print_line(const char *word, struct slice text) {
    printf("%s%.*s\n", word, SLICE_ARG(text));
    (void)fflush(stdout);
}

static void send_message(void *arg, struct slice message) {
    grpc_stream_send(((struct call *)arg)->stream, message);
}

static void log_stream(void *arg, struct slice line) {
    (void)arg;
    print_line("", line);
}

static const struct discovery_stream_handler stream_handler = {
    .send = send_message,
    .log = log_stream,
};

/* ---- rollout ---- */

static void publish(struct server *server, struct resource_catalog *catalog) {
    resource_catalog_unref(server->published);
    server->published = resource_catalog_ref(catalog);
    LIST_FOR_EACH (node, &server->calls) {
        struct call *call = LIST_ENTRY(node, struct call, node);
        if (call->discovery != NULL) {
            discovery_stream_publish(call->discovery, catalog);
        }
    }
}

static bool is_quiet(const struct server *server) {
    LIST_FOR_EACH (node, &server->calls) {
        const struct call *call = LIST_ENTRY(node, struct call, node);
        if (call->discovery != NULL && !discovery_stream_is_quiet(call->discovery)) {
            return false;
        }
    }
    return true;
}

static void end_rollout(struct server *server) {
    timer_cancel(&server->step_timer);
    resource_catalog_unref(server->old);
    resource_catalog_unref(server->target);
    server->old = NULL;
    server->target = NULL;
}

// Steps that change nothing are passed over, and so is all waiting where nobody listens.
static void take_step(struct server *server) {
    for (;; server->step++) {
        struct resource_catalog *next =
            resource_catalog_compose(server->old, server->target, server->step);
        bool is_same = resource_catalog_equal(next, server->published);
        bool is_last =
            server->step == ROLLOUT_BREAK || resource_catalog_equal(next, server->target);
        if (is_last) {
            resource_catalog_unref(next);
            publish(server, server->target);
            end_rollout(server);
            return;
        }
        if (!is_same) {
            publish(server, next);
        }
        resource_catalog_unref(next);
        if (!is_same && !list_is_empty(&server->calls)) {
            server->step_began_ms = event_loop_now_ms(server->loop);
            timer_arm(server->loop, &server->step_timer, QUIET_CHECK_MS);
            return;
        }
    }
}

static void on_step_timer(void *arg) {
    struct server *server = arg;
    uint64_t waited_ms = event_loop_now_ms(server->loop) - server->step_began_ms;
    if (!is_quiet(server) && waited_ms < STEP_MAX_MS) {
        timer_arm(server->loop, &server->step_timer, QUIET_CHECK_MS);
        return;
    }
    server->step++;
    take_step(server);
}

static void log_load(const struct resource_catalog *catalog) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < catalog->type_count; i++) {
        count += catalog->types[i].count;
    }
    printf("LOAD resources=%u\n", count);
    (void)fflush(stdout);
}

static void on_folder_change(void *arg, struct resource_catalog *catalog) {
    struct server *server = arg;
    end_rollout(server);
    log_load(catalog);
    server->old = resource_catalog_ref(server->published);
    server->target = resource_catalog_ref(catalog);
    server->step =
        resource_catalog_names_equally(server->old, catalog) ? ROLLOUT_BREAK : ROLLOUT_MAKE;
    take_step(server);
}

static void on_folder_error(void *arg, const char *text) {
    (void)arg;
    print_line("ERROR ", slice_from_string(text));
}

/* ---- calls ---- */

struct method {
    const char *path;
    const char *type_url; /* NULL: aggregated */
    bool is_delta;
};

#define SERVICE(service, name, type)                                                               \
    {"/envoy.service." service "/Stream" name, "type.googleapis.com/" type, false}, {              \
        "/envoy.service." service "/Delta" name, "type.googleapis.com/" type, true                 \
    }

static const struct method methods[] = {
    {"/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources", NULL,
     false},
    {"/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources", NULL, true},
    SERVICE("cluster.v3.ClusterDiscoveryService", "Clusters", "envoy.config.cluster.v3.Cluster"),
    SERVICE("endpoint.v3.EndpointDiscoveryService", "Endpoints",
            "envoy.config.endpoint.v3.ClusterLoadAssignment"),
    SERVICE("listener.v3.ListenerDiscoveryService", "Listeners",
            "envoy.config.listener.v3.Listener"),
    SERVICE("route.v3.RouteDiscoveryService", "Routes", "envoy.config.route.v3.RouteConfiguration"),
    SERVICE("route.v3.ScopedRoutesDiscoveryService", "ScopedRoutes",
            "envoy.config.route.v3.ScopedRouteConfiguration"),
    {"/envoy.service.route.v3.VirtualHostDiscoveryService/DeltaVirtualHosts",
     "type.googleapis.com/envoy.config.route.v3.VirtualHost", true},
    SERVICE("secret.v3.SecretDiscoveryService", "Secrets",
            "envoy.extensions.transport_sockets.tls.v3.Secret"),
    SERVICE("runtime.v3.RuntimeDiscoveryService", "Runtime", "envoy.service.runtime.v3.Runtime"),
    SERVICE("extension.v3.ExtensionConfigDiscoveryService", "ExtensionConfigs",
            "envoy.config.core.v3.TypedExtensionConfig"),
};

static const struct method *find_method(struct slice path) {
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (slice_equal(path, slice_from_string(methods[i].path))) {
            return &methods[i];
        }
    }
    return NULL;
}

static struct call *call_new(struct server *server, struct grpc_stream *stream) {
    struct call *call = mem_calloc(1, sizeof(*call));
    call->server = server;
    call->stream = stream;
    list_push_back(&server->calls, &call->node);
    return call;
}

static void *on_call(void *arg, struct grpc_stream *stream, struct slice path, struct slice peer) {
    struct server *server = arg;
    if (slice_equal(path, SLICE("/grpc.health.v1.Health/Check"))) {
        return call_new(server, stream);
    }
    const struct method *method = find_method(path);
    if (method == NULL) {
        printf("REFUSE peer=%.*s unknown method %.*s\n", SLICE_ARG(peer), SLICE_ARG(path));
        (void)fflush(stdout);
        return NULL;
    }
    struct call *call = call_new(server, stream);
    struct discovery_stream_options options = {.is_delta = method->is_delta,
                                               .type_url = slice_from_string(method->type_url),
                                               .peer = peer,
                                               .handler = &stream_handler,
                                               .arg = call};
    call->discovery = discovery_stream_new(&options, server->published);
    printf("OPEN peer=%.*s %s\n", SLICE_ARG(peer), method->path + sizeof("/envoy.service.") - 1);
    (void)fflush(stdout);
    return call;
}

static void on_message(void *arg, struct slice message) {
    struct call *call = arg;
    struct error err = {0};
    if (call->discovery == NULL) {
        static const uint8_t serving[] = {0x08, 0x01}; // HealthCheckResponse: status SERVING
        grpc_stream_send(call->stream, slice_make(serving, sizeof(serving)));
        grpc_stream_finish(call->stream, GRPC_CODE_OK, NULL);
    } else if (discovery_stream_receive(call->discovery, message, &err) != STATUS_OK) {
        print_line("REFUSE ", slice_from_string(err.message));
        grpc_stream_finish(call->stream, GRPC_CODE_INVALID_ARGUMENT, err.message);
    }
}

static void on_half_close(void *arg) {
    grpc_stream_finish(((struct call *)arg)->stream, GRPC_CODE_OK, NULL);
}

static void on_closed(void *arg) {
    struct call *call = arg;
    if (call->discovery != NULL) {
        printf("CLOSE node=%.*s\n", SLICE_ARG(discovery_stream_node(call->discovery)));
        (void)fflush(stdout);
    }
    list_remove(&call->node);
    discovery_stream_free(call->discovery);
    mem_free(call);
}

static const struct grpc_listener_handler listener_handler = {
    .on_call = on_call,
    .on_message = on_message,
    .on_half_close = on_half_close,
    .on_closed = on_closed,
};

/* ---- start and end ---- */

static void on_drained(void *arg) {
    event_loop_stop(((struct server *)arg)->loop);
}

static void on_signal(void *arg, unsigned flags) {
    struct server *server = arg;
    struct signalfd_siginfo info;
    (void)flags;
    if (read(server->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        grpc_listener_shutdown(server->listener, on_drained, server);
    }
}

static enum status watch_signals(struct server *server, struct error *err) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    (void)signal(SIGPIPE, SIG_IGN);
    // Before any thread is there, so that all of them leave the signals to the descriptor.
    if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) {
        return error_set(err, STATUS_IO, "cannot block signals: %s", strerror(errno));
    }
    server->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (server->signal_fd < 0) {
        return error_set(err, STATUS_IO, "cannot watch signals: %s", strerror(errno));
    }
    return event_loop_watch_level(server->loop, &server->signal_watch, server->signal_fd, on_signal,
                                  server);
}

// Written beside and moved, so that who waits for the file never reads half of it.
static enum status write_address(const char *path, const char *address, struct error *err) {
    char *temporary = NULL;
    if (asprintf(&temporary, "%s.new", path) < 0) {
        return error_set(err, STATUS_INTERNAL, "out of memory");
    }
    FILE *file = fopen(temporary, "we");
    bool is_written = file != NULL && fprintf(file, "%s", address) > 0;
    is_written = file != NULL && fclose(file) == 0 && is_written;
    is_written = is_written && rename(temporary, path) == 0;
    int failure = errno;
    mem_free(temporary);
    return is_written ? STATUS_OK
                      : error_set(err, STATUS_IO, "cannot write %s: %s", path, strerror(failure));
}

static enum status open_folder(struct server *server, const struct server_options *options,
                               struct error *err) {
    struct resource_folder_options folder = {.path = options->folder,
                                             .reader = {.skip_rules = options->skip_rules},
                                             .on_change = on_folder_change,
                                             .on_error = on_folder_error,
                                             .arg = server};
    server->folder = resource_folder_new(server->loop, &folder, err);
    if (server->folder == NULL) {
        return err->status;
    }
    server->published = resource_catalog_ref(resource_folder_catalog(server->folder));
    log_load(server->published);
    return STATUS_OK;
}

static enum status listen_on(struct server *server, const struct server_options *options,
                             struct error *err) {
    struct grpc_listener_options listener = {.address = options->listen,
                                             .cert_path = options->cert_path,
                                             .key_path = options->key_path,
                                             .client_ca_path = options->client_ca_path,
                                             .handler = &listener_handler,
                                             .arg = server};
    server->listener = grpc_listener_new(server->mailbox, &listener, err);
    return server->listener == NULL ? err->status : STATUS_OK;
}

static enum status serve(struct server *server, const struct server_options *options,
                         struct error *err) {
    TRY(watch_signals(server, err));
    TRY(open_folder(server, options, err));
    TRY(listen_on(server, options, err));
    const char *address = grpc_listener_address(server->listener);
    enum status status = options->address_path == NULL
                             ? STATUS_OK
                             : write_address(options->address_path, address, err);
    if (status == STATUS_OK) {
        print_line("listening on ", slice_from_string(address));
    } else {
        grpc_listener_shutdown(server->listener, on_drained, server);
    }
    event_loop_run(server->loop);
    return status;
}

enum status xds_server_run(const struct server_options *options, struct error *err) {
    struct server server = {.signal_fd = -1};
    list_init(&server.calls);
    timer_init(&server.step_timer, on_step_timer, &server);
    server.loop = event_loop_new(clock_system(), err);
    server.mailbox = server.loop == NULL ? NULL : mailbox_new(server.loop, err);
    enum status status = err->status;
    if (server.mailbox != NULL) {
        status = serve(&server, options, err);
    }
    end_rollout(&server);
    resource_folder_free(server.folder);
    if (server.listener != NULL) {
        grpc_listener_free(server.listener);
    }
    resource_catalog_unref(server.published);
    if (server.mailbox != NULL) {
        mailbox_free(server.mailbox);
    }
    if (server.signal_fd >= 0) {
        event_loop_unwatch(server.loop, &server.signal_watch);
        close(server.signal_fd);
    }
    event_loop_free(server.loop);
    return status;
}
