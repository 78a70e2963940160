/* SPDX-License-Identifier: Apache-2.0 */
#include "util/uuid.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "util/err.h"

bool vr_uuid_is_nil(const struct vr_uuid *u)
{
    static const struct vr_uuid nil;
    return vr_uuid_eq(u, &nil);
}

bool vr_uuid_eq(const struct vr_uuid *a, const struct vr_uuid *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

const char *vr_uuid_text(const struct vr_uuid *u, char *buf)
{
    static const char hex[] = "0123456789ABCDEF";
    char *p = buf;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *p++ = '-';
        }
        *p++ = hex[u->b[i] >> 4];
        *p++ = hex[u->b[i] & 15];
    }
    *p = '\0';
    return buf;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool vr_uuid_parse(const char *text, struct vr_uuid *ret)
{
    struct vr_uuid u;
    size_t n = strlen(text);
    if (n == 38 && text[0] == '{' && text[37] == '}') {
        text++;
    } else if (n != 36) {
        return false;
    }
    for (int i = 0; i < 16; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-') {
            return false;
        }
        int hi = hex_digit(text[0]), lo = hi < 0 ? -1 : hex_digit(text[1]);
        if (lo < 0) {
            return false;
        }
        u.b[i] = (uint8_t)(hi << 4 | lo);
        text += 2;
    }
    *ret = u;
    return true;
}

struct vr_uuid vr_uuid_from_random(const uint8_t random[16])
{
    struct vr_uuid u;
    memcpy(u.b, random, 16);
    u.b[6] = (uint8_t)((u.b[6] & 0x0f) | 0x40);
    u.b[8] = (uint8_t)((u.b[8] & 0x3f) | 0x80);
    return u;
}

struct vr_uuid vr_uuid_new(void)
{
    uint8_t r[16];
    vr_random(r, sizeof r);
    return vr_uuid_from_random(r);
}

void vr_random(void *p, size_t n)
{
    uint8_t *b = p;
    while (n) {
        ssize_t r = getrandom(b, n, 0);
        if (r < 0 && errno == EINTR) {
            continue;
        }
        vr_assert(r > 0);
        b += r;
        n -= (size_t)r;
    }
}
