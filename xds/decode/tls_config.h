// SPDX-License-Identifier: Apache-2.0
/*
 * Readers of transport sockets and what they are made of: TLS contexts, certificates, validation
 * contexts (decoder.h says how readers behave). Bytes of keys are copied into the part's arena only.
 */
#ifndef XDS_DECODE_TLS_CONFIG_H
#define XDS_DECODE_TLS_CONFIG_H

#include "envoy/config/core/v3/base.pb-c.h"
#include "envoy/extensions/transport_sockets/tls/v3/common.pb-c.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb-c.h"
#include "envoy/extensions/transport_sockets/tls/v3/tls.pb-c.h"
#include "src/config/secret_config.h"
#include "xds/decode/decoder.h"

enum { TICKET_KEY_BYTES = 80 };

bool decode_certificate(struct decoder *d, const TLS(TlsCertificate) *from,
                        struct tls_certificate_source *out);
bool decode_validation_context(struct decoder *d, const TLS(CertificateValidationContext) *from,
                               struct tls_validation_source *out);
bool decode_ticket_keys(struct decoder *d, const TLS(TlsSessionTicketKeys) *from,
                        const struct slice **out, uint32_t *out_count);
/* The CONFIG_SECRET slot, noted as a dependency. */
bool decode_sds_secret(struct decoder *d, const TLS(SdsSecretConfig) *from, uint32_t *slot);

/* NULL and raw_buffer give *tls NULL and *slot CONFIG_SLOT_NONE; a socket type that is not built in is
 * refused. */
bool decode_transport_socket(struct decoder *d, const CORE(TransportSocket) *from, bool is_server,
                             const struct tls_config **tls, uint32_t *slot);

/* Envoy's condition on what was merged from all sources. */
enum status tls_validation_check(const struct tls_validation_source *validation,
                                 struct error *err) MUST_USE;

#endif
