// SPDX-License-Identifier: Apache-2.0
#include "tools/xds_server/tls_files.h"

#include "src/base/arena.h"
#include "src/base/check.h"
#include "xds/bootstrap/bootstrap_loader.h"

enum { FILE_MAX_BYTES = 4 * 1024 * 1024 };

struct tls_files {
    char *cert_path, *key_path, *client_ca_path;
    struct arena arena; /* of `cert`, `key`, `ca`; used under gRPC's lock after the start */
    struct slice cert, key, ca;
    bool is_fetched;
};

static char *own_string(const char *text) {
    return text == NULL ? NULL : mem_dup_string(text, strlen(text));
}

static enum status read_pem(const char *path, struct arena *arena, struct slice *pem,
                            struct error *err) {
    struct slice content;
    TRY(config_file_read(path, FILE_MAX_BYTES, arena, &content, err));
    if (slice_find(content, SLICE("-----BEGIN ")) == SIZE_MAX) {
        return error_set(err, STATUS_INVALID, "%s: no PEM block in it", path);
    }
    *pem = slice_make(arena_dup_string(arena, content), content.len);
    return STATUS_OK;
}

static enum status read_all(struct tls_files *files, struct arena *arena, struct slice pem[3],
                            struct error *err) {
    pem[2] = SLICE("");
    TRY(read_pem(files->cert_path, arena, &pem[0], err));
    TRY(read_pem(files->key_path, arena, &pem[1], err));
    return files->client_ca_path == NULL ? STATUS_OK
                                         : read_pem(files->client_ca_path, arena, &pem[2], err);
}

static grpc_ssl_server_certificate_config *make_config(const struct tls_files *files) {
    grpc_ssl_pem_key_cert_pair pair = {(const char *)files->key.ptr, (const char *)files->cert.ptr};
    // gRPC insists on roots even where it asks for no client certificate.
    struct slice ca = files->ca.len > 0 ? files->ca : files->cert;
    return grpc_ssl_server_certificate_config_create((const char *)ca.ptr, &pair, 1);
}

// Called by gRPC before each handshake, one call at a time.
static grpc_ssl_certificate_config_reload_status
fetch_config(void *user_data, grpc_ssl_server_certificate_config **config) {
    struct tls_files *files = user_data;
    struct arena arena;
    struct slice pem[3];
    arena_init_heap(&arena, 0);
    if (read_all(files, &arena, pem, NULL) != STATUS_OK) {
        arena_deinit(&arena);
        return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_FAIL;
    }
    if (files->is_fetched && slice_equal(pem[0], files->cert) && slice_equal(pem[1], files->key) &&
        slice_equal(pem[2], files->ca)) {
        arena_deinit(&arena);
        return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    }
    arena_deinit(&files->arena);
    files->arena = arena;
    files->cert = pem[0];
    files->key = pem[1];
    files->ca = pem[2];
    files->is_fetched = true;
    *config = make_config(files);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
}

struct tls_files *tls_files_new(const char *cert_path, const char *key_path,
                                const char *client_ca_path, struct error *err) {
    struct tls_files *files = mem_calloc(1, sizeof(*files));
    struct slice pem[3];
    files->cert_path = own_string(cert_path);
    files->key_path = own_string(key_path);
    files->client_ca_path = own_string(client_ca_path);
    arena_init_heap(&files->arena, 0);
    if (read_all(files, &files->arena, pem, err) != STATUS_OK) {
        tls_files_free(files);
        return NULL;
    }
    return files;
}

void tls_files_free(struct tls_files *files) {
    if (files == NULL) {
        return;
    }
    arena_wipe(&files->arena);
    arena_deinit(&files->arena);
    mem_free(files->cert_path);
    mem_free(files->key_path);
    mem_free(files->client_ca_path);
    mem_free(files);
}

grpc_server_credentials *tls_files_credentials(struct tls_files *files) {
    return grpc_ssl_server_credentials_create_with_options(
        grpc_ssl_server_credentials_create_options_using_config_fetcher(
            files->client_ca_path != NULL
                ? GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY
                : GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE,
            fetch_config, files));
}
