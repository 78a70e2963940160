/* SPDX-License-Identifier: Apache-2.0 */
#include "model/names.h"

#include <string.h>

bool vr_names_next(const char **at, char ret_name[VR_NAME_MAX])
{
    size_t n = strcspn(*at, " ");
    if (n == 0 || n >= VR_NAME_MAX) {
        return false;
    }
    memcpy(ret_name, *at, n);
    ret_name[n] = '\0';
    *at += n + ((*at)[n] == ' ' ? 1 : 0);
    return true;
}

bool vr_names_have(const char *names, const char *name)
{
    char each[VR_NAME_MAX];
    while (vr_names_next(&names, each)) {
        if (strcmp(each, name) == 0) {
            return true;
        }
    }
    return false;
}

uint32_t vr_names_count(const char *names)
{
    char each[VR_NAME_MAX];
    uint32_t n = 0;
    while (vr_names_next(&names, each)) {
        n++;
    }
    return n;
}

int vr_names_add(char names[VR_NAMES_MAX], const char *name, struct vr_err *err)
{
    size_t at = strlen(names), n = strlen(name);
    if (!vr_name_ok(name)) {
        return vr_fail(err, VR_E_INVALID, "'%.100s' is no name of a disk", name);
    }
    if (at + (at > 0) + n >= VR_NAMES_MAX) {
        return vr_fail(err, VR_E_LIMIT, "the names of excluded disks have more than %d bytes",
                       VR_NAMES_MAX - 1);
    }
    if (at > 0) {
        names[at++] = ' ';
    }
    memcpy(names + at, name, n + 1);
    return 0;
}
