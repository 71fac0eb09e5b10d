// SPDX-License-Identifier: Apache-2.0
/* gRPC core brings OpenSSL into the process, the data plane BoringSSL. Both shake hands here, in
 * turns, with one certificate that BoringSSL made and OpenSSL has to accept. */
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpc/support/time.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/nid.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

enum { PEM_BYTES = 4096, TIMEOUT_SECONDS = 20 };

struct identity {
    EVP_PKEY *key;
    X509 *certificate;
    char key_pem[PEM_BYTES];
    char certificate_pem[PEM_BYTES];
};

static void read_bio(BIO *bio, char *out) {
    int len = BIO_read(bio, out, PEM_BYTES - 1);
    ck_assert_int_gt(len, 0);
    out[len] = 0;
    BIO_free(bio);
}

static X509 *self_signed(EVP_PKEY *key) {
    X509 *certificate = X509_new();
    ck_assert(X509_set_version(certificate, X509_VERSION_3));
    ck_assert(ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1));
    ck_assert(X509_gmtime_adj(X509_getm_notBefore(certificate), -60) != NULL);
    ck_assert(X509_gmtime_adj(X509_getm_notAfter(certificate), 3600) != NULL);
    X509_NAME *name = X509_get_subject_name(certificate);
    ck_assert(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"peer",
                                         -1, -1, 0));
    ck_assert(X509_set_issuer_name(certificate, name));
    ck_assert(X509_set_pubkey(certificate, key));
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *san =
        X509V3_EXT_nconf_nid(NULL, &context, NID_subject_alt_name, "DNS:peer.test");
    ck_assert_ptr_nonnull(san);
    ck_assert(X509_add_ext(certificate, san, -1));
    X509_EXTENSION_free(san);
    ck_assert_int_gt(X509_sign(certificate, key, EVP_sha256()), 0);
    return certificate;
}

static void identity_init(struct identity *identity) {
    EC_KEY *ec = EC_KEY_new_by_curve_name(NID_X9_62_prime256v1);
    ck_assert(ec != NULL && EC_KEY_generate_key(ec));
    identity->key = EVP_PKEY_new();
    ck_assert(EVP_PKEY_assign_EC_KEY(identity->key, ec));
    identity->certificate = self_signed(identity->key);
    BIO *key_bio = BIO_new(BIO_s_mem());
    ck_assert(PEM_write_bio_PrivateKey(key_bio, identity->key, NULL, NULL, 0, NULL, NULL));
    read_bio(key_bio, identity->key_pem);
    BIO *certificate_bio = BIO_new(BIO_s_mem());
    ck_assert(PEM_write_bio_X509(certificate_bio, identity->certificate));
    read_bio(certificate_bio, identity->certificate_pem);
}

static void identity_deinit(struct identity *identity) {
    X509_free(identity->certificate);
    EVP_PKEY_free(identity->key);
}

static SSL *make_ssl(const struct identity *identity, bool is_server) {
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    ck_assert_ptr_nonnull(context);
    if (is_server) {
        ck_assert(SSL_CTX_use_certificate(context, identity->certificate));
        ck_assert(SSL_CTX_use_PrivateKey(context, identity->key));
    } else {
        ck_assert(X509_STORE_add_cert(SSL_CTX_get_cert_store(context), identity->certificate));
        SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    }
    SSL *ssl = SSL_new(context);
    SSL_CTX_free(context);
    if (is_server) {
        SSL_set_accept_state(ssl);
    } else {
        ck_assert(SSL_set1_host(ssl, "peer.test"));
        SSL_set_connect_state(ssl);
    }
    return ssl;
}

/* A whole BoringSSL handshake over memory, and a few bytes through it. */
static void boringssl_round(const struct identity *identity) {
    SSL *client = make_ssl(identity, false);
    SSL *server = make_ssl(identity, true);
    BIO *client_end = NULL;
    BIO *server_end = NULL;
    ck_assert(BIO_new_bio_pair(&client_end, 0, &server_end, 0));
    SSL_set_bio(client, client_end, client_end);
    SSL_set_bio(server, server_end, server_end);
    for (int i = 0; i < 10 && (SSL_in_init(client) || SSL_in_init(server)); i++) {
        int client_result = SSL_do_handshake(client);
        ck_assert(client_result == 1 ||
                  SSL_get_error(client, client_result) == SSL_ERROR_WANT_READ);
        int server_result = SSL_do_handshake(server);
        ck_assert(server_result == 1 ||
                  SSL_get_error(server, server_result) == SSL_ERROR_WANT_READ);
    }
    ck_assert(!SSL_in_init(client) && !SSL_in_init(server));
    ck_assert_int_eq(SSL_get_verify_result(client), X509_V_OK);
    ck_assert_int_eq(SSL_write(client, "ping", 4), 4);
    char received[8] = {0};
    ck_assert_int_eq(SSL_read(server, received, sizeof(received)), 4);
    ck_assert_str_eq(received, "ping");
    SSL_free(client);
    SSL_free(server);
}

static grpc_server *start_grpc_server(const struct identity *identity, grpc_completion_queue *queue,
                                      int *port) {
    grpc_ssl_pem_key_cert_pair pair = {identity->key_pem, identity->certificate_pem};
    grpc_server_credentials *credentials = grpc_ssl_server_credentials_create_ex(
        NULL, &pair, 1, GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE, NULL);
    grpc_server *server = grpc_server_create(NULL, NULL);
    grpc_server_register_completion_queue(server, queue, NULL);
    *port = grpc_server_add_http2_port(server, "127.0.0.1:0", credentials);
    ck_assert_int_gt(*port, 0);
    grpc_server_credentials_release(credentials);
    grpc_server_start(server);
    return server;
}

static grpc_channel *make_grpc_channel(const char *roots_pem, int port) {
    char target[64];
    snprintf(target, sizeof(target), "ipv4:127.0.0.1:%d", port);
    char override_key[] = GRPC_SSL_TARGET_NAME_OVERRIDE_ARG;
    char override_value[] = "peer.test";
    grpc_arg arg = {.type = GRPC_ARG_STRING, .key = override_key, .value.string = override_value};
    grpc_channel_args args = {1, &arg};
    grpc_channel_credentials *credentials =
        grpc_ssl_credentials_create(roots_pem, NULL, NULL, NULL);
    grpc_channel *channel = grpc_channel_create(target, credentials, &args);
    grpc_channel_credentials_release(credentials);
    return channel;
}

static gpr_timespec deadline(void) {
    return gpr_time_add(gpr_now(GPR_CLOCK_REALTIME),
                        gpr_time_from_seconds(TIMEOUT_SECONDS, GPR_TIMESPAN));
}

/* Where the channel settles: READY, or TRANSIENT_FAILURE. A BoringSSL round at every change. */
static grpc_connectivity_state settle(grpc_channel *channel, grpc_completion_queue *queue,
                                      const struct identity *identity) {
    grpc_connectivity_state state = grpc_channel_check_connectivity_state(channel, 1);
    while (state != GRPC_CHANNEL_READY && state != GRPC_CHANNEL_TRANSIENT_FAILURE) {
        grpc_channel_watch_connectivity_state(channel, state, deadline(), queue, NULL);
        boringssl_round(identity);
        grpc_event event = grpc_completion_queue_next(queue, deadline(), NULL);
        ck_assert_int_eq(event.type, GRPC_OP_COMPLETE);
        ck_assert(event.success);
        state = grpc_channel_check_connectivity_state(channel, 1);
    }
    return state;
}

static void stop_grpc(grpc_server *server, grpc_completion_queue *queue) {
    grpc_server_shutdown_and_notify(server, queue, NULL);
    grpc_server_cancel_all_calls(server);
    grpc_event event = grpc_completion_queue_next(queue, deadline(), NULL);
    ck_assert_int_eq(event.type, GRPC_OP_COMPLETE);
    grpc_server_destroy(server);
    grpc_completion_queue_shutdown(queue);
    while (grpc_completion_queue_next(queue, deadline(), NULL).type != GRPC_QUEUE_SHUTDOWN) {
    }
    grpc_completion_queue_destroy(queue);
}

static void run(const struct identity *server_identity, const char *roots_pem,
                grpc_connectivity_state expected) {
    grpc_init();
    boringssl_round(server_identity);
    grpc_completion_queue *queue = grpc_completion_queue_create_for_next(NULL);
    int port = 0;
    grpc_server *server = start_grpc_server(server_identity, queue, &port);
    grpc_channel *channel = make_grpc_channel(roots_pem, port);
    ck_assert_int_eq(settle(channel, queue, server_identity), expected);
    boringssl_round(server_identity);
    grpc_channel_destroy(channel);
    stop_grpc(server, queue);
    grpc_shutdown_blocking();
    boringssl_round(server_identity);
}

START_TEST(tls_coexist_both_libraries_shake_hands) {
    struct identity identity;
    identity_init(&identity);
    run(&identity, identity.certificate_pem, GRPC_CHANNEL_READY);
    identity_deinit(&identity);
}
END_TEST

/* The success above is a verified one: with another root the same server is refused. */
START_TEST(tls_coexist_openssl_refuses_an_unknown_issuer) {
    struct identity identity;
    struct identity stranger;
    identity_init(&identity);
    identity_init(&stranger);
    run(&identity, stranger.certificate_pem, GRPC_CHANNEL_TRANSIENT_FAILURE);
    identity_deinit(&stranger);
    identity_deinit(&identity);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("tls_coexist");
    TCase *tcase = tcase_create("core");
    tcase_set_timeout(tcase, 4 * TIMEOUT_SECONDS);
    tcase_add_test(tcase, tls_coexist_both_libraries_shake_hands);
    tcase_add_test(tcase, tls_coexist_openssl_refuses_an_unknown_issuer);
    suite_add_tcase(suite, tcase);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
