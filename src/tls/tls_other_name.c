// SPDX-License-Identifier: Apache-2.0
#include "src/tls/tls_other_name.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/mem.h>
#include <openssl/obj.h>

#include "src/base/check.h"
#include "src/tls/tls_x509.h"

enum { MAX_OID_TEXT_BYTES = 256 };

static const struct slice nothing;

static struct slice bytes_of(struct arena *arena, const ASN1_STRING *string) {
    struct slice bytes =
        slice_make(ASN1_STRING_get0_data(string), (size_t)ASN1_STRING_length(string));
    return arena_dup_slice(arena, bytes);
}

/* A string of two or four bytes for a character. */
static struct slice wide_text(struct arena *arena, const ASN1_STRING *string) {
    uint8_t *text = NULL;
    int len = ASN1_STRING_to_UTF8(&text, string);
    struct slice result = len < 0 ? nothing : arena_dup_slice(arena, slice_make(text, (size_t)len));
    OPENSSL_free(text);
    ERR_clear_error();
    return result;
}

static struct slice number_text(struct arena *arena, const ASN1_TYPE *value) {
    BIGNUM *number = value->type == V_ASN1_INTEGER
                         ? ASN1_INTEGER_to_BN(value->value.integer, NULL)
                         : ASN1_ENUMERATED_to_BN(value->value.enumerated, NULL);
    char *text = number == NULL ? NULL : BN_bn2dec(number);
    struct slice result = arena_dup_slice(arena, slice_from_string(text));
    OPENSSL_free(text);
    BN_free(number);
    ERR_clear_error();
    return result;
}

static struct slice oid_text(struct arena *arena, const ASN1_OBJECT *object) {
    char text[MAX_OID_TEXT_BYTES];
    int len = OBJ_obj2txt(text, sizeof(text), object, 1);
    return len < 0 || len >= (int)sizeof(text) ? nothing
                                               : arena_dup_slice(arena, slice_from_string(text));
}

static struct slice value_text(struct arena *arena, const ASN1_TYPE *value) {
    switch (value->type) {
    case V_ASN1_NULL:
        return nothing;
    case V_ASN1_BOOLEAN:
        return value->value.boolean ? SLICE("true") : SLICE("false");
    case V_ASN1_INTEGER:
    case V_ASN1_ENUMERATED:
        return number_text(arena, value);
    case V_ASN1_OBJECT:
        return oid_text(arena, value->value.object);
    case V_ASN1_BMPSTRING:
    case V_ASN1_UNIVERSALSTRING:
        return wide_text(arena, value->value.asn1_string);
    case V_ASN1_BIT_STRING:
    case V_ASN1_OCTET_STRING:
    case V_ASN1_PRINTABLESTRING:
    case V_ASN1_T61STRING:
    case V_ASN1_IA5STRING:
    case V_ASN1_GENERALSTRING:
    case V_ASN1_UTCTIME:
    case V_ASN1_GENERALIZEDTIME:
    case V_ASN1_VISIBLESTRING:
    case V_ASN1_UTF8STRING:
    case V_ASN1_SET:
    case V_ASN1_SEQUENCE:
        return bytes_of(arena, value->value.asn1_string);
    default:
        return nothing;
    }
}

struct slice tls_other_names(struct arena *arena, X509 *certificate) {
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    size_t count = names == NULL ? 0 : sk_GENERAL_NAME_num(names), found = 0;
    struct slice *texts = ARENA_NEW_ARRAY(arena, count, struct slice);
    for (size_t i = 0; i < count; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_OTHERNAME && name->d.otherName->value != NULL) {
            texts[found++] = value_text(arena, name->d.otherName->value);
        }
    }
    GENERAL_NAMES_free(names);
    return tls_join(arena, texts, found, ",");
}
