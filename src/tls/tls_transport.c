// SPDX-License-Identifier: Apache-2.0
#include "src/tls/tls_transport.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "src/base/check.h"
#include "src/stats/stats.h"
#include "src/tls/tls_facts.h"
#include "src/tls/tls_internal.h"
#include "src/tls/tls_io.h"

enum {
    TLS_TRANSPORT_MAGIC = 0x544c5354,
    RECORD_BYTES = 16384,
    /* Two full records with their headers and tags. */
    READ_SCRATCH_BYTES = 33024,
    /* Four full records: what one send carries. */
    WRITE_SCRATCH_BYTES = 66048,
    HANDSHAKE_SCRATCH_BYTES = 8192,
    REPLY_SCRATCH_BYTES = 512, /* alerts and key updates that reading gives rise to */
    /* Below this a first piece is joined with what follows instead of a record of its own. */
    MIN_RECORD_BYTES = 4096,
    MAX_FAILURE_BYTES = 4096,
};

/* Stack memory that no initialiser has to clear: it is written before it is read. */
#define SCRATCH(name, bytes) uint8_t name[bytes] __attribute__((uninitialized))

struct tls_transport {
    struct transport base;
    uint32_t magic;
    SSL *ssl;
    struct tls_handshake handshake;
    struct tls_io io;
    struct tls_facts *facts; /* NULL until asked for */
    char *failure;           /* heap; NULL: none */
    bool is_open;            /* the handshake is done */
    bool is_broken;          /* nothing more can be sent */
};

static const struct stat_def tls_stat_defs[] = {TLS_STATS(STAT_DEF)};
const struct stat_table tls_stat_table = {"tls", tls_stat_defs, ARRAY_LEN(tls_stat_defs)};

static struct tls_transport *of(struct transport *base) {
    struct tls_transport *tls = CONTAINER_OF(base, struct tls_transport, base);
    CHECK_MAGIC(tls, TLS_TRANSPORT_MAGIC);
    return tls;
}

static void count(const struct tls_transport *tls, enum tls_stat stat) {
    stats_inc(tls->handshake.stats, tls->handshake.thread, stat);
}

/* ---- failures ---- */

/* What our own checks have to add to the library's reason; empty: nothing. */
static const char *failure_detail(const struct tls_transport *tls, uint32_t code) {
    if (ERR_GET_LIB(code) != ERR_LIB_SSL) {
        return "";
    }
    if (ERR_GET_REASON(code) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
        return "peer did not provide required client certificate";
    }
    bool is_verify = ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED;
    return is_verify && tls->handshake.verify_failure != NULL ? tls->handshake.verify_failure : "";
}

/* Appends one entry of the library's queue as Envoy prints it; returns the new length. */
static size_t append_error(const struct tls_transport *tls, char *text, size_t used,
                           uint32_t code) {
    const char *reason = ERR_reason_error_string(code);
    const char *library = ERR_lib_error_string(code);
    const char *detail = failure_detail(tls, code);
    int len = snprintf(text + used, MAX_FAILURE_BYTES - used, "|%u:%s:OPENSSL_internal:%s%s%s",
                       (unsigned)code, library == NULL ? "" : library, reason == NULL ? "" : reason,
                       detail[0] == '\0' ? "" : ":", detail);
    size_t end = used + (size_t)len;
    return end < MAX_FAILURE_BYTES ? end : MAX_FAILURE_BYTES - 1;
}

/* True for failures that other counters tell of. */
static bool is_counted(const struct tls_transport *tls, uint32_t code) {
    if (ERR_GET_LIB(code) == ERR_LIB_SYS) {
        return true;
    }
    if (ERR_GET_LIB(code) != ERR_LIB_SSL) {
        return false;
    }
    if (ERR_GET_REASON(code) == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
        count(tls, TLS_STAT_FAIL_VERIFY_NO_CERT);
        return true;
    }
    return ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED;
}

static void keep_failure(struct tls_transport *tls) {
    static const char prefix[] = "TLS_error:";
    static const char suffix[] = ":TLS_error_end";
    char text[MAX_FAILURE_BYTES + sizeof(suffix)];
    size_t used = sizeof(prefix) - 1;
    bool counted = false;
    uint32_t code = ERR_get_error();

    tls->is_broken = true;
    if (code == 0) {
        return;
    }
    memcpy(text, prefix, used);
    for (; code != 0; code = ERR_get_error()) {
        counted |= is_counted(tls, code);
        used = append_error(tls, text, used, code);
    }
    if (!counted) {
        count(tls, TLS_STAT_CONNECTION_ERROR);
    }
    memcpy(text + used, suffix, sizeof(suffix) - 1);
    mem_free(tls->failure);
    tls->failure = mem_dup_string(text, used + sizeof(suffix) - 1);
}

/* ---- handshake ---- */

static void count_dynamic(const struct tls_transport *tls, const char *group, const char *name) {
    char text[128];
    if (tls->handshake.stats == NULL || name == NULL) {
        return;
    }
    int len = snprintf(text, sizeof(text), "%s.%s", group, name);
    if (len <= 0 || (size_t)len >= sizeof(text)) {
        return;
    }
    uint32_t index =
        stats_dynamic(tls->handshake.stats, slice_make(text, (size_t)len), STAT_COUNTER);
    stats_dynamic_add(tls->handshake.stats, tls->handshake.thread, index, 1);
}

static void count_staple(const struct tls_transport *tls) {
    if (!tls->handshake.context->is_server || !tls->handshake.wants_staple) {
        return;
    }
    bool has_staple = tls->handshake.local != NULL && tls->handshake.local->has_staple;
    count(tls, TLS_STAT_OCSP_STAPLING_REQUESTS);
    count(tls, has_staple ? TLS_STAT_OCSP_STAPLING_RESPONSES : TLS_STAT_OCSP_STAPLING_OMITTED);
}

static void count_handshake(const struct tls_transport *tls) {
    const SSL *ssl = tls->ssl;
    const STACK_OF(CRYPTO_BUFFER) *chain = SSL_get0_peer_certificates(ssl);
    const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
    uint16_t group = SSL_get_group_id(ssl);
    uint16_t algorithm = SSL_get_peer_signature_algorithm(ssl);

    count(tls, TLS_STAT_HANDSHAKE);
    if (SSL_session_reused(ssl)) {
        count(tls, TLS_STAT_SESSION_REUSED);
    }
    if (chain == NULL || sk_CRYPTO_BUFFER_num(chain) == 0) {
        count(tls, TLS_STAT_NO_CERTIFICATE);
    }
    if (SSL_was_key_usage_invalid(ssl)) {
        count(tls, TLS_STAT_WAS_KEY_USAGE_INVALID);
    }
    count_staple(tls);
    count_dynamic(tls, "ciphers", cipher == NULL ? NULL : SSL_CIPHER_get_name(cipher));
    count_dynamic(tls, "versions", SSL_get_version(ssl));
    count_dynamic(tls, "curves", group == 0 ? NULL : SSL_get_group_name(group));
    count_dynamic(tls, "sigalgs",
                  algorithm == 0 ? NULL : SSL_get_signature_algorithm_name(algorithm, 1));
}

static void offer_session(struct tls_transport *tls) {
    uint8_t key[TLS_SESSION_KEY_BYTES];
    struct tls_handshake *handshake = &tls->handshake;
    struct slice name = tls_session_key(tls->ssl, handshake, key);
    SSL_SESSION *session = tls_session_cache_get(&handshake->context->sessions, name);
    if (session != NULL) {
        (void)SSL_set_session(tls->ssl, session);
        SSL_SESSION_free(session);
    }
}

static void finish_handshake(struct tls_transport *tls) {
    tls->is_open = true;
    if (!tls->handshake.context->is_server && tls->handshake.local == NULL &&
        tls->handshake.context->credential_count > 0) {
        tls->handshake.local = &tls->handshake.context->credentials[0];
    }
    count_handshake(tls);
}

/* What a failed call of the library means. */
static enum status classify(struct tls_transport *tls, int result, struct error *err) {
    switch (SSL_get_error(tls->ssl, result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
        return STATUS_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return STATUS_CLOSED;
    case SSL_ERROR_SYSCALL:
        if (tls->io.failure != 0) {
            tls->is_broken = true;
            return error_set(err, STATUS_IO, "%s", strerror(tls->io.failure));
        }
        return STATUS_CLOSED;
    default:
        keep_failure(tls);
        return error_set(err, STATUS_IO, "%s", tls->failure == NULL ? "" : tls->failure);
    }
}

/* The library does not look at a client's certificate again when its session is resumed; we do: it may
 * have expired or been revoked since. */
static enum status reverify(struct tls_transport *tls, struct error *err) {
    const STACK_OF(CRYPTO_BUFFER) *chain = SSL_get0_peer_certificates(tls->ssl);
    uint8_t alert = SSL_AD_CERTIFICATE_UNKNOWN;

    if (!tls->handshake.context->is_server || !SSL_session_reused(tls->ssl) || chain == NULL ||
        sk_CRYPTO_BUFFER_num(chain) == 0 || tls_verify_peer(tls->ssl, &alert) == ssl_verify_ok) {
        return STATUS_OK;
    }
    (void)SSL_send_fatal_alert(tls->ssl, alert);
    ERR_clear_error();
    ERR_put_error(ERR_LIB_SSL, 0, SSL_R_CERTIFICATE_VERIFY_FAILED, __FILE__, __LINE__);
    keep_failure(tls);
    return error_set(err, STATUS_IO, "%s", tls->failure);
}

static enum status tls_do_handshake(struct transport *base, struct error *err) {
    struct tls_transport *tls = of(base);
    SCRATCH(in, HANDSHAKE_SCRATCH_BYTES);
    SCRATCH(out, HANDSHAKE_SCRATCH_BYTES);
    enum status status = STATUS_OK;

    tls->io.fd = base->fd;
    tls_io_begin(&tls->io, in, sizeof(in), out, sizeof(out));
    int result = SSL_do_handshake(tls->ssl);
    if (result == 1) {
        status = reverify(tls, err);
    } else {
        status = classify(tls, result, err);
    }
    if (status == STATUS_OK) {
        finish_handshake(tls);
    }
    if (tls_io_end(&tls->io) == STATUS_IO && status != STATUS_IO) {
        status = error_set(err, STATUS_IO, "%s", strerror(tls->io.failure));
    }
    // An end in the middle of a handshake is no orderly one.
    if (status == STATUS_CLOSED) {
        count(tls, TLS_STAT_CONNECTION_ERROR);
        status = error_set(err, STATUS_IO, "closed during the handshake");
    }
    return status;
}

/* ---- bytes ---- */

static enum status tls_read(struct transport *base, struct buffer *to, size_t max, size_t *got,
                            struct error *err) {
    struct tls_transport *tls = of(base);
    SCRATCH(in, READ_SCRATCH_BYTES);
    SCRATCH(out, REPLY_SCRATCH_BYTES);
    enum status status = STATUS_OK;
    size_t total = 0;

    tls_io_begin(&tls->io, in, sizeof(in), out, sizeof(out));
    while (status == STATUS_OK && total < max) {
        struct iovec room;
        size_t wanted = max - total < RECORD_BYTES ? max - total : RECORD_BYTES;
        (void)buffer_reserve(to, wanted, &room, 1);
        wanted = room.iov_len < wanted ? room.iov_len : wanted;
        int n = SSL_read(tls->ssl, room.iov_base, (int)wanted);
        if (n > 0) {
            buffer_commit(to, (size_t)n);
            total += (size_t)n;
            tls->io.stops_when_dry = true;
        } else {
            status = classify(tls, n, err);
        }
    }
    buffer_trim(to);
    // A failed send of an alert shows at the next write.
    (void)tls_io_end(&tls->io);
    *got = total;
    return status;
}

/* The next piece of plain text for one record. */
static struct slice next_piece(struct buffer *from) {
    struct slice piece = buffer_front(from);
    if (piece.len < MIN_RECORD_BYTES && piece.len < from->len) {
        piece = buffer_linearize(from, from->len < MIN_RECORD_BYTES ? from->len : MIN_RECORD_BYTES);
    }
    return slice_sub(piece, 0, RECORD_BYTES);
}

static enum status write_records(struct tls_transport *tls, struct buffer *from,
                                 struct error *err) {
    enum status status = tls_io_flush(&tls->io);
    while (status == STATUS_OK && !buffer_is_empty(from)) {
        struct slice piece = next_piece(from);
        int n = SSL_write(tls->ssl, piece.ptr, (int)piece.len);
        if (n <= 0) {
            status = classify(tls, n, err);
            return status == STATUS_CLOSED ? STATUS_IO : status;
        }
        buffer_drain(from, (size_t)n);
        if (tls->io.rest_out.bytes != NULL) {
            status = STATUS_AGAIN;
        }
    }
    return status;
}

static enum status tls_write(struct transport *base, struct buffer *from, struct error *err) {
    struct tls_transport *tls = of(base);
    SCRATCH(in, REPLY_SCRATCH_BYTES);
    SCRATCH(out, WRITE_SCRATCH_BYTES);

    if (tls->is_broken) {
        return STATUS_IO;
    }
    tls_io_begin(&tls->io, in, sizeof(in), out, sizeof(out));
    enum status status = write_records(tls, from, err);
    enum status flushed = tls_io_end(&tls->io);
    if (flushed == STATUS_IO) {
        return error_set(err, STATUS_IO, "%s", strerror(tls->io.failure));
    }
    return status == STATUS_OK ? flushed : status;
}

static void tls_shutdown_write(struct transport *base) {
    struct tls_transport *tls = of(base);
    SCRATCH(in, REPLY_SCRATCH_BYTES);
    SCRATCH(out, REPLY_SCRATCH_BYTES);

    if (tls->is_open && !tls->is_broken) {
        tls_io_begin(&tls->io, in, sizeof(in), out, sizeof(out));
        (void)SSL_shutdown(tls->ssl);
        (void)tls_io_end(&tls->io);
        ERR_clear_error();
    }
    (void)shutdown(base->fd, SHUT_WR);
}

static void tls_take_early(struct transport *base, struct buffer *early) {
    struct tls_transport *tls = of(base);
    while (!buffer_is_empty(early)) {
        struct slice front = buffer_front(early);
        tls_io_unread(&tls->io, front);
        buffer_drain(early, front.len);
    }
}

static const struct transport_peer *tls_peer(struct transport *base, struct arena *arena) {
    static const struct transport_peer unfinished = {.is_tls = true};
    struct tls_transport *tls = of(base);
    if (!tls->is_open) {
        return &unfinished;
    }
    if (tls->facts == NULL) {
        tls->facts = tls_facts_new(tls->ssl, &tls->handshake);
    }
    if (arena != NULL) {
        tls_facts_hold(tls->facts, arena);
    }
    return tls_facts_peer(tls->facts);
}

static struct slice tls_failure_reason(struct transport *base) {
    return slice_from_string(of(base)->failure);
}

static void tls_free(struct transport *base) {
    struct tls_transport *tls = of(base);
    tls->magic = 0;
    tls_facts_unref(tls->facts);
    SSL_free(tls->ssl);
    tls_io_deinit(&tls->io);
    mem_free((void *)(uintptr_t)tls->handshake.verify_san.ptr);
    mem_free(tls->handshake.verify_failure);
    mem_free(tls->failure);
    tls_context_unref(tls->handshake.context);
    mem_free(tls);
}

static const struct transport_ops tls_ops = {
    .handshake = tls_do_handshake,
    .read = tls_read,
    .write = tls_write,
    .shutdown_write = tls_shutdown_write,
    .peer = tls_peer,
    .failure_reason = tls_failure_reason,
    .free = tls_free,
    .take_early = tls_take_early,
    .is_record_layer = true,
};

static void prepare_client(struct tls_transport *tls, const struct tls_transport_options *options) {
    const struct tls_context *context = options->context;
    char name[256];
    struct slice sni = options->sni.len > 0 ? options->sni : slice_from_string(context->sni);
    uint8_t *alpn = NULL;
    size_t alpn_len = 0;

    if (sni.len > 0 && sni.len < sizeof(name)) {
        memcpy(name, sni.ptr, sni.len);
        name[sni.len] = '\0';
        // A name that cannot be sent (too long, a NUL) leaves the hello without one.
        (void)SSL_set_tlsext_host_name(tls->ssl, name);
    }
    if (options->alpn_count > 0 &&
        tls_alpn_wire(options->alpn, options->alpn_count, &alpn, &alpn_len)) {
        (void)SSL_set_alpn_protos(tls->ssl, alpn, alpn_len);
        mem_free(alpn);
    }
    if (context->allow_renegotiation) {
        SSL_set_renegotiate_mode(tls->ssl, ssl_renegotiate_freely);
    }
    if (options->verify_san.len > 0) {
        tls->handshake.verify_san = slice_make(
            mem_dup_string((const char *)options->verify_san.ptr, options->verify_san.len),
            options->verify_san.len);
    }
    SSL_set_enforce_rsa_key_usage(tls->ssl, context->enforce_rsa_key_usage ? 1 : 0);
    SSL_set_connect_state(tls->ssl);
    offer_session(tls);
}

struct transport *tls_transport_new(const struct tls_transport_options *options) {
    struct tls_transport *tls = mem_calloc(1, sizeof(*tls));

    tls->magic = TLS_TRANSPORT_MAGIC;
    tls->base.ops = &tls_ops;
    tls->base.fd = -1;
    tls->handshake.context = tls_context_ref(options->context);
    tls->handshake.stats = options->stats;
    tls->handshake.thread = options->thread;
    tls->ssl = SSL_new(options->context->ssl_ctx);
    CHECK(tls->ssl != NULL);
    (void)SSL_set_app_data(tls->ssl, &tls->handshake);
    BIO *bio = tls_io_bio_new(options->context->bio_method, &tls->io);
    SSL_set_bio(tls->ssl, bio, bio);
    SSL_set_shed_handshake_config(tls->ssl, 1);
    if (options->context->is_server) {
        SSL_set_accept_state(tls->ssl);
    } else {
        prepare_client(tls, options);
    }
    return &tls->base;
}
