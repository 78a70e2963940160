/* SPDX-License-Identifier: Apache-2.0 */
#include "memstor.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t *bytes;
static size_t length;

static int mem_read(
    struct stor *s, const char *name, size_t max, char **ret, size_t *ret_len, struct vr_err *e)
{
    if (length > max) {
        return vr_fail(e, VR_E_LIMIT, "'%s' is too large", name);
    }
    char *p = malloc(length + 1);
    if (!p) {
        return vr_fail_nomem(e);
    }
    if (length) {
        memcpy(p, bytes, length);
    }
    p[length] = '\0';
    *ret = p;
    *ret_len = length;
    return 0;
}

static bool mem_exists(struct stor *s, const char *name)
{
    return true;
}

static int
mem_open(struct stor *s, const char *name, bool create, struct stor_file **ret, struct vr_err *e)
{
    struct stor_file *f = calloc(1, sizeof *f);
    if (!f) {
        return vr_fail_nomem(e);
    }
    f->stor = s;
    *ret = f;
    return 0;
}

static int
file_read(struct stor_file *f, void *p, size_t n, uint64_t off, size_t *ret_n, struct vr_err *e)
{
    size_t left = off < length ? length - (size_t)off : 0;
    *ret_n = n < left ? n : left;
    if (*ret_n) {
        memcpy(p, bytes + off, *ret_n);
    }
    return 0;
}

static uint64_t file_size(struct stor_file *f)
{
    return length;
}

static void file_close(struct stor_file *f)
{
    free(f);
}

struct stor *memstor(const uint8_t *p, size_t n)
{
    static const struct stor_ops ops = {.name = "fuzz",
                                        .read = mem_read,
                                        .exists = mem_exists,
                                        .open = mem_open,
                                        .file_read = file_read,
                                        .file_size = file_size,
                                        .file_close = file_close};
    static struct stor stor = {&ops};
    bytes = p;
    length = n;
    return &stor;
}
