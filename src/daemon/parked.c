/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/parked.h"

#include <string.h>

#include "daemon/session.h"
#include "util/num.h"
#include "util/vtime.h"

static void empty(struct parked_link *s)
{
    tls_creds_unref(s->creds);
    *s = (struct parked_link){0};
}

void parked_put(struct parked *p,
                struct link *take_link,
                struct tls_creds *take_creds,
                const char *point,
                const char *identity)
{
    for (size_t i = 0; i < VR_COUNT(p->slot); i++) {
        struct parked_link *s = &p->slot[i];
        if (!s->link) {
            s->link = take_link;
            s->creds = take_creds;
            snprintf(s->point, sizeof s->point, "%s", point);
            snprintf(s->identity, sizeof s->identity, "%s", identity);
            s->until_ms = vr_mono_ms() + SESSION_PARK_MS;
            return;
        }
    }
    link_close(take_link);
    tls_creds_unref(take_creds);
}

struct link *parked_take(struct parked *p,
                         const struct tls_creds *creds,
                         const char *point,
                         const char *identity)
{
    uint64_t now = vr_mono_ms();
    for (size_t i = 0; i < VR_COUNT(p->slot); i++) {
        struct parked_link *s = &p->slot[i];
        if (s->link && s->until_ms > now && s->creds == creds && strcmp(s->point, point) == 0 &&
            strcmp(s->identity, identity) == 0) {
            struct link *link = s->link;
            empty(s);
            return link;
        }
    }
    return NULL;
}

uint64_t parked_tick(struct parked *p)
{
    uint64_t now = vr_mono_ms(), next = UINT64_MAX;
    for (size_t i = 0; i < VR_COUNT(p->slot); i++) {
        struct parked_link *s = &p->slot[i];
        if (s->link && s->until_ms <= now) {
            link_close(s->link);
            empty(s);
        } else if (s->link) {
            next = VR_MIN(next, s->until_ms - now);
        }
    }
    return next == UINT64_MAX ? next : vr_wall_us() + next * 1000;
}

void parked_close_all(struct parked *p)
{
    for (size_t i = 0; i < VR_COUNT(p->slot); i++) {
        link_close(p->slot[i].link);
        empty(&p->slot[i]);
    }
}
