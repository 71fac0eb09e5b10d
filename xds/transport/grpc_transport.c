// SPDX-License-Identifier: Apache-2.0
#include "xds/transport/grpc_transport.h"

#include <pthread.h>
#include <stdatomic.h>

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/grpc.h>
#include <grpc/slice.h>
#include <grpc/support/log.h>

#include "src/base/check.h"
#include "src/base/list.h"
#include "src/base/log.h"
#include "src/event/mailbox.h"
#include "xds/transport/grpc_channel.h"

enum { TRANSPORT_MAGIC = 0x47525054, STREAM_MAGIC = 0x47525053 };

struct grpc_transport {
    struct xds_transport base;
    uint32_t magic;
    struct mailbox *control;
    struct grpc_verifiers *verifiers;
    grpc_completion_queue *queue;
    pthread_t thread;
    uint32_t refs; /* the owner's and one per stream; control thread */
};

struct xds_channel {
    struct grpc_transport *transport;
    grpc_channel *channel;
    struct xds_metadata *metadata;
    uint32_t metadata_count;
};

enum operation_kind { OPERATION_START, OPERATION_SEND, OPERATION_RECEIVE, OPERATION_STATUS };
enum { OPERATION_KINDS = 4 };

/* One batch under way. Between start and delivery it is gRPC's and the queue thread's. */
struct operation {
    struct mail mail;
    enum operation_kind kind;
    struct xds_stream *stream;
    struct mailbox *control;
    /* What the control thread wrote is published by it; gRPC's own hand-over is not seen by tools. */
    _Atomic bool is_started;
    bool is_ok;
    bool is_pending;          /* control thread's */
    grpc_byte_buffer *buffer; /* RECEIVE: what gRPC fills; SEND: what is being sent */
    grpc_slice bytes;         /* RECEIVE: the message in one piece */
    bool has_bytes;
};

struct outgoing {
    struct list_node node;
    grpc_byte_buffer *buffer;
};

struct xds_stream {
    uint32_t magic;
    struct grpc_transport *transport;
    const struct xds_stream_handler *handler; /* NULL: closed by its owner */
    void *arg;
    grpc_call *call;
    struct operation operations[OPERATION_KINDS];
    uint32_t pending; /* operations under way */
    struct list_node outgoing;
    bool is_received; /* no message comes any more */
    bool has_status;
    grpc_metadata_array initial_metadata, trailing_metadata;
    grpc_status_code status;
    grpc_slice status_details;
};

/* ---- the queue's thread ---- */

static void take_message(struct operation *operation) {
    grpc_byte_buffer_reader reader;
    operation->has_bytes = false;
    if (operation->buffer == NULL) {
        return;
    }
    if (grpc_byte_buffer_reader_init(&reader, operation->buffer)) {
        operation->bytes = grpc_byte_buffer_reader_readall(&reader);
        operation->has_bytes = true;
        grpc_byte_buffer_reader_destroy(&reader);
    }
    grpc_byte_buffer_destroy(operation->buffer);
    operation->buffer = NULL;
}

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
        if (operation->kind == OPERATION_RECEIVE) {
            take_message(operation);
        }
        mailbox_post(operation->control, &operation->mail);
    }
}

/* ---- life of a stream ---- */

static void transport_unref(struct grpc_transport *transport) {
    if (--transport->refs > 0) {
        return;
    }
    grpc_completion_queue_destroy(transport->queue);
    grpc_shutdown_blocking();
    transport->magic = 0;
    mem_free(transport);
}

static void free_outgoing(struct outgoing *item) {
    list_remove(&item->node);
    grpc_byte_buffer_destroy(item->buffer);
    mem_free(item);
}

static void free_stream(struct xds_stream *stream) {
    LIST_FOR_EACH_SAFE (node, &stream->outgoing) {
        free_outgoing(LIST_ENTRY(node, struct outgoing, node));
    }
    if (stream->call != NULL) {
        grpc_call_unref(stream->call);
    }
    grpc_metadata_array_destroy(&stream->initial_metadata);
    grpc_metadata_array_destroy(&stream->trailing_metadata);
    grpc_slice_unref(stream->status_details);
    transport_unref(stream->transport);
    stream->magic = 0;
    mem_free(stream);
}

static bool start_batch(struct xds_stream *stream, enum operation_kind kind, const grpc_op *ops,
                        size_t count) {
    struct operation *operation = &stream->operations[kind];
    ASSERT(!operation->is_pending);
    operation->is_pending = true;
    stream->pending++;
    atomic_store_explicit(&operation->is_started, true, memory_order_release);
    if (grpc_call_start_batch(stream->call, ops, count, operation, NULL) != GRPC_CALL_OK) {
        operation->is_pending = false;
        stream->pending--;
        return false;
    }
    return true;
}

static void start_receive(struct xds_stream *stream) {
    grpc_op op = {.op = GRPC_OP_RECV_MESSAGE};
    op.data.recv_message.recv_message = &stream->operations[OPERATION_RECEIVE].buffer;
    if (!start_batch(stream, OPERATION_RECEIVE, &op, 1)) {
        stream->is_received = true;
    }
}

static void start_send(struct xds_stream *stream) {
    struct operation *operation = &stream->operations[OPERATION_SEND];
    if (operation->is_pending || list_is_empty(&stream->outgoing)) {
        return;
    }
    struct outgoing *item = LIST_ENTRY(stream->outgoing.next, struct outgoing, node);
    grpc_op op = {.op = GRPC_OP_SEND_MESSAGE};
    op.data.send_message.send_message = item->buffer;
    operation->buffer = item->buffer;
    item->buffer = NULL;
    free_outgoing(item);
    if (!start_batch(stream, OPERATION_SEND, &op, 1)) {
        grpc_byte_buffer_destroy(operation->buffer);
        operation->buffer = NULL;
    }
}

static void finish_if_over(struct xds_stream *stream) {
    if (stream->handler != NULL && stream->has_status && stream->is_received) {
        const struct xds_stream_handler *handler = stream->handler;
        struct slice message = slice_make(GRPC_SLICE_START_PTR(stream->status_details),
                                          GRPC_SLICE_LENGTH(stream->status_details));
        stream->handler = NULL;
        handler->on_closed(stream->arg, (int)stream->status, message);
    }
    if (stream->handler == NULL && stream->pending == 0) {
        free_stream(stream);
    }
}

/* ---- delivery, on the control thread ---- */

static void deliver_message(struct xds_stream *stream, struct operation *operation) {
    if (!operation->has_bytes) {
        stream->is_received = true;
        return;
    }
    grpc_slice bytes = operation->bytes;
    operation->has_bytes = false;
    if (stream->handler != NULL) {
        stream->handler->on_message(
            stream->arg, slice_make(GRPC_SLICE_START_PTR(bytes), GRPC_SLICE_LENGTH(bytes)));
    }
    grpc_slice_unref(bytes);
    // A closed stream begins nothing any more: its queue may be shut down before the mail is delivered.
    if (stream->handler == NULL) {
        stream->is_received = true;
        return;
    }
    start_receive(stream);
}

static void deliver_operation(struct mail *mail) {
    struct operation *operation = CONTAINER_OF(mail, struct operation, mail);
    struct xds_stream *stream = operation->stream;
    CHECK_MAGIC(stream, STREAM_MAGIC);
    operation->is_pending = false;
    switch (operation->kind) {
    case OPERATION_START:
        break;
    case OPERATION_SEND:
        grpc_byte_buffer_destroy(operation->buffer);
        operation->buffer = NULL;
        if (operation->is_ok && stream->handler != NULL) {
            start_send(stream);
        }
        break;
    case OPERATION_RECEIVE:
        deliver_message(stream, operation);
        break;
    case OPERATION_STATUS:
        stream->has_status = true;
        break;
    }
    stream->pending--;
    finish_if_over(stream);
}

/* ---- opening ---- */

static void start_headers(struct xds_stream *stream, const struct xds_channel *channel) {
    grpc_metadata *metadata = mem_calloc(channel->metadata_count + 1, sizeof(*metadata));
    for (uint32_t i = 0; i < channel->metadata_count; i++) {
        const struct xds_metadata *from = &channel->metadata[i];
        metadata[i].key = grpc_slice_from_copied_buffer((const char *)from->key.ptr, from->key.len);
        metadata[i].value =
            grpc_slice_from_copied_buffer((const char *)from->value.ptr, from->value.len);
    }
    grpc_op ops[2] = {{.op = GRPC_OP_SEND_INITIAL_METADATA}, {.op = GRPC_OP_RECV_INITIAL_METADATA}};
    ops[0].data.send_initial_metadata.count = channel->metadata_count;
    ops[0].data.send_initial_metadata.metadata = metadata;
    ops[1].data.recv_initial_metadata.recv_initial_metadata = &stream->initial_metadata;
    // Names and values were checked when the channel was made.
    CHECK(start_batch(stream, OPERATION_START, ops, ARRAY_LEN(ops)));
    for (uint32_t i = 0; i < channel->metadata_count; i++) {
        grpc_slice_unref(metadata[i].key);
        grpc_slice_unref(metadata[i].value);
    }
    mem_free(metadata);
}

static void start_status(struct xds_stream *stream) {
    grpc_op op = {.op = GRPC_OP_RECV_STATUS_ON_CLIENT};
    op.data.recv_status_on_client.trailing_metadata = &stream->trailing_metadata;
    op.data.recv_status_on_client.status = &stream->status;
    op.data.recv_status_on_client.status_details = &stream->status_details;
    CHECK(start_batch(stream, OPERATION_STATUS, &op, 1));
}

static struct xds_stream *stream_new(struct grpc_transport *transport,
                                     const struct xds_stream_handler *handler, void *arg) {
    struct xds_stream *stream = mem_calloc(1, sizeof(*stream));
    stream->magic = STREAM_MAGIC;
    stream->transport = transport;
    transport->refs++;
    stream->handler = handler;
    stream->arg = arg;
    list_init(&stream->outgoing);
    grpc_metadata_array_init(&stream->initial_metadata);
    grpc_metadata_array_init(&stream->trailing_metadata);
    stream->status_details = grpc_empty_slice();
    for (unsigned kind = 0; kind < OPERATION_KINDS; kind++) {
        struct operation *operation = &stream->operations[kind];
        operation->mail.deliver = deliver_operation;
        operation->kind = (enum operation_kind)kind;
        operation->stream = stream;
        operation->control = transport->control;
    }
    return stream;
}

static struct xds_stream *stream_open(struct xds_channel *channel, struct slice method,
                                      const struct xds_stream_handler *handler, void *arg) {
    struct xds_stream *stream = stream_new(channel->transport, handler, arg);
    grpc_slice path = grpc_slice_from_copied_buffer((const char *)method.ptr, method.len);
    stream->call = grpc_channel_create_call(channel->channel, NULL, GRPC_PROPAGATE_DEFAULTS,
                                            channel->transport->queue, path, NULL,
                                            gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
    grpc_slice_unref(path);
    start_status(stream);
    start_headers(stream, channel);
    start_receive(stream);
    return stream;
}

static void stream_send(struct xds_stream *stream, struct slice bytes) {
    CHECK_MAGIC(stream, STREAM_MAGIC);
    grpc_slice copy = grpc_slice_from_copied_buffer((const char *)bytes.ptr, bytes.len);
    struct outgoing *item = mem_calloc(1, sizeof(*item));
    item->buffer = grpc_raw_byte_buffer_create(&copy, 1);
    grpc_slice_unref(copy);
    list_push_back(&stream->outgoing, &item->node);
    start_send(stream);
}

static void stream_close(struct xds_stream *stream) {
    CHECK_MAGIC(stream, STREAM_MAGIC);
    stream->handler = NULL;
    grpc_call_cancel(stream->call, NULL);
    // Its operations come back one by one; the last frees the stream.
}

/* ---- channels ---- */

static enum status check_metadata(const struct xds_channel_config *config, struct error *err) {
    for (uint32_t i = 0; i < config->metadata_count; i++) {
        const struct xds_metadata *item = &config->metadata[i];
        grpc_slice key = grpc_slice_from_copied_buffer((const char *)item->key.ptr, item->key.len);
        grpc_slice value =
            grpc_slice_from_copied_buffer((const char *)item->value.ptr, item->value.len);
        bool is_legal = item->key.len > 0 && grpc_header_key_is_legal(key) &&
                        (grpc_is_binary_header(key) || grpc_header_nonbin_value_is_legal(value));
        grpc_slice_unref(key);
        grpc_slice_unref(value);
        if (!is_legal) {
            return error_set(err, STATUS_INVALID, "illegal initial_metadata: '%.*s'",
                             SLICE_ARG(item->key));
        }
    }
    return STATUS_OK;
}

static struct slice own(struct slice text) {
    return slice_make(mem_dup_string((const char *)text.ptr, text.len), text.len);
}

static struct xds_channel *channel_new(struct xds_transport *base,
                                       const struct xds_channel_config *config, struct error *err) {
    struct grpc_transport *transport = CONTAINER_OF(base, struct grpc_transport, base);
    CHECK_MAGIC(transport, TRANSPORT_MAGIC);
    grpc_channel *made;
    if (check_metadata(config, err) != STATUS_OK ||
        grpc_channel_make(config, transport->verifiers, &made, err) != STATUS_OK) {
        return NULL;
    }
    struct xds_channel *channel = mem_calloc(1, sizeof(*channel));
    channel->transport = transport;
    channel->channel = made;
    channel->metadata_count = config->metadata_count;
    channel->metadata = mem_calloc(config->metadata_count + 1, sizeof(*channel->metadata));
    for (uint32_t i = 0; i < config->metadata_count; i++) {
        channel->metadata[i].key = own(config->metadata[i].key);
        channel->metadata[i].value = own(config->metadata[i].value);
    }
    transport->refs++;
    return channel;
}

static void channel_free(struct xds_channel *channel) {
    for (uint32_t i = 0; i < channel->metadata_count; i++) {
        mem_free((void *)(uintptr_t)channel->metadata[i].key.ptr);
        mem_free((void *)(uintptr_t)channel->metadata[i].value.ptr);
    }
    mem_free(channel->metadata);
    grpc_channel_destroy(channel->channel);
    transport_unref(channel->transport);
    mem_free(channel);
}

static const struct xds_transport_ops grpc_ops = {
    .channel_new = channel_new,
    .channel_free = channel_free,
    .stream_open = stream_open,
    .stream_send = stream_send,
    .stream_close = stream_close,
};

// gRPC would write to stderr in a form of its own. Its errors are about connections, not about us.
static void log_grpc(gpr_log_func_args *args) {
    if (args->severity == GPR_LOG_SEVERITY_ERROR) {
        LOG(GRPC, WARN, "%s", args->message);
    } else {
        LOG(GRPC, DEBUG, "%s", args->message);
    }
}

struct xds_transport *grpc_transport_new(struct mailbox *control, struct error *err) {
    gpr_set_log_function(log_grpc);
    grpc_init();
    struct grpc_transport *transport = mem_calloc(1, sizeof(*transport));
    transport->magic = TRANSPORT_MAGIC;
    transport->base.ops = &grpc_ops;
    transport->control = control;
    transport->queue = grpc_completion_queue_create_for_next(NULL);
    transport->refs = 1;
    transport->verifiers = grpc_verifiers_new(control);
    int failure = pthread_create(&transport->thread, NULL, run_queue, transport->queue);
    if (failure != 0) {
        error_set(err, STATUS_IO, "cannot start the xDS thread: %s", strerror(failure));
        grpc_completion_queue_shutdown(transport->queue);
        grpc_event event =
            grpc_completion_queue_next(transport->queue, gpr_inf_future(GPR_CLOCK_REALTIME), NULL);
        ASSERT(event.type == GRPC_QUEUE_SHUTDOWN);
        (void)event;
        grpc_verifiers_close(transport->verifiers);
        transport_unref(transport);
        return NULL;
    }
    (void)pthread_setname_np(transport->thread, "xds");
    return &transport->base;
}

void grpc_transport_free(struct xds_transport *base) {
    if (base == NULL) {
        return;
    }
    struct grpc_transport *transport = CONTAINER_OF(base, struct grpc_transport, base);
    CHECK_MAGIC(transport, TRANSPORT_MAGIC);
    grpc_completion_queue_shutdown(transport->queue);
    (void)pthread_join(transport->thread, NULL);
    grpc_verifiers_close(transport->verifiers);
    transport_unref(transport);
}
