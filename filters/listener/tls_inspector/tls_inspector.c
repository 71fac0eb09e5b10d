// SPDX-License-Identifier: Apache-2.0
#include "filters/listener/tls_inspector/tls_inspector.h"

#include "filters/listener/tls_inspector/client_hello.h"
#include "src/base/check.h"
#include "src/event/io_context.h"

static const struct stat_def stats[] = {TLS_INSPECTOR_STATS(STAT_DEF)};
const struct stat_table tls_inspector_stat_table = {"tls_inspector", stats, ARRAY_LEN(stats)};

static void take_hello(const struct tls_inspector_config *config, struct accepted_socket *socket,
                       const struct client_hello *hello) {
    uint32_t thread = socket->io->index;
    socket->transport_protocol = SLICE("tls");
    socket->server_name = hello->server_name;
    stats_inc(config->stats, thread, TLS_INSPECTOR_TLS_FOUND);
    stats_inc(config->stats, thread,
              hello->server_name.len > 0 ? TLS_INSPECTOR_SNI_FOUND : TLS_INSPECTOR_SNI_NOT_FOUND);
    stats_inc(config->stats, thread,
              hello->protocol_count > 0 ? TLS_INSPECTOR_ALPN_FOUND : TLS_INSPECTOR_ALPN_NOT_FOUND);
    if (hello->protocol_count > 0) {
        struct slice *protocols =
            ARENA_NEW_ARRAY(socket->arena, hello->protocol_count, struct slice);
        memcpy(protocols, hello->protocols, hello->protocol_count * sizeof(*protocols));
        socket->application_protocols = protocols;
        socket->application_protocol_count = hello->protocol_count;
    }
}

static enum listener_filter_verdict give_up(const struct tls_inspector_config *config,
                                            struct accepted_socket *socket, bool is_tls_like) {
    stats_inc(config->stats, socket->io->index, TLS_INSPECTOR_TLS_NOT_FOUND);
    return is_tls_like && config->close_on_invalid_hello ? LISTENER_FILTER_CLOSE
                                                         : LISTENER_FILTER_CONTINUE;
}

static enum listener_filter_verdict inspect(const void *filter_config, void *state,
                                            struct accepted_socket *socket, struct buffer *input,
                                            bool end_stream) {
    const struct tls_inspector_config *config = filter_config;
    (void)state;
    if (input->len == 0) {
        return LISTENER_FILTER_MORE;
    }
    size_t len = input->len < CLIENT_HELLO_MAX_BYTES ? input->len : CLIENT_HELLO_MAX_BYTES;
    struct arena scratch;
    arena_init(&scratch, &socket->io->arena_blocks);
    struct client_hello hello;
    enum listener_filter_verdict verdict = LISTENER_FILTER_CONTINUE;
    enum client_hello_result result =
        client_hello_parse(buffer_linearize(input, len), &scratch, &hello);
    switch (result) {
    case CLIENT_HELLO_FOUND:
        hello.server_name = arena_dup_slice(socket->arena, hello.server_name);
        for (uint32_t i = 0; i < hello.protocol_count; i++) {
            hello.protocols[i] = arena_dup_slice(socket->arena, hello.protocols[i]);
        }
        take_hello(config, socket, &hello);
        break;
    case CLIENT_HELLO_MORE:
        if (len < CLIENT_HELLO_MAX_BYTES) {
            verdict = LISTENER_FILTER_MORE;
            break;
        }
        stats_inc(config->stats, socket->io->index, TLS_INSPECTOR_CLIENT_HELLO_TOO_LARGE);
        verdict = give_up(config, socket, true);
        break;
    case CLIENT_HELLO_NOT_TLS:
    case CLIENT_HELLO_INVALID:
        verdict = give_up(config, socket, result == CLIENT_HELLO_INVALID);
        break;
    }
    (void)end_stream;
    arena_deinit(&scratch);
    return verdict;
}

const struct listener_filter_ops tls_inspector_ops = {.inspect = inspect};
