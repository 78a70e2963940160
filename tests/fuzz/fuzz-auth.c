/* SPDX-License-Identifier: Apache-2.0 */
/* The value of an Authorization header, whatever it is, against the HTTP server: nobody but admin
 * with his password gets in. The same connection then asks with it, which still works unless the
 * value was what ends connections. */
#include "fuzz.h"

#include <string.h>

#include "httpwire.h"
#include "util/num.h"

#define VALUE_MAX 4096

static size_t put(uint8_t *to, size_t at, const void *p, size_t n)
{
    memcpy(to + at, p, n);
    return at + n;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const char before[] = "GET /api/v1/ HTTP/1.1\r\nHost: h\r\nAuthorization: ";
    static const char after[] = "\r\n\r\nGET /api/v1/ HTTP/1.1\r\nHost: h\r\n"
                                "Authorization: Basic YWRtaW46c2VjcmV0\r\n\r\n";
    static uint8_t text[VALUE_MAX + sizeof before + sizeof after];
    n = VR_MIN(n, (size_t)VALUE_MAX);
    size_t len = put(text, 0, before, sizeof before - 1);
    len = put(text, len, p, n);
    len = put(text, len, after, sizeof after - 1);
    httpwire_run(text, len);
    return 0;
}
