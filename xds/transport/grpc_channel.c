// SPDX-License-Identifier: Apache-2.0
#include "xds/transport/grpc_channel.h"

#include <pthread.h>

#include <grpc/support/alloc.h>
#include <grpc/support/string_util.h>

#include "src/base/check.h"
#include "src/base/list.h"
#include "src/event/mailbox.h"

/* ---- the peer's names ---- */

// RFC 9525 §6.3: the left-most label may be "*" and stands for exactly one label.
static bool dns_name_matches(struct slice presented, struct slice wanted) {
    if (slice_equal_nocase(presented, wanted)) {
        return true;
    }
    size_t dot = slice_find_byte(wanted, '.');
    return slice_starts_with(presented, SLICE("*.")) && dot != SIZE_MAX && dot > 0 &&
           slice_equal_nocase(slice_sub(presented, 1, SIZE_MAX), slice_sub(wanted, dot, SIZE_MAX));
}

static bool name_matches(const struct tls_san_matcher *matcher, enum tls_san_type type,
                         const char *name) {
    if (matcher->type != TLS_SAN_ANY && matcher->type != type) {
        return false;
    }
    struct slice value = slice_from_string(name);
    if (type == TLS_SAN_DNS && matcher->is_exact_dns) {
        return dns_name_matches(value, matcher->exact);
    }
    return matcher->matches(matcher->matcher, value);
}

static bool any_name_matches(const struct tls_san_matcher *matcher, enum tls_san_type type,
                             char **names, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (name_matches(matcher, type, names[i])) {
            return true;
        }
    }
    return false;
}

bool grpc_peer_matches(const struct tls_san_matcher *matchers, uint32_t count,
                       const grpc_tls_custom_verification_check_request *request) {
    for (uint32_t i = 0; i < count; i++) {
        const struct tls_san_matcher *matcher = &matchers[i];
        if (any_name_matches(matcher, TLS_SAN_DNS, request->peer_info.san_names.dns_names,
                             request->peer_info.san_names.dns_names_size) ||
            any_name_matches(matcher, TLS_SAN_URI, request->peer_info.san_names.uri_names,
                             request->peer_info.san_names.uri_names_size) ||
            any_name_matches(matcher, TLS_SAN_EMAIL, request->peer_info.san_names.email_names,
                             request->peer_info.san_names.email_names_size) ||
            any_name_matches(matcher, TLS_SAN_IP, request->peer_info.san_names.ip_names,
                             request->peer_info.san_names.ip_names_size)) {
            return true;
        }
    }
    return count == 0;
}

/* ---- the verifiers, which live on gRPC's threads ---- */

struct grpc_verifiers {
    pthread_mutex_t lock;
    uint32_t refs; /* the transport's and one per verifier */
    bool is_closed;
    struct mailbox *control;
    struct list_node list; /* struct peer_verifier */
};

/* Its last act is to be a mail: the matchers' owner belongs to the control thread. */
struct peer_verifier {
    struct mail mail;
    struct list_node node;
    struct grpc_verifiers *home;
    grpc_tls_certificate_verifier_external external;
    const struct tls_san_matcher *matchers;
    uint32_t matcher_count;
    void (*release_matchers)(void *matchers_owner);
    void *matchers_owner;
};

static bool check_names(const struct peer_verifier *verifier,
                        const grpc_tls_custom_verification_check_request *request) {
    struct grpc_verifiers *home = verifier->home;
    (void)pthread_mutex_lock(&home->lock);
    bool is_match =
        !home->is_closed && grpc_peer_matches(verifier->matchers, verifier->matcher_count, request);
    (void)pthread_mutex_unlock(&home->lock);
    return is_match;
}

static int verify_peer(void *user_data, grpc_tls_custom_verification_check_request *request,
                       grpc_tls_on_custom_verification_check_done_cb callback, void *callback_arg,
                       grpc_status_code *sync_status, char **sync_error_details) {
    (void)callback;
    (void)callback_arg;
    if (check_names(user_data, request)) {
        *sync_status = GRPC_STATUS_OK;
    } else {
        *sync_status = GRPC_STATUS_UNAUTHENTICATED;
        *sync_error_details = gpr_strdup("verify SAN list: no subject alternative name matches");
    }
    return 1;
}

static void cancel_verify(void *user_data, grpc_tls_custom_verification_check_request *request) {
    (void)user_data;
    (void)request;
}

static void release_owner(struct peer_verifier *verifier) {
    if (verifier->release_matchers != NULL) {
        verifier->release_matchers(verifier->matchers_owner);
    }
}

static void deliver_release(struct mail *mail) {
    struct peer_verifier *verifier = CONTAINER_OF(mail, struct peer_verifier, mail);
    release_owner(verifier);
    mem_free(verifier);
}

// Gives up a reference, with the lock held; unlocks.
static void unlock_and_unref(struct grpc_verifiers *home) {
    bool is_last = --home->refs == 0;
    (void)pthread_mutex_unlock(&home->lock);
    if (is_last) {
        (void)pthread_mutex_destroy(&home->lock);
        mem_free(home);
    }
}

static void destruct_verifier(void *user_data) {
    struct peer_verifier *verifier = user_data;
    struct grpc_verifiers *home = verifier->home;
    (void)pthread_mutex_lock(&home->lock);
    if (home->is_closed) {
        mem_free(verifier);
    } else {
        list_remove(&verifier->node);
        verifier->mail.deliver = deliver_release;
        mailbox_post(home->control, &verifier->mail);
    }
    unlock_and_unref(home);
}

struct grpc_verifiers *grpc_verifiers_new(struct mailbox *control) {
    struct grpc_verifiers *home = mem_calloc(1, sizeof(*home));
    CHECK(pthread_mutex_init(&home->lock, NULL) == 0);
    home->refs = 1;
    home->control = control;
    list_init(&home->list);
    return home;
}

void grpc_verifiers_close(struct grpc_verifiers *home) {
    (void)pthread_mutex_lock(&home->lock);
    home->is_closed = true;
    LIST_FOR_EACH_SAFE (node, &home->list) {
        list_remove(node);
        release_owner(LIST_ENTRY(node, struct peer_verifier, node));
    }
    unlock_and_unref(home);
}

static grpc_tls_certificate_verifier *make_verifier(const struct xds_channel_config *config,
                                                    struct grpc_verifiers *home) {
    const struct tls_validation_source *validation = config->tls->validation;
    struct peer_verifier *verifier = mem_calloc(1, sizeof(*verifier));
    verifier->external.user_data = verifier;
    verifier->external.verify = verify_peer;
    verifier->external.cancel = cancel_verify;
    verifier->external.destruct = destruct_verifier;
    verifier->home = home;
    if (validation != NULL) {
        verifier->matchers = validation->san_matchers;
        verifier->matcher_count = validation->san_matcher_count;
    }
    verifier->release_matchers = config->release_matchers;
    verifier->matchers_owner = config->matchers_owner;
    (void)pthread_mutex_lock(&home->lock);
    home->refs++;
    list_push_back(&home->list, &verifier->node);
    (void)pthread_mutex_unlock(&home->lock);
    return grpc_tls_certificate_verifier_external_create(&verifier->external);
}

/* ---- credentials ---- */

static char *text_or_null(struct slice text) {
    return text.len == 0 ? NULL : mem_dup_string((const char *)text.ptr, text.len);
}

static void set_certificates(grpc_tls_credentials_options *options,
                             const struct xds_channel_tls *tls, bool is_verified) {
    char *root = is_verified ? text_or_null(tls->validation->trusted_ca_pem) : NULL;
    char *chain = text_or_null(tls->chain_pem);
    char *key = text_or_null(tls->private_key_pem);
    grpc_tls_identity_pairs *pairs = NULL;
    if (chain != NULL && key != NULL) {
        pairs = grpc_tls_identity_pairs_create();
        grpc_tls_identity_pairs_add_pair(pairs, key, chain);
    }
    if (root != NULL || pairs != NULL) {
        bool has_identity = pairs != NULL;
        grpc_tls_certificate_provider *provider =
            grpc_tls_certificate_provider_static_data_create(root, pairs);
        grpc_tls_credentials_options_set_certificate_provider(options, provider);
        if (root != NULL) {
            grpc_tls_credentials_options_watch_root_certs(options);
        }
        if (has_identity) {
            grpc_tls_credentials_options_watch_identity_key_cert_pairs(options);
        }
        grpc_tls_certificate_provider_release(provider);
    }
    mem_free(root);
    mem_free(chain);
    if (key != NULL) {
        explicit_bzero(key, tls->private_key_pem.len);
    }
    mem_free(key);
}

// What gRPC cannot check must not pass unchecked.
static enum status refuse_unmappable(const struct tls_validation_source *validation,
                                     struct error *err) {
    if (validation == NULL) {
        return STATUS_OK;
    }
    const char *what = NULL;
    if (validation->certificate_hash_count > 0) {
        what = "verify_certificate_hash";
    } else if (validation->spki_pin_count > 0) {
        what = "verify_certificate_spki";
    } else if (validation->crl_pem.len > 0) {
        what = "crl";
    } else if (validation->san_matcher_count > 0 && validation->trusted_ca_pem.len == 0) {
        what = "subject names without trusted_ca";
    }
    if (what != NULL) {
        return error_set(err, STATUS_INVALID, "%s is not supported for a management server", what);
    }
    return STATUS_OK;
}

static enum status make_credentials(const struct xds_channel_config *config,
                                    struct grpc_verifiers *verifiers,
                                    grpc_channel_credentials **out, struct error *err) {
    const struct xds_channel_tls *tls = config->tls;
    if (tls == NULL) {
        *out = grpc_insecure_credentials_create();
        return STATUS_OK;
    }
    TRY(refuse_unmappable(tls->validation, err));
    bool is_verified = tls->validation != NULL && tls->validation->trusted_ca_pem.len > 0 &&
                       !tls->validation->accept_untrusted;
    grpc_tls_credentials_options *options = grpc_tls_credentials_options_create();
    set_certificates(options, tls, is_verified);
    grpc_tls_credentials_options_set_verify_server_cert(options, is_verified);
    // Envoy matches subject names only where it is told to, not the host.
    grpc_tls_credentials_options_set_check_call_host(options, 0);
    grpc_tls_certificate_verifier *verifier = make_verifier(config, verifiers);
    grpc_tls_credentials_options_set_certificate_verifier(options, verifier);
    grpc_tls_certificate_verifier_release(verifier);
    *out = grpc_tls_credentials_create(options);
    if (*out == NULL) {
        return error_set(err, STATUS_INVALID, "TLS settings of the management server are refused");
    }
    return STATUS_OK;
}

/* ---- arguments ---- */

enum { ARGS_MAX = 20 };

struct arg_list {
    grpc_arg items[ARGS_MAX];
    size_t count;
};

static grpc_arg *add_arg(struct arg_list *list, const char *key, grpc_arg_type type) {
    CHECK(list->count < ARGS_MAX);
    grpc_arg *arg = &list->items[list->count++];
    arg->type = type;
    arg->key = (char *)(uintptr_t)key;
    return arg;
}

static void add_integer(struct arg_list *list, const char *key, int value) {
    add_arg(list, key, GRPC_ARG_INTEGER)->value.integer = value;
}

static void add_text(struct arg_list *list, const char *key, char *text) {
    if (text != NULL) {
        add_arg(list, key, GRPC_ARG_STRING)->value.string = text;
    }
}

static int clamped(uint32_t value) {
    return value > INT32_MAX ? INT32_MAX : (int)value;
}

static void fill_args(struct arg_list *list, const struct xds_channel_config *config) {
    add_integer(list, GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, -1);
    add_integer(list, GRPC_ARG_MAX_SEND_MESSAGE_LENGTH, -1);
    add_integer(list, GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    add_integer(list, GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
    add_integer(list, GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    add_integer(list, GRPC_ARG_ENABLE_RETRIES, 0);
    if (config->connect_timeout_ms > 0) {
        // How long gRPC gives an attempt, in spite of the name.
        add_integer(list, GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, clamped(config->connect_timeout_ms));
    }
    if (config->keepalive_interval_ms > 0) {
        add_integer(list, GRPC_ARG_KEEPALIVE_TIME_MS, clamped(config->keepalive_interval_ms));
        add_integer(list, GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    }
    if (config->keepalive_timeout_ms > 0) {
        add_integer(list, GRPC_ARG_KEEPALIVE_TIMEOUT_MS, clamped(config->keepalive_timeout_ms));
    }
}

enum status grpc_channel_make(const struct xds_channel_config *config,
                              struct grpc_verifiers *verifiers, grpc_channel **channel,
                              struct error *err) {
    grpc_channel_credentials *credentials;
    TRY(make_credentials(config, verifiers, &credentials, err));
    struct arg_list list = {.count = 0};
    char *authority = text_or_null(config->authority);
    char *sni = config->tls != NULL ? text_or_null(config->tls->sni) : NULL;
    char *target = mem_dup_string((const char *)config->target.ptr, config->target.len);
    fill_args(&list, config);
    add_text(&list, GRPC_ARG_DEFAULT_AUTHORITY, authority);
    add_text(&list, GRPC_SSL_TARGET_NAME_OVERRIDE_ARG, sni);
    grpc_channel_args args = {.num_args = list.count, .args = list.items};
    *channel = grpc_channel_create(target, credentials, &args);
    grpc_channel_credentials_release(credentials);
    mem_free(target);
    mem_free(authority);
    mem_free(sni);
    return STATUS_OK;
}
