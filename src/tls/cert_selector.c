// SPDX-License-Identifier: Apache-2.0
#include "src/tls/cert_selector.h"

#include <openssl/bytestring.h>
#include <openssl/x509.h>

#include "src/tls/tls_internal.h"
#include "src/tls/tls_x509.h"

enum { MAX_SERVER_NAME_BYTES = 255 };

/* One name; certificates of the same name in configuration order. */
struct cert_selector_name {
    const struct tls_credential *credential;
    struct cert_selector_name *next;
};

static struct slice lower_copy(struct arena *arena, struct slice name) {
    uint8_t *copy = arena_alloc_bytes(arena, name.len);
    for (size_t i = 0; i < name.len; i++) {
        copy[i] = ascii_lower(name.ptr[i]);
    }
    return slice_make(copy, name.len);
}

static void add_name(struct cert_selector *selector, struct slice name,
                     const struct tls_credential *credential) {
    if (name.len == 0 || name.len > MAX_SERVER_NAME_BYTES || slice_find_byte(name, 0) != SIZE_MAX) {
        return;
    }
    struct cert_selector_name *entry = ARENA_NEW(&selector->arena, struct cert_selector_name);
    struct slice key = lower_copy(&selector->arena, name);
    struct cert_selector_name *first = hash_map_get(&selector->names, key);

    entry->credential = credential;
    if (first == NULL) {
        (void)hash_map_put(&selector->names, key, entry);
        return;
    }
    while (first->next != NULL) {
        first = first->next;
    }
    first->next = entry;
}

static void add_credential(struct cert_selector *selector,
                           const struct tls_credential *credential) {
    X509 *leaf = X509_parse_from_buffer(credential->leaf);
    bool has_dns = false;
    struct tls_san_iterator at;
    enum tls_san_type type;
    struct slice value;

    if (leaf == NULL) {
        return;
    }
    tls_san_iterator_init(&at, leaf);
    while (tls_san_next(&at, &type, &value)) {
        if (type == TLS_SAN_DNS) {
            has_dns = true;
            add_name(selector, value, credential);
        }
    }
    tls_san_iterator_deinit(&at);
    if (!has_dns) {
        char name[MAX_SERVER_NAME_BYTES + 1];
        int len = X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, name,
                                            sizeof(name));
        add_name(selector, slice_make(name, len > 0 ? (size_t)len : 0), credential);
    }
    X509_free(leaf);
}

void cert_selector_init(struct cert_selector *selector, const struct tls_credential *credentials,
                        uint32_t count) {
    selector->credentials = credentials;
    selector->count = count;
    hash_map_init(&selector->names);
    arena_init_heap(&selector->arena, 512);
    // With one certificate there is nothing to choose, and no memory to spend on names.
    for (uint32_t i = 0; count > 1 && i < count; i++) {
        add_credential(selector, &credentials[i]);
    }
}

void cert_selector_deinit(struct cert_selector *selector) {
    hash_map_deinit(&selector->names);
    arena_deinit(&selector->arena);
}

static bool has_uint16(const uint8_t *data, size_t len, uint16_t wanted) {
    CBS list;
    uint16_t value;
    CBS_init(&list, data, len);
    while (CBS_get_u16(&list, &value)) {
        if (value == wanted) {
            return true;
        }
    }
    return false;
}

/* Looks for `wanted` in an extension that is one list of 16-bit numbers with a length of
 * `length_bytes` before it. */
static bool extension_has(const SSL_CLIENT_HELLO *hello, uint16_t extension, int length_bytes,
                          uint16_t wanted) {
    const uint8_t *data;
    size_t len;
    CBS body, list;

    if (!SSL_early_callback_ctx_extension_get(hello, extension, &data, &len)) {
        return false;
    }
    CBS_init(&body, data, len);
    bool is_whole = length_bytes == 1 ? CBS_get_u8_length_prefixed(&body, &list) == 1
                                      : CBS_get_u16_length_prefixed(&body, &list) == 1;
    return is_whole && has_uint16(CBS_data(&list), CBS_len(&list), wanted);
}

static bool offers_ecdsa_cipher(const SSL_CLIENT_HELLO *hello) {
    static const uint16_t ciphers[] = {0xc02b, 0xc02c, 0xcca9, 0xc009, 0xc00a, 0xc023};
    for (size_t i = 0; i < ARRAY_LEN(ciphers); i++) {
        if (has_uint16(hello->cipher_suites, hello->cipher_suites_len, ciphers[i])) {
            return true;
        }
    }
    return false;
}

bool cert_selector_is_ecdsa_capable(const SSL_CLIENT_HELLO *hello, uint16_t group_id) {
    uint16_t algorithm = SSL_SIGN_ECDSA_SECP256R1_SHA256;

    if (group_id == SSL_GROUP_SECP384R1) {
        algorithm = SSL_SIGN_ECDSA_SECP384R1_SHA384;
    } else if (group_id == SSL_GROUP_SECP521R1) {
        algorithm = SSL_SIGN_ECDSA_SECP521R1_SHA512;
    }
    if (!extension_has(hello, TLSEXT_TYPE_signature_algorithms, 2, algorithm)) {
        return false;
    }
    if (extension_has(hello, TLSEXT_TYPE_supported_versions, 1, TLS1_3_VERSION)) {
        return true;
    }
    // RFC 8422 §5.1: before TLS 1.3 the key's group and an ECDSA suite must be offered too.
    return offers_ecdsa_cipher(hello) &&
           extension_has(hello, TLSEXT_TYPE_supported_groups, 2, group_id);
}

static bool suits(const struct tls_credential *credential, const SSL_CLIENT_HELLO *hello,
                  bool wants_ecdsa) {
    if (credential->is_ecdsa != wants_ecdsa) {
        return false;
    }
    return !wants_ecdsa || cert_selector_is_ecdsa_capable(hello, credential->group_id);
}

static const struct tls_credential *choose_named(const struct cert_selector_name *names,
                                                 const SSL_CLIENT_HELLO *hello) {
    for (int round = 0; round < 2; round++) {
        for (const struct cert_selector_name *at = names; at != NULL; at = at->next) {
            if (suits(at->credential, hello, round == 0)) {
                return at->credential;
            }
        }
    }
    return names->credential;
}

static const struct tls_credential *choose_any(const struct cert_selector *selector,
                                               const SSL_CLIENT_HELLO *hello) {
    for (int round = 0; round < 2; round++) {
        for (uint32_t i = 0; i < selector->count; i++) {
            if (suits(&selector->credentials[i], hello, round == 0)) {
                return &selector->credentials[i];
            }
        }
    }
    return &selector->credentials[0];
}

static const struct cert_selector_name *find_name(const struct cert_selector *selector,
                                                  struct slice sni) {
    uint8_t text[MAX_SERVER_NAME_BYTES];

    if (sni.len > sizeof(text)) {
        return NULL;
    }
    for (size_t i = 0; i < sni.len; i++) {
        text[i] = ascii_lower(sni.ptr[i]);
    }
    struct slice name = slice_make(text, sni.len);
    const struct cert_selector_name *found = hash_map_get(&selector->names, name);
    size_t dot = slice_find_byte(name, '.');
    if (found != NULL || dot == SIZE_MAX || dot == 0) {
        return found;
    }
    text[dot - 1] = '*';
    return hash_map_get(&selector->names, slice_sub(name, dot - 1, name.len));
}

const struct tls_credential *cert_selector_choose(const struct cert_selector *selector,
                                                  const SSL_CLIENT_HELLO *hello) {
    if (selector->count <= 1) {
        return selector->credentials;
    }
    struct slice sni = slice_from_string(SSL_get_servername(hello->ssl, TLSEXT_NAMETYPE_host_name));
    if (sni.len == 0) {
        return choose_any(selector, hello);
    }
    const struct cert_selector_name *names = find_name(selector, sni);
    return names == NULL ? &selector->credentials[0] : choose_named(names, hello);
}
