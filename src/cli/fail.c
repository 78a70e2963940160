/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

int cli_fail(int r, const struct vr_err *err)
{
    /* the text may hold words of a server: keep its control characters off the terminal */
    fprintf(stderr, "vmreplica: ");
    for (const char *p = vr_err_text(err); *p; p++) {
        fputc((unsigned char)*p < 0x20 || *p == 0x7f ? '?' : *p, stderr);
    }
    fputc('\n', stderr);
    return vr_kind_exit_code(r);
}
