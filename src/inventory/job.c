/* SPDX-License-Identifier: Apache-2.0 */
#include "inventory/job.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "inventory/backup_xml.h"
#include "inventory/freeze.h"
#include "util/num.h"

#define CLAIMS_MAX 128 /* lanes, exports: fewer */
#define ABORT_WAIT_MS 15000
#define ABORT_POLL_MS 50
#define THAW_S 5
#define MARK "frozen-"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char claims[CLAIMS_MAX][JOB_STEM_MAX]; /* under lock; "": free */

/* --- whose --- */

int job_claim(const char *dir,
              const struct vr_uuid *vm,
              char ret_stem[JOB_STEM_MAX],
              struct vr_err *err)
{
    char id[VR_UUID_TEXT_LEN];
    int r = -VR_E_LIMIT;
    uint32_t random; /* so that what a former process left is never taken for ours */
    vr_random(&random, sizeof random);
    pthread_mutex_lock(&lock);
    for (size_t i = 0; r < 0 && i < CLAIMS_MAX; i++) {
        if (!claims[i][0]) {
            snprintf(claims[i], JOB_STEM_MAX, "%.55s/%s-%08x", dir, vr_uuid_text(vm, id), random);
            memcpy(ret_stem, claims[i], JOB_STEM_MAX);
            r = 0;
        }
    }
    pthread_mutex_unlock(&lock);
    return r < 0 ? vr_fail(err, VR_E_LIMIT, "more than %d backup jobs at one time", CLAIMS_MAX) : 0;
}

void job_release(const char *stem)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < CLAIMS_MAX; i++) {
        if (strcmp(claims[i], stem) == 0) {
            claims[i][0] = '\0';
        }
    }
    pthread_mutex_unlock(&lock);
}

/* path: of a socket or scratch file. */
static bool is_claimed_locked(const char *path)
{
    bool claimed = false;
    for (size_t i = 0; i < CLAIMS_MAX; i++) {
        size_t n = strlen(claims[i]);
        claimed = claimed ||
                  (n && strncmp(path, claims[i], n) == 0 && (path[n] == '.' || path[n] == '-'));
    }
    return claimed;
}

/* Has this process a job of the VM, or begins one? */
static bool is_busy_with(const char *dir, const struct vr_uuid *vm)
{
    char id[VR_UUID_TEXT_LEN], start[JOB_STEM_MAX];
    bool busy = false;
    snprintf(start, sizeof start, "%.55s/%s-", dir, vr_uuid_text(vm, id));
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < CLAIMS_MAX; i++) {
        busy = busy || strncmp(claims[i], start, strlen(start)) == 0;
    }
    pthread_mutex_unlock(&lock);
    return busy;
}

static enum job_state whose(const char *socket, const char *dir, const char *stem)
{
    size_t n = strlen(dir);
    if (strncmp(socket, dir, n) != 0 || socket[n] != '/') {
        return JOB_FOREIGN;
    }
    if (stem) {
        size_t len = strlen(stem);
        return strncmp(socket, stem, len) == 0 && socket[len] == '.' ? JOB_OURS : JOB_FOREIGN;
    }
    pthread_mutex_lock(&lock);
    bool claimed = is_claimed_locked(socket);
    pthread_mutex_unlock(&lock);
    return claimed ? JOB_OURS : JOB_ORPHAN;
}

/* Migrations and snapshots keep a backup from starting as another backup does. */
static int other_job(virDomainPtr dom, enum job_state *ret, struct vr_err *err)
{
    virDomainJobInfo info;
    if (virDomainGetJobInfo(dom, &info) < 0) {
        return virt_fail(err, "cannot ask for jobs");
    }
    *ret = info.type == VIR_DOMAIN_JOB_NONE ? JOB_NONE : JOB_FOREIGN;
    return 0;
}

int job_look(
    virDomainPtr dom, const char *dir, const char *stem, enum job_state *ret, struct vr_err *err)
{
    char socket[VR_PATH_MAX];
    _cleanup_(vr_freep) char *xml = virDomainBackupGetXMLDesc(dom, 0);
    if (xml) {
        bool has = backup_xml_socket(xml, socket, sizeof socket);
        *ret = has ? whose(socket, dir, stem) : JOB_FOREIGN;
        return 0;
    }
    const virError *last = virGetLastError();
    if (!last || last->code != VIR_ERR_NO_DOMAIN_BACKUP) {
        return virt_fail(err, "cannot ask for a backup job");
    }
    return other_job(dom, ret, err);
}

/* --- ending --- */

int job_abort(virDomainPtr dom, struct vr_err *err)
{
    if (virDomainAbortJob(dom) < 0) {
        return virt_fail(err, "cannot abort the backup job");
    }
    for (int waited = 0; waited < ABORT_WAIT_MS; waited += ABORT_POLL_MS) {
        _cleanup_(vr_freep) char *xml = virDomainBackupGetXMLDesc(dom, 0);
        if (!xml) {
            return 0;
        }
        poll(NULL, 0, ABORT_POLL_MS);
    }
    return vr_fail(err, VR_E_TIMEOUT, "the backup job does not end");
}

/* Calls fn for every file of dir; *path is good for the call. */
static void
each_file(const char *dir, void (*fn)(void *ctx, const char *path, const char *name), void *ctx)
{
    char path[VR_PATH_MAX];
    DIR *d = opendir(dir);
    struct dirent *e;
    while (d && (e = readdir(d))) {
        if (snprintf(path, sizeof path, "%s/%s", dir, e->d_name) < (int)sizeof path) {
            fn(ctx, path, e->d_name);
        }
    }
    if (d) {
        closedir(d);
    }
}

static bool has_suffix(const char *name, const char *suffix)
{
    size_t n = strlen(name), m = strlen(suffix);
    return n >= m && strcmp(name + n - m, suffix) == 0;
}

static bool is_of_a_job(const char *name)
{
    char id[VR_UUID_TEXT_LEN];
    struct vr_uuid uuid;
    snprintf(id, sizeof id, "%.*s", VR_UUID_TEXT_LEN - 1, name);
    return vr_uuid_parse(id, &uuid) && name[VR_UUID_TEXT_LEN - 1] == '-' &&
           (has_suffix(name, ".sock") || has_suffix(name, ".scratch"));
}

static void remove_of_stem(void *ctx, const char *path, const char *name)
{
    const char *stem = ctx;
    size_t n = strlen(stem);
    if (is_of_a_job(name) && strncmp(path, stem, n) == 0 && (path[n] == '.' || path[n] == '-')) {
        (void)unlink(path);
    }
}

void job_remove_files(const char *stem)
{
    char copy[JOB_STEM_MAX], dir[JOB_STEM_MAX];
    snprintf(copy, sizeof copy, "%s", stem);
    snprintf(dir, sizeof dir, "%s", stem);
    char *slash = strrchr(dir, '/');
    vr_assert(slash);
    *slash = '\0';
    each_file(dir, remove_of_stem, copy);
}

/* --- sweeping --- */

struct sweep {
    virConnectPtr conn;
    const char *dir;
    bool keep_files; /* a job could not be ended */
    int ended;
};

static void thaw_marked(void *ctx, const char *path, const char *name)
{
    const struct sweep *s = ctx;
    struct vr_uuid id;
    struct vr_err ignored;
    size_t n = strlen(MARK);
    if (strncmp(name, MARK, n) != 0 || !vr_uuid_parse(name + n, &id) || is_busy_with(s->dir, &id)) {
        return;
    }
    _cleanup_(virt_domain_freep) virDomainPtr dom = virDomainLookupByUUID(s->conn, id.b);
    if (!dom || freeze_thaw_marked(dom, path, THAW_S, &ignored) < 0) {
        (void)unlink(path); /* it is gone, or its agent is: nothing more can be done for it */
    }
}

static void remove_unclaimed(void *ctx, const char *path, const char *name)
{
    const struct sweep *s = ctx;
    pthread_mutex_lock(&lock); /* so that no job takes the name in between */
    if (!s->keep_files && is_of_a_job(name) && !is_claimed_locked(path)) {
        (void)unlink(path);
    }
    pthread_mutex_unlock(&lock);
}

/* A guest that the orphan's full scratch space stopped goes on. */
static void resume_stopped(virDomainPtr dom)
{
    int state, reason;
    if (virDomainGetState(dom, &state, &reason, 0) == 0 && state == VIR_DOMAIN_PAUSED &&
        reason == VIR_DOMAIN_PAUSED_IOERROR) {
        (void)virDomainResume(dom);
    }
}

static void sweep_domain(struct sweep *s, virDomainPtr dom)
{
    enum job_state state = JOB_NONE;
    struct vr_err err;
    if (job_look(dom, s->dir, NULL, &state, &err) < 0 || state != JOB_ORPHAN) {
        return;
    }
    if (job_abort(dom, &err) < 0) {
        s->keep_files = true;
        return;
    }
    resume_stopped(dom);
    s->ended++;
}

int job_sweep(virConnectPtr conn, const char *dir, struct vr_err *err)
{
    struct sweep s = {.conn = conn, .dir = dir};
    virDomainPtr *doms = NULL;
    int n = virConnectListAllDomains(conn, &doms, VIR_CONNECT_LIST_DOMAINS_ACTIVE);
    if (n < 0) {
        return virt_fail(err, "cannot list the domains that run");
    }
    for (int i = 0; i < n; i++) {
        sweep_domain(&s, doms[i]);
        virt_domain_free(doms[i]);
    }
    free(doms);
    each_file(dir, thaw_marked, &s);
    each_file(dir, remove_unclaimed, &s);
    return s.ended;
}

void job_freeze_mark(const char *dir, const struct vr_uuid *vm, char *ret, size_t cap)
{
    char id[VR_UUID_TEXT_LEN];
    snprintf(ret, cap, "%s/" MARK "%s", dir, vr_uuid_text(vm, id));
}
