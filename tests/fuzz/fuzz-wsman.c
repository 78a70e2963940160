/* SPDX-License-Identifier: Apache-2.0 */
/* WS-Management envelopes against a provider that has one of each class: whatever they are, there
 * is one answer, and it is an envelope. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "broker.h"
#include "front/wsman/wsman.h"

static void done(void *ctx, const struct wsman_answer *answer)
{
    int *calls = ctx;
    vr_assert(answer->http_status == 200 || answer->http_status == 500);
    vr_assert(answer->body && strlen(answer->body) == answer->len);
    vr_assert(strncmp(answer->body, "<s:Envelope ", 12) == 0);
    free(answer->body);
    ++*calls;
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
    static const struct cim_caller caller = {"fuzz", 3};
    int calls = 0;
    wsman_handle(fuzz_broker(), &caller, p, n, done, &calls);
    vr_assert(calls == 1);
    return 0;
}
