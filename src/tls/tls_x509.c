// SPDX-License-Identifier: Apache-2.0
#include "src/tls/tls_x509.h"

#include <arpa/inet.h>
#include <openssl/base64.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include <time.h>

#include "src/base/check.h"

enum { MAX_CERTIFICATES = 10000, MAX_PEM_BYTES = 16 * 1024 * 1024 };

const char *tls_library_error(void) {
    uint32_t code = ERR_get_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
    ERR_clear_error();
    return reason == NULL ? "unknown error" : reason;
}

static bool is_end_of_pem(void) {
    uint32_t code = ERR_peek_last_error();
    return ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
}

static enum status open_pem(struct slice pem, BIO **bio, struct error *err) {
    if (pem.len == 0 || pem.len > MAX_PEM_BYTES) {
        return error_set(err, STATUS_INVALID, "PEM text is empty or too long");
    }
    *bio = BIO_new_mem_buf(pem.ptr, (ossl_ssize_t)pem.len);
    CHECK(*bio != NULL);
    ERR_clear_error();
    return STATUS_OK;
}

enum status tls_read_certificates(struct slice pem, STACK_OF(X509) * *certificates,
                                  struct error *err) {
    BIO *bio = NULL;
    X509 *certificate;

    TRY(open_pem(pem, &bio, err));
    STACK_OF(X509) *list = sk_X509_new_null();
    CHECK(list != NULL);
    while (sk_X509_num(list) < MAX_CERTIFICATES &&
           (certificate = PEM_read_bio_X509_AUX(bio, NULL, NULL, NULL)) != NULL) {
        CHECK(sk_X509_push(list, certificate) != 0);
    }
    BIO_free(bio);
    if (sk_X509_num(list) == 0 || !is_end_of_pem()) {
        sk_X509_pop_free(list, X509_free);
        return error_set(err, STATUS_INVALID, "malformed certificate: %s", tls_library_error());
    }
    ERR_clear_error();
    *certificates = list;
    return STATUS_OK;
}

enum status tls_read_crls(struct slice pem, STACK_OF(X509_CRL) * *crls, struct error *err) {
    BIO *bio = NULL;
    X509_CRL *crl;

    TRY(open_pem(pem, &bio, err));
    STACK_OF(X509_CRL) *list = sk_X509_CRL_new_null();
    CHECK(list != NULL);
    while (sk_X509_CRL_num(list) < MAX_CERTIFICATES &&
           (crl = PEM_read_bio_X509_CRL(bio, NULL, NULL, NULL)) != NULL) {
        CHECK(sk_X509_CRL_push(list, crl) != 0);
    }
    BIO_free(bio);
    if (sk_X509_CRL_num(list) == 0 || !is_end_of_pem()) {
        sk_X509_CRL_pop_free(list, X509_CRL_free);
        return error_set(err, STATUS_INVALID, "malformed CRL: %s", tls_library_error());
    }
    ERR_clear_error();
    *crls = list;
    return STATUS_OK;
}

/* Never asks a terminal: without a password an encrypted key fails. */
static int give_password(char *out, int size, int is_writing, void *arg) {
    const struct slice *password = arg;
    (void)is_writing;
    if (password->len == 0 || size <= 0 || password->len > (size_t)size) {
        return -1;
    }
    memcpy(out, password->ptr, password->len);
    return (int)password->len;
}

enum status tls_read_private_key(struct slice pem, struct slice password, EVP_PKEY **key,
                                 struct error *err) {
    BIO *bio = NULL;

    TRY(open_pem(pem, &bio, err));
    EVP_PKEY *result = PEM_read_bio_PrivateKey(bio, NULL, give_password, &password);
    BIO_free(bio);
    if (result == NULL) {
        return error_set(err, STATUS_INVALID, "malformed private key: %s", tls_library_error());
    }
    *key = result;
    return STATUS_OK;
}

void tls_san_iterator_init(struct tls_san_iterator *at, X509 *certificate) {
    at->names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    at->next = 0;
}

void tls_san_iterator_deinit(struct tls_san_iterator *at) {
    GENERAL_NAMES_free(at->names);
    at->names = NULL;
}

static struct slice string_bytes(const ASN1_STRING *text) {
    return slice_make(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text));
}

static struct slice ip_value(struct tls_san_iterator *at, const ASN1_OCTET_STRING *bytes) {
    int len = ASN1_STRING_length(bytes);
    int family = len == 4 ? AF_INET : AF_INET6;

    if ((len != 4 && len != 16) ||
        inet_ntop(family, ASN1_STRING_get0_data(bytes), at->ip_text, sizeof(at->ip_text)) == NULL) {
        return slice_make(NULL, 0);
    }
    return slice_from_string(at->ip_text);
}

/* The text of an otherName whose value is a string (UPN and the like); empty for other forms. */
static struct slice other_value(const OTHERNAME *other) {
    const ASN1_TYPE *value = other == NULL ? NULL : other->value;
    if (value == NULL) {
        return slice_make(NULL, 0);
    }
    switch (value->type) {
    case V_ASN1_UTF8STRING:
    case V_ASN1_IA5STRING:
    case V_ASN1_PRINTABLESTRING:
    case V_ASN1_OCTET_STRING:
    case V_ASN1_VISIBLESTRING:
        return string_bytes(value->value.asn1_string);
    default:
        return slice_make(NULL, 0);
    }
}

bool tls_san_next(struct tls_san_iterator *at, enum tls_san_type *type, struct slice *value) {
    while (at->names != NULL && at->next < sk_GENERAL_NAME_num(at->names)) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(at->names, at->next++);
        switch (name->type) {
        case GEN_DNS:
            *type = TLS_SAN_DNS;
            *value = string_bytes(name->d.dNSName);
            return true;
        case GEN_URI:
            *type = TLS_SAN_URI;
            *value = string_bytes(name->d.uniformResourceIdentifier);
            return true;
        case GEN_EMAIL:
            *type = TLS_SAN_EMAIL;
            *value = string_bytes(name->d.rfc822Name);
            return true;
        case GEN_IPADD:
            *type = TLS_SAN_IP;
            *value = ip_value(at, name->d.iPAddress);
            return true;
        case GEN_OTHERNAME:
            *type = TLS_SAN_OTHER;
            *value = other_value(name->d.otherName);
            return true;
        default:
            break;
        }
    }
    return false;
}

static size_t put(uint8_t *at, struct slice text) {
    if (text.len > 0) {
        memcpy(at, text.ptr, text.len);
    }
    return text.len;
}

struct slice tls_join(struct arena *arena, const struct slice *texts, size_t count,
                      const char *separator) {
    size_t total = 0, used = 0;
    for (size_t i = 0; i < count; i++) {
        total += texts[i].len + strlen(separator);
    }
    uint8_t *all = arena_alloc_bytes(arena, total + 1);
    for (size_t i = 0; i < count; i++) {
        used += put(all + used, i == 0 ? slice_make(NULL, 0) : slice_from_string(separator));
        used += put(all + used, texts[i]);
    }
    return slice_make(all, used);
}

struct slice tls_san_list(struct arena *arena, X509 *certificate, enum tls_san_type type,
                          const char *separator) {
    struct tls_san_iterator at;
    enum tls_san_type found;
    struct slice value;
    size_t total = 0, used = 0, separator_len = strlen(separator);

    tls_san_iterator_init(&at, certificate);
    while (tls_san_next(&at, &found, &value)) {
        total += value.len + separator_len;
    }
    uint8_t *text = arena_alloc_bytes(arena, total + 1);
    at.next = 0;
    while (tls_san_next(&at, &found, &value)) {
        if ((type != TLS_SAN_ANY && found != type) || value.len == 0) {
            continue;
        }
        if (used > 0) {
            used += put(text + used, slice_from_string(separator));
        }
        used += put(text + used, value);
    }
    tls_san_iterator_deinit(&at);
    return slice_make(text, used);
}

static struct slice take_bio_text(struct arena *arena, BIO *bio) {
    const uint8_t *data = NULL;
    size_t len = 0;
    struct slice text = slice_make(NULL, 0);
    if (BIO_mem_contents(bio, &data, &len) && len > 0) {
        text = arena_dup_slice(arena, slice_make(data, len));
    }
    BIO_free(bio);
    return text;
}

struct slice tls_name_text(struct arena *arena, const X509_NAME *name) {
    BIO *bio = BIO_new(BIO_s_mem());
    CHECK(bio != NULL);
    (void)X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253);
    return take_bio_text(arena, bio);
}

struct slice tls_hex(struct arena *arena, const uint8_t *bytes, size_t len) {
    static const char digits[] = "0123456789abcdef";
    uint8_t *text = arena_alloc_bytes(arena, len * 2 + 1);
    for (size_t i = 0; i < len; i++) {
        text[i * 2] = (uint8_t)digits[bytes[i] >> 4];
        text[i * 2 + 1] = (uint8_t)digits[bytes[i] & 15];
    }
    return slice_make(text, len * 2);
}

struct slice tls_serial_text(struct arena *arena, const X509 *certificate) {
    const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);
    return tls_hex(arena, ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial));
}

int64_t tls_time_seconds(const ASN1_TIME *time) {
    int64_t seconds = 0;
    return ASN1_TIME_to_posix(time, &seconds) ? seconds : 0;
}

struct slice tls_time_text(struct arena *arena, const ASN1_TIME *time) {
    time_t seconds = (time_t)tls_time_seconds(time);
    struct tm parts;
    char text[40];

    if (gmtime_r(&seconds, &parts) == NULL) {
        return slice_make(NULL, 0);
    }
    size_t len = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S.000Z", &parts);
    return arena_dup_slice(arena, slice_make(text, len));
}

static bool is_unreserved(uint8_t c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

static struct slice percent_encode(struct arena *arena, struct slice text) {
    static const char digits[] = "0123456789ABCDEF";
    uint8_t *out = arena_alloc_bytes(arena, text.len * 3 + 1);
    size_t used = 0;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.ptr[i];
        if (is_unreserved(c)) {
            out[used++] = c;
            continue;
        }
        out[used++] = '%';
        out[used++] = (uint8_t)digits[c >> 4];
        out[used++] = (uint8_t)digits[c & 15];
    }
    return slice_make(out, used);
}

struct slice tls_pem_urlencoded(struct arena *arena, const CRYPTO_BUFFER *certificate) {
    BIO *bio = BIO_new(BIO_s_mem());
    const uint8_t *data = NULL;
    size_t len = 0;
    struct slice text = slice_make(NULL, 0);

    CHECK(bio != NULL);
    (void)PEM_write_bio(bio, "CERTIFICATE", "", CRYPTO_BUFFER_data(certificate),
                        (long)CRYPTO_BUFFER_len(certificate));
    if (BIO_mem_contents(bio, &data, &len)) {
        text = percent_encode(arena, slice_make(data, len));
    }
    BIO_free(bio);
    return text;
}
