// SPDX-License-Identifier: Apache-2.0
/*
 * The providers' part of the configuration. Control thread; what cannot lie in the part's arena is freed
 * with the part.
 */
#ifndef FILTERS_HTTP_JWT_AUTHN_JWT_PROVIDER_CONFIG_H
#define FILTERS_HTTP_JWT_AUTHN_JWT_PROVIDER_CONFIG_H

#include "envoy/extensions/filters/http/jwt_authn/v3/config.pb-c.h"
#include "filters/http/jwt_authn/jwt_authn.h"
#include "src/filter_chain/filter_config.h"

#define JWT(type) Envoy__Extensions__Filters__Http__JwtAuthn__V3__##type

/* Errors go to context->validation, under the current path. `config` has its stats already. */
void jwt_parse_provider(struct filter_config_context *context,
                        const struct jwt_authn_config *config, const JWT(JwtProvider) * message,
                        struct jwt_provider *provider);
/* The places of several providers as one. */
void jwt_join_extractors(struct filter_config_context *context, struct jwt_authn_config *config);

struct slice jwt_config_text(struct filter_config_context *context, const char *text);
struct slice jwt_config_lower(struct filter_config_context *context, const char *text);
struct jwt_texts jwt_config_texts(struct filter_config_context *context, char *const *items,
                                  size_t count);

#endif
