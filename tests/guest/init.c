/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The only program of the test guest, as its init: writes records (records.h) to /dev/vda and
 * /dev/vdb until the power button is pressed, and says on the console what it does: "INIT", "SEQ n"
 * now and then with the write latency of late, "WRITE ERROR". On the kernel's command line:
 *     vr.slots=N  slots of each disk (default: all)       vr.us=N  pause between records
 *     vr.agent=ok|hang  a guest agent that freezes the writer, or one that never answers a freeze
 *     vr.hist=1   "HIST us:n ..." beside each "SEQ": how many writes took at least that long, and
 *                 less than an eighth more
 * Static, and nothing else is in the guest but kernel modules in /m.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/input.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "records.h"

#define DISKS 2
#define SAY_EVERY 100
#define KEYS_MAX 4
#define AGENT_PORT "org.qemu.guest_agent.0"

static char cmdline[1024];
static atomic_int freeze_asked, writer_rests;

static long option(const char *name, long fallback)
{
    char key[32];
    snprintf(key, sizeof key, "%s=", name);
    const char *at = strstr(cmdline, key);
    return at ? strtoll(at + strlen(key), NULL, 0) : fallback;
}

static uint64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void end(void)
{
    reboot(RB_POWER_OFF);
    for (;;) {
        pause();
    }
}

/* Each needs those before it. One that a kernel has built in is missing, and not missed. */
static void load_modules(void)
{
    static const char *const names[] = {"virtio_ring",
                                        "virtio",
                                        "virtio_pci_legacy_dev",
                                        "virtio_pci_modern_dev",
                                        "virtio_pci",
                                        "virtio_blk",
                                        "button",
                                        "evdev",
                                        "virtio_console"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[64];
        snprintf(path, sizeof path, "/m/%s.ko", names[i]);
        int fd = open(path, O_RDONLY);
        if (fd >= 0 && syscall(SYS_finit_module, fd, "", 0) != 0) {
            printf("MODULE %s: %s\n", names[i], strerror(errno));
        }
        close(fd);
    }
}

static void set_up(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    mkdir("/proc", 0755);
    mkdir("/sys", 0755);
    mkdir("/dev", 0755);
    mount("proc", "/proc", "proc", 0, NULL);
    mount("sysfs", "/sys", "sysfs", 0, NULL);
    mount("dev", "/dev", "devtmpfs", 0, NULL);
    int console = open("/dev/console", O_RDWR);
    for (int fd = 0; console >= 0 && fd < 3; fd++) {
        dup2(console, fd);
    }
    load_modules();
    int fd = open("/proc/cmdline", O_RDONLY);
    ssize_t n = fd >= 0 ? read(fd, cmdline, sizeof cmdline - 1) : 0;
    cmdline[n > 0 ? n : 0] = '\0';
    close(fd);
}

/* --- the guest agent: what libvirt needs of it to freeze and thaw --- */

static int open_agent_port(void)
{
    DIR *dir = opendir("/sys/class/virtio-ports");
    struct dirent *e;
    int fd = -1;
    while (dir && fd < 0 && (e = readdir(dir))) {
        char path[300], name[64] = "";
        snprintf(path, sizeof path, "/sys/class/virtio-ports/%s/name", e->d_name);
        int f = open(path, O_RDONLY);
        ssize_t n = f >= 0 ? read(f, name, sizeof name - 1) : 0;
        close(f);
        snprintf(path, sizeof path, "/dev/%s", e->d_name);
        if (n > 0 && strncmp(name, AGENT_PORT, strlen(AGENT_PORT)) == 0) {
            fd = open(path, O_RDWR);
        }
    }
    return fd;
}

static void freeze(char *out, size_t cap)
{
    if (strstr(cmdline, "vr.agent=hang")) {
        printf("AGENT hangs\n");
        for (;;) {
            pause();
        }
    }
    atomic_store(&freeze_asked, 1);
    while (!atomic_load(&writer_rests)) {
        usleep(1000);
    }
    printf("AGENT frozen\n");
    snprintf(out, cap, "{\"return\": 1}\n");
}

static void answer(const char *request, char *out, size_t cap)
{
    const char *id = strstr(request, "\"id\":");
    long long n = id ? strtoll(id + 5, NULL, 10) : 0;
    if (strstr(request, "guest-sync")) {
        snprintf(out, cap, "%s{\"return\": %lld}\n",
                 strstr(request, "guest-sync-delimited") ? "\xff" : "", n);
    } else if (strstr(request, "fsfreeze-freeze")) {
        freeze(out, cap);
    } else if (strstr(request, "fsfreeze-thaw")) {
        printf("AGENT thawed\n");
        snprintf(out, cap, "{\"return\": %d}\n", atomic_exchange(&freeze_asked, 0));
    } else if (strstr(request, "fsfreeze-status")) {
        snprintf(out, cap, "{\"return\": \"%s\"}\n",
                 atomic_load(&freeze_asked) ? "frozen" : "thawed");
    } else if (strstr(request, "guest-ping")) {
        snprintf(out, cap, "{\"return\": {}}\n");
    } else {
        snprintf(out, cap, "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"no\"}}\n");
    }
}

static void *run_agent(void *arg)
{
    char in[4096], out[200];
    size_t have = 0;
    int fd = open_agent_port();
    if (fd < 0) {
        return NULL;
    }
    printf("AGENT ready\n");
    for (;;) {
        ssize_t n = read(fd, in + have, sizeof in - 1 - have);
        if (n <= 0) { /* nobody has the other end open */
            usleep(20000);
            have = 0;
            continue;
        }
        have += (size_t)n;
        in[have] = '\0';
        for (char *line; (line = strchr(in, '\n'));) {
            *line = '\0';
            answer(in, out, sizeof out);
            (void)!write(fd, out, strlen(out));
            have -= (size_t)(line + 1 - in);
            memmove(in, line + 1, have + 1);
        }
        have = have == sizeof in - 1 ? 0 : have;
    }
}

/* --- how long each write took: eight classes for each doubling --- */

#define CLASSES (8 * 32)

static unsigned hist[CLASSES];

static void count_write(uint64_t took_us)
{
    unsigned doublings = 0;
    while (took_us >> doublings >= 16) {
        doublings++;
    }
    unsigned class = doublings * 8 + (unsigned)(took_us >> doublings);
    hist[class < CLASSES ? class : CLASSES - 1]++;
}

static void say_hist(void)
{
    char line[2048] = "HIST";
    size_t n = 4;
    for (unsigned c = 0; c < CLASSES && n < sizeof line - 40; c++) {
        unsigned doublings = c < 16 ? 0 : c / 8 - 1;
        uint64_t from = (uint64_t)(c - doublings * 8) << doublings;
        if (hist[c]) {
            n += (size_t)snprintf(line + n, sizeof line - n, " %llu:%u", (unsigned long long)from,
                                  hist[c]);
        }
        hist[c] = 0;
    }
    puts(line);
}

/* --- writing --- */

struct disk {
    int fd;
    uint64_t bytes;
};

static void open_disk(struct disk *d, const char *path)
{
    for (int i = 0; i < 500; i++) {
        d->fd = open(path, O_RDWR | O_DIRECT | O_DSYNC);
        if (d->fd >= 0) {
            ioctl(d->fd, BLKGETSIZE64, &d->bytes);
            return;
        }
        usleep(10000);
    }
    printf("NO DISK %s\n", path);
    end();
}

/* Goes on behind the newest record of the disk. */
static uint64_t first_seq(const struct disk *d, uint64_t slots, struct record *r)
{
    uint64_t newest = 0;
    for (uint64_t slot = 0; slot < slots; slot++) {
        if (pread(d->fd, r, sizeof *r, (off_t)(slot * RECORD_BYTES)) == (ssize_t)sizeof *r &&
            memcmp(r->magic, RECORD_MAGIC, sizeof r->magic) == 0 && r->seq > newest) {
            newest = r->seq;
        }
    }
    return newest + 1;
}

static void write_record(const struct disk *d, const struct record *r)
{
    uint64_t began = now_us();
    if (pwrite(d->fd, r, sizeof *r, (off_t)(r->slot * RECORD_BYTES)) != (ssize_t)sizeof *r) {
        printf("WRITE ERROR disk %d record %llu: %s\n", (int)r->disk, (unsigned long long)r->seq,
               strerror(errno));
        sleep(1);
    }
    count_write(now_us() - began);
}

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void say(uint64_t seq, uint64_t *took_us)
{
    qsort(took_us, SAY_EVERY, sizeof *took_us, compare);
    printf("SEQ %llu median_us=%llu p99_us=%llu\n", (unsigned long long)seq,
           (unsigned long long)took_us[SAY_EVERY / 2],
           (unsigned long long)took_us[SAY_EVERY - SAY_EVERY / 100 - 1]);
}

static int open_buttons(struct pollfd *ret)
{
    int n = 0;
    for (int i = 0; i < KEYS_MAX; i++) {
        char path[32];
        snprintf(path, sizeof path, "/dev/input/event%d", i);
        int fd = open(path, O_RDONLY | O_NONBLOCK);
        if (fd >= 0) {
            ret[n++] = (struct pollfd){.fd = fd, .events = POLLIN};
        }
    }
    return n;
}

static bool is_power_pressed(struct pollfd *buttons, int n)
{
    struct input_event e;
    bool pressed = false;
    if (n == 0 || poll(buttons, (nfds_t)n, 0) <= 0) {
        return false;
    }
    for (int i = 0; i < n; i++) {
        while (read(buttons[i].fd, &e, sizeof e) == (ssize_t)sizeof e) {
            pressed = pressed || (e.type == EV_KEY && e.code == KEY_POWER && e.value);
        }
    }
    return pressed;
}

static void rest_while_frozen(void)
{
    while (atomic_load(&freeze_asked)) {
        atomic_store(&writer_rests, 1);
        usleep(1000);
    }
    atomic_store(&writer_rests, 0);
}

int main(void)
{
    struct disk disks[DISKS];
    struct pollfd buttons[KEYS_MAX];
    static uint64_t took_us[SAY_EVERY];
    pthread_t agent;
    set_up();
    open_disk(&disks[0], "/dev/vda");
    open_disk(&disks[1], "/dev/vdb");
    int nbuttons = open_buttons(buttons);
    struct record *r = aligned_alloc(RECORD_BYTES, sizeof *r);
    uint64_t room = (disks[0].bytes < disks[1].bytes ? disks[0].bytes : disks[1].bytes) / sizeof *r;
    uint64_t slots = (uint64_t)option("vr.slots", (long)room);
    useconds_t pause_us = (useconds_t)option("vr.us", 0);
    slots = slots && slots < room ? slots : room;
    printf("INIT slots=%llu\n", (unsigned long long)slots);
    bool says_hist = option("vr.hist", 0);
    pthread_create(&agent, NULL, run_agent, NULL);
    /* A guest that was killed may have written its last record to the first disk only. */
    for (uint64_t seq = first_seq(&disks[1], slots, r);; seq++) {
        rest_while_frozen();
        uint64_t began = now_us();
        for (uint64_t d = 0; d < DISKS; d++) {
            record_make(r, seq, d, slots);
            write_record(&disks[d], r);
        }
        took_us[seq % SAY_EVERY] = now_us() - began;
        if (seq % SAY_EVERY == 0) {
            say(seq, took_us);
            if (says_hist) {
                say_hist();
            }
        }
        if (is_power_pressed(buttons, nbuttons)) {
            printf("POWEROFF %llu\n", (unsigned long long)seq);
            end();
        }
        usleep(pause_us);
    }
}
