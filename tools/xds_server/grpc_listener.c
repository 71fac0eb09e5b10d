// SPDX-License-Identifier: Apache-2.0
#include "tools/xds_server/grpc_listener.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/slice.h>
#include <grpc/support/alloc.h>
#include <grpc/support/log.h>

#include "src/base/check.h"
#include "src/base/list.h"
#include "src/event/mailbox.h"
#include "tools/xds_server/tls_files.h"

enum { STREAM_MAGIC = 0x58535354, ADDRESS_BYTES = 256 };

/* One batch or request under way: gRPC's and the queue thread's until it is delivered. */
struct operation {
    struct mail mail;
    struct mailbox *mailbox;
    void *owner;
    _Atomic bool is_started; /* publishes what the main thread wrote */
    bool is_ok;
};

enum stream_operation { STREAM_START, STREAM_RECEIVE, STREAM_SEND, STREAM_STATUS, STREAM_CLOSE };
enum { STREAM_OPERATIONS = 5 };

struct outgoing {
    struct list_node node;
    grpc_byte_buffer *buffer;
};

struct grpc_stream {
    uint32_t magic;
    struct list_node node;
    struct grpc_listener *listener;
    grpc_call *call;
    void *user; /* what on_call returned; NULL: refused or over */
    struct operation operations[STREAM_OPERATIONS];
    bool is_pending[STREAM_OPERATIONS];
    struct list_node outgoing;
    grpc_byte_buffer *received, *sending;
    bool is_closed; /* nothing more can be sent */
    bool is_finishing, has_sent_status;
    int cancelled;
    int code;
    char *status_text;
};

struct grpc_listener {
    struct grpc_listener_options options;
    struct mailbox *mailbox;
    struct tls_files *tls;
    grpc_completion_queue *queue;
    grpc_server *server;
    pthread_t thread;
    bool has_thread;
    char address[ADDRESS_BYTES];
    struct list_node streams;
    /* The call that is waited for. */
    struct operation accept, stop;
    grpc_call *accepted;
    grpc_call_details details;
    grpc_metadata_array metadata;
    bool is_accepting, is_stopping, is_stopped;
    void (*on_drained)(void *arg);
    void *drained_arg;
};

/* ---- the queue's thread ---- */

static void *run_queue(void *arg) {
    grpc_completion_queue *queue = arg;
    for (;;) {
        grpc_event event =
            grpc_completion_queue_next(queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
        if (event.type == GRPC_QUEUE_SHUTDOWN) {
            return NULL;
        }
        struct operation *operation = event.tag;
        (void)atomic_load_explicit(&operation->is_started, memory_order_acquire);
        operation->is_ok = event.success != 0;
        mailbox_post(operation->mailbox, &operation->mail);
    }
}

static void start_operation(struct operation *operation) {
    atomic_store_explicit(&operation->is_started, true, memory_order_release);
}

/* ---- streams ---- */

static void report_if_drained(struct grpc_listener *listener) {
    if (listener->is_stopped && !listener->is_accepting && list_is_empty(&listener->streams) &&
        listener->on_drained != NULL) {
        listener->on_drained(listener->drained_arg);
    }
}

static void free_outgoing(struct outgoing *item) {
    list_remove(&item->node);
    grpc_byte_buffer_destroy(item->buffer);
    mem_free(item);
}

static void drop_outgoing(struct grpc_stream *stream) {
    LIST_FOR_EACH_SAFE (node, &stream->outgoing) {
        free_outgoing(LIST_ENTRY(node, struct outgoing, node));
    }
}

static void free_stream(struct grpc_stream *stream) {
    struct grpc_listener *listener = stream->listener;
    drop_outgoing(stream);
    grpc_call_unref(stream->call);
    list_remove(&stream->node);
    mem_free(stream->status_text);
    stream->magic = 0;
    mem_free(stream);
    report_if_drained(listener);
}

static bool start_batch(struct grpc_stream *stream, enum stream_operation which, grpc_op op) {
    struct operation *operation = &stream->operations[which];
    ASSERT(!stream->is_pending[which]);
    stream->is_pending[which] = true;
    start_operation(operation);
    if (grpc_call_start_batch(stream->call, &op, 1, operation, NULL) != GRPC_CALL_OK) {
        stream->is_pending[which] = false;
        return false;
    }
    return true;
}

static void start_receive(struct grpc_stream *stream) {
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};
    op.data.recv_message.recv_message = &stream->received;
    (void)start_batch(stream, STREAM_RECEIVE, op);
}

static void start_status(struct grpc_stream *stream) {
    grpc_slice text =
        grpc_slice_from_copied_string(stream->status_text == NULL ? "" : stream->status_text);
    grpc_op op = {.op = GRPC_OP_SEND_STATUS_FROM_SERVER};
    op.data.send_status_from_server.status = (grpc_status_code)stream->code;
    op.data.send_status_from_server.status_details = &text;
    stream->has_sent_status = true;
    (void)start_batch(stream, STREAM_STATUS, op);
    grpc_slice_unref(text);
}

static void start_output(struct grpc_stream *stream) {
    if (stream->is_closed || stream->is_pending[STREAM_SEND]) {
        return;
    }
    if (list_is_empty(&stream->outgoing)) {
        if (stream->is_finishing && !stream->has_sent_status) {
            start_status(stream);
        }
        return;
    }
    struct outgoing *item = LIST_ENTRY(stream->outgoing.next, struct outgoing, node);
    grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};
    op.data.send_message.send_message = item->buffer;
    stream->sending = item->buffer;
    item->buffer = NULL;
    free_outgoing(item);
    if (!start_batch(stream, STREAM_SEND, op)) {
        grpc_byte_buffer_destroy(stream->sending);
        stream->sending = NULL;
    }
}

static void free_if_over(struct grpc_stream *stream) {
    if (!stream->is_closed) {
        return;
    }
    for (unsigned i = 0; i < STREAM_OPERATIONS; i++) {
        if (stream->is_pending[i]) {
            return;
        }
    }
    free_stream(stream);
}

static void deliver_message(struct grpc_stream *stream) {
    const struct grpc_listener_handler *handler = stream->listener->options.handler;
    grpc_byte_buffer *buffer = stream->received;
    grpc_byte_buffer_reader reader;
    stream->received = NULL;
    if (buffer == NULL || !grpc_byte_buffer_reader_init(&reader, buffer)) {
        if (stream->user != NULL && !stream->is_closed) {
            handler->on_half_close(stream->user);
        }
        grpc_byte_buffer_destroy(buffer);
        return;
    }
    grpc_slice bytes = grpc_byte_buffer_reader_readall(&reader);
    grpc_byte_buffer_reader_destroy(&reader);
    grpc_byte_buffer_destroy(buffer);
    if (stream->user != NULL) {
        handler->on_message(stream->user,
                            slice_make(GRPC_SLICE_START_PTR(bytes), GRPC_SLICE_LENGTH(bytes)));
    }
    grpc_slice_unref(bytes);
    start_receive(stream);
}

static void deliver_close(struct grpc_stream *stream) {
    void *user = stream->user;
    stream->is_closed = true;
    stream->user = NULL;
    drop_outgoing(stream);
    if (user != NULL) {
        stream->listener->options.handler->on_closed(user);
    }
}

static void deliver_stream(struct mail *mail) {
    struct operation *operation = CONTAINER_OF(mail, struct operation, mail);
    struct grpc_stream *stream = operation->owner;
    CHECK_MAGIC(stream, STREAM_MAGIC);
    enum stream_operation which = (enum stream_operation)(operation - stream->operations);
    stream->is_pending[which] = false;
    switch (which) {
    case STREAM_RECEIVE:
        deliver_message(stream);
        break;
    case STREAM_SEND:
        grpc_byte_buffer_destroy(stream->sending);
        stream->sending = NULL;
        start_output(stream);
        break;
    case STREAM_CLOSE:
        deliver_close(stream);
        break;
    case STREAM_START:
    case STREAM_STATUS:
        break;
    }
    free_if_over(stream);
}

void grpc_stream_send(struct grpc_stream *stream, struct slice message) {
    CHECK_MAGIC(stream, STREAM_MAGIC);
    grpc_slice copy = grpc_slice_from_copied_buffer((const char *)message.ptr, message.len);
    struct outgoing *item = mem_calloc(1, sizeof(*item));
    item->buffer = grpc_raw_byte_buffer_create(&copy, 1);
    grpc_slice_unref(copy);
    list_push_back(&stream->outgoing, &item->node);
    start_output(stream);
}

void grpc_stream_finish(struct grpc_stream *stream, int code, const char *text) {
    CHECK_MAGIC(stream, STREAM_MAGIC);
    if (stream->is_finishing) {
        return;
    }
    stream->is_finishing = true;
    stream->code = code;
    stream->status_text = text == NULL ? NULL : mem_dup_string(text, strlen(text));
    start_output(stream);
}

/* ---- accepting ---- */

static struct grpc_stream *stream_new(struct grpc_listener *listener, grpc_call *call) {
    struct grpc_stream *stream = mem_calloc(1, sizeof(*stream));
    stream->magic = STREAM_MAGIC;
    stream->listener = listener;
    stream->call = call;
    list_init(&stream->outgoing);
    list_push_back(&listener->streams, &stream->node);
    for (unsigned i = 0; i < STREAM_OPERATIONS; i++) {
        stream->operations[i].mail.deliver = deliver_stream;
        stream->operations[i].mailbox = listener->mailbox;
        stream->operations[i].owner = stream;
    }
    return stream;
}

static void begin_call(struct grpc_listener *listener) {
    struct grpc_stream *stream = stream_new(listener, listener->accepted);
    grpc_op start = {.op = GRPC_OP_SEND_INITIAL_METADATA};
    grpc_op close = {.op = GRPC_OP_RECV_CLOSE_ON_SERVER};
    close.data.recv_close_on_server.cancelled = &stream->cancelled;
    // The first batches of a call that was just received are always taken.
    CHECK(start_batch(stream, STREAM_CLOSE, close));
    CHECK(start_batch(stream, STREAM_START, start));
    char *peer = grpc_call_get_peer(stream->call);
    struct slice method = slice_make(GRPC_SLICE_START_PTR(listener->details.method),
                                     GRPC_SLICE_LENGTH(listener->details.method));
    stream->user = listener->options.handler->on_call(listener->options.arg, stream, method,
                                                      slice_from_string(peer));
    gpr_free(peer);
    if (stream->user == NULL) {
        grpc_stream_finish(stream, GRPC_CODE_UNIMPLEMENTED, "unknown service or method");
    }
    start_receive(stream);
}

static void start_accept(struct grpc_listener *listener) {
    grpc_call_details_init(&listener->details);
    grpc_metadata_array_init(&listener->metadata);
    start_operation(&listener->accept);
    listener->is_accepting =
        grpc_server_request_call(listener->server, &listener->accepted, &listener->details,
                                 &listener->metadata, listener->queue, listener->queue,
                                 &listener->accept) == GRPC_CALL_OK;
}

static void deliver_accept(struct mail *mail) {
    struct grpc_listener *listener = CONTAINER_OF(mail, struct operation, mail)->owner;
    bool is_ok = listener->accept.is_ok;
    listener->is_accepting = false;
    if (is_ok) {
        begin_call(listener);
    }
    grpc_call_details_destroy(&listener->details);
    grpc_metadata_array_destroy(&listener->metadata);
    if (is_ok) {
        start_accept(listener); // after the shutdown it comes back at once, not ok
    } else {
        report_if_drained(listener);
    }
}

static void deliver_stop(struct mail *mail) {
    struct grpc_listener *listener = CONTAINER_OF(mail, struct operation, mail)->owner;
    listener->is_stopped = true;
    report_if_drained(listener);
}

/* ---- listening ---- */

// gRPC does not say why it could not bind: the same bind once more does.
static int bind_errno(const char *address) {
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    struct slice name = slice_from_string(address);
    if (!slice_starts_with(name, SLICE("unix:"))) {
        return 0;
    }
    name = slice_sub(name, 5, SIZE_MAX);
    if (name.len >= sizeof(path.sun_path)) {
        return ENAMETOOLONG;
    }
    memcpy(path.sun_path, name.ptr, name.len);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int failure = fd < 0 || bind(fd, (struct sockaddr *)&path, sizeof(path)) != 0 ? errno : 0;
    if (failure == 0) {
        unlink(path.sun_path);
    }
    if (fd >= 0) {
        close(fd);
    }
    return failure;
}

static grpc_server_credentials *make_credentials(struct grpc_listener *listener,
                                                 struct error *err) {
    const struct grpc_listener_options *options = &listener->options;
    if (options->cert_path == NULL) {
        return grpc_insecure_server_credentials_create();
    }
    listener->tls =
        tls_files_new(options->cert_path, options->key_path, options->client_ca_path, err);
    return listener->tls == NULL ? NULL : tls_files_credentials(listener->tls);
}

static enum status bind_address(struct grpc_listener *listener, struct error *err) {
    const char *address = listener->options.address;
    grpc_server_credentials *credentials = make_credentials(listener, err);
    if (credentials == NULL) {
        return STATUS_INVALID;
    }
    int port = grpc_server_add_http2_port(listener->server, address, credentials);
    grpc_server_credentials_release(credentials);
    if (port == 0) {
        int failure = bind_errno(address);
        return error_set(err, STATUS_IO, "cannot listen on %s: %s", address,
                         failure != 0 ? strerror(failure)
                         : listener->tls != NULL
                             ? "address in use or not here, or certificate and key do not match"
                             : "address in use or not of this machine");
    }
    struct slice text = slice_from_string(address);
    size_t colon = slice_rfind_byte(text, ':');
    bool is_unix = slice_starts_with(text, SLICE("unix"));
    if (is_unix || colon == SIZE_MAX) {
        snprintf(listener->address, sizeof(listener->address), "%s", address);
    } else {
        snprintf(listener->address, sizeof(listener->address), "%.*s:%d", (int)colon, address,
                 port);
    }
    return STATUS_OK;
}

static void create_server(struct grpc_listener *listener) {
    // SO_REUSEPORT would let a second server share the port in silence. Proxies ping as often as they
    // are configured to.
    grpc_arg args[] = {
        {.type = GRPC_ARG_INTEGER, .key = (char *)(uintptr_t)GRPC_ARG_ALLOW_REUSEPORT},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)(uintptr_t)GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH,
         .value.integer = -1},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)(uintptr_t)GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
         .value.integer = 1000},
        {.type = GRPC_ARG_INTEGER,
         .key = (char *)(uintptr_t)GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS,
         .value.integer = 1},
    };
    grpc_channel_args channel_args = {.num_args = ARRAY_LEN(args), .args = args};
    listener->queue = grpc_completion_queue_create_for_next(NULL);
    listener->server = grpc_server_create(&channel_args, NULL);
    grpc_server_register_completion_queue(listener->server, listener->queue, NULL);
}

static void init_operation(struct grpc_listener *listener, struct operation *operation,
                           mail_fn *deliver) {
    operation->mail.deliver = deliver;
    operation->mailbox = listener->mailbox;
    operation->owner = listener;
}

struct grpc_listener *grpc_listener_new(struct mailbox *mailbox,
                                        const struct grpc_listener_options *options,
                                        struct error *err) {
    gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
    grpc_init();
    struct grpc_listener *listener = mem_calloc(1, sizeof(*listener));
    listener->options = *options;
    listener->mailbox = mailbox;
    list_init(&listener->streams);
    init_operation(listener, &listener->accept, deliver_accept);
    init_operation(listener, &listener->stop, deliver_stop);
    create_server(listener);
    enum status status = bind_address(listener, err);
    if (status == STATUS_OK) {
        int failure = pthread_create(&listener->thread, NULL, run_queue, listener->queue);
        listener->has_thread = failure == 0;
        if (failure != 0) {
            status = error_set(err, STATUS_IO, "cannot start a thread: %s", strerror(failure));
        }
    }
    if (status != STATUS_OK) {
        grpc_listener_free(listener);
        return NULL;
    }
    grpc_server_start(listener->server);
    start_accept(listener);
    return listener;
}

const char *grpc_listener_address(const struct grpc_listener *listener) {
    return listener->address;
}

void grpc_listener_shutdown(struct grpc_listener *listener, void (*on_drained)(void *arg),
                            void *arg) {
    if (listener->is_stopping) {
        return;
    }
    listener->is_stopping = true;
    listener->on_drained = on_drained;
    listener->drained_arg = arg;
    start_operation(&listener->stop);
    grpc_server_shutdown_and_notify(listener->server, listener->queue, &listener->stop);
    grpc_server_cancel_all_calls(listener->server);
}

void grpc_listener_free(struct grpc_listener *listener) {
    if (!listener->is_stopping) {
        // Never started: the notification comes to nobody but this wait.
        grpc_server_shutdown_and_notify(listener->server, listener->queue, &listener->stop);
        (void)grpc_completion_queue_next(listener->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
    }
    grpc_server_destroy(listener->server);
    grpc_completion_queue_shutdown(listener->queue);
    if (listener->has_thread) {
        pthread_join(listener->thread, NULL);
    } else {
        (void)grpc_completion_queue_next(listener->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
    }
    grpc_completion_queue_destroy(listener->queue);
    tls_files_free(listener->tls);
    grpc_shutdown_blocking();
    mem_free(listener);
}
