// SPDX-License-Identifier: Apache-2.0
/*
 * One HTTP filter under test: its configuration from YAML through the real decoders, rules and ledger,
 * then streams of a chain that holds it and a terminal stand-in, with route levels at will. The host is
 * a fake that keeps what came out. Virtual clock, repeatable random numbers, one thread.
 */
#ifndef TESTS_FILTER_SUPPORT_FILTER_FIXTURE_H
#define TESTS_FILTER_SUPPORT_FILTER_FIXTURE_H

#include "src/config/listener_config.h"
#include "src/config/route_config.h"
#include "src/event/io_context.h"
#include "src/filter_chain/http_filter_chain.h"
#include "src/stats/stats.h"
#include "xds/decode/decoder.h"

enum filter_level { LEVEL_CONFIG, LEVEL_VHOST, LEVEL_ROUTE, LEVEL_WEIGHTED, LEVEL_COUNT };

struct filter_fixture {
    /* of the process */
    const struct http_filter_factory *factory;
    const struct http_filter_factory *factories[2];
    struct filter_registry registry;
    struct virtual_clock clock;
    struct io_context io, control;
    struct config_store *store;
    struct stats_registry *stats;
    struct config_part *part; /* what is parsed lies here */
    struct arena scratch;
    struct error error; /* of the last parse that failed */
    uint32_t ignored;   /* fields that the last parse named as ignored */
    struct http_filter_config filters[2];
    /* of routes; tests fill in what they need */
    struct route_part route_part;
    struct virtual_host vhost;
    struct route route;
    struct route_action route_action;
    struct weighted_cluster weighted;
    struct filter_override overrides[LEVEL_COUNT];
    bool has_no_route;
    /* of the stream */
    struct arena arena;
    struct connection_info connection;
    struct stream_info info;
    struct http_filter_chain chain;
    struct header_map request, request_trailers, response, response_trailers;
    bool reached_end; /* the terminal filter saw the request's headers */
    bool response_out;
    const struct header_map *out_headers; /* what left towards the client */
    uint32_t replies;
    uint32_t reply_status;
    int32_t reply_grpc_status;
    enum response_flag reply_flag;
    struct slice reply_body, reply_details;
};

void filter_fixture_init(struct filter_fixture *fx, const struct http_filter_factory *factory);
void filter_fixture_deinit(struct filter_fixture *fx);

/* NULL with fx->error where the API's rules, the ledger or the factory refuse it. */
const void *filter_fixture_parse(struct filter_fixture *fx, const char *yaml);
const void *filter_fixture_parse_route(struct filter_fixture *fx, const char *yaml);
/* The same, and the test fails on an error. */
void filter_fixture_use(struct filter_fixture *fx, const char *yaml);
void filter_fixture_use_route(struct filter_fixture *fx, enum filter_level level, const char *yaml);

/* A fresh stream. `headers` as "name: value\n" lines. */
void filter_fixture_open(struct filter_fixture *fx, const char *headers);
/* The request's headers into the chain. True: they reached the terminal filter. */
bool filter_fixture_send(struct filter_fixture *fx);
/* The terminal filter answers with these headers. */
void filter_fixture_answer(struct filter_fixture *fx, const char *headers);
void filter_fixture_close(struct filter_fixture *fx);
/* open and send. */
bool filter_fixture_request(struct filter_fixture *fx, const char *headers);

/* All entries as "name: value\n" lines; valid until the stream is closed. */
const char *filter_fixture_text(struct filter_fixture *fx, const struct header_map *headers);
void filter_fixture_read_headers(struct header_map *map, const char *lines);
void filter_fixture_advance_ms(struct filter_fixture *fx, uint64_t ms);
/* The counter of that full name, 0 for none. */
uint64_t filter_fixture_stat(struct filter_fixture *fx, const char *name);

#endif
