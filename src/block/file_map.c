/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Views of a file without copying it.
 *
 * For what the page cache holds: filling it through page faults costs several times what reading
 * it does. A view is touched here and there before it is given out: each fault maps what is
 * cached around it, at a third of what MADV_POPULATE_READ costs, which looks at each page.
 *
 * A page that goes away under a view (the file was truncated, the disk failed while the page was
 * fetched anew) raises SIGBUS in the thread that touches it. The handler knows that thread's view:
 * inside it, it puts zeroes over the rest of the view and notes that; file_map_end says so, and
 * the caller throws away what it computed and reads, which gives the real error. Outside of it, the
 * fault is somebody else's: whoever was in charge before gets it, as a rule the default action.
 *
 * The handler uses a thread-local variable (resolved when the program is linked), atomics and
 * mmap, which is a bare system call: nothing that could have been interrupted half-way.
 */
#include "block/file_map.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/err.h"
#include "util/num.h"

#define PAGE 4096u /* at least this; the kernel rounds up where pages are larger */
#define PAGES_ASKED 64u
#define FAULT_AROUND (64u << 10) /* the kernel maps that much with one fault, as a rule */

/* The view this thread looks through. Written by the thread, read by its own signal handler. */
static _Thread_local struct {
    volatile uintptr_t begin, end; /* whole pages; equal: none */
    volatile sig_atomic_t faulted;
    bool ready;
} view;

static _Atomic uint64_t faults;
static struct sigaction before;
static pthread_once_t install_once = PTHREAD_ONCE_INIT;
static size_t page_bytes = PAGE;

static void not_ours(int sig, const siginfo_t *si)
{
    sigaction(sig, &before, NULL);
    if (si->si_code <= 0) { /* sent, not caused: returning would not repeat it */
        raise(sig);
    }
}

static void on_sigbus(int sig, siginfo_t *si, void *context)
{
    int saved = errno;
    uintptr_t at = (uintptr_t)si->si_addr & ~(page_bytes - 1);
    if (si->si_code > 0 && at >= view.begin && at < view.end &&
        mmap((void *)at, view.end - at, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
             0) != MAP_FAILED) {
        view.faulted = 1;
        atomic_fetch_add_explicit(&faults, 1, memory_order_relaxed);
    } else {
        not_ours(sig, si);
    }
    errno = saved;
}

static void find_page_size(void)
{
    long page = sysconf(_SC_PAGESIZE);
    page_bytes = page > (long)PAGE ? (size_t)page : PAGE;
}

void file_map_guard(void)
{
    struct sigaction sa = {.sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO}, old;
    sigemptyset(&sa.sa_mask);
    if (sigaction(SIGBUS, &sa, &old) == 0 && old.sa_sigaction != on_sigbus) {
        before = old;
    }
}

static void install(void)
{
    find_page_size();
    file_map_guard();
}

/* A blocked SIGBUS would end the process instead of being handled. */
static void prepare_thread(void)
{
    sigset_t bus;
    pthread_once(&install_once, install);
    sigemptyset(&bus);
    sigaddset(&bus, SIGBUS);
    pthread_sigmask(SIG_UNBLOCK, &bus, NULL);
    view.ready = true;
}

uint64_t file_map_faults(void)
{
    return atomic_load(&faults);
}

void file_map_release(struct file_map *m)
{
    if (m->base) {
        munmap(m->base, m->len);
    }
    m->base = NULL;
}

static bool slide(struct file_map *m, int fd, uint64_t size_bytes, uint64_t off)
{
    file_map_release(m);
    m->off = vr_round_down(off, page_bytes);
    m->len = (size_t)VR_MIN((uint64_t)FILE_MAP_WINDOW, size_bytes - m->off);
    void *p = mmap(NULL, m->len, PROT_READ, MAP_SHARED, fd, (off_t)m->off);
    if (p == MAP_FAILED) {
        m->refused = true;
        return false;
    }
    m->base = p;
    return true;
}

bool file_map_old_kernel;

/* Linux 6.5 counts a range's cached pages at a fraction of what mincore costs, which looks at each.
 */
static bool counted_as_cached(int fd, uint64_t off, uint64_t len, bool *ret_known)
{
    static const long cachestat_number = 451; /* the same on every architecture */
    struct {
        uint64_t off, len;
    } range = {off, len};
    struct {
        uint64_t cache, dirty, writeback, evicted, recently_evicted;
    } is = {0};
    *ret_known = !file_map_old_kernel && syscall(cachestat_number, fd, &range, &is, 0) == 0;
    uint64_t pages = vr_div_up(off + len, page_bytes) - off / page_bytes;
    return *ret_known && is.cache >= pages;
}

/* Of a file one could not write, mincore says that all of it is there. */
static bool mincore_is_true(int fd)
{
    struct stat st;
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return (fstat(fd, &st) == 0 && st.st_uid == geteuid()) ||
           faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0;
}

static bool in_core(uint8_t *p, size_t len)
{
    unsigned char pages[PAGES_ASKED];
    while (len) {
        size_t n = VR_MIN(len, PAGES_ASKED * page_bytes);
        if (mincore(p, n, pages) < 0) {
            return false;
        }
        for (size_t i = 0; i < vr_div_up(n, page_bytes); i++) {
            if (!(pages[i] & 1)) {
                return false;
            }
        }
        p += n;
        len -= n;
    }
    return true;
}

/* Asks mincore, which looks at pages that are mapped. */
static bool seen_as_cached(struct file_map *m, int fd, uint64_t off, size_t len)
{
    if (!m->asked) {
        m->asked = true;
        m->blind = !mincore_is_true(fd);
    }
    if (m->blind) {
        return false;
    }
    uint64_t first = vr_round_down(off, page_bytes);
    size_t n = len + (size_t)(off - first);
    uint8_t *p = mmap(NULL, n, PROT_READ, MAP_SHARED, fd, (off_t)first);
    if (p == MAP_FAILED) {
        return false;
    }
    bool cached = in_core(p, n);
    munmap(p, n);
    return cached;
}

bool file_map_cached(struct file_map *m, int fd, uint64_t off, size_t len)
{
    bool known, cached = counted_as_cached(fd, off, len, &known);
    return known ? cached : seen_as_cached(m, fd, off, len);
}

/* Inside the guard: a page may go away meanwhile. What is still missing then is mapped as it is
 * read. */
static void map_pages(const uint8_t *pages, size_t n)
{
    for (size_t at = 0; at < n; at += FAULT_AROUND) {
        (void)*(const volatile uint8_t *)(pages + at);
    }
}

const uint8_t *
file_map_begin(struct file_map *m, int fd, uint64_t size_bytes, uint64_t off, size_t len)
{
    if (!view.ready) {
        prepare_thread();
    }
    vr_assert(view.begin == view.end);
    if (m->refused || len == 0 || len > FILE_MAP_WINDOW - page_bytes) {
        return NULL;
    }
    bool inside = m->base && off >= m->off && off + len <= m->off + m->len;
    if (!inside && !slide(m, fd, size_bytes, off)) {
        return NULL;
    }
    uint8_t *p = m->base + (off - m->off);
    uint64_t first = vr_round_down(off, page_bytes);
    uint8_t *pages = m->base + (first - m->off);
    size_t n = len + (size_t)(off - first);
    view.faulted = 0;
    view.begin = (uintptr_t)pages;
    view.end = vr_round_up((uintptr_t)p + len, page_bytes);
    map_pages(pages, n);
    return p;
}

/* The last page of a file reads as zeroes behind the file's end, and raises nothing: a file that
 * became shorter is found by its size. */
static bool is_long_enough(int fd, uint64_t upto)
{
    off_t end = lseek(fd, 0, SEEK_END); /* of block devices, too */
    return end >= 0 && (uint64_t)end >= upto;
}

bool file_map_end(struct file_map *m, int fd, uint64_t upto)
{
    view.end = view.begin;
    if (view.faulted) {
        file_map_release(m); /* with the zeroes in it */
        return false;
    }
    return is_long_enough(fd, upto);
}
