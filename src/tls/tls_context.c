// SPDX-License-Identifier: Apache-2.0
#include "src/tls/tls_context.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/cipher.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/mem.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "src/base/check.h"
#include "src/stats/stats.h"
#include "src/tls/tls_credential.h"
#include "src/tls/tls_internal.h"
#include "src/tls/tls_io.h"
#include "src/tls/tls_transport.h"
#include "src/tls/tls_x509.h"

enum {
    /* Only clients without tickets fill it, and each entry is kilobytes. */
    SERVER_SESSIONS_MAX = 1024,
    DEFAULT_SESSION_TIMEOUT_S = 7200,
};

static const char default_ciphers[] =
    "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]:"
    "[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384";
static const char default_server_curves[] = "X25519MLKEM768:X25519:P-256";
static const char default_client_curves[] = "X25519:P-256";

static uint16_t wire_version(enum tls_version version, uint16_t fallback) {
    switch (version) {
    case TLS_VERSION_AUTO:
        return fallback;
    case TLS_VERSION_1_0:
        return TLS1_VERSION;
    case TLS_VERSION_1_1:
        return TLS1_1_VERSION;
    case TLS_VERSION_1_2:
        return TLS1_2_VERSION;
    case TLS_VERSION_1_3:
        return TLS1_3_VERSION;
    }
    return fallback;
}

static enum status refuse(struct error *err, const char *what, const char *value) {
    return error_set(err, STATUS_INVALID, "Failed to initialize %s %s: %s", what, value,
                     tls_library_error());
}

static enum status set_parameters(SSL_CTX *ctx, const struct tls_context_options *options,
                                  struct error *err) {
    const char *ciphers = options->cipher_suites != NULL ? options->cipher_suites : default_ciphers;
    const char *curves = options->curves;

    if (curves == NULL) {
        curves = options->is_server ? default_server_curves : default_client_curves;
    }
    if (!SSL_CTX_set_min_proto_version(ctx, wire_version(options->min_version, TLS1_2_VERSION)) ||
        !SSL_CTX_set_max_proto_version(ctx, wire_version(options->max_version, TLS1_3_VERSION))) {
        return refuse(err, "TLS versions", "");
    }
    if (!SSL_CTX_set_strict_cipher_list(ctx, ciphers)) {
        return refuse(err, "cipher suites", ciphers);
    }
    if (!SSL_CTX_set1_groups_list(ctx, curves)) {
        return refuse(err, "ECDH curves", curves);
    }
    if (options->signature_algorithms != NULL &&
        !SSL_CTX_set1_sigalgs_list(ctx, options->signature_algorithms)) {
        return refuse(err, "TLS signature algorithms", options->signature_algorithms);
    }
    if (!options->prefer_client_ciphers) {
        (void)SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
    }
    return STATUS_OK;
}

static enum status set_alpn(struct tls_context *context, const struct tls_context_options *options,
                            struct error *err) {
    if (!tls_alpn_wire(options->alpn, options->alpn_count, &context->alpn, &context->alpn_len)) {
        return error_set(err, STATUS_INVALID, "an ALPN protocol is empty or too long");
    }
    if (!options->is_server && context->alpn_len > 0 &&
        SSL_CTX_set_alpn_protos(context->ssl_ctx, context->alpn, context->alpn_len) != 0) {
        return refuse(err, "ALPN protocols", "");
    }
    return STATUS_OK;
}

bool tls_alpn_wire(const struct slice *protocols, uint32_t count, uint8_t **wire, size_t *len) {
    size_t total = 0, used = 0;

    for (uint32_t i = 0; i < count; i++) {
        if (protocols[i].len == 0 || protocols[i].len > 255) {
            return false;
        }
        total += protocols[i].len + 1;
    }
    if (total > UINT16_MAX) {
        return false;
    }
    *wire = total == 0 ? NULL : mem_alloc(total);
    for (uint32_t i = 0; i < count; i++) {
        (*wire)[used++] = (uint8_t)protocols[i].len;
        memcpy(*wire + used, protocols[i].ptr, protocols[i].len);
        used += protocols[i].len;
    }
    *len = total;
    return true;
}

/* The server's first protocol that the client offers; without overlap the connection goes on without
 * ALPN, as in Envoy (RFC 7301 §3.2 would have it refused). */
static int choose_alpn(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *in,
                       unsigned in_len, void *arg) {
    const struct tls_context *context = arg;
    uint8_t *chosen = NULL;
    (void)ssl;

    if (SSL_select_next_proto(&chosen, out_len, context->alpn, (unsigned)context->alpn_len, in,
                              in_len) != OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_NOACK;
    }
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static enum ssl_select_cert_result_t on_client_hello(const SSL_CLIENT_HELLO *hello) {
    struct tls_handshake *handshake = tls_handshake_of(hello->ssl);
    const struct tls_context *context = handshake->context;
    const uint8_t *data;
    size_t len;

    handshake->local = cert_selector_choose(&context->selector, hello);
    handshake->wants_staple =
        SSL_early_callback_ctx_extension_get(hello, TLSEXT_TYPE_status_request, &data, &len) == 1;
    if (handshake->local == NULL || !SSL_add1_credential(hello->ssl, handshake->local->ssl)) {
        return ssl_select_cert_error;
    }
    return ssl_select_cert_success;
}

static int on_ticket_key(SSL *ssl, uint8_t *name, uint8_t *iv, EVP_CIPHER_CTX *cipher,
                         HMAC_CTX *hmac, int is_encrypting) {
    const struct tls_context *context = tls_handshake_of(ssl)->context;
    uint32_t count = is_encrypting ? 1 : context->ticket_key_count;

    for (uint32_t i = 0; i < count; i++) {
        // 16 bytes of name, 32 of HMAC key, 32 of AES key.
        const uint8_t *key = context->ticket_keys + (size_t)i * TLS_TICKET_KEY_BYTES;
        if (is_encrypting) {
            memcpy(name, key, 16);
            RAND_bytes(iv, EVP_MAX_IV_LENGTH);
        } else if (memcmp(name, key, 16) != 0) {
            continue;
        }
        if (!EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key + 48, iv, is_encrypting) ||
            !HMAC_Init_ex(hmac, key + 16, 32, EVP_sha256(), NULL)) {
            return -1;
        }
        // A ticket of an older key is good, and replaced.
        return i == 0 ? 1 : 2;
    }
    return 0;
}

static enum status set_ticket_keys(struct tls_context *context,
                                   const struct tls_context_options *options, struct error *err) {
    uint32_t count = options->ticket_key_count;
    if (count == 0) {
        return STATUS_OK;
    }
    context->ticket_keys = mem_calloc(count, TLS_TICKET_KEY_BYTES);
    context->ticket_key_count = count;
    for (uint32_t i = 0; i < count; i++) {
        if (options->ticket_keys[i].len != TLS_TICKET_KEY_BYTES) {
            return error_set(err, STATUS_INVALID,
                             "Incorrect TLS session ticket key length. Length %zu, expected length "
                             "%d.",
                             options->ticket_keys[i].len, TLS_TICKET_KEY_BYTES);
        }
        memcpy(context->ticket_keys + (size_t)i * TLS_TICKET_KEY_BYTES, options->ticket_keys[i].ptr,
               TLS_TICKET_KEY_BYTES);
    }
    (void)SSL_CTX_set_tlsext_ticket_key_cb(context->ssl_ctx, on_ticket_key);
    return STATUS_OK;
}

static int on_new_session(SSL *ssl, SSL_SESSION *session) {
    struct tls_handshake *handshake = tls_handshake_of(ssl);
    uint8_t key[TLS_SESSION_KEY_BYTES];
    struct slice name = tls_session_key(ssl, handshake, key);
    return tls_session_cache_put(&handshake->context->sessions, name, session) ? 1 : 0;
}

struct slice tls_session_key(const SSL *ssl, const struct tls_handshake *handshake,
                             uint8_t key[TLS_SESSION_KEY_BYTES]) {
    const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    struct slice name = slice_sub(slice_from_string(sni), 0, TLS_SESSION_KEY_BYTES / 2);
    struct slice san = slice_sub(handshake->verify_san, 0, TLS_SESSION_KEY_BYTES / 2 - 1);
    size_t used = 0;

    if (name.len > 0) {
        memcpy(key, name.ptr, name.len);
        used = name.len;
    }
    key[used++] = 0;
    if (san.len > 0) {
        memcpy(key + used, san.ptr, san.len);
        used += san.len;
    }
    return slice_make(key, used);
}

static enum status set_server_sessions(struct tls_context *context,
                                       const struct tls_context_options *options,
                                       struct error *err) {
    SSL_CTX *ctx = context->ssl_ctx;
    uint8_t random_id[SSL_MAX_SID_CTX_LENGTH];
    struct slice id = options->session_id_context;

    if (id.len > SSL_MAX_SID_CTX_LENGTH) {
        return error_set(err, STATUS_INVALID, "session id context is longer than %d bytes",
                         SSL_MAX_SID_CTX_LENGTH);
    }
    if (id.len == 0) {
        // Nobody named the configuration: its sessions are good here only.
        RAND_bytes(random_id, sizeof(random_id));
        id = slice_make(random_id, sizeof(random_id));
    }
    CHECK(SSL_CTX_set_session_id_context(ctx, id.ptr, id.len));
    (void)SSL_CTX_sess_set_cache_size(ctx, SERVER_SESSIONS_MAX);
    (void)SSL_CTX_set_session_cache_mode(
        ctx, options->disable_stateful_resumption ? SSL_SESS_CACHE_OFF : SSL_SESS_CACHE_SERVER);
    if (options->disable_session_tickets) {
        (void)SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    }
    return set_ticket_keys(context, options, err);
}

static enum status set_sessions(struct tls_context *context,
                                const struct tls_context_options *options, struct error *err) {
    SSL_CTX *ctx = context->ssl_ctx;
    uint32_t timeout = options->session_timeout_s;

    timeout = timeout == 0 ? DEFAULT_SESSION_TIMEOUT_S : timeout;
    (void)SSL_CTX_set_timeout(ctx, timeout);
    SSL_CTX_set_session_psk_dhe_timeout(ctx, timeout);
    // A session never outlives what its certificate is worth today.
    SSL_CTX_set_reverify_on_resume(ctx, 1);
    tls_session_cache_init(&context->sessions, options->is_server ? 0 : options->max_session_keys);
    if (options->is_server) {
        return set_server_sessions(context, options, err);
    }
    if (options->max_session_keys > 0) {
        (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT |
                                                      SSL_SESS_CACHE_NO_INTERNAL_STORE);
        SSL_CTX_sess_set_new_cb(ctx, on_new_session);
    } else {
        (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    }
    return STATUS_OK;
}

static enum status set_certificates(struct tls_context *context,
                                    const struct tls_context_options *options, struct error *err) {
    uint32_t count = options->certificate_count;

    if (options->is_server && count == 0) {
        return error_set(err, STATUS_INVALID, "Server TlsCertificates must have a certificate");
    }
    context->credentials = count == 0 ? NULL : mem_calloc(count, sizeof(*context->credentials));
    for (uint32_t i = 0; i < count; i++) {
        TRY(tls_credential_init(&context->credentials[i], &options->certificates[i], context->pool,
                                err));
        context->credential_count = i + 1;
        if (!options->is_server) {
            CHECK(SSL_CTX_add1_credential(context->ssl_ctx, context->credentials[i].ssl));
        }
    }
    cert_selector_init(&context->selector, context->credentials,
                       options->is_server ? context->credential_count : 0);
    if (options->is_server) {
        SSL_CTX_set_select_certificate_cb(context->ssl_ctx, on_client_hello);
    }
    return STATUS_OK;
}

static enum status set_verification(struct tls_context *context,
                                    const struct tls_context_options *options, struct error *err) {
    int mode = SSL_VERIFY_NONE;

    if (options->validation != NULL) {
        TRY(tls_verifier_new(options->validation, &context->verifier, err));
    }
    bool checks = tls_verifier_checks(context->verifier);
    bool untrusted = options->validation != NULL && options->validation->accept_untrusted;
    if (checks || untrusted || (!options->is_server && context->verifier != NULL)) {
        mode = SSL_VERIFY_PEER;
    }
    if (options->is_server && options->require_client_certificate) {
        mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
    }
    SSL_CTX_set_custom_verify(context->ssl_ctx, mode, tls_verify_peer);
    STACK_OF(CRYPTO_BUFFER) *names =
        options->is_server ? tls_verifier_ca_names(context->verifier) : NULL;
    if (names != NULL) {
        SSL_CTX_set0_client_CAs(context->ssl_ctx, names);
    }
    return STATUS_OK;
}

static void on_key_log(const SSL *ssl, const char *line) {
    int fd = tls_handshake_of(ssl)->context->keylog_fd;
    char newline[] = "\n";
    struct iovec parts[2] = {{.iov_base = (void *)(uintptr_t)line, .iov_len = strlen(line)},
                             {.iov_base = newline, .iov_len = 1}};
    if (fd >= 0 && writev(fd, parts, 2) < 0) {
        return; // a full disk must not end a handshake
    }
}

static enum status set_key_log(struct tls_context *context, const char *path, struct error *err) {
    if (path == NULL) {
        return STATUS_OK;
    }
    context->keylog_fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (context->keylog_fd < 0) {
        return error_set(err, STATUS_IO, "cannot open key log '%s': %s", path, strerror(errno));
    }
    SSL_CTX_set_keylog_callback(context->ssl_ctx, on_key_log);
    return STATUS_OK;
}

static enum status fill(struct tls_context *context, const struct tls_context_options *options,
                        struct error *err) {
    context->is_server = options->is_server;
    context->allow_renegotiation = options->allow_renegotiation;
    context->enforce_rsa_key_usage = options->enforce_rsa_key_usage;
    if (options->sni.len > 0) {
        context->sni = mem_dup_string((const char *)options->sni.ptr, options->sni.len);
    }
    // Certificates stay bytes: parsed forms of the peer's would live as long as its connection.
    context->ssl_ctx = SSL_CTX_new(TLS_with_buffers_method());
    context->pool = CRYPTO_BUFFER_POOL_new();
    context->bio_method = tls_io_method_new();
    CHECK(context->ssl_ctx != NULL && context->pool != NULL && context->bio_method != NULL);
    SSL_CTX_set0_buffer_pool(context->ssl_ctx, context->pool);
    (void)SSL_CTX_set_mode(context->ssl_ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                                 SSL_MODE_RELEASE_BUFFERS);
    TRY(set_sessions(context, options, err));
    TRY(set_parameters(context->ssl_ctx, options, err));
    TRY(set_alpn(context, options, err));
    TRY(set_certificates(context, options, err));
    TRY(set_verification(context, options, err));
    if (options->is_server && context->alpn_len > 0) {
        SSL_CTX_set_alpn_select_cb(context->ssl_ctx, choose_alpn, context);
    }
    return set_key_log(context, options->keylog_path, err);
}

static void destroy(struct tls_context *context) {
    context->magic = 0;
    SSL_CTX_free(context->ssl_ctx);
    for (uint32_t i = 0; i < context->credential_count; i++) {
        tls_credential_deinit(&context->credentials[i]);
    }
    mem_free(context->credentials);
    cert_selector_deinit(&context->selector);
    tls_verifier_free(context->verifier);
    tls_session_cache_deinit(&context->sessions);
    CRYPTO_BUFFER_POOL_free(context->pool);
    BIO_meth_free(context->bio_method);
    if (context->ticket_keys != NULL) {
        OPENSSL_cleanse(context->ticket_keys,
                        (size_t)context->ticket_key_count * TLS_TICKET_KEY_BYTES);
    }
    mem_free(context->ticket_keys);
    mem_free(context->alpn);
    mem_free(context->sni);
    if (context->keylog_fd >= 0) {
        close(context->keylog_fd);
    }
    if (context->on_free != NULL) {
        context->on_free(context->on_free_arg);
    }
    mem_free(context);
}

struct tls_context *tls_context_new(const struct tls_context_options *options, struct error *err) {
    struct tls_context *context = mem_calloc(1, sizeof(*context));
    context->magic = TLS_CONTEXT_MAGIC;
    context->keylog_fd = -1;
    atomic_init(&context->references, 1);
    cert_selector_init(&context->selector, NULL, 0);
    ERR_clear_error();
    if (fill(context, options, err) != STATUS_OK) {
        destroy(context);
        return NULL;
    }
    context->on_free = options->on_free;
    context->on_free_arg = options->on_free_arg;
    return context;
}

struct tls_context *tls_context_ref(struct tls_context *context) {
    (void)atomic_fetch_add_explicit(&context->references, 1, memory_order_relaxed);
    return context;
}

void tls_context_unref(struct tls_context *context) {
    if (context != NULL &&
        atomic_fetch_sub_explicit(&context->references, 1, memory_order_acq_rel) == 1) {
        destroy(context);
    }
}

struct visit {
    tls_certificate_visit_fn *fn;
    void *arg;
    const char *name;
    bool is_trusted;
};

static void visit_certificate(void *arg, X509 *certificate) {
    const struct visit *visit = arg;
    struct arena arena;
    struct tls_certificate_facts facts;

    arena_init_heap(&arena, 0);
    facts.path_or_name = slice_from_string(visit->name);
    facts.serial = tls_serial_text(&arena, certificate);
    facts.subject = tls_name_text(&arena, X509_get_subject_name(certificate));
    facts.dns_sans = tls_san_list(&arena, certificate, TLS_SAN_DNS, ",");
    facts.uri_sans = tls_san_list(&arena, certificate, TLS_SAN_URI, ",");
    facts.ip_sans = tls_san_list(&arena, certificate, TLS_SAN_IP, ",");
    facts.valid_from_s = tls_time_seconds(X509_get0_notBefore(certificate));
    facts.valid_until_s = tls_time_seconds(X509_get0_notAfter(certificate));
    facts.is_ca = X509_check_ca(certificate) != 0;
    facts.is_trusted = visit->is_trusted;
    visit->fn(visit->arg, &facts);
    arena_deinit(&arena);
}

void tls_context_visit_certificates(const struct tls_context *context, tls_certificate_visit_fn *fn,
                                    void *arg) {
    struct visit visit = {.fn = fn, .arg = arg, .is_trusted = true};

    visit.name = tls_verifier_ca_name(context->verifier);

    tls_verifier_visit_cas(context->verifier, visit_certificate, &visit);
    visit.is_trusted = false;
    for (uint32_t i = 0; i < context->credential_count; i++) {
        X509 *leaf = X509_parse_from_buffer(context->credentials[i].leaf);
        visit.name = context->credentials[i].name;
        if (leaf != NULL) {
            visit_certificate(&visit, leaf);
            X509_free(leaf);
        }
    }
}
