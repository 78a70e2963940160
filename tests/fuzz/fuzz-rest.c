/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of REST requests; byte 0 is the verb. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "front/rest/rest_impl.h"

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const enum api_verb_kind kinds[] = {API_RESYNC,    API_VERIFY,    API_ENABLE,
                                               API_FAILOVER,  API_BANDWIDTH, API_AUTH_ADD,
                                               API_PEER_TEST, API_SETTINGS};
    struct api_verb verb;
    const char *member = NULL;
    if (n == 0) {
        return 0;
    }
    memset(&verb, 0, sizeof verb);
    verb.kind = kinds[p[0] % (sizeof kinds / sizeof *kinds)];
    char *text = strndup((const char *)p + 1, n - 1);
    if (text && rest_read_body(text, strlen(text), &verb, &member, NULL) < 0) {
        vr_assert(!member || strlen(member) < 4096);
    }
    free(text);
    return 0;
}
