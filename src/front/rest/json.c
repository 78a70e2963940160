/* SPDX-License-Identifier: Apache-2.0 */
/* The model as JSON. Times are RFC 3339 in UTC, null = never. Numbers of states go with their text.
 */
#include "front/rest/rest_impl.h"

#include <string.h>

#include "model/names.h"
#include "util/num.h"
#include "util/vtime.h"

json_t *rest_json_text(const char *text)
{
    json_t *j = json_string(text);
    if (j) {
        return j;
    }
    char clean[VR_PATH_MAX];
    size_t n = strnlen(text, sizeof(clean) - 1);
    for (size_t i = 0; i < n; i++) {
        clean[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
    }
    clean[n] = '\0';
    return json_string(clean);
}

static void set(json_t *o, const char *name, json_t *take_value)
{
    json_object_set_new(o, name, take_value);
}

static void set_text(json_t *o, const char *name, const char *text)
{
    set(o, name, rest_json_text(text));
}

static void set_u64(json_t *o, const char *name, uint64_t v)
{
    set(o, name, json_integer((json_int_t)v));
}

static void set_bool(json_t *o, const char *name, bool v)
{
    set(o, name, json_boolean(v));
}

static void set_time(json_t *o, const char *name, uint64_t us)
{
    char buf[VR_ISO_TIME_LEN];
    set(o, name, us ? json_string(vr_iso_time(us, buf, sizeof(buf))) : json_null());
}

static void set_uuid(json_t *o, const char *name, const struct vr_uuid *u)
{
    char buf[VR_UUID_TEXT_LEN];
    set(o, name, vr_uuid_is_nil(u) ? json_null() : json_string(vr_uuid_text(u, buf)));
}

static void set_hex(json_t *o, const char *name, const uint8_t *p, size_t n)
{
    char hex[65];
    for (size_t i = 0; i < n && 2 * i + 2 < sizeof(hex); i++) {
        snprintf(hex + 2 * i, 3, "%02x", p[i]);
    }
    set(o, name, json_string(hex));
}

/* A number and, as name_text, what it means. */
static void set_state(json_t *o, const char *name, int v, const char *text)
{
    char text_name[48];
    snprintf(text_name, sizeof(text_name), "%s_text", name);
    set_u64(o, name, (uint64_t)v);
    set_text(o, text_name, text);
}

static json_t *generation(const struct vr_generation *g)
{
    json_t *o = json_object();
    set_uuid(o, "uuid", &g->uuid);
    set_uuid(o, "parent", &g->parent);
    set_u64(o, "sequence", g->sequence);
    set_u64(o, "epoch", g->epoch);
    return o;
}

json_t *rest_json_vm(const struct vr_vm *vm, enum vr_mode mode)
{
    json_t *o = json_object(), *disks = json_array();
    set_uuid(o, "id", &vm->id);
    set_text(o, "name", vm->name);
    set_state(o, "mode", (int)mode, vr_mode_text((int)mode));
    set_bool(o, "is_replica", vm->is_replica);
    set_bool(o, "quiesced", vm->quiesced);
    set_text(o, "driver", vm->from_libvirt ? "libvirt" : vm->is_replica ? "" : "static");
    set_bool(o, "running", vm->running);
    set_text(o, "refused", vm->refused);
    set_u64(o, "bytes", vr_vm_bytes(vm));
    for (uint32_t i = 0; i < vm->ndisks; i++) {
        const struct vr_disk *d = &vm->disks[i];
        json_t *disk = json_object();
        set_text(disk, "name", d->name);
        set_text(disk, "path", d->path);
        set_text(disk, "format", d->format);
        set_u64(disk, "size_bytes", d->size_bytes);
        set_bool(disk, "excluded", d->excluded);
        set_text(disk, "left_out", vr_left_out_text(d->left_out));
        json_array_append_new(disks, disk);
    }
    set(o, "disks", disks);
    return o;
}

static void set_flow(json_t *o, const struct vr_flow *f)
{
    set_u64(o, "bytes_read", f->read_bytes);
    set_u64(o, "peer_bytes_read", f->peer_read_bytes);
    set_u64(o, "bytes_unchanged", f->unchanged_bytes);
    set_u64(o, "bytes_zero", f->zero_bytes);
    set_u64(o, "bytes_raw", f->raw_bytes);
    set_time(o, "counted_since", f->since_us);
    set_u64(o, "counted_from", f->from_bytes);
}

/* What is not known is null. */
static void set_space(json_t *o, const struct vr_space *s)
{
    json_t *space = s->free_bytes ? json_object() : json_null();
    if (s->free_bytes) {
        set_u64(space, "staged_bytes", s->staged_bytes);
        set_u64(space, "free_bytes", s->free_bytes);
        set_u64(space, "reserve_bytes", s->reserve_bytes);
    }
    set(o, "peer_space", space);
    set_u64(o, "bytes_read_back", s->readback_bytes);
    set(o, "bytes_to_read_back",
        s->readback_total ? json_integer((json_int_t)s->readback_total) : json_null());
}

static json_t *progress(const struct vr_progress *p)
{
    json_t *o = json_object();
    set_state(o, "phase", (int)p->phase, vr_phase_text((int)p->phase));
    set_u64(o, "bytes_total", p->bytes_total);
    set_u64(o, "bytes_compared", p->bytes_compared);
    set_u64(o, "bytes_differing", p->bytes_differing);
    set_u64(o, "bytes_sent", p->bytes_sent);
    set_u64(o, "bytes_written", p->bytes_written);
    set_u64(o, "bytes_to_write", p->bytes_to_write);
    set_u64(o, "bytes_staged", p->bytes_staged);
    set_u64(o, "wire_out", p->wire_out);
    set_u64(o, "wire_in", p->wire_in);
    set_time(o, "started", p->started_us);
    set_time(o, "updated", p->updated_us);
    set_u64(o, "backoff_level", p->ease.level);
    set_u64(o, "guest_write_latency_us", p->ease.latency_us);
    set_time(o, "instant", p->taken.instant_us);
    set(o, "consistency",
        p->taken.instant_us ? json_string(vr_consistency_text((int)p->taken.consistency))
                            : json_null());
    set_u64(o, "frozen_us", p->taken.frozen_us);
    set_flow(o, &p->flow);
    set_space(o, &p->space);
    set(o, "written_since_instant",
        p->taken.instant_us && p->ease.counted ? json_integer((json_int_t)p->ease.written_bytes)
                                               : json_null());
    return o;
}

json_t *rest_json_job(const struct vr_job *j)
{
    json_t *o = json_object();
    set_u64(o, "id", j->id);
    set_uuid(o, "uuid", &j->uuid);
    set_uuid(o, "vm_id", &j->vm_id);
    set_text(o, "vm_name", j->vm_name);
    set_u64(o, "relationship", j->rel_number);
    set_state(o, "type", (int)j->type, vr_job_type_text((int)j->type));
    set_state(o, "state", (int)j->state, vr_job_state_text((int)j->state));
    set_bool(o, "finished_state", vr_job_is_final(j->state));
    set_text(o, "status", j->status);
    set_u64(o, "error_code", j->error_code);
    set(o, "error_kind", j->error_kind ? json_string(vr_kind_name(j->error_kind)) : json_null());
    set_text(o, "error_text", j->error_text);
    set_text(o, "initiator", j->initiator);
    set_text(o, "why", j->why);
    set_time(o, "submitted", j->submitted_us);
    set_time(o, "scheduled", j->scheduled_us);
    set_time(o, "started", j->started_us);
    set_time(o, "finished", j->finished_us);
    set_time(o, "changed", j->changed_us);
    set_bool(o, "force", j->force);
    set_bool(o, "restart", j->restart);
    set_bool(o, "cancellable", j->cancellable);
    set_bool(o, "user_suspended", j->user_suspended);
    set(o, "progress", progress(&j->progress));
    return o;
}

static json_t *wait(const struct vr_wait *w)
{
    if (w->why == VR_WAITING_NONE) {
        return json_null();
    }
    json_t *o = json_object();
    set_state(o, "why", (int)w->why, vr_waiting_text((int)w->why));
    set_time(o, "since", w->since_us);
    set_time(o, "until", w->until_us);
    set_u64(o, "tries", w->tries);
    return o;
}

static json_t *staging(const struct api_staging *s)
{
    if (!s->open) {
        return json_null();
    }
    json_t *o = json_object();
    set_u64(o, "bytes", s->bytes);
    set(o, "limit_bytes", s->limit_bytes ? json_integer((json_int_t)s->limit_bytes) : json_null());
    return o;
}

static void set_day(json_t *o, const char *name, uint32_t day_s)
{
    char text[16];
    day_s %= VR_DAY_S;
    snprintf(text, sizeof(text), "%02u:%02u:%02u", day_s / 3600, day_s / 60 % 60, day_s % 60);
    set_text(o, name, text);
}

static json_t *limit(const struct api_limit *l)
{
    json_t *o = json_object();
    set_u64(o, "bytes_s", l->bytes_s);
    set_u64(o, "host_bytes_s", l->host_bytes_s);
    set(o, "window", l->window[0] ? rest_json_text(l->window) : json_null());
    if (l->window[0]) {
        set_day(o, "until", l->until_s);
    }
    return o;
}

static json_t *plan(const struct api_plan *p)
{
    static const char *const texts[] = {
#define X(name, text) [API_PLAN_##name] = (text),
        API_PLANS(X)
#undef X
    };
    if (p->basis == API_PLAN_NONE) {
        return json_null();
    }
    json_t *o = json_object();
    set_state(o, "basis", (int)p->basis, texts[p->basis]);
    set_u64(o, "job_id", p->job_id);
    set_time(o, "time", p->at_us);
    set_u64(o, "total_bytes", p->total_bytes);
    set_u64(o, "differing_bytes", p->differing_bytes);
    set_u64(o, "margin_bytes", p->margin_bytes);
    set(o, "wire_bytes",
        p->basis == API_PLAN_VERIFY ? json_null() : json_integer((json_int_t)p->sent_bytes));
    set_u64(o, "time_us", p->time_us);
    return o;
}

static json_t *defined(const struct vr_defined *d)
{
    json_t *o = json_object(), *notes = json_array();
    set_u64(o, "state", (uint64_t)d->state);
    set_text(o, "state_text", vr_defined_id((unsigned)d->state));
    set_text(o, "text", d->text);
    set_bool(o, "running", d->running);
    for (uint32_t i = 0; i < d->notes.n; i++) {
        json_t *note = json_object();
        set_u64(note, "code", d->notes.note[i].why);
        set_text(note, "id", vr_definition_note_id(d->notes.note[i].why));
        set_text(note, "text", vr_definition_note_text(d->notes.note[i].why));
        set_text(note, "what", d->notes.note[i].what);
        json_array_append_new(notes, note);
    }
    set(o, "notes", notes);
    return o;
}

/* The worst first. */
static json_t *issues(const struct api_rel *rel)
{
    json_t *all = json_array();
    enum vr_health_reason worst;
    const struct vr_health_row *row;
    (void)vr_health_worst(rel->reasons, &worst);
    for (unsigned i = 0; (row = vr_health_row_at(i)); i++) {
        if ((rel->reasons & 1u << row->why) == 0) {
            continue;
        }
        json_t *o = json_object();
        set_u64(o, "code", (uint64_t)row->why);
        set_text(o, "id", row->id);
        set_state(o, "health", (int)row->health, vr_health_text((int)row->health));
        set_text(o, "text", row->text);
        set_text(o, "advice", row->advice);
        json_array_insert_new(all, row->why == worst ? 0 : json_array_size(all), o);
    }
    return all;
}

static json_t *setting(const struct vr_setting *s)
{
    json_t *o = json_object();
    set_bool(o, "compression", s->compression);
    set_u64(o, "interval_s", s->interval_s);
    set_bool(o, "auto_resync", s->auto_resync);
    set_day(o, "auto_start", s->auto_start_s);
    set_day(o, "auto_end", s->auto_end_s);
    return o;
}

json_t *rest_json_rel(const struct api_rel *rel)
{
    const struct vr_rel *r = &rel->rel;
    json_t *o = json_object(), *excluded = json_array();
    set_uuid(o, "vm_id", &r->vm_id);
    set_text(o, "vm_name", rel->vm_name);
    set_u64(o, "number", r->number);
    set_bool(o, "is_source", r->is_source);
    set_state(o, "mode", (int)rel->mode, vr_mode_text((int)rel->mode));
    set_state(o, "state", (int)r->state, vr_rel_state_text((int)r->state));
    set_state(o, "health", (int)r->health, vr_health_text((int)r->health));
    set_text(o, "reason", r->reason);
    set(o, "issues", issues(rel));
    set_bool(o, "needs_decision", r->needs_decision);
    set_bool(o, "exported", r->exported);
    set_text(o, "peer", r->peer);
    set_text(o, "peer_identity", r->peer_identity);
    set_text(o, "storage", r->storage);
    const char *names = r->excluded;
    for (char name[VR_NAME_MAX]; vr_names_next(&names, name);) {
        json_array_append_new(excluded, rest_json_text(name));
    }
    set(o, "excluded", excluded);
    set(o, "generation", generation(&r->generation));
    set_time(o, "created", r->created_us);
    set_time(o, "last_sync", r->last_sync_us);
    set(o, "consistency",
        r->last_sync_us ? json_string(vr_consistency_text((int)r->consistency)) : json_null());
    set_time(o, "last_success", rel->stats.success_us);
    set_time(o, "next_run", rel->next_run_us);
    set_time(o, "verified", r->verified_us);
    set_state(o, "verify", (int)r->verify, vr_verify_text((int)r->verify));
    set(o, "pending_bytes", rel->all_sent ? json_integer(0) : json_null());
    set_time(o, "peer_certificate_end", rel->peer_cert_end_us);
    set(o, "staging", staging(&rel->staging));
    set(o, "limit", r->is_source ? limit(&rel->limit) : json_null());
    set(o, "plan", plan(&rel->plan));
    set(o, "definition", r->is_source ? json_null() : defined(&rel->defined));
    set(o, "wait", wait(&rel->wait));
    set_u64(o, "rpo_s", r->is_source ? r->setting.interval_s : 0);
    set_u64(o, "bandwidth", r->bandwidth_bytes_s);
    set(o, "setting", r->is_source ? setting(&r->setting) : json_null());
    set(o, "job", rel->job ? rest_json_job(rel->job) : json_null());
    return o;
}

static json_t *forecast(const struct vr_forecast *f)
{
    if (!f->sampled_bytes) {
        return json_null();
    }
    json_t *o = json_object();
    set_u64(o, "sampled_bytes", f->sampled_bytes);
    set_u64(o, "differing_bytes", f->differing_bytes);
    set_u64(o, "margin_bytes", f->margin_bytes);
    set_u64(o, "wire_bytes", f->wire_bytes);
    set_u64(o, "limit_bytes_s", f->limit_bytes_s);
    set_u64(o, "time_us", f->time_us);
    return o;
}

json_t *rest_json_report(const struct vr_report *r)
{
    json_t *o = json_object(), *disks = json_array();
    set_u64(o, "job_id", r->job_id);
    set_uuid(o, "vm_id", &r->vm_id);
    set_uuid(o, "instant_id", &r->instant_id);
    set_time(o, "instant", r->instant_us);
    set_state(o, "consistency", (int)r->consistency, vr_consistency_text((int)r->consistency));
    set(o, "generation", generation(&r->generation));
    set_u64(o, "duration_us", r->duration_us);
    set_text(o, "initiator", r->initiator);
    set_text(o, "outcome", r->outcome);
    set_bool(o, "equal", r->equal);
    set(o, "forecast", forecast(&r->forecast));
    for (uint32_t i = 0; i < r->ndisks; i++) {
        const struct vr_report_disk *d = &r->disks[i];
        json_t *disk = json_object();
        set_text(disk, "name", d->name);
        set_u64(disk, "size_bytes", d->size_bytes);
        set_u64(disk, "bytes_compared", d->bytes_compared);
        set_u64(disk, "bytes_differing", d->bytes_differing);
        set_u64(disk, "bytes_sent", d->bytes_sent);
        set_u64(disk, "bytes_written", d->bytes_written);
        set_u64(disk, "ranges", d->ranges);
        set_hex(disk, "source_root", d->source_root, sizeof(d->source_root));
        set_hex(disk, "target_root", d->target_root, sizeof(d->target_root));
        json_array_append_new(disks, disk);
    }
    set(o, "disks", disks);
    return o;
}

json_t *rest_json_event(const struct vr_event *e)
{
    json_t *o = json_object();
    set_u64(o, "seq", e->seq);
    set_time(o, "time", e->time_us);
    set_u64(o, "priority", (uint64_t)e->priority);
    set_u64(o, "event_id", e->event_id);
    set_text(o, "id", e->id);
    set_text(o, "vm_name", e->vm_name);
    set_text(o, "text", e->text);
    return o;
}

json_t *rest_json_auth(const struct vr_auth_entry *e)
{
    json_t *o = json_object();
    set_text(o, "host", e->host);
    set_text(o, "trust_group", e->trust_group);
    set_text(o, "storage", e->storage);
    return o;
}

/* What only the source counts is null on the replica's side. */
static json_t *window(const struct vr_window *w, bool is_source)
{
    const struct {
        const char *name;
        uint64_t n;
    } sent[] = {{"misses", w->misses},
                {"network_failures", w->network_failures},
                {"failures", w->failures},
                {"bytes", w->bytes},
                {"bytes_max", w->bytes_max}};
    json_t *o = json_object();
    set_time(o, "start", w->start_us);
    set_time(o, "end", w->end_us);
    set_u64(o, "successes", w->successes);
    for (size_t i = 0; i < VR_COUNT(sent); i++) {
        set(o, sent[i].name, is_source ? json_integer((json_int_t)sent[i].n) : json_null());
    }
    set_u64(o, "latency_us", w->latency_us);
    set_u64(o, "latency_max_us", w->latency_max_us);
    set_state(o, "health", (int)w->health, vr_health_text((int)w->health));
    return o;
}

json_t *rest_json_stats(const struct api_rel *rel)
{
    const struct vr_rel *r = &rel->rel;
    json_t *o = json_object(), *windows = json_array();
    set_u64(o, "number", r->number);
    set_bool(o, "is_source", r->is_source);
    set_state(o, "health", (int)r->health, vr_health_text((int)r->health));
    set_text(o, "reason", r->reason);
    set(o, "pending_bytes", rel->all_sent ? json_integer(0) : json_null());
    json_array_append_new(windows, window(&rel->stats.now, r->is_source));
    if (rel->stats.last.start_us) {
        json_array_append_new(windows, window(&rel->stats.last, r->is_source));
    }
    set(o, "windows", windows);
    return o;
}

json_t *rest_json_settings(const struct vr_service *s)
{
    char start[16];
    uint32_t t = s->monitoring_start_s % VR_DAY_S;
    json_t *o = json_object();
    snprintf(start, sizeof(start), "%02u:%02u:%02u", t / 3600, t / 60 % 60, t % 60);
    set_bool(o, "recovery_server", s->recovery_server_enabled);
    set_text(o, "monitoring_start", start);
    set_u64(o, "monitoring_interval_s", s->monitoring_interval_s);
    set_u64(o, "authentication_type", (uint64_t)s->allowed_authentication);
    set_u64(o, "peer_port", s->https_port);
    set_text(o, "thumbprint", s->thumbprint);
    return o;
}
