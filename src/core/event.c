/* SPDX-License-Identifier: Apache-2.0 */
/* Events with stable numbers and ids. Losing one loses nothing but the line. */
#include <stdarg.h>
#include <stdio.h>

#include "core/internal.h"

static const struct {
    uint32_t number;
    int priority;
    const char *id;
} rows[] = {
#define X(name, number, priority, id, when) {number, priority, id},
    CORE_EVENTS(X)
#undef X
};

struct vr_event core_event_of(enum core_event ev, uint64_t time_us)
{
    struct vr_event e = {
        .time_us = time_us, .priority = rows[ev].priority, .event_id = rows[ev].number};
    core_text(e.id, sizeof(e.id), "%s", rows[ev].id);
    return e;
}

/* The name a person knows the VM by, when only its id is at hand: that of its latest job, or of the
 * replica that is here. */
static const char *name_of(struct core *c, const struct vr_uuid *vm)
{
    const char *name = "";
    for (struct job_entry *e = jobs_of(c, vm); e; e = jobs_of_next(e)) {
        name = e->j.vm_name;
    }
    for (uint8_t n = 0; !*name && n <= 1; n++) {
        const struct rel_entry *rel = core_find_rel(c, vm, n);
        name = rel ? rel->r.vm_name : "";
    }
    return name;
}

void core_event(struct core *c,
                enum core_event ev,
                const struct vr_uuid *vm,
                const char *name,
                const char *fmt,
                ...)
{
    struct vr_event e = core_event_of(ev, core_now(c));
    e.seq = ++c->event_seq;
    char id[VR_UUID_TEXT_LEN] = "";
    e.vm_id = vm ? *vm : (struct vr_uuid){0};
    if (vm && !vr_uuid_is_nil(vm) && !name) {
        name = name_of(c, vm);
        name = *name ? name : vr_uuid_text(vm, id);
    }
    core_text(e.vm_name, sizeof(e.vm_name), "%s", name ? name : "");
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(e.text, sizeof(e.text), fmt, ap);
    va_end(ap);
    c->ops->event(c->ctx, &e);
}
