// SPDX-License-Identifier: Apache-2.0
/*
 * The otherName entries of a certificate as text, whatever form their values have. Only for logs:
 * what a name is held against are the string forms alone (tls_san_next).
 */
#ifndef SRC_TLS_TLS_OTHER_NAME_H
#define SRC_TLS_TLS_OTHER_NAME_H

#include <openssl/x509.h>

#include "src/base/arena.h"

/* Separated by commas; empty pieces for values that have no text. */
struct slice tls_other_names(struct arena *arena, X509 *certificate);

#endif
