// SPDX-License-Identifier: Apache-2.0
/*
 * The admin interface: Envoy's endpoints over HTTP/1.1 and HTTP/2 with prior knowledge, on one socket
 * of its own. Everything runs on the control thread; an answer is produced whole, in one loop turn.
 * Owned by the server, which passes in what the endpoints show and what they may change. Borrowed
 * pointers of the options outlive the admin.
 */
#ifndef SRC_ADMIN_ADMIN_SERVER_H
#define SRC_ADMIN_ADMIN_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/buffer.h"
#include "src/base/error.h"
#include "src/net/address.h"
#include "src/net/socket.h"

struct access_log;
struct admin;
struct admin_param;
struct cluster_manager;
struct config_store;
struct io_context;
struct regex;
struct stats_registry;
struct string_matcher;

/* envoy.admin.v3.ServerInfo.State */
enum admin_state {
    ADMIN_STATE_LIVE,
    ADMIN_STATE_DRAINING,
    ADMIN_STATE_PRE_INITIALIZING,
    ADMIN_STATE_INITIALIZING,
};

/* What does not change after the start. Text is borrowed. */
struct admin_server_facts {
    const char *version;             /* of /server_info and the home page */
    const char *hot_restart_version; /* NULL: "disabled" */
    const char *command_line_json;   /* a JSON object, indented by one space; NULL: {} */
    const char *node_json;           /* likewise */
    uint64_t start_us;               /* monotonic */
    uint64_t first_epoch_start_us;   /* monotonic; equals start_us without a hot restart */
};

/* /config_dump's query; slices are decoded and empty where not given. */
struct config_dump_query {
    struct slice resource;
    struct slice mask;
    const struct regex *name_regex; /* matched as a whole; NULL: all names */
    bool include_eds;
};

struct admin_drain {
    bool graceful;     /* stop listening after the drain time only */
    bool inbound_only; /* listeners with traffic_direction INBOUND */
    bool skip_exit;    /* tell connections to go, never stop listening */
};

/* All are called on the control thread, from within a request; each may be NULL where it says so. */
struct admin_callbacks {
    enum admin_state (*state)(void *arg);
    /* In a later turn than the answer, so that the client reads it. */
    void (*quit)(void *arg);
    void (*drain_listeners)(void *arg, const struct admin_drain *drain);
    void (*set_health_failed)(void *arg, bool failed);
    void (*reopen_logs)(void *arg);
    /* Writes the JSON document to `out`. STATUS_NOT_FOUND and STATUS_INVALID: `out` is the text of a 404
     * or 400. NULL: an empty document. */
    enum status (*config_dump)(void *arg, const struct config_dump_query *query,
                               struct buffer *out);
    /* Overrides of the runtime's admin layer; of a key that is named twice the last one counts, an empty
     * value takes one back. STATUS_NOT_FOUND: no such layer. NULL: likewise. */
    enum status (*runtime_modify)(void *arg, const struct admin_param *changes, uint32_t count);
    /* What initialisation waits for, as JSON; NULL: nothing. */
    void (*init_dump)(void *arg, struct slice mask, struct buffer *out);
};

struct admin_options {
    struct io_context *control;
    struct address address; /* IP, port 0 allowed, or Unix */
    uint32_t unix_mode;     /* of a Unix socket's path; 0: leave */
    const struct socket_option *socket_options;
    uint32_t socket_option_count;
    /* Matched against path and query; none: everything is allowed. */
    const struct string_matcher *allow_paths;
    uint32_t allow_path_count;
    struct access_log *const *access_logs;
    uint32_t access_log_count;
    struct stats_registry *stats;
    struct cluster_manager *clusters; /* NULL: none shown */
    struct config_store *store;       /* NULL: neither listeners nor certificates shown */
    const struct admin_server_facts *facts;
    const struct admin_callbacks *callbacks;
    void *arg; /* of the callbacks */
    /* The edge defaults: a Host header that is neither an address nor localhost, a foreign Origin, and
     * peers from other machines (but for what allow_paths names) are refused. */
    bool is_edge;
};

/* Binds and serves. NULL with `err` where the address cannot be had. */
struct admin *admin_new(const struct admin_options *options, struct error *err);
/* Closes the socket and all connections. Not from within a callback. */
void admin_free(struct admin *admin);
/* With the real port; for --admin-address-path. */
const struct address *admin_address(const struct admin *admin);

#endif
