// SPDX-License-Identifier: Apache-2.0
/*
 * One JSON web token (RFC 7515, RFC 7519) taken apart; nothing of it is believed yet. The text is
 * borrowed and must outlive it, decoded bytes lie in the arena, the two documents are freed by
 * jwt_token_deinit.
 */
#ifndef FILTERS_HTTP_JWT_AUTHN_JWT_TOKEN_H
#define FILTERS_HTTP_JWT_AUTHN_JWT_TOKEN_H

#include "filters/http/jwt_authn/jwt_json.h"
#include "filters/http/jwt_authn/jwt_status.h"
#include "src/tls/signature.h"

struct jwt_token {
    struct slice text;
    struct slice signed_text;     /* header.payload */
    struct slice encoded_payload; /* as it came */
    struct slice signature;
    json_t *header, *payload;
    enum signature_algorithm algorithm;
    struct slice algorithm_name, key_id; /* key_id empty: none */
    struct slice issuer, subject;        /* empty: none */
    const json_t *audiences;             /* string or list of strings; NULL: none */
    bool has_expiration;
    uint64_t not_before_s, expiration_s;
};

/* Deinit in any case. */
enum jwt_status jwt_token_parse(struct jwt_token *token, struct slice text, struct arena *arena);
void jwt_token_deinit(struct jwt_token *token);

/* nbf and exp against `now_s`, with the same tolerance on both sides. */
enum jwt_status jwt_token_check_time(const struct jwt_token *token, uint64_t now_s,
                                     uint64_t skew_s);

#endif
