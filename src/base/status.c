// SPDX-License-Identifier: Apache-2.0
#include "src/base/status.h"

const char *status_name(enum status status) {
    switch (status) {
    case STATUS_OK:
        return "ok";
    case STATUS_INVALID:
        return "invalid";
    case STATUS_NOT_FOUND:
        return "not_found";
    case STATUS_LIMIT:
        return "limit";
    case STATUS_AGAIN:
        return "again";
    case STATUS_CLOSED:
        return "closed";
    case STATUS_PROTOCOL:
        return "protocol";
    case STATUS_IO:
        return "io";
    case STATUS_INTERNAL:
        return "internal";
    }
    return "unknown";
}
