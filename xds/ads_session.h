// SPDX-License-Identifier: Apache-2.0
/*
 * The protocol of one discovery stream as a pure machine: which resources are wanted, which versions and
 * nonces are known, what is to be answered. State of the world and delta behind one interface. It does
 * no I/O, has no timers and knows no resource; it outlives the streams that carry it, so a reconnect is
 * `closed` and `opened` again. Control thread.
 *
 * Requests leave in the order in which their types first had something to say, so a subscription that
 * was made while a response was applied goes out before that response's answer (make before break).
 */
#ifndef XDS_ADS_SESSION_H
#define XDS_ADS_SESSION_H

#include "xds/discovery_codec.h"

struct ads_session;

struct ads_session_handler {
    /* One message for the stream. The bytes are valid during the call, from which the session must not
     * be called. */
    void (*send)(void *arg, struct slice message);
    /* A response to a subscription, valid during the call; it wants an ads_session_answer, from within
     * or later. Delta: resources that nobody asked for are left out. */
    void (*on_response)(void *arg, const struct discovery_response *response);
    /* There is something to send: ads_session_flush() is to be called soon, not from within. */
    void (*on_pending)(void *arg);
};

struct ads_session_options {
    enum discovery_variant variant;
    const struct Envoy__Config__Core__V3__Node *node; /* outlives the session; NULL: none */
    bool node_on_first_message_only;                  /* else in every request */
    const struct ads_session_handler *handler;
    void *arg;
};

struct ads_session *ads_session_new(const struct ads_session_options *options);
void ads_session_free(struct ads_session *session);

/* Wants the resource `name` of a type; empty: all of the type (wildcard). Counted: the same name may be
 * wanted several times. In SotW a further subscriber makes the request be sent again. */
void ads_session_subscribe(struct ads_session *session, struct slice type_url, struct slice name);
void ads_session_unsubscribe(struct ads_session *session, struct slice type_url, struct slice name);

/* Holds a type's requests back (answers too) until as many resumes came. */
void ads_session_pause(struct ads_session *session, struct slice type_url);
void ads_session_resume(struct ads_session *session, struct slice type_url);

/* A stream is there (everything is asked for anew), or is gone. */
void ads_session_opened(struct ads_session *session);
void ads_session_closed(struct ads_session *session);
bool ads_session_is_open(const struct ads_session *session);

/* One message of the stream. On failure the stream is to be ended. */
enum status ads_session_receive(struct ads_session *session, struct slice bytes,
                                struct error *err) MUST_USE;
/* Accepts the response (`error` empty) or refuses it; of a stream that is gone it only counts as
 * accepted. `response` is the one given to on_response or a copy. */
void ads_session_answer(struct ads_session *session, const struct discovery_response *response,
                        struct slice error);
/* Delta: the resource is no longer held (its TTL ran out), so a reconnect must not claim its version. */
void ads_session_forget(struct ads_session *session, struct slice type_url, struct slice name);

/* Sends what is due and not paused; nothing without a stream. */
void ads_session_flush(struct ads_session *session);
/* Requests that wait: for a stream, for a resume, or for the flush. */
uint32_t ads_session_pending(const struct ads_session *session);

/* SotW: the last accepted version_info of the type; empty before. */
struct slice ads_session_version(const struct ads_session *session, struct slice type_url);

#endif
