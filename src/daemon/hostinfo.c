/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/hostinfo.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "util/cleanup.h"
#include "util/fdio.h"
#include "util/num.h"
#include "util/vtime.h"

#define BOOT_SLACK_US 2000000
#define CPU_DIR "/sys/devices/system/cpu/"

struct hostinfo {
    char root[VR_PATH_MAX];
    struct vr_host now;
    uint64_t read_ms;
    bool is_read;
};

/* --- texts --- */

/* Without blanks around it; what does not fit, and control characters, are left out. */
static void put_text(char *dst, size_t cap, const char *s, size_t n)
{
    size_t w = 0;
    while (n && isspace((unsigned char)*s)) {
        s++;
        n--;
    }
    while (n && isspace((unsigned char)s[n - 1])) {
        n--;
    }
    for (size_t i = 0; i < n && w + 1 < cap; i++) {
        if ((unsigned char)s[i] >= ' ') {
            dst[w++] = s[i];
        }
    }
    dst[w] = '\0';
}

/* The number at the start of a text, 0 when there is none or it is too large. */
static uint64_t number_of(const char *s)
{
    errno = 0;
    unsigned long long v = isdigit((unsigned char)*s) ? strtoull(s, NULL, 10) : 0;
    return errno ? 0 : v;
}

/* NULL: cannot be read. Caller frees. */
static char *read_text(const struct hostinfo *h, const char *path, size_t max)
{
    char full[VR_PATH_MAX + 64];
    char *text = NULL;
    int n = snprintf(full, sizeof full, "%s%s", h->root, path);
    if (n < 0 || (size_t)n >= sizeof full || vr_read_file(full, max, &text, NULL, NULL) < 0) {
        return NULL;
    }
    return text;
}

static void read_one(const struct hostinfo *h, const char *path, char *dst, size_t cap)
{
    _cleanup_(vr_freep) char *text = read_text(h, path, HOSTINFO_FILE_MAX_BYTES);
    put_text(dst, cap, text ? text : "", text ? strlen(text) : 0);
}

/* A file of lines "key SEPARATOR value"; value is without blanks around it. */
typedef void (*line_cb)(void *ctx, const char *key, const char *value);

static void each_line(const char *text, char separator, line_cb cb, void *ctx)
{
    char key[64], value[4096]; /* flags of a processor are the longest */
    while (text && *text) {
        size_t n = strcspn(text, "\n");
        const char *at = memchr(text, separator, n);
        size_t nkey = at ? (size_t)(at - text) : n;
        put_text(key, sizeof key, text, nkey);
        put_text(value, sizeof value, at ? at + 1 : "", at ? n - nkey - 1 : 0);
        if (at) {
            cb(ctx, key, value);
        }
        text += n + (text[n] ? 1 : 0);
    }
}

/* --- processors --- */

struct cpus {
    struct vr_host *host;
    struct vr_package thread; /* the one that is being read */
    bool any;
};

/* To the package that it is part of. */
static void end_thread(struct cpus *c)
{
    struct vr_host *host = c->host;
    uint32_t i = 0;
    if (!c->any) {
        return;
    }
    while (i < host->npackages && host->packages[i].id != c->thread.id) {
        i++;
    }
    if (i == host->npackages && i < VR_PACKAGES_MAX) {
        host->packages[i] = c->thread;
        host->npackages++;
    }
    if (i < host->npackages) {
        host->packages[i].threads++;
    }
}

static void cpu_line(void *ctx, const char *key, const char *value)
{
    struct cpus *c = ctx;
    struct vr_package *t = &c->thread;
    if (strcmp(key, "processor") == 0) {
        end_thread(c);
        *t = (struct vr_package){0};
        c->any = true;
    } else if (strcmp(key, "vendor_id") == 0) {
        put_text(t->vendor, sizeof t->vendor, value, strlen(value));
    } else if (strcmp(key, "model name") == 0) {
        put_text(t->name, sizeof t->name, value, strlen(value));
    } else if (strcmp(key, "cpu family") == 0) {
        t->has_signature = true;
        t->family = (uint16_t)number_of(value);
    } else if (strcmp(key, "model") == 0) {
        t->model = (uint16_t)number_of(value);
    } else if (strcmp(key, "stepping") == 0) {
        t->stepping = (uint16_t)number_of(value);
    } else if (strcmp(key, "cpu MHz") == 0) {
        t->mhz = (uint32_t)number_of(value);
    } else if (strcmp(key, "physical id") == 0) {
        t->id = (uint32_t)number_of(value);
    } else if (strcmp(key, "cpu cores") == 0) {
        t->cores = (uint32_t)number_of(value);
    } else if (strcmp(key, "flags") == 0 && strstr(value, " hypervisor")) {
        c->host->has_hypervisor = true;
    }
}

/* Where the kernel cannot change the clock, the one it tells is the highest. */
static void read_clocks(const struct hostinfo *h, struct vr_host *host)
{
    char khz[32];
    read_one(h, CPU_DIR "cpu0/cpufreq/cpuinfo_max_freq", khz, sizeof khz);
    uint32_t mhz = (uint32_t)(number_of(khz) / 1000);
    for (uint32_t i = 0; i < host->npackages; i++) {
        host->packages[i].max_mhz = mhz ? mhz : host->packages[i].mhz;
    }
}

/* Each core is counted at its first thread. Only of a single package: where there are more,
 * /proc/cpuinfo tells the cores, too. */
static uint32_t count_cores(const struct hostinfo *h, uint32_t threads)
{
    char path[96], siblings[64];
    uint32_t cores = 0;
    for (uint32_t i = 0; i < threads; i++) {
        snprintf(path, sizeof path, CPU_DIR "cpu%u/topology/thread_siblings_list", i);
        read_one(h, path, siblings, sizeof siblings);
        if (!siblings[0]) {
            return 0;
        }
        cores += number_of(siblings) == i ? 1 : 0;
    }
    return cores;
}

static void read_processors(const struct hostinfo *h, struct vr_host *host)
{
    struct cpus c = {.host = host};
    _cleanup_(vr_freep) char *text = read_text(h, "/proc/cpuinfo", HOSTINFO_CPUINFO_MAX_BYTES);
    each_line(text, ':', cpu_line, &c);
    end_thread(&c);
    if (host->npackages == 0) { /* not every architecture lists them so */
        long n = sysconf(_SC_NPROCESSORS_ONLN);
        host->npackages = 1;
        host->packages[0] = (struct vr_package){.threads = n > 0 ? (uint32_t)n : 0};
    }
    if (host->npackages == 1 && host->packages[0].cores == 0) {
        host->packages[0].cores = count_cores(h, host->packages[0].threads);
    }
    read_clocks(h, host);
}

/* --- firmware --- */

static void read_firmware(const struct hostinfo *h, struct vr_host *host)
{
#define ID "/sys/class/dmi/id/"
    char uuid[64];
    read_one(h, ID "sys_vendor", host->vendor, sizeof host->vendor);
    read_one(h, ID "product_name", host->product, sizeof host->product);
    read_one(h, ID "product_version", host->version, sizeof host->version);
    read_one(h, ID "product_serial", host->serial, sizeof host->serial);
    read_one(h, ID "product_sku", host->sku, sizeof host->sku);
    read_one(h, ID "product_family", host->family, sizeof host->family);
    read_one(h, ID "product_uuid", uuid, sizeof uuid);
    struct vr_uuid id;
    if (vr_uuid_parse(uuid, &id)) {
        host->uuid = id;
    }
#undef ID
}

/* --- the system --- */

static void read_kernel(struct vr_host *host)
{
    struct utsname u;
    if (uname(&u) == 0) {
        put_text(host->dns_name, sizeof host->dns_name, u.nodename, strlen(u.nodename));
        put_text(host->kernel_name, sizeof host->kernel_name, u.sysname, strlen(u.sysname));
        put_text(host->kernel_release, sizeof host->kernel_release, u.release, strlen(u.release));
        put_text(host->machine, sizeof host->machine, u.machine, strlen(u.machine));
    }
}

/* Stays what it was until the clock was set: asked again, it is to be the same. */
static void read_boot_time(struct vr_host *host)
{
    struct timespec up;
    uint64_t now_s = vr_wall_us() / 1000000;
    if (clock_gettime(CLOCK_BOOTTIME, &up) < 0 || now_s <= (uint64_t)up.tv_sec) {
        return;
    }
    uint64_t boot_us = (now_s - (uint64_t)up.tv_sec) * 1000000;
    uint64_t moved_us = VR_MAX(boot_us, host->boot_us) - VR_MIN(boot_us, host->boot_us);
    if (moved_us > BOOT_SLACK_US) {
        host->boot_us = boot_us;
    }
}

static void read_time_zone(struct vr_host *host)
{
    time_t now = time(NULL);
    struct tm tm;
    host->utc_offset_min = localtime_r(&now, &tm) ? (int16_t)(tm.tm_gmtoff / 60) : (int16_t)0;
}

/* A value as a shell would take it: without quotes and backslashes. */
static void put_unquoted(char *dst, size_t cap, const char *value)
{
    size_t w = 0;
    for (; *value && w + 1 < cap; value++) {
        bool escaped = *value == '\\' && value[1];
        value += escaped ? 1 : 0;
        if (escaped || (*value != '"' && *value != '\'')) {
            dst[w++] = *value;
        }
    }
    dst[w] = '\0';
}

static void os_line(void *ctx, const char *key, const char *value)
{
    struct vr_host *host = ctx;
    if (strcmp(key, "PRETTY_NAME") == 0) {
        put_unquoted(host->os_name, sizeof host->os_name, value);
    } else if (strcmp(key, "VERSION") == 0) {
        put_unquoted(host->os_version, sizeof host->os_version, value);
    } else if (strcmp(key, "VENDOR_NAME") == 0) {
        put_unquoted(host->os_vendor, sizeof host->os_vendor, value);
    }
}

static void read_os(const struct hostinfo *h, struct vr_host *host)
{
    _cleanup_(vr_freep) char *text = read_text(h, "/etc/os-release", HOSTINFO_FILE_MAX_BYTES);
    if (!text) {
        text = read_text(h, "/usr/lib/os-release", HOSTINFO_FILE_MAX_BYTES);
    }
    host->os_name[0] = host->os_version[0] = host->os_vendor[0] = '\0';
    each_line(text, '=', os_line, host);
}

static void memory_line(void *ctx, const char *key, const char *value)
{
    struct vr_host *host = ctx;
    if (strcmp(key, "MemTotal") == 0) {
        host->memory_kib = number_of(value);
        host->memory_known = host->memory_kib > 0;
    } else if (strcmp(key, "MemAvailable") == 0) {
        host->memory_free_kib = number_of(value);
    } else if (strcmp(key, "SwapTotal") == 0) {
        host->swap_kib = number_of(value);
        host->swap_known = true;
    } else if (strcmp(key, "SwapFree") == 0) {
        host->swap_free_kib = number_of(value);
    }
}

static void read_memory(const struct hostinfo *h, struct vr_host *host)
{
    _cleanup_(vr_freep) char *text = read_text(h, "/proc/meminfo", HOSTINFO_FILE_MAX_BYTES);
    host->memory_known = host->swap_known = false;
    host->memory_kib = host->memory_free_kib = host->swap_kib = host->swap_free_kib = 0;
    each_line(text, ':', memory_line, host);
}

/* --- life --- */

int hostinfo_new(const char *root, struct hostinfo **ret, struct vr_err *err)
{
    struct hostinfo *h = calloc(1, sizeof *h);
    if (!h) {
        return vr_fail_nomem(err);
    }
    snprintf(h->root, sizeof h->root, "%s", root);
    read_processors(h, &h->now);
    read_firmware(h, &h->now);
    read_kernel(&h->now);
    char kvm[sizeof h->root + 16];
    snprintf(kvm, sizeof kvm, "%s/dev/kvm", h->root);
    if (access(kvm, F_OK) == 0) {
        h->now.has_hypervisor = true;
    }
    *ret = h;
    return 0;
}

void hostinfo_free(struct hostinfo *h)
{
    free(h);
}

const struct vr_host *hostinfo_now(struct hostinfo *h, uint64_t mono_ms)
{
    if (!h->is_read || mono_ms - h->read_ms >= HOSTINFO_REFRESH_MS) {
        read_os(h, &h->now);
        read_memory(h, &h->now);
        read_boot_time(&h->now);
        read_time_zone(&h->now);
        h->read_ms = mono_ms;
        h->is_read = true;
    }
    return &h->now;
}
