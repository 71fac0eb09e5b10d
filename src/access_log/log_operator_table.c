// SPDX-License-Identifier: Apache-2.0
/* All commands of Envoy 1.40 that need no formatter extension, but CEL. What the facts of a stream do
 * not hold is known by name and absent (log_get_absent): the line is written with "-" for it. */
#include <stddef.h>
#include <stdlib.h>

#include "src/access_log/log_operator.h"
#include "src/base/check.h"

#define INFO(field) (uint32_t) offsetof(struct stream_info, field)
#define CONN(field) (uint32_t) offsetof(struct connection_info, field)
#define PEER(field) (uint32_t) offsetof(struct transport_peer, field)
#define BETWEEN(begin, end) (INFO(begin) | INFO(end) << 16)

enum { NS_PER_MS = 1000000 };

_Static_assert(sizeof(struct stream_info) <= UINT16_MAX, "offsets fit 16 bits");

/* In ascending order of names. */
static const struct log_command commands[] = {
    {SLICE_INIT("ACCESS_LOG_TYPE"), LOG_SYNTAX_BARE, log_get_log_type, NULL, 0, 0},
    {SLICE_INIT("BYTES_RECEIVED"), LOG_SYNTAX_BARE, log_get_u64, NULL, INFO(bytes_received), 0},
    {SLICE_INIT("BYTES_RETRANSMITTED"), LOG_SYNTAX_BARE, log_get_zero, NULL, 0, 0},
    {SLICE_INIT("BYTES_SENT"), LOG_SYNTAX_BARE, log_get_u64, NULL, INFO(bytes_sent), 0},
    {SLICE_INIT("CLUSTER_METADATA"), LOG_SYNTAX_ARGS_REQUIRED, log_get_absent, NULL, 0, 0},
    {SLICE_INIT("COALESCE"), LOG_SYNTAX_ARGS_REQUIRED | LOG_SYNTAX_LENGTH, log_get_coalesce,
     log_compile_coalesce, 0, 0},
    {SLICE_INIT("COMMON_DURATION"), LOG_SYNTAX_ARGS_REQUIRED, log_get_duration,
     log_compile_duration, 0, 0},
    {SLICE_INIT("CONNECTION_ID"), LOG_SYNTAX_BARE, log_get_connection_text, NULL, CONN(id), 1},
    {SLICE_INIT("CONNECTION_TERMINATION_DETAILS"), LOG_SYNTAX_BARE, log_get_termination, NULL, 0,
     0},
    {SLICE_INIT("CUSTOM_FLAGS"), LOG_SYNTAX_BARE, log_get_constant, NULL, 0, 0},
    {SLICE_INIT("DOWNSTREAM_CX_RTT"), LOG_SYNTAX_BARE, log_get_cx_rtt, NULL, 0, 0},
    {SLICE_INIT("DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED"), LOG_SYNTAX_BARE, log_get_u64,
     NULL, INFO(received.fields), 0},
    {SLICE_INIT("DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT"), LOG_SYNTAX_BARE, log_get_u64, NULL,
     INFO(sent.fields), 0},
    {SLICE_INIT("DOWNSTREAM_DETECTED_CLOSE_TYPE"), LOG_SYNTAX_BARE, log_get_close_type, NULL, 0, 0},
    {SLICE_INIT("DOWNSTREAM_DIRECT_LOCAL_ADDRESS"), LOG_SYNTAX_BARE, log_get_address, NULL,
     LOG_ADDRESS_LOCAL, LOG_ADDRESS_FULL},
    {SLICE_INIT("DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID"), LOG_SYNTAX_BARE, log_get_constant,
     NULL, 0, 0},
    {SLICE_INIT("DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT"), LOG_SYNTAX_BARE, log_get_address,
     NULL, LOG_ADDRESS_LOCAL, LOG_ADDRESS_IP},
    {SLICE_INIT("DOWNSTREAM_DIRECT_LOCAL_PORT"), LOG_SYNTAX_BARE, log_get_address, NULL,
     LOG_ADDRESS_LOCAL, LOG_ADDRESS_PORT},
    {SLICE_INIT("DOWNSTREAM_DIRECT_REMOTE_ADDRESS"), LOG_SYNTAX_BARE, log_get_address, NULL,
     LOG_ADDRESS_DIRECT_REMOTE, LOG_ADDRESS_FULL},
    {SLICE_INIT("DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT"), LOG_SYNTAX_BARE, log_get_address,
     NULL, LOG_ADDRESS_DIRECT_REMOTE, LOG_ADDRESS_IP},
    {SLICE_INIT("DOWNSTREAM_DIRECT_REMOTE_PORT"), LOG_SYNTAX_BARE, log_get_address, NULL,
     LOG_ADDRESS_DIRECT_REMOTE, LOG_ADDRESS_PORT},
    {SLICE_INIT("DOWNSTREAM_HANDSHAKE_DURATION"), LOG_SYNTAX_BARE, log_get_handshake, NULL, 0, 0},
    {SLICE_INIT("DOWNSTREAM_HEADER_BYTES_RECEIVED"), LOG_SYNTAX_BARE, log_get_u64, NULL,
     INFO(received.header), 0},
    {SLICE_INIT("DOWNSTREAM_HEADER_BYTES_SENT"), LOG_SYNTAX_BARE, log_get_u64, NULL,
     INFO(sent.header), 0},
    {SLICE_INIT("DOWNSTREAM_LOCAL_ADDRESS"), LOG_SYNTAX_BARE, log_get_address, NULL,
     LOG_ADDRESS_LOCAL, LOG_ADDRESS_FULL},
    {SLICE_INIT("DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID"), LOG_SYNTAX_BARE, log_get_constant, NULL, 0,
     0},
    {SLICE_INIT("DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT"), LOG_SYNTAX_BARE, log_get_address, NULL,
     LOG_ADDRESS_LOCAL, LOG_ADDRESS_IP},
    {SLICE_INIT("DOWNSTREAM_LOCAL_CLOSE_REASON"), LOG_SYNTAX_BARE, log_get_absent, NULL, 0, 0},
    {SLICE_INIT("DOWNSTREAM_LOCAL_DNS_SAN"), LOG_SYNTAX_BARE, log_get_peer_text, NULL,
     PEER(local_dns_sans), 0},
    {SLICE_INIT("DOWNSTREAM_LOCAL_EMAIL_SAN"), LOG_SYNTAX_BARE, log_get_absent, NULL, 0, 0},
    {SLICE_INIT("DOWNSTREAM_LOCAL_IP_SAN"), LOG_SYNTAX_BARE, log_get_absent, NULL, 0, 0},
    {SLICE_INIT("DOWNSTREAM_LOCAL_OTHERNAME_SAN"), LOG_SYNTAX_BARE, log_get_absent, NULL, 0, 0},
    {SLICE_INIT("DOWNSTREAM_LOCAL_PORT"), LOG_SYNTAX_BARE, log_get_address, NULL, LOG_ADDRESS_LOCAL,
     LOG_ADDRESS_PORT},
    {SLICE_INIT("DOWNSTREAM_LOCAL_SUBJECT"), LOG_SYNTAX_BARE, log_get_peer_text, NULL,
     PEER(local_subject), 0},
    {SLICE_INIT("DOWNSTREAM_LOCAL_URI_SAN"), LOG_SYNTAX_BARE, log_get_peer_text, NULL,
     PEER(local_uri_sans), 0},
    {SLICE_INIT("DOWNSTREAM_PEER_CERT"), LOG_SYNTAX_BARE, log_get_peer_text, NULL,
     PEER(peer_certificate_pem_urlencoded), 0},
    {SLICE_INIT("DOWNSTREAM_PEER_CERT_V_END"), LOG_SYNTAX_ARGS, log_get_certificate_time,
     log_compile_time, PEER(peer_valid_until), 0},
    {SLICE_INIT("DOWNSTREAM_PEER_CERT_V_START"), LOG_SYNTAX_ARGS, log_get_certificate_time,
     log_compile_time, PEER(peer_valid_from), 0},
    {SLICE_INIT("DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1"), LOG_SYNTAX_BARE, log_get_absent, NULL, 0,
     0},
    {SLICE_INIT("DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256"), LOG_SYNTAX_BARE, log_get_absent, NULL, 0,
     0},
    {SLICE_INIT("DOWNSTREAM_PEER_CHAIN_SERIALS"), LOG_SYNTAX_BARE, log_get_absent, NULL, 0, 0},
    {SLICE_INIT("DOWNSTREAM_PEER_DNS_SAN"), LOG_SYNTAX_BARE, log_get_peer_text, NULL,
     PEER(peer_dns_sans), 0},
    {SLICE_INIT("DOWNSTREAM_PEER_EMAIL_SAN"), LOG_SYNTAX_BARE, log_get_absent, NULL, 0, 0},
    {SLICE_INIT("DOWNSTREAM_PEER_FINGERPRINT_1"), LOG_SYNTAX_BARE, log_get_absent, NULL, 0, 0},
    {SLICE_INIT("DOWNSTREAM_PEER_FINGERPRINT_256"), LOG_SYNTAX_BARE, log_get_peer_text, NULL,
     PEER(peer_fingerprint_sha256), 0},
    {SLICE_INIT("DOWNSTREAM_PEER_IP_SAN"), LOG_SYNTAX_BARE, log_get_absent, NULL, 0, 0},
    {SLICE_INIT("DOWNSTREAM_PEER_ISSUER"), LOG_SYNTAX_BARE, log_get_peer_text, NULL,
     PEER(peer_issuer), 0},
    {SLICE_INIT("DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256"), LOG_SYNTAX_BARE, log_get_absent, NULL, 0,
     0},
    {SLICE_INIT("DOWNSTREAM_PEER_ISSUER_SERIAL"), LOG_SYNTAX_BARE, log_get_absent, NULL, 0, 0},
    {SLICE_INIT("DOWNSTREAM_PEER_OTHERNAME_SAN"), LOG_SYNTAX_BARE, log_get_absent, NULL, 0, 0},
    {SLICE_INIT("DOWNSTREAM_PEER_SERIAL"), LOG_SYNTAX_BARE, log_get_peer_text, NULL,
     PEER(peer_serial), 0},
    {SLICE_INIT("DOWNSTREAM_PEER_SUBJECT"), LOG_SYNTAX_BARE, log_get_peer_text, NULL,
     PEER(peer_subject), 0},
    {SLICE_INIT("DOWNSTREAM_PEER_URI_SAN"), LOG_SYNTAX_BARE, log_get_peer_text, NULL,
     PEER(peer_uri_sans), 0},
    {SLICE_INIT("DOWNSTREAM_REMOTE_ADDRESS"), LOG_SYNTAX_BARE, log_get_address, NULL,
     LOG_ADDRESS_REMOTE, LOG_ADDRESS_FULL},
    {SLICE_INIT("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT"), LOG_SYNTAX_BARE, log_get_address, NULL,
     LOG_ADDRESS_REMOTE, LOG_ADDRESS_IP},
    {SLICE_INIT("DOWNSTREAM_REMOTE_PORT"), LOG_SYNTAX_BARE, log_get_address, NULL,
     LOG_ADDRESS_REMOTE, LOG_ADDRESS_PORT},
    {SLICE_INIT("DOWNSTREAM_TLS_CIPHER"), LOG_SYNTAX_BARE, log_get_peer_text, NULL, PEER(cipher),
     0},
    {SLICE_INIT("DOWNSTREAM_TLS_GROUP"), LOG_SYNTAX_BARE, log_get_absent, NULL, 0, 0},
    {SLICE_INIT("DOWNSTREAM_TLS_SESSION_ID"), LOG_SYNTAX_BARE, log_get_peer_text, NULL,
     PEER(session_id), 0},
    {SLICE_INIT("DOWNSTREAM_TLS_VERSION"), LOG_SYNTAX_BARE, log_get_peer_text, NULL,
     PEER(tls_version), 0},
    {SLICE_INIT("DOWNSTREAM_TRANSPORT_FAILURE_REASON"), LOG_SYNTAX_BARE, log_get_failure_reason,
     NULL, 0, 0},
    {SLICE_INIT("DOWNSTREAM_WIRE_BYTES_RECEIVED"), LOG_SYNTAX_BARE, log_get_u64, NULL,
     INFO(received.wire), 0},
    {SLICE_INIT("DOWNSTREAM_WIRE_BYTES_SENT"), LOG_SYNTAX_BARE, log_get_u64, NULL, INFO(sent.wire),
     0},
    {SLICE_INIT("DURATION"), LOG_SYNTAX_BARE, log_get_duration, NULL, BETWEEN(start_us, end_us),
     NS_PER_MS},
    {SLICE_INIT("DYNAMIC_METADATA"), LOG_SYNTAX_ARGS_REQUIRED | LOG_SYNTAX_LENGTH,
     log_get_dynamic_metadata, log_compile_metadata_path, 0, 0},
    {SLICE_INIT("EMIT_TIME"), LOG_SYNTAX_ARGS, log_get_time, log_compile_time, LOG_TIME_EMIT, 0},
    {SLICE_INIT("EMIT_TIME_LOCAL"), LOG_SYNTAX_ARGS, log_get_time, log_compile_time,
     LOG_TIME_EMIT | LOG_TIME_LOCAL, 0},
    {SLICE_INIT("ENVIRONMENT"), LOG_SYNTAX_ARGS_REQUIRED | LOG_SYNTAX_LENGTH, log_get_constant,
     log_compile_environment, 0, 0},
    {SLICE_INIT("FILTER_CHAIN_NAME"), LOG_SYNTAX_BARE, log_get_connection_text, NULL,
     CONN(filter_chain_name), 0},
    {SLICE_INIT("FILTER_STATE"), LOG_SYNTAX_ARGS | LOG_SYNTAX_LENGTH, log_get_filter_state,
     log_compile_state, 0, 0},
    {SLICE_INIT("GRPC_STATUS"), LOG_SYNTAX_ARGS, log_get_grpc, log_compile_grpc, 0, 0},
    {SLICE_INIT("GRPC_STATUS_NUMBER"), LOG_SYNTAX_BARE, log_get_grpc, NULL, LOG_GRPC_NUMBER, 0},
    {SLICE_INIT("HOSTNAME"), LOG_SYNTAX_BARE, log_get_constant, log_compile_hostname, 0, 0},
    {SLICE_INIT("LISTENER_NAME"), LOG_SYNTAX_BARE, log_get_connection_text, NULL,
     CONN(listener_name), 0},
    {SLICE_INIT("LOCAL_REPLY_BODY"), LOG_SYNTAX_BARE, log_get_local_reply, NULL, 0, 0},
    {SLICE_INIT("METADATA"), LOG_SYNTAX_ARGS_REQUIRED | LOG_SYNTAX_LENGTH, log_get_absent,
     log_compile_metadata, 0, 0},
    {SLICE_INIT("PATH"), LOG_SYNTAX_ARGS | LOG_SYNTAX_LENGTH, log_get_path, log_compile_path, 0, 0},
    {SLICE_INIT("PROTOCOL"), LOG_SYNTAX_BARE, log_get_protocol, NULL, 0, 0},
    {SLICE_INIT("QUERY_PARAM"), LOG_SYNTAX_ARGS_REQUIRED | LOG_SYNTAX_LENGTH, log_get_query_param,
     NULL, 0, 0},
    {SLICE_INIT("QUERY_PARAMS"), LOG_SYNTAX_ARGS | LOG_SYNTAX_LENGTH, log_get_query,
     log_compile_query, 0, 0},
    {SLICE_INIT("REQ"), LOG_SYNTAX_ARGS_REQUIRED | LOG_SYNTAX_LENGTH, log_get_header,
     log_compile_header, LOG_FROM_REQUEST, 0},
    {SLICE_INIT("REQUESTED_SERVER_NAME"), LOG_SYNTAX_BARE, log_get_server_name, NULL, 0, 0},
    {SLICE_INIT("REQUEST_DURATION"), LOG_SYNTAX_BARE, log_get_duration, NULL,
     BETWEEN(start_us, last_rx_us), NS_PER_MS},
    {SLICE_INIT("REQUEST_HEADERS_BYTES"), LOG_SYNTAX_BARE, log_get_map_bytes, NULL,
     LOG_FROM_REQUEST, 0},
    {SLICE_INIT("REQUEST_TX_DURATION"), LOG_SYNTAX_BARE, log_get_duration, NULL,
     BETWEEN(start_us, upstream.last_tx_us), NS_PER_MS},
    {SLICE_INIT("RESP"), LOG_SYNTAX_ARGS_REQUIRED | LOG_SYNTAX_LENGTH, log_get_header,
     log_compile_header, LOG_FROM_RESPONSE, 0},
    {SLICE_INIT("RESPONSE_CODE"), LOG_SYNTAX_BARE, log_get_u32, NULL, INFO(response_code), 0},
    {SLICE_INIT("RESPONSE_CODE_DETAILS"), LOG_SYNTAX_ARGS, log_get_details, log_compile_details, 0,
     0},
    {SLICE_INIT("RESPONSE_DURATION"), LOG_SYNTAX_BARE, log_get_duration, NULL,
     BETWEEN(start_us, upstream.first_rx_us), NS_PER_MS},
    {SLICE_INIT("RESPONSE_FLAGS"), LOG_SYNTAX_BARE, log_get_flags, NULL, 0, 0},
    {SLICE_INIT("RESPONSE_FLAGS_LONG"), LOG_SYNTAX_BARE, log_get_flags, NULL, 1, 0},
    {SLICE_INIT("RESPONSE_HEADERS_BYTES"), LOG_SYNTAX_BARE, log_get_map_bytes, NULL,
     LOG_FROM_RESPONSE, 0},
    {SLICE_INIT("RESPONSE_TRAILERS_BYTES"), LOG_SYNTAX_BARE, log_get_map_bytes, NULL,
     LOG_FROM_TRAILERS, 0},
    {SLICE_INIT("RESPONSE_TX_DURATION"), LOG_SYNTAX_BARE, log_get_duration, NULL,
     BETWEEN(upstream.first_rx_us, last_tx_us), NS_PER_MS},
    {SLICE_INIT("ROUNDTRIP_DURATION"), LOG_SYNTAX_BARE, log_get_absent, NULL, 0, 0},
    {SLICE_INIT("ROUTE_NAME"), LOG_SYNTAX_BARE, log_get_info_text, NULL, INFO(route_name), 0},
    {SLICE_INIT("ROUTE_RESOLUTION_COUNT"), LOG_SYNTAX_BARE, log_get_absent, NULL, 0, 0},
    {SLICE_INIT("ROUTE_RESOLUTION_TIME_US"), LOG_SYNTAX_BARE, log_get_absent, NULL, 0, 0},
    {SLICE_INIT("SPAN_ID"), LOG_SYNTAX_BARE, log_get_absent, NULL, 0, 0},
    {SLICE_INIT("START_TIME"), LOG_SYNTAX_ARGS, log_get_time, log_compile_time, LOG_TIME_START, 0},
    {SLICE_INIT("START_TIME_LOCAL"), LOG_SYNTAX_ARGS, log_get_time, log_compile_time,
     LOG_TIME_START | LOG_TIME_LOCAL, 0},
    {SLICE_INIT("STREAM_ID"), LOG_SYNTAX_BARE, log_get_stream_id, NULL, 0, 0},
    {SLICE_INIT("TLS_JA3_FINGERPRINT"), LOG_SYNTAX_BARE, log_get_absent, NULL, 0, 0},
    {SLICE_INIT("TLS_JA4_FINGERPRINT"), LOG_SYNTAX_BARE, log_get_absent, NULL, 0, 0},
    {SLICE_INIT("TRACE_ID"), LOG_SYNTAX_BARE, log_get_absent, NULL, 0, 0},
    {SLICE_INIT("TRAILER"), LOG_SYNTAX_ARGS_REQUIRED | LOG_SYNTAX_LENGTH, log_get_header,
     log_compile_header, LOG_FROM_TRAILERS, 0},
    {SLICE_INIT("UNIQUE_ID"), LOG_SYNTAX_BARE, log_get_unique_id, NULL, 0, 0},
    {SLICE_INIT("UPSTREAM_CLUSTER"), LOG_SYNTAX_BARE, log_get_cluster, NULL, 0, 0},
    {SLICE_INIT("UPSTREAM_CLUSTER_RAW"), LOG_SYNTAX_BARE, log_get_cluster, NULL, 1, 0},
    {SLICE_INIT("UPSTREAM_CONNECTION_ID"), LOG_SYNTAX_BARE, log_get_u64, NULL,
     INFO(upstream.connection_id), 0},
    {SLICE_INIT("UPSTREAM_CONNECTION_IDS_ATTEMPTED"), LOG_SYNTAX_BARE, log_get_upstream_connection,
     NULL, 0, 0},
    {SLICE_INIT("UPSTREAM_CONNECTION_POOL_READY_DURATION"), LOG_SYNTAX_BARE, log_get_duration, NULL,
     BETWEEN(start_us, upstream.pool_ready_us), NS_PER_MS},
    {SLICE_INIT("UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED"), LOG_SYNTAX_BARE, log_get_u64, NULL,
     INFO(upstream.received.fields), 0},
    {SLICE_INIT("UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT"), LOG_SYNTAX_BARE, log_get_u64, NULL,
     INFO(upstream.sent.fields), 0},
    {SLICE_INIT("UPSTREAM_DETECTED_CLOSE_TYPE"), LOG_SYNTAX_BARE, log_get_absent, NULL, 0, 0},
    {SLICE_INIT("UPSTREAM_FILTER_STATE"), LOG_SYNTAX_ARGS | LOG_SYNTAX_LENGTH, log_get_absent,
     log_compile_state, 0, 0},
    {SLICE_INIT("UPSTREAM_HEADER_BYTES_RECEIVED"), LOG_SYNTAX_BARE, log_get_u64, NULL,
     INFO(upstream.received.header), 0},
    {SLICE_INIT("UPSTREAM_HEADER_BYTES_SENT"), LOG_SYNTAX_BARE, log_get_u64, NULL,
     INFO(upstream.sent.header), 0},
    {SLICE_INIT("UPSTREAM_HOST"), LOG_SYNTAX_BARE, log_get_address, NULL, LOG_ADDRESS_UPSTREAM_HOST,
     LOG_ADDRESS_FULL},
    {SLICE_INIT("UPSTREAM_HOSTS_ATTEMPTED"), LOG_SYNTAX_BARE, log_get_address, NULL,
     LOG_ADDRESS_UPSTREAM_HOST, LOG_ADDRESS_FULL},
    {SLICE_INIT("UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT"), LOG_SYNTAX_BARE, log_get_address, NULL,
     LOG_ADDRESS_UPSTREAM_HOST, LOG_ADDRESS_IP},
    {SLICE_INIT("UPSTREAM_HOST_NAME"), LOG_SYNTAX_BARE, log_get_host_name, NULL, 0, 0},
    {SLICE_INIT("UPSTREAM_HOST_NAMES_ATTEMPTED"), LOG_SYNTAX_BARE, log_get_host_name, NULL, 0, 0},
    {SLICE_INIT("UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT"), LOG_SYNTAX_BARE, log_get_host_name,
     NULL, 1, 0},
    {SLICE_INIT("UPSTREAM_HOST_NAME_WITHOUT_PORT"), LOG_SYNTAX_BARE, log_get_host_name, NULL, 1, 0},
    {SLICE_INIT("UPSTREAM_LOCAL_ADDRESS"), LOG_SYNTAX_BARE, log_get_address, NULL,
     LOG_ADDRESS_UPSTREAM_LOCAL, LOG_ADDRESS_FULL},
    {SLICE_INIT("UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT"), LOG_SYNTAX_BARE, log_get_address, NULL,
     LOG_ADDRESS_UPSTREAM_LOCAL, LOG_ADDRESS_IP},
    {SLICE_INIT("UPSTREAM_LOCAL_CLOSE_REASON"), LOG_SYNTAX_BARE, log_get_absent, NULL, 0, 0},
    {SLICE_INIT("UPSTREAM_LOCAL_DNS_SAN"), LOG_SYNTAX_BARE, log_get_upstream_peer_text, NULL,
     PEER(local_dns_sans), 0},
    {SLICE_INIT("UPSTREAM_LOCAL_IP_SAN"), LOG_SYNTAX_BARE, log_get_absent, NULL, 0, 0},
    {SLICE_INIT("UPSTREAM_LOCAL_PORT"), LOG_SYNTAX_BARE, log_get_address, NULL,
     LOG_ADDRESS_UPSTREAM_LOCAL, LOG_ADDRESS_PORT},
    {SLICE_INIT("UPSTREAM_LOCAL_URI_SAN"), LOG_SYNTAX_BARE, log_get_upstream_peer_text, NULL,
     PEER(local_uri_sans), 0},
    {SLICE_INIT("UPSTREAM_METADATA"), LOG_SYNTAX_ARGS_REQUIRED, log_get_absent, NULL, 0, 0},
    {SLICE_INIT("UPSTREAM_PEER_CERT"), LOG_SYNTAX_BARE, log_get_upstream_peer_text, NULL,
     PEER(peer_certificate_pem_urlencoded), 0},
    {SLICE_INIT("UPSTREAM_PEER_CERT_V_END"), LOG_SYNTAX_ARGS, log_get_certificate_time,
     log_compile_time, PEER(peer_valid_until), 1},
    {SLICE_INIT("UPSTREAM_PEER_CERT_V_START"), LOG_SYNTAX_ARGS, log_get_certificate_time,
     log_compile_time, PEER(peer_valid_from), 1},
    {SLICE_INIT("UPSTREAM_PEER_DNS_SAN"), LOG_SYNTAX_BARE, log_get_upstream_peer_text, NULL,
     PEER(peer_dns_sans), 0},
    {SLICE_INIT("UPSTREAM_PEER_IP_SAN"), LOG_SYNTAX_BARE, log_get_absent, NULL, 0, 0},
    {SLICE_INIT("UPSTREAM_PEER_ISSUER"), LOG_SYNTAX_BARE, log_get_upstream_peer_text, NULL,
     PEER(peer_issuer), 0},
    {SLICE_INIT("UPSTREAM_PEER_SUBJECT"), LOG_SYNTAX_BARE, log_get_upstream_peer_text, NULL,
     PEER(peer_subject), 0},
    {SLICE_INIT("UPSTREAM_PEER_URI_SAN"), LOG_SYNTAX_BARE, log_get_upstream_peer_text, NULL,
     PEER(peer_uri_sans), 0},
    {SLICE_INIT("UPSTREAM_PROTOCOL"), LOG_SYNTAX_BARE, log_get_upstream_protocol, NULL, 0, 0},
    {SLICE_INIT("UPSTREAM_REMOTE_ADDRESS"), LOG_SYNTAX_BARE, log_get_address, NULL,
     LOG_ADDRESS_UPSTREAM_HOST, LOG_ADDRESS_FULL},
    {SLICE_INIT("UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID"), LOG_SYNTAX_BARE, log_get_absent, NULL, 0,
     0},
    {SLICE_INIT("UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT"), LOG_SYNTAX_BARE, log_get_address, NULL,
     LOG_ADDRESS_UPSTREAM_HOST, LOG_ADDRESS_IP},
    {SLICE_INIT("UPSTREAM_REMOTE_PORT"), LOG_SYNTAX_BARE, log_get_address, NULL,
     LOG_ADDRESS_UPSTREAM_HOST, LOG_ADDRESS_PORT},
    {SLICE_INIT("UPSTREAM_REQUEST_ATTEMPT_COUNT"), LOG_SYNTAX_BARE, log_get_u32, NULL,
     INFO(upstream.attempts), 0},
    {SLICE_INIT("UPSTREAM_SERVER_NAME"), LOG_SYNTAX_BARE, log_get_upstream_peer_text, NULL,
     PEER(sni), 0},
    {SLICE_INIT("UPSTREAM_TLS_CIPHER"), LOG_SYNTAX_BARE, log_get_upstream_peer_text, NULL,
     PEER(cipher), 0},
    {SLICE_INIT("UPSTREAM_TLS_GROUP"), LOG_SYNTAX_BARE, log_get_absent, NULL, 0, 0},
    {SLICE_INIT("UPSTREAM_TLS_SESSION_ID"), LOG_SYNTAX_BARE, log_get_upstream_peer_text, NULL,
     PEER(session_id), 0},
    {SLICE_INIT("UPSTREAM_TLS_VERSION"), LOG_SYNTAX_BARE, log_get_upstream_peer_text, NULL,
     PEER(tls_version), 0},
    {SLICE_INIT("UPSTREAM_TRANSPORT_FAILURE_REASON"), LOG_SYNTAX_BARE, log_get_failure_reason, NULL,
     1, 0},
    {SLICE_INIT("UPSTREAM_WIRE_BYTES_RECEIVED"), LOG_SYNTAX_BARE, log_get_u64, NULL,
     INFO(upstream.received.wire), 0},
    {SLICE_INIT("UPSTREAM_WIRE_BYTES_SENT"), LOG_SYNTAX_BARE, log_get_u64, NULL,
     INFO(upstream.sent.wire), 0},
    {SLICE_INIT("VIRTUAL_CLUSTER_NAME"), LOG_SYNTAX_BARE, log_get_absent, NULL, 0, 0},
    {SLICE_INIT("XFCC_VALUE"), LOG_SYNTAX_ARGS | LOG_SYNTAX_LENGTH, log_get_xfcc, log_compile_xfcc,
     0, 0},
};

static int compare_command(const void *name, const void *command) {
    return slice_compare(*(const struct slice *)name, ((const struct log_command *)command)->name);
}

const struct log_command *log_command_find(struct slice name) {
    return bsearch(&name, commands, ARRAY_LEN(commands), sizeof(commands[0]), compare_command);
}

static enum status check_syntax(const struct log_command *command, struct slice args,
                                uint32_t max_length, struct error *err) {
    bool has_length = max_length != LOG_NO_MAX_LENGTH;
    if (command->syntax == LOG_SYNTAX_BARE && (args.ptr != NULL || has_length)) {
        return error_set(err, STATUS_INVALID, "%.*s does not take any parameters or length",
                         SLICE_ARG(command->name));
    }
    bool is_required = (command->syntax & LOG_SYNTAX_ARGS_REQUIRED) == LOG_SYNTAX_ARGS_REQUIRED;
    if (is_required && args.len == 0) {
        return error_set(err, STATUS_INVALID, "%.*s requires parameters", SLICE_ARG(command->name));
    }
    if ((command->syntax & LOG_SYNTAX_LENGTH) == 0 && has_length) {
        return error_set(err, STATUS_INVALID, "%.*s does not allow length to be specified.",
                         SLICE_ARG(command->name));
    }
    return STATUS_OK;
}

enum status log_op_compile(struct log_op *op, struct slice name, struct slice args,
                           uint32_t max_length, struct arena *arena, struct error *err) {
    const struct log_command *command = log_command_find(name);
    if (command == NULL) {
        return error_set(err, STATUS_INVALID, "Not supported field in StreamInfo: %.*s",
                         SLICE_ARG(name));
    }
    TRY(check_syntax(command, args, max_length, err));
    *op = (struct log_op){
        .get = command->get,
        .param = command->param,
        .param2 = command->param2,
        .max_length = max_length,
    };
    if (command->compile != NULL) {
        return command->compile(op, args, arena, err);
    }
    op->text = arena_dup_slice(arena, args);
    return STATUS_OK;
}

void log_op_get(const struct log_op *op, const struct log_format_input *input,
                struct log_value *value) {
    op->get(op, input, value);
    bool has_text = value->kind == LOG_VALUE_TEXT || value->kind == LOG_VALUE_BLOCK;
    if (has_text && value->text.len > op->max_length) {
        value->text.len = op->max_length;
    }
}
