/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The NBD driver against a server that goes wrong on purpose. The server is a child that speaks the
 * oldest handshake and follows a script; it counts what it did, in memory shared with the test.
 */
#include <endian.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "block/dev.h"
#include "block/nbd.h"
#include "block/nbd_conn.h"
#include "tests/lib/check.h"
#include "util/num.h"

#define SIZE_BYTES (64 * VR_MIB)
#define REQUEST_MAGIC 0x25609513u
#define REPLY_MAGIC 0x67446698u
#define IN_A_ROW 8u /* requests that REVERSED collects */

enum script {
    HONEST,
    REVERSED,   /* the last of IN_A_ROW requests is answered first */
    HALF,       /* half of the payload, and the connection ends */
    HALF_STUCK, /* half of the payload, and nothing more */
    STRANGER,   /* an answer to what was never asked */
    GARBAGE,    /* no answer at all, but bytes */
    ONE_BAD,    /* reads that touch BAD_AT are EIO */
    NO_FLUSH    /* ends when it is asked to flush */
};
#define BAD_AT (3 * VR_MIB + 70000)

struct request {
    uint32_t magic;
    uint16_t flags, type;
    uint64_t cookie, off;
    uint32_t len;
} __attribute__((packed));

struct reply {
    uint32_t magic, error;
    uint64_t cookie;
} __attribute__((packed));

static struct {
    unsigned reads, writes, flushes, errors;
} * count;
static char dir[] = "/tmp/vr-nbdf-XXXXXX";
static struct sockaddr_un at = {.sun_family = AF_UNIX};
static pid_t server;
static uint8_t buf[2 << 20];

/* What the disk reads as. */
static uint8_t byte_at(uint64_t off)
{
    return (uint8_t)(off / 4096 * 31 + off);
}

static void all(int fd, void *p, size_t n, bool out)
{
    for (size_t done = 0; done < n;) {
        ssize_t x = out ? send(fd, (char *)p + done, n - done, MSG_NOSIGNAL)
                        : recv(fd, (char *)p + done, n - done, 0);
        if (x <= 0) {
            _exit(0);
        }
        done += (size_t)x;
    }
}

static void answer(int fd, const struct request *q, enum script script, unsigned sys_errno)
{
    static uint8_t data[4 << 20];
    uint32_t len = be32toh(q->len);
    struct reply r = {htobe32(REPLY_MAGIC), htobe32(sys_errno), q->cookie};
    if (script == STRANGER) {
        r.cookie ^= 0x5555;
    } else if (script == GARBAGE) {
        r.magic = 0x12345678;
    }
    all(fd, &r, sizeof r, true);
    count->errors += sys_errno != 0;
    if (be16toh(q->type) != 0 || sys_errno) {
        return;
    }
    for (uint32_t i = 0; i < len; i++) {
        data[i] = byte_at(be64toh(q->off) + i);
    }
    all(fd, data, script == HALF || script == HALF_STUCK ? len / 2 : len, true);
    if (script == HALF) {
        _exit(0);
    }
    if (script == HALF_STUCK) {
        pause();
    }
}

static _Noreturn void be_server(int fd, enum script script)
{
    static uint8_t data[4 << 20];
    struct request q[IN_A_ROW];
    unsigned have = 0;
    struct {
        char magic[8];
        uint64_t old_style, size;
        uint32_t flags; /* has flags, flush */
        char pad[124];
    } __attribute__((packed))
    hello = {"NBDMAGIC", htobe64(0x00420281861253), htobe64(SIZE_BYTES), htobe32(1 | 4), {0}};
    all(fd, &hello, sizeof hello, true);
    for (;;) {
        struct request *now = &q[have];
        all(fd, now, sizeof *now, false);
        uint16_t type = be16toh(now->type);
        uint64_t off = be64toh(now->off);
        count->reads += type == 0;
        count->writes += type == 1;
        count->flushes += type == 3;
        if (now->magic != htobe32(REQUEST_MAGIC) || type == 2 ||
            (type == 3 && script == NO_FLUSH)) {
            _exit(0);
        }
        if (type == 1) {
            all(fd, data, be32toh(now->len), false);
        }
        bool bad = script == ONE_BAD && type == 0 && overlaps(off, be32toh(now->len), BAD_AT, 1);
        if (script != REVERSED) {
            answer(fd, now, script, bad ? 5 : 0);
        } else if (++have == IN_A_ROW) {
            while (have) {
                answer(fd, &q[--have], script, 0);
            }
        }
    }
}

static struct block_dev *serve(enum script script, unsigned flags, unsigned deadline_ms)
{
    struct vr_err err = VR_ERR_INIT;
    struct block_dev *dev = NULL;
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(listener, 1), 0);
    memset(count, 0, sizeof *count);
    server = fork();
    assert_true(server >= 0);
    if (server == 0) {
        be_server(accept(listener, NULL, NULL), script);
    }
    close(listener);
    CHECK_OK(block_nbd_open_unix(at.sun_path, flags, deadline_ms, &dev, &err), &err);
    assert_int_equal(dev->size_bytes, SIZE_BYTES);
    return dev;
}

static int stop_server(void **state)
{
    if (server > 0) {
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
    }
    server = 0;
    unlink(at.sun_path);
    return 0;
}

static void check_bytes(struct block_dev *dev, uint64_t off, size_t len)
{
    struct vr_err err = VR_ERR_INIT;
    CHECK_OK(block_read(dev, buf, len, off, &err), &err);
    for (size_t i = 0; i < len; i++) {
        if (buf[i] != byte_at(off + i)) {
            fail_msg("byte %llu is wrong", (unsigned long long)(off + i));
        }
    }
}

static void test_every_byte_is_fetched_once(void **state)
{
    struct block_dev *dev = serve(HONEST, BLOCK_READ_ONLY, 20000);
    for (uint64_t off = 0; off < 32 * VR_MIB; off += VR_MIB / 4) {
        if (off % (8 * VR_MIB) == 0) {
            block_prefetch(dev, off, 8 * VR_MIB);
        }
        check_bytes(dev, off, VR_MIB / 4);
    }
    assert_int_equal(count->reads, 32 * VR_MIB / PIECE_BYTES);
    block_close(dev);
}

static void test_answers_in_any_order(void **state)
{
    struct block_dev *dev = serve(REVERSED, BLOCK_READ_ONLY, 20000);
    block_prefetch(dev, 0, (uint64_t)2 * IN_A_ROW * PIECE_BYTES);
    for (uint64_t off = 0; off < 2 * IN_A_ROW * PIECE_BYTES; off += VR_MIB / 4) {
        check_bytes(dev, off, VR_MIB / 4);
    }
    assert_int_equal(count->reads, 2 * IN_A_ROW);
    block_close(dev);
}

static bool view_is_right(struct block_dev *dev, uint64_t off, size_t len)
{
    const uint8_t *p = block_map(dev, off, len);
    if (!p) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(p[i], byte_at(off + i));
    }
    return block_map_end(dev, off, len);
}

static void test_views_of_what_was_hinted(void **state)
{
    struct block_dev *dev = serve(REVERSED, BLOCK_READ_ONLY, 20000);
    unsigned views = 0;
    assert_true(dev->views_are_hinted);
    assert_null(block_map(dev, 0, 4096)); /* not hinted: nothing is asked for */
    assert_int_equal(count->reads, 0);
    block_prefetch(dev, 70000, IN_A_ROW * PIECE_BYTES - 70000);
    for (uint64_t off = 70000; off < IN_A_ROW * PIECE_BYTES;) {
        size_t n = (size_t)(VR_MIB / 4 - off % (VR_MIB / 4));
        views += view_is_right(dev, off, n);
        off += n;
    }
    assert_int_equal(views, IN_A_ROW * PIECE_BYTES / (VR_MIB / 4)); /* no step had to be read */
    assert_int_equal(count->reads, IN_A_ROW);
    assert_null(block_map(dev, 0, 4096)); /* behind the reader: given back */
    block_close(dev);
}

static void test_no_view_of_what_is_wrong(void **state)
{
    struct vr_err err;
    struct block_dev *dev = serve(ONE_BAD, BLOCK_READ_ONLY, 20000);
    block_prefetch(dev, 0, 4 * VR_MIB);
    assert_true(view_is_right(dev, 0, 4096));
    assert_null(block_map(dev, PIECE_BYTES - 1, 2)); /* in two pieces */
    uint64_t bad_piece = vr_round_down(BAD_AT, PIECE_BYTES);
    assert_null(block_map(dev, bad_piece, 4096));
    check_bytes(dev, bad_piece, 4096); /* the read asks again, for less */
    CHECK_FAILS(block_read(dev, buf, 1, BAD_AT, &err), &err, VR_E_IO, "read of 1 bytes");
    block_close(dev);
    stop_server(NULL);
    dev = serve(HALF, BLOCK_READ_ONLY, 20000);
    block_prefetch(dev, 0, 4 * VR_MIB);
    assert_null(block_map(dev, 0, 4096));
    CHECK_FAILS(block_read(dev, buf, 4096, 0, &err), &err, VR_E_IO, "NBD server");
    assert_null(block_map(dev, 0, 4096));
    block_close(dev);
    stop_server(NULL);
    dev = serve(HONEST, 0, 20000);
    block_prefetch(dev, 0, 4 * VR_MIB);
    assert_null(block_map(dev, 0, 4096)); /* a write may come */
    block_close(dev);
}

/* Each of these must end the device: with an error for every call, and nothing taken for data. */
static void check_ends(enum script script, enum vr_err_kind kind, unsigned deadline_ms)
{
    struct vr_err err;
    for (int ahead = 0; ahead < 2; ahead++) {
        struct block_dev *dev = serve(script, 0, 20000);
        block_nbd_set_deadline(dev, deadline_ms);
        if (ahead) {
            block_prefetch(dev, 0, 8 * VR_MIB);
        }
        CHECK_FAILS(block_read(dev, buf, VR_MIB / 4, 0, &err), &err, kind, "NBD server");
        CHECK_FAILS(block_read(dev, buf, 1, 9 * VR_MIB, &err), &err, kind, "NBD server");
        CHECK_FAILS(block_write(dev, buf, 1, 9 * VR_MIB, &err), &err, kind, "NBD server");
        CHECK_FAILS(block_flush(dev, &err), &err, kind, "NBD server");
        block_prefetch(dev, 16 * VR_MIB, VR_MIB);
        assert_in_range(count->reads, 1, SLOTS);
        assert_int_equal(count->writes + count->flushes, 0);
        block_close(dev);
        stop_server(NULL);
    }
}

static void test_wrong_answers_end_the_device(void **state)
{
    check_ends(HALF, VR_E_IO, 20000);
    check_ends(STRANGER, VR_E_IO, 20000);
    check_ends(GARBAGE, VR_E_IO, 20000);
    check_ends(HALF_STUCK, VR_E_TIMEOUT, 250);
}

static void test_a_bad_sector_fails_only_who_reads_it(void **state)
{
    struct vr_err err;
    struct block_dev *dev = serve(ONE_BAD, BLOCK_READ_ONLY, 20000);
    block_prefetch(dev, 0, 8 * VR_MIB);
    unsigned failed = 0;
    for (uint64_t off = 0; off < 8 * VR_MIB; off += 65536) {
        if (overlaps(off, 65536, BAD_AT, 1)) {
            CHECK_FAILS(block_read(dev, buf, 65536, off, &err), &err, VR_E_IO, "read of 65536");
            failed++;
        } else {
            check_bytes(dev, off, 65536);
        }
    }
    assert_int_equal(failed, 1);
    assert_int_equal(count->errors, 2); /* the piece, and then just what was asked for */
    block_close(dev);
}

static void test_a_lost_flush_is_told(void **state)
{
    struct vr_err err;
    struct block_dev *dev = serve(NO_FLUSH, 0, 20000);
    for (unsigned i = 0; i < 3 * SLOTS; i++) {
        CHECK_OK(block_write(dev, buf, 4096, i * VR_MIB, &err), &err);
    }
    CHECK_FAILS(block_flush(dev, &err), &err, VR_E_IO, "NBD server");
    CHECK_FAILS(block_flush(dev, &err), &err, VR_E_IO, "NBD server"); /* never good again */
    assert_int_equal(count->writes, 3 * SLOTS);
    assert_int_equal(count->flushes, 1);
    block_close(dev);
}

static int set_up(void **state)
{
    count = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (count == MAP_FAILED || !mkdtemp(dir)) {
        return -1;
    }
    snprintf(at.sun_path, sizeof at.sun_path, "%s/s", dir);
    return 0;
}

static int tear_down(void **state)
{
    return rmdir(dir); /* fails when a socket was left */
}

#define F(f) cmocka_unit_test_teardown(f, stop_server)

int main(void)
{
    const struct CMUnitTest tests[] = {
        F(test_every_byte_is_fetched_once),   F(test_answers_in_any_order),
        F(test_views_of_what_was_hinted),     F(test_no_view_of_what_is_wrong),
        F(test_wrong_answers_end_the_device), F(test_a_bad_sector_fails_only_who_reads_it),
        F(test_a_lost_flush_is_told)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
