/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vmreplicad. Start: configuration, one daemon a state directory, certificates, store; then begun
 * commits are settled and core is rebuilt; only then listeners open. Signals come through a
 * descriptor of the control loop: TERM and INT end, HUP reads inventory, users and certificates
 * again.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "block/dev.h"
#include "daemon/certwatch.h"
#include "daemon/daemon.h"
#include "daemon/gate.h"
#include "daemon/hostinfo.h"
#include "daemon/wire.h"
#include "resync/digest.h"
#include "util/fdio.h"
#include "util/log.h"
#include "util/num.h"
#include "util/vtime.h"
#include "vr_config.h"

#define STOP_DEADLINE_MS 40000 /* longer than every deadline of a session's beginning */

#define FIRST_LIST_MS 10000
#define MMAP_THRESHOLD (128 << 10)
#define LOCK_TRIES 100
#define FILES_MAX 16384
#define LOCK_TRY_MS 50

struct options {
    const char *config;
    bool check_config, journal;
};

struct running {
    struct daemon d;
    struct wire *wire;
    const char *config; /* the file */
    struct certwatch certwatch;
    int lock_fd, signal_fd;
    uint64_t stop_deadline_ms;
    char pid_path[VR_PATH_MAX + 16];
};

static void usage(FILE *out)
{
    fputs("Usage: vmreplicad [OPTION]...\n"
          "Replicates the virtual machines of this host; see vmreplicad(8).\n\n"
          "  -c, --config=FILE   configuration (default " CONFIG_PATH ")\n"
          "      --check-config  read configuration, inventory and certificates, then end\n"
          "      --foreground    stay in the foreground (the default; there is no other way)\n"
          "      --journal       log with priority prefixes for the journal\n"
          "      --version       print the version\n"
          "  -h, --help          print this\n",
          out);
}

/* 1: go on, 0: done, <0: wrong usage */
static int parse_options(int argc, char **argv, struct options *o)
{
    enum {
        CHECK = 256,
        FOREGROUND,
        JOURNAL,
        VERSION
    };
    static const struct option longs[] = {{"config", required_argument, NULL, 'c'},
                                          {"check-config", no_argument, NULL, CHECK},
                                          {"foreground", no_argument, NULL, FOREGROUND},
                                          {"journal", no_argument, NULL, JOURNAL},
                                          {"version", no_argument, NULL, VERSION},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    int c;
    while ((c = getopt_long(argc, argv, "c:h", longs, NULL)) != -1) {
        switch (c) {
        case 'c':
            o->config = optarg;
            break;
        case CHECK:
            o->check_config = true;
            break;
        case JOURNAL:
            o->journal = true;
            break;
        case FOREGROUND:
            break;
        case VERSION:
            puts("vmreplicad " VR_VERSION);
            return 0;
        case 'h':
            usage(stdout);
            return 0;
        default:
            usage(stderr);
            return -1;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "vmreplicad: unexpected argument '%s'\n", argv[optind]);
        return -1;
    }
    return 1;
}

struct tls_creds *daemon_creds(struct daemon *d)
{
    pthread_mutex_lock(&d->creds_lock);
    struct tls_creds *creds = tls_creds_ref(d->creds);
    pthread_mutex_unlock(&d->creds_lock);
    return creds;
}

static int load_creds(const struct daemon_config *c, struct tls_creds **ret, struct vr_err *err)
{
    return tls_creds_load(c->peer_cert, c->peer_key, c->peer_ca, ret, err);
}

static int load_inventory(const struct daemon_config *c, struct inventory **ret, struct vr_err *err)
{
    return inventory_load(c->inventory_driver & CONFIG_STATIC ? c->inventory : NULL, ret, err);
}

static int check_config(const struct daemon_config *c, struct vr_err *err)
{
    _cleanup_(tls_creds_unrefp) struct tls_creds *creds = NULL;
    _cleanup_(inventory_freep) struct inventory *inventory = NULL;
    int r = load_inventory(c, &inventory, err);
    if (r == 0) {
        r = load_creds(c, &creds, err);
    }
    return r < 0 ? r : gate_check(c, err);
}

/* --- start --- */

static int harden(struct vr_err *err)
{
    struct rlimit none = {0, 0}, files;
    /* Files of ours say their mode; a replica's images belong to the group of its storage location,
     * too. */
    umask(007);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    /* Thousands of slow strangers must not use up the descriptors (front/http_conns.h). */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < FILES_MAX) {
        files.rlim_cur = VR_MIN(files.rlim_max, (rlim_t)FILES_MAX);
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    /* Keys and guests' data are in our memory. */
    if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0) {
        return vr_fail_errno(err, VR_E_INTERNAL, "cannot forbid core dumps");
    }
    return 0;
}

/* Everybody may reach the control socket, which asks who calls; whoever reaches a socket of
 * qemu-nbd reads a disk. */
static int make_run_dir(struct daemon *d, struct vr_err *err)
{
    mode_t mask = umask(022);
    int r = vr_mkdirs(d->config.run_dir, 0755, err);
    umask(mask);
    int n = snprintf(d->nbd_dir, sizeof d->nbd_dir, "%s/nbd", d->config.run_dir);
    if (r == 0 && n >= (int)sizeof d->nbd_dir) {
        r = vr_fail(err, VR_E_INVALID, "run_dir is too long");
    }
    if (r == 0) {
        r = vr_mkdirs(d->nbd_dir, 0700, err);
    }
    if (r == 0 && chmod(d->nbd_dir, 0700) < 0) {
        r = vr_fail_errno(err, VR_E_IO, "cannot chmod '%s'", d->nbd_dir);
    }
    return r;
}

static int take_dirs(struct running *run, struct vr_err *err)
{
    const struct daemon_config *c = &run->d.config;
    char path[VR_PATH_MAX + 8];
    int r = vr_mkdirs(c->state_dir, 0700, err);
    if (r == 0) {
        r = make_run_dir(&run->d, err);
    }
    if (r < 0) {
        return r;
    }
    snprintf(path, sizeof path, "%s/lock", c->state_dir);
    run->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (run->lock_fd < 0) {
        return vr_fail_errno(err, VR_E_IO, "cannot open '%s'", path);
    }
    int locked;
    /* A qemu-nbd of a daemon that was killed shares its lock until it is gone. */
    for (int i = 0; (locked = flock(run->lock_fd, LOCK_EX | LOCK_NB)) < 0 && i < LOCK_TRIES; i++) {
        poll(NULL, 0, LOCK_TRY_MS);
    }
    if (locked < 0) {
        if (errno == EWOULDBLOCK) {
            return vr_fail(err, VR_E_BUSY, "another vmreplicad uses '%s'", c->state_dir);
        }
        return vr_fail_errno(err, VR_E_IO, "cannot lock '%s'", path);
    }
    block_children_hold(run->lock_fd);
    return 0;
}

static int open_store(struct daemon *d, struct vr_err *err)
{
    char path[VR_PATH_MAX + 16], uuid[VR_UUID_TEXT_LEN];
    snprintf(path, sizeof path, "%s/vmreplica.db", d->config.state_dir);
    int r = store_open(path, &d->store, err);
    if (r < 0) {
        return r;
    }
    r = store_get_meta(d->store, "host_uuid", uuid, sizeof uuid, NULL);
    if (r == -VR_E_NOT_FOUND) {
        struct vr_uuid id = vr_uuid_new();
        return store_set_meta(d->store, "host_uuid", vr_uuid_text(&id, uuid), err);
    }
    return r < 0 ? vr_fail(err, -r, "cannot read the host's uuid") : 0;
}

static void preempt_readers(void *arg)
{
    struct {
        struct daemon *d;
        struct vr_uuid vm;
    } *p = arg;
    lanes_preempt(p->d->lanes, &p->vm);
    free(p);
}

static void on_preempt(void *ctx, const struct vr_uuid *vm)
{
    struct {
        struct daemon *d;
        struct vr_uuid vm;
    } *p = malloc(sizeof *p);
    struct daemon *d = ctx;
    if (!p) {
        return;
    }
    p->d = d;
    p->vm = *vm;
    if (!control_post(d->control, preempt_readers, p)) {
        free(p);
    }
}

static int make_core(struct daemon *d, struct vr_err *err)
{
    struct core_config cc = {.transfers_max = d->config.transfers,
                             .job_keep_us = JOB_KEEP_US,
                             .clock_slack_us = 300ull * 1000000,
                             .schedule_max_us = 7ull * 86400 * 1000000,
                             .sync_wait_us = d->config.sync_wait_s * 1000000ull,
                             .retry_first_us = d->config.retry_first_s * 1000000ull};
    snprintf(cc.host_name, sizeof cc.host_name, "%s", d->host_name);
    snprintf(cc.certificate_name, sizeof cc.certificate_name, "%s", tls_creds_name(d->creds));
    int r = core_new(&cc, &daemon_env_ops, d, &d->core, err);
    if (r == 0) {
        r = recover_all(d, err);
    }
    r = r < 0 ? r : core_start(d->core, err);
    if (r == 0) {
        domains_unmark(d->domains, NULL);
    }
    return r;
}

struct first_list {
    const struct daemon *d;
    uint64_t until_ms;
};

static bool is_listed(void *arg)
{
    const struct first_list *f = arg;
    return domains_known(f->d->domains) || vr_mono_ms() >= f->until_ms;
}

/* The VMs should be known before transfers go on. Those of a libvirt that is not there are waited
 * for by the jobs themselves. */
static int ask_libvirt(struct daemon *d, struct vr_err *err)
{
    struct first_list f = {.d = d, .until_ms = vr_mono_ms() + FIRST_LIST_MS};
    if (!(d->config.inventory_driver & CONFIG_LIBVIRT)) {
        return 0;
    }
    int r = definitions_new(d, &d->definitions, err); /* it is told of from the start */
    r = r < 0 ? r : domains_start(d, &d->domains, err);
    if (r == 0) {
        control_drain(d->control, is_listed, &f);
    }
    return r;
}

static int build(struct daemon *d, struct vr_err *err)
{
    int r = load_creds(&d->config, &d->creds, err);
    if (r < 0) {
        return r;
    }
    snprintf(d->host_name, sizeof d->host_name, "%s",
             d->config.host_name[0] ? d->config.host_name : tls_creds_name(d->creds));
    r = hostinfo_new("", &d->hostinfo, err);
    if (r == 0) {
        r = load_inventory(&d->config, &d->inventory, err);
    }
    if (r == 0) {
        r = open_store(d, err);
    }
    if (r == 0) {
        r = control_new(&d->control, err);
    }
    enum digest_kind kind = DIGEST_POLY1305;
    r = r < 0 ? r : digest_fastest(&kind, err);
    d->umac = kind == DIGEST_UMAC96;
    if (r == 0) {
        r = replicas_new(d->nbd_dir, d->config.commit_wait_s, &d->replicas, err);
    }
    if (r == 0) {
        replicas_on_preempt(d->replicas, on_preempt, d);
        replicas_on_followed(d->replicas, recover_tell_followed, d);
        r = lanes_new(d, &d->lanes, err);
        r = r < 0 ? r : carriers_new(d, &d->carriers, err);
    }
    r = r < 0 ? r : ask_libvirt(d, err);
    r = r < 0 ? r : make_core(d, err);
    return r < 0 || !d->definitions ? r : definitions_start(d->definitions, err);
}

/* --- signals --- */

static void reload(struct running *run)
{
    struct daemon *d = &run->d;
    struct vr_err err = VR_ERR_INIT;
    struct tls_creds *creds;
    struct daemon_config fresh;
    int r = config_load(run->config, &fresh, &err);
    if (r == 0) {
        d->config.windows = fresh.windows; /* the tick tells the lanes */
        r = inventory_reload(d->inventory, &err);
    }
    if (r == 0) {
        r = load_creds(&d->config, &creds, &err);
    }
    if (r == 0) {
        pthread_mutex_lock(&d->creds_lock);
        struct tls_creds *old = d->creds;
        d->creds = creds;
        pthread_mutex_unlock(&d->creds_lock);
        tls_creds_unref(old);
        parked_close_all(&d->parked);
        r = wire_reload(run->wire, &err);
    }
    if (r < 0) {
        vr_log(VR_LOG_ERROR, "reload-failed", "what was wrong stays as it was: %s",
               vr_err_text(&err));
        return;
    }
    vr_log(VR_LOG_NOTICE, "reloaded",
           "inventory, users, certificates and windows of bandwidth were read again");
}

static void on_signal(void *arg)
{
    struct running *run = arg;
    struct signalfd_siginfo si;
    if (read(run->signal_fd, &si, sizeof si) != (ssize_t)sizeof si) {
        return;
    }
    if (si.ssi_signo == SIGHUP) {
        reload(run);
        return;
    }
    vr_log(VR_LOG_NOTICE, "stopping", "signal %u", si.ssi_signo);
    control_stop(run->d.control);
}

static int open_signals(struct running *run, struct vr_err *err)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    run->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (run->signal_fd < 0) {
        return vr_fail_errno(err, VR_E_IO, "signalfd");
    }
    return control_watch(run->d.control, run->signal_fd, on_signal, run, err);
}

static int write_pid(struct running *run, struct vr_err *err)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    snprintf(run->pid_path, sizeof run->pid_path, "%s/vmreplicad.pid", run->d.config.run_dir);
    return vr_write_file_durable(run->pid_path, text, (size_t)n, 0644, err);
}

static int open_listeners(struct running *run, struct vr_err *err)
{
    int r = targets_start(&run->d, &run->d.targets, err);
    if (r == 0) {
        r = wire_start(&run->d, &run->wire, err);
    }
    return r < 0 ? r : write_pid(run, err);
}

static int start(struct running *run, struct vr_err *err)
{
    int r = harden(err);
    if (r == 0) {
        r = take_dirs(run, err);
    }
    if (r == 0) {
        r = build(&run->d, err);
    }
    if (r == 0) {
        r = open_signals(run, err);
    }
    return r < 0 ? r : open_listeners(run, err);
}

/* --- end --- */

static bool is_idle(void *arg)
{
    struct running *run = arg;
    struct daemon *d = &run->d;
    if (vr_mono_ms() > run->stop_deadline_ms) {
        /* A disk that does not answer holds a thread. Nothing is lost by ending: that is what
         * resume is for. */
        vr_log(VR_LOG_WARNING, "stop-forced", "a transfer did not stop in time");
        unlink(run->pid_path);
        _exit(0);
    }
    return (!d->lanes || lanes_idle(d->lanes)) && (!d->carriers || carriers_idle(d->carriers)) &&
           (!d->targets || targets_idle(d->targets)) && d->peer_calls == 0 &&
           (!d->domains || domains_idle(d->domains)) &&
           (!d->definitions || definitions_idle(d->definitions));
}

static void stop(struct running *run)
{
    struct daemon *d = &run->d;
    d->stopping = true;
    run->stop_deadline_ms = vr_mono_ms() + STOP_DEADLINE_MS;
    if (run->wire) {
        wire_stop(run->wire);
    }
    if (d->targets) {
        targets_stop(d->targets);
    }
    if (d->lanes) {
        lanes_stop_all(d->lanes);
    }
    if (d->carriers) {
        carriers_stop_all(d->carriers);
    }
    if (d->domains) {
        domains_stop(d->domains);
    }
    if (d->definitions) {
        definitions_stop(d->definitions);
    }
    parked_close_all(&d->parked);
    if (d->control) {
        control_drain(d->control, is_idle, run);
    }
    wire_free(run->wire);
    targets_free(d->targets);
    core_free(d->core);
    lanes_free(d->lanes);
    carriers_free(d->carriers);
    replicas_free(d->replicas);
    domains_free(d->domains);
    definitions_free(d->definitions);
    control_free(d->control);
    inventory_free(d->inventory);
    hostinfo_free(d->hostinfo);
    store_close(d->store);
    tls_creds_unref(d->creds);
    if (run->pid_path[0]) {
        unlink(run->pid_path);
    }
}

static uint64_t watch_certificate(struct running *run)
{
    struct daemon *d = &run->d;
    char until[VR_ISO_TIME_LEN];
    int days;
    uint64_t next, end_us = tls_creds_not_after_us(d->creds);
    if (certwatch_due(&run->certwatch, end_us, vr_wall_us(), &days, &next)) {
        daemon_event(d, CORE_EV_CERTIFICATE_ENDS, NULL, "",
                     "this host's certificate %s at %s: make a request (vmreplica certs request), "
                     "have it signed, install it and send SIGHUP",
                     days < 0 ? "ended" : "ends", vr_iso_time(end_us, until, sizeof until));
    }
    return next;
}

static uint64_t tick(void *arg)
{
    struct running *run = arg;
    uint64_t core = core_tick(run->d.core), cert = watch_certificate(run);
    uint64_t parked = parked_tick(&run->d.parked), next = core && core < cert ? core : cert;
    lanes_pace(run->d.lanes);
    return parked < next ? parked : next;
}

static int serve(struct running *run)
{
    struct vr_err err = VR_ERR_INIT;
    int r = start(run, &err);
    if (r == 0) {
        uint16_t plain, tls;
        wire_ports(run->wire, &plain, &tls);
        vr_log(VR_LOG_NOTICE, "ready", "host=%s peer_port=%u http_port=%u https_port=%u socket=%s",
               run->d.host_name, targets_port(run->d.targets), plain, tls,
               run->d.config.socket_path);
        control_run(run->d.control, tick, run);
    } else {
        vr_log(VR_LOG_ERROR, "start-failed", "%s", vr_err_text(&err));
    }
    stop(run);
    vr_log(VR_LOG_NOTICE, "stopped", "bye");
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    static struct running run = {
        .lock_fd = -1, .signal_fd = -1, .d.creds_lock = PTHREAD_MUTEX_INITIALIZER};
    struct options o = {.config = CONFIG_PATH};
    struct vr_err err = VR_ERR_INIT;
    int r = parse_options(argc, argv, &o);
    if (r <= 0) {
        return r < 0 ? 2 : EXIT_SUCCESS;
    }
    run.config = o.config;
    r = config_load(o.config, &run.d.config, &err);
    if (r == 0 && o.check_config) {
        r = check_config(&run.d.config, &err);
    }
    if (r < 0) {
        fprintf(stderr, "vmreplicad: %s\n", vr_err_text(&err));
        return EXIT_FAILURE;
    }
    if (o.check_config) {
        printf("%s: ok\n", o.config);
        return EXIT_SUCCESS;
    }
    /* A transfer's buffers go back to the system with the transfer. By itself malloc would raise
     * this limit to their size and keep them, for every thread there ever was. */
    (void)mallopt(M_MMAP_THRESHOLD, MMAP_THRESHOLD);
    vr_log_init("vmreplicad", (enum vr_log_level)run.d.config.log_level, o.journal);
    return serve(&run);
}
