/* SPDX-License-Identifier: Apache-2.0 */
/* The NBD driver against real nbdkit, and images through real qemu-nbd. */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "block/dev.h"
#include "block/lock.h"
#include "block/nbd.h"
#include "block/nbd_conn.h"
#include "tests/lib/check.h"
#include "util/num.h"
#include "util/vtime.h"

static char dir[] = "/tmp/vr-nbd-XXXXXX";
static char sock[64];
static uint8_t buf[2 << 20], want[2 << 20];
static pid_t server;

static struct block_dev *serve(const char *const *tail, unsigned flags)
{
    const char *argv[20] = {"nbdkit", "-f", "--threads=1", "-U", sock};
    for (size_t i = 0; tail[i]; i++) {
        argv[5 + i] = tail[i];
    }
    server = fork();
    assert_true(server >= 0);
    if (server == 0) {
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    struct vr_err err = VR_ERR_INIT;
    struct block_dev *dev = NULL;
    for (int i = 0; i < 6000; i++) {
        int r = access(sock, F_OK) == 0 ? block_nbd_open_unix(sock, flags, 20000, &dev, &err) : -1;
        if (r == 0 || r == -VR_E_UNSUPPORTED || r == -VR_E_DENIED) {
            break;
        }
        usleep(10000);
    }
    return dev;
}

static int stop_server(void **state)
{
    if (server > 0) {
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
    }
    server = 0;
    unlink(sock);
    return 0;
}

static void fill(uint8_t *p, size_t n, unsigned seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 1103515245u + 12345u;
        p[i] = (uint8_t)(seed >> 16);
    }
}

static void test_round_trip_and_extents(void **state)
{
    struct vr_err err;
    struct block_extent e[4];
    size_t n;
    const char *tail[] = {"memory", "64M", NULL};
    struct block_dev *dev = serve(tail, 0);
    assert_non_null(dev);
    assert_int_equal(dev->size_bytes, 64 << 20);
    fill(want, sizeof want, 1);
    for (uint64_t off = 0; off < 32 * VR_MIB; off += 2 * VR_MIB) { /* more than may be in flight */
        CHECK_OK(block_write(dev, want, sizeof want, off, &err), &err);
    }
    CHECK_OK(block_write(dev, "odd", 3, 12345, &err), &err);
    CHECK_OK(block_read(dev, buf, sizeof buf, 0, &err), &err);
    memcpy(want + 12345, "odd", 3);
    assert_memory_equal(buf, want, sizeof buf);
    CHECK_OK(block_zero(dev, 0, 32 * VR_MIB, &err), &err);
    CHECK_OK(block_write(dev, "x", 1, 40 * VR_MIB, &err), &err);
    CHECK_OK(block_flush(dev, &err), &err);
    CHECK_OK(block_read(dev, buf, sizeof buf, 0, &err), &err);
    assert_int_equal(buf[12345], 0);
    CHECK_OK(block_extents(dev, VR_MIB, 63 * VR_MIB, e, 4, &n, &err), &err);
    assert_int_equal(n, 3);
    assert_int_equal(e[0].kind, BLOCK_ZERO);
    assert_int_equal(e[1].kind, BLOCK_DATA);
    assert_int_equal(e[1].off, 40 * VR_MIB);
    CHECK_OK(block_write(dev, "y", 1, 5 * VR_MIB, &err), &err);
    CHECK_OK(block_extents(dev, 5 * VR_MIB, 1, e, 4, &n, &err), &err);
    assert_int_equal(e[0].kind, BLOCK_DATA); /* the answer from before the write is not used */
    block_close(dev);
}

static void read_ahead(bool gentle)
{
    struct vr_err err;
    const char *tail[] = {"memory", "8M", NULL};
    struct block_dev *dev = serve(tail, 0);
    assert_non_null(dev);
    uint8_t *all = malloc(8 * VR_MIB);
    assert_non_null(all);
    fill(all, 8 * VR_MIB, 7);
    block_be_gentle(dev, gentle);
    CHECK_OK(block_write(dev, all, 8 * VR_MIB, 0, &err), &err);
    CHECK_OK(block_flush(dev, &err), &err);
    for (uint64_t off = 0; off < 8 * VR_MIB; off += VR_MIB) {
        block_prefetch(dev, off, VR_MIB);
    }
    assert_int_equal(nbd_of(dev)->rd[0].state == SLOT_FREE, gentle); /* one request, not all */
    assert_int_equal(nbd_of(dev)->rd[SLOTS - 1].len, gentle ? GENTLE_BYTES : PIECE_BYTES);
    block_prefetch(dev, 3 * VR_MIB + 5, 70000); /* twice, and one that is never read */
    uint64_t at = 0;
    for (size_t step = 1; at < 6 * VR_MIB; step = step * 7 + 1) {
        size_t most = step < 900000 ? step : 900000;
        size_t n = (size_t)VR_MIN(most, 6 * VR_MIB - at);
        CHECK_OK(block_read(dev, buf, n, at, &err), &err);
        assert_memory_equal(buf, all + at, n);
        at += n;
    }
    CHECK_OK(block_write(dev, "NEW", 3, 7 * VR_MIB, &err), &err); /* over what was read ahead */
    CHECK_OK(block_read(dev, buf, 5, 7 * VR_MIB - 1, &err), &err);
    assert_memory_equal(buf + 1, "NEW", 3);
    CHECK_OK(block_read(dev, buf, VR_MIB, 0, &err), &err); /* back to the start */
    assert_memory_equal(buf, all, VR_MIB);
    free(all);
    block_close(dev);
}

static void test_read_ahead_gives_the_same_bytes(void **state)
{
    read_ahead(false);
    (void)stop_server(state);
    read_ahead(true);
}

static bool is_read_ahead(struct block_dev *dev, uint64_t off)
{
    for (size_t i = 0; i < SLOTS; i++) {
        const struct slot *s = &nbd_of(dev)->rd[i];
        if (s->state != SLOT_FREE && !s->stale && overlaps(s->off, s->len, off, 1)) {
            return true;
        }
    }
    return false;
}

static void test_unread_hints_do_not_stop_read_ahead(void **state)
{
    struct vr_err err;
    const char *tail[] = {"memory", "64M", NULL};
    struct block_dev *dev = serve(tail, BLOCK_READ_ONLY);
    assert_non_null(dev);
    block_prefetch(dev, 0, 8 * VR_MIB); /* all the slots, and never read */
    block_prefetch(dev, 32 * VR_MIB, 32 * VR_MIB);
    assert_true(is_read_ahead(dev, 0));
    assert_false(is_read_ahead(dev, 33 * VR_MIB));
    bool seen = false;
    for (uint64_t off = 32 * VR_MIB; off < 64 * VR_MIB; off += VR_MIB) {
        CHECK_OK(block_read(dev, buf, VR_MIB, off, &err), &err);
        seen = seen || is_read_ahead(dev, off + VR_MIB);
    }
    assert_true(seen);
    assert_false(is_read_ahead(dev, 0));
    for (unsigned i = 0; i < 2 * HINTS; i++) { /* more than are kept */
        block_prefetch(dev, i * VR_MIB / 4, VR_MIB);
    }
    assert_true(nbd_of(dev)->hint_count <= HINTS);
    block_close(dev);
}

static void test_known_zeroes_are_not_read_ahead(void **state)
{
    struct vr_err err;
    struct block_extent e[4];
    size_t n;
    const char *tail[] = {"memory", "64M", NULL};
    struct block_dev *dev = serve(tail, 0);
    assert_non_null(dev);
    fill(want, VR_MIB, 5);
    CHECK_OK(block_write(dev, want, VR_MIB, 40 * VR_MIB, &err), &err);
    CHECK_OK(block_flush(dev, &err), &err);
    CHECK_OK(block_extents(dev, 0, 64 * VR_MIB, e, 4, &n, &err), &err);
    assert_int_equal(n, 3);
    uint64_t asked = nbd_of(dev)->next_order;
    block_prefetch(dev, 0, 64 * VR_MIB);
    assert_int_equal(nbd_of(dev)->next_order - asked, VR_MIB / PIECE_BYTES);
    assert_true(is_read_ahead(dev, 40 * VR_MIB));
    CHECK_OK(block_read(dev, buf, VR_MIB, 40 * VR_MIB, &err), &err);
    assert_memory_equal(buf, want, VR_MIB);
    CHECK_OK(block_read(dev, buf, 5, 50 * VR_MIB, &err), &err); /* it may still be read */
    assert_int_equal(buf[4], 0);
    block_close(dev);
}

/* A reader that jumps over what it had hinted must not fetch the rest of that behind itself. */
static void test_reader_overtakes_its_hints(void **state)
{
    struct vr_err err;
    const char *tail[] = {"memory", "64M", NULL};
    struct block_dev *dev = serve(tail, BLOCK_READ_ONLY);
    assert_non_null(dev);
    for (uint64_t off = 0; off < 40 * VR_MIB; off += VR_MIB) {
        block_prefetch(dev, off, VR_MIB);
    }
    for (uint64_t off = 20 * VR_MIB; off < 40 * VR_MIB; off += PIECE_BYTES / 2) {
        CHECK_OK(block_read(dev, buf, PIECE_BYTES / 2, off, &err), &err);
        assert_true(off + PIECE_BYTES >= 40 * VR_MIB || is_read_ahead(dev, off + PIECE_BYTES));
    }
    assert_int_equal(nbd_of(dev)->hint_count, 0);
    uint64_t most = SLOTS + 20 * VR_MIB / PIECE_BYTES + 1;
    assert_in_range(nbd_of(dev)->next_order, 20 * VR_MIB / PIECE_BYTES, most);
    block_close(dev);
}

static void test_scattered_writes_are_all_in_flight(void **state)
{
    struct vr_err err;
    const char *tail[] = {"memory", "64M", NULL};
    struct block_dev *dev = serve(tail, 0);
    assert_non_null(dev);
    fill(want, 4096, 9);
    for (size_t i = 0; i < 10 * SLOTS; i++) {
        CHECK_OK(block_write(dev, want + i, 4096 - i, i * 300000, &err), &err);
        size_t busy = 0;
        for (size_t k = 0; k < SLOTS; k++) {
            busy += nbd_of(dev)->wr[k].state == SLOT_BUSY;
        }
        assert_in_range(busy, i < SLOTS ? i + 1 : 1, SLOTS); /* none waited for without need */
    }
    CHECK_OK(block_flush(dev, &err), &err);
    for (size_t k = 0; k < SLOTS; k++) {
        assert_int_equal(nbd_of(dev)->wr[k].state, SLOT_FREE);
    }
    for (size_t i = 0; i < 10 * SLOTS; i++) {
        CHECK_OK(block_read(dev, buf, 4096 - i, i * 300000, &err), &err);
        assert_memory_equal(buf, want + i, 4096 - i);
    }
    block_close(dev);
}

static void test_read_error(void **state)
{
    struct vr_err err;
    const char *tail[] = {"--filter=error",        "memory", "8M", "error-pread=EIO",
                          "error-pread-rate=100%", NULL};
    struct block_dev *dev = serve(tail, BLOCK_READ_ONLY);
    assert_non_null(dev);
    CHECK_FAILS(block_read(dev, buf, 100, 0, &err), &err, VR_E_IO, "read of 100 bytes");
    block_prefetch(dev, VR_MIB, VR_MIB);
    CHECK_FAILS(block_read(dev, buf, 100, VR_MIB, &err), &err, VR_E_IO, "read of");
    block_close(dev);
}

static void test_write_error_reaches_the_flush(void **state)
{
    struct vr_err err;
    const char *tail[] = {"--filter=error",         "memory", "8M", "error-pwrite=ENOSPC",
                          "error-pwrite-rate=100%", NULL};
    struct block_dev *dev = serve(tail, 0);
    assert_non_null(dev);
    CHECK_OK(block_write(dev, "x", 1, 0, &err), &err); /* not answered yet */
    int r = block_write(dev, "x", 1, 0, &err);         /* over the first: waits for it */
    assert_int_equal(r, -VR_E_NOSPACE);
    CHECK_FAILS(block_flush(dev, &err), &err, VR_E_NOSPACE, "earlier write");
    CHECK_OK(block_flush(dev, &err), &err);
    block_close(dev);
}

static void test_writing_without_flush_is_refused(void **state)
{
    struct vr_err err;
    const char *tail[] = {"eval",
                          "get_size=echo 1M",
                          "pread=dd if=/dev/zero count=$3 iflag=count_bytes",
                          "pwrite=cat >/dev/null",
                          "can_write=exit 0",
                          "can_flush=exit 3",
                          NULL};
    struct block_dev *dev = serve(tail, 0);
    assert_null(dev);
    char uri[128];
    snprintf(uri, sizeof uri, "nbd+unix:///?socket=%s", sock);
    CHECK_FAILS(block_nbd_open(uri, 0, &dev, &err), &err, VR_E_UNSUPPORTED, "no flush");
    CHECK_OK(block_nbd_open(uri, BLOCK_READ_ONLY, &dev, &err), &err);
    block_close(dev);
}

static void test_read_only_export_is_refused_for_writing(void **state)
{
    struct vr_err err;
    struct block_dev *dev = NULL;
    const char *tail[] = {"-r", "memory", "1M", NULL};
    assert_null(serve(tail, 0));
    CHECK_FAILS(block_nbd_open_unix(sock, 0, 1000, &dev, &err), &err, VR_E_DENIED, "reading only");
    CHECK_FAILS(block_nbd_open("nbd+unix:///?socket=/tmp/vr-none/s", 0, &dev, &err), &err, VR_E_IO,
                "cannot open");
}

static void test_dead_server_is_an_error(void **state)
{
    struct vr_err err;
    const char *tail[] = {"--filter=delay", "memory", "8M", "rdelay=3", NULL};
    struct block_dev *dev = serve(tail, 0);
    assert_non_null(dev);
    block_prefetch(dev, 0, 4 * VR_MIB); /* in flight when the server dies */
    CHECK_OK(block_write(dev, "x", 1, 6 * VR_MIB, &err), &err);
    stop_server(NULL);
    CHECK_FAILS(block_read(dev, buf, VR_MIB, 0, &err), &err, VR_E_IO, "");
    CHECK_FAILS(block_read(dev, buf, 1, 7 * VR_MIB, &err), &err, VR_E_IO, "");
    CHECK_FAILS(block_write(dev, buf, 1, 7 * VR_MIB, &err), &err, VR_E_IO, "");
    CHECK_FAILS(block_flush(dev, &err), &err, VR_E_IO, "");
    block_prefetch(dev, 0, VR_MIB);
    block_close(dev);
}

static void test_silent_server_times_out(void **state)
{
    struct vr_err err;
    const char *tail[] = {"--filter=delay", "memory", "8M", "rdelay=60", NULL};
    struct block_dev *dev = serve(tail, BLOCK_READ_ONLY);
    assert_non_null(dev);
    block_nbd_set_deadline(dev, 100);
    uint64_t t = vr_mono_ms();
    CHECK_FAILS(block_read(dev, buf, 4096, 0, &err), &err, VR_E_TIMEOUT, "in time");
    CHECK_FAILS(block_read(dev, buf, 4096, 0, &err), &err, VR_E_TIMEOUT, "in time");
    assert_true(vr_mono_ms() - t < 30000);
    block_close(dev);
}

static void check_format(const char *format)
{
    struct vr_err err = VR_ERR_INIT;
    struct block_dev *dev = NULL;
    char path[128];
    snprintf(path, sizeof path, "%s/a,b=c.%s", dir, format);
    CHECK_OK(block_image_create(path, format, 16 * VR_MIB, &err), &err);
    CHECK_FAILS(block_image_create(path, format, VR_MIB, &err), &err, VR_E_EXISTS, path);
    CHECK_OK(block_image_open(path, format, 0, dir, &dev, &err), &err);
    assert_int_equal(dev->size_bytes, 16 * VR_MIB);
    CHECK_OK(block_read(dev, buf, VR_MIB, 0, &err), &err);
    assert_int_equal(buf[12345], 0);
    fill(want, VR_MIB, 3);
    CHECK_OK(block_write(dev, want, VR_MIB, 2 * VR_MIB, &err), &err);
    CHECK_OK(block_zero(dev, 2 * VR_MIB, 100000, &err), &err);
    memset(want, 0, 100000);
    CHECK_OK(block_flush(dev, &err), &err);
    block_close(dev);
    CHECK_OK(block_image_repair(path, format, &err), &err); /* nothing to do, nothing changes */
    CHECK_OK(block_image_open(path, format, BLOCK_READ_ONLY, dir, &dev, &err), &err);
    CHECK_OK(block_read(dev, buf, VR_MIB, 2 * VR_MIB, &err), &err);
    assert_memory_equal(buf, want, VR_MIB);
    CHECK_FAILS(block_write(dev, buf, 1, 0, &err), &err, VR_E_DENIED, "a,b=c");
    assert_false(block_changed(dev));
    block_drop_cache(dev);
    block_close(dev);
    assert_int_equal(unlink(path), 0);
}

static void test_image_formats(void **state)
{
    const char *formats[] = {"qcow2", "vhdx", "vmdk", "vpc", "vdi", "qed"};
    for (size_t i = 0; i < VR_COUNT(formats); i++) {
        check_format(formats[i]);
    }
}

static void test_bad_image_says_why(void **state)
{
    struct vr_err err;
    struct block_dev *dev = NULL;
    char path[128];
    snprintf(path, sizeof path, "%s/bad", dir);
    CHECK_OK(block_image_create(path, "raw", VR_MIB, &err), &err);
    CHECK_FAILS(block_image_open(path, "qcow2", 0, dir, &dev, &err), &err, VR_E_IO, "qcow2");
    CHECK_FAILS(block_image_open(path, "floppy", 0, dir, &dev, &err), &err, VR_E_INVALID, "floppy");
    unlink(path);
    CHECK_FAILS(block_image_open(path, "qcow2", 0, dir, &dev, &err), &err, VR_E_NOT_FOUND, path);
    assert_null(dev);
}

static pid_t only_child(void)
{
    FILE *f = fopen("/proc/thread-self/children", "r");
    int pid = 0;
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%d", &pid), 1);
    fclose(f);
    return pid;
}

static struct block_dev *open_qcow2(char *path, size_t cap)
{
    struct vr_err err = VR_ERR_INIT;
    struct block_dev *dev = NULL;
    snprintf(path, cap, "%s/q.qcow2", dir);
    if (access(path, F_OK) != 0) {
        CHECK_OK(block_image_create(path, "qcow2", 8 * VR_MIB, &err), &err);
    }
    CHECK_OK(block_image_open(path, "qcow2", 0, dir, &dev, &err), &err);
    return dev;
}

static void test_killed_qemu_nbd_is_an_error(void **state)
{
    struct vr_err err;
    char path[128];
    struct block_dev *dev = open_qcow2(path, sizeof path);
    CHECK_OK(block_write(dev, "x", 1, 0, &err), &err);
    kill(only_child(), SIGKILL);
    int r = block_flush(dev, &err);
    assert_int_equal(r, -VR_E_IO);
    CHECK_FAILS(block_read(dev, buf, 1, 0, &err), &err, VR_E_IO, "q.qcow2 (qcow2)");
    block_close(dev);
    unlink(path);
}

/* Gone, or a zombie that waits for whoever reaps orphans here. */
static bool is_over(pid_t pid)
{
    char name[64], state = 'Z';
    snprintf(name, sizeof name, "/proc/%d/stat", (int)pid);
    FILE *f = fopen(name, "r");
    if (f) {
        state = fscanf(f, "%*d (%*[^)]) %c", &state) == 1 ? state : 'Z';
        fclose(f);
    }
    return state == 'Z';
}

static void test_qemu_nbd_dies_with_us(void **state)
{
    int fds[2];
    char path[128];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)open_qcow2(path, sizeof path);
        pid_t child = only_child();
        _exit(write(fds[1], &child, sizeof child) == sizeof child ? 0 : 1);
    }
    pid_t child = 0;
    assert_int_equal(read(fds[0], &child, sizeof child), sizeof child);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    for (int i = 0; i < 6000 && !is_over(child); i++) {
        usleep(10000);
    }
    assert_true(is_over(child));
    close(fds[0]);
    close(fds[1]);
    snprintf(path, sizeof path, "%s/q.qcow2", dir);
    unlink(path);
}

static void test_our_qemu_nbd_works_under_our_lock(void **state)
{
    struct vr_err err;
    char path[128];
    block_close(open_qcow2(path, sizeof path));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK_OK(image_lock(fd, IMAGE_LOCK_EXCLUSIVE, path, &err), &err);
    struct block_dev *dev = open_qcow2(path, sizeof path);
    CHECK_OK(block_write(dev, "x", 1, 0, &err), &err);
    CHECK_OK(block_flush(dev, &err), &err);
    block_close(dev);
    close(fd);
    unlink(path);
}

/* A new qcow2 begins with header, refcount table, refcount block, L1 table, each in its cluster of
 * 64 KiB. */
#define REFCOUNT_BLOCK (2 * 65536)

static void test_repair_under_our_lock(void **state)
{
    struct vr_err err;
    char path[128];
    uint8_t count[2];
    char check[256];
    struct block_dev *dev = open_qcow2(path, sizeof path);
    CHECK_OK(block_write(dev, "x", 1, 0, &err), &err);
    CHECK_OK(block_flush(dev, &err), &err);
    block_close(dev);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    CHECK_OK(image_lock(fd, IMAGE_LOCK_EXCLUSIVE, path, &err), &err);
    snprintf(check, sizeof check,
             "qemu-img check -q --image-opts driver=qcow2,file.driver=file,file.locking=off,"
             "file.filename=%s 2>/dev/null",
             path);
    assert_int_equal(system(check), 0);
    assert_int_equal(pread(fd, count, 2, REFCOUNT_BLOCK + 10), 2);
    assert_int_equal(count[1], 1); /* the data: in use, then as if it were free */
    assert_int_equal(pwrite(fd, "\0\0", 2, REFCOUNT_BLOCK + 10), 2);
    assert_int_not_equal(system(check), 0);
    CHECK_OK(block_image_repair(path, "qcow2", &err), &err);
    assert_int_equal(system(check), 0);
    assert_int_equal(pwrite(fd, "no image", 8, 0), 8);
    CHECK_FAILS(block_image_repair(path, "qcow2", &err), &err, VR_E_IO, path);
    CHECK_OK(block_image_repair(path, "raw", &err), &err);
    close(fd);
    unlink(path);
}

static void add_dirty(void *ctx, uint64_t off, uint64_t len)
{
    struct block_extent *e = ctx;
    e->off = e->len ? e->off : off;
    e->len = off + len - e->off;
}

static struct block_dev *open_with_bitmap(const char *image, const char *context)
{
    struct vr_err err;
    struct block_dev *dev = NULL;
    const char *argv[] = {"qemu-nbd", "-t", "-r", "-e", "2",   "-f", "qcow2",
                          "-B",       "b0", "-k", sock, image, NULL};
    server = fork();
    if (server == 0) {
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    for (int i = 0; i < 6000 && !dev; i++) {
        usleep(10000);
        (void)!block_nbd_open_export(sock, "", context, &dev, &err);
    }
    assert_non_null(dev);
    return dev;
}

static void test_bitmap(void **state)
{
    struct vr_err err;
    char path[128], cmd[1024];
    struct block_extent seen = {0};
    snprintf(path, sizeof path, "%s/b.qcow2", dir);
    snprintf(cmd, sizeof cmd,
             "qemu-img create -q -f qcow2 %s 100M && qemu-img bitmap --add %s b0 && "
             "qemu-io -f qcow2 -c 'write -q 3M 64k' -c 'write -q 40M 1M' %s && "
             "qemu-img bitmap --disable %s b0",
             path, path, path, path);
    assert_int_equal(system(cmd), 0);
    struct block_dev *dev = open_with_bitmap(path, "qemu:dirty-bitmap:b0");
    CHECK_OK(block_rate_new(dev, VR_GIB, &dev, &err), &err); /* it is asked through filters */
    CHECK_OK(block_dirty(dev, add_dirty, &seen, &err), &err);
    assert_int_equal(seen.off, 3 * VR_MIB);
    assert_int_equal(seen.off + seen.len, 41 * VR_MIB);
    block_close(dev);
    struct block_dev *other = NULL;
    CHECK_OK(block_nbd_open_export(sock, "", "qemu:dirty-bitmap:b1", &other, &err), &err);
    CHECK_FAILS(block_dirty(other, add_dirty, &seen, &err), &err, VR_E_UNSUPPORTED, "bitmap");
    block_close(other);
    stop_server(state);
    CHECK_OK(block_image_drop_bitmap(path, "b0", &err), &err);
    CHECK_FAILS(block_image_drop_bitmap(path, "b0", &err), &err, VR_E_IO, path);
    unlink(path);
}

static int set_up(void **state)
{
    if (!mkdtemp(dir)) {
        return -1;
    }
    snprintf(sock, sizeof sock, "%s/s", dir);
    return 0;
}

static int tear_down(void **state)
{
    return rmdir(dir); /* fails when a socket or an image was left */
}

#define F(f) cmocka_unit_test_teardown(f, stop_server)

int main(void)
{
    if (system("for t in nbdkit qemu-nbd qemu-img; do command -v $t || exit 1; done >/dev/null")) {
        return 77;
    }
    const struct CMUnitTest tests[] = {F(test_round_trip_and_extents),
                                       F(test_read_ahead_gives_the_same_bytes),
                                       F(test_unread_hints_do_not_stop_read_ahead),
                                       F(test_known_zeroes_are_not_read_ahead),
                                       F(test_reader_overtakes_its_hints),
                                       F(test_scattered_writes_are_all_in_flight),
                                       F(test_read_error),
                                       F(test_write_error_reaches_the_flush),
                                       F(test_writing_without_flush_is_refused),
                                       F(test_read_only_export_is_refused_for_writing),
                                       F(test_dead_server_is_an_error),
                                       F(test_silent_server_times_out),
                                       F(test_image_formats),
                                       F(test_bad_image_says_why),
                                       F(test_killed_qemu_nbd_is_an_error),
                                       F(test_qemu_nbd_dies_with_us),
                                       F(test_our_qemu_nbd_works_under_our_lock),
                                       F(test_repair_under_our_lock),
                                       F(test_bitmap)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
