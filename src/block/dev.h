/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Block devices: one wrapper over drivers (file, nbd, mem) and filters (fault, rate, count). Every
 * call goes through dev.c, which checks the state and the range, so a driver sees only valid calls.
 * One thread at a time per device.
 *
 * Offsets and lengths are bytes, any alignment (drivers that need alignment do it themselves); a
 * device's size is fixed while it is open. Reads and writes are whole or an error. Data is durable
 * only after block_flush returned 0, which covers every write that returned before it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/cleanup.h"
#include "util/err.h"

struct block_dev;

enum block_extent_kind {
    BLOCK_DATA = 0,
    BLOCK_ZERO = 1 /* reads as zeroes for certain (a hole that might not is DATA) */
};

struct block_extent {
    uint64_t off, len;
    enum block_extent_kind kind;
};

#define BLOCK_READ_ONLY 1u
/* A hint for whoever writes much or must see what the disk itself holds: reads and writes pass the
 * page cache by where the file allows it, and writes may be posted: a failed one is told by a later
 * call, by the flush at the latest. A driver that cannot leaves it out of dev->flags. */
#define BLOCK_DIRECT 2u
/* With it, where many disks are open at one time: a quarter of the memory and of the requests. */
#define BLOCK_ONE_OF_MANY 4u
#define BLOCK_IO_MAX (4u << 20) /* one read or write, bytes */

/* The driver interface. `dev` is the first member of the driver's own struct. NULL member = the
 * default said. */
struct block_ops {
    const char *name;
    int (*read)(struct block_dev *dev, void *buf, size_t len, uint64_t off, struct vr_err *err);
    int (*write)(
        struct block_dev *dev, const void *buf, size_t len, uint64_t off, struct vr_err *err);
    /* Makes the range read as zeroes, space given back where that is cheap. */
    int (*zero)(struct block_dev *dev, uint64_t off, uint64_t len, struct vr_err *err);
    int (*flush)(struct block_dev *dev, struct vr_err *err);
    /* Fills ret (at most max) with adjoining extents from off on, covering at most len. NULL: all
     * DATA. */
    int (*extents)(struct block_dev *dev,
                   uint64_t off,
                   uint64_t len,
                   struct block_extent *ret,
                   size_t max,
                   size_t *ret_n,
                   struct vr_err *err);
    /* Takes the space a later write of the range needs, so that it cannot fail with NOSPACE. NULL:
     * nothing to take. */
    int (*reserve)(struct block_dev *dev, uint64_t off, uint64_t len, struct vr_err *err);
    /* A hint: this range is read soon, in this order. NULL: ignored. */
    void (*prefetch)(struct block_dev *dev, uint64_t off, uint64_t len);
    /* A view of the range, see block_map; asked only for devices open for reading only and not
     * BLOCK_DIRECT. A filter that counts, fails or slows reads does not offer it. map_end, unmap:
     * go with it. NULL: never. */
    const uint8_t *(*map)(struct block_dev *dev, uint64_t off, size_t len);
    bool (*map_end)(struct block_dev *dev, uint64_t off, size_t len);
    void (*unmap)(struct block_dev *dev);
    /* Forgets cached pages, so that the next read comes from the disk as far as that can be had.
     * NULL: ignored. */
    void (*drop_cache)(struct block_dev *dev);
    /* Asks for little at a time, or again for as much as goes. NULL: ignored. */
    void (*be_gentle)(struct block_dev *dev, bool gentle);
    /* As block_dirty. NULL: there is no bitmap. */
    int (*dirty)(struct block_dev *dev,
                 void (*fn)(void *ctx, uint64_t off, uint64_t len),
                 void *ctx,
                 struct vr_err *err);
    /* Did the contents change under us since open, as far as can be seen? NULL: no. 1 yes, 0 no. */
    int (*changed)(struct block_dev *dev);
    void (*close)(struct block_dev *dev); /* frees the driver's struct */
};

struct block_dev {
    const struct block_ops *ops;
    uint64_t size_bytes;
    unsigned flags;
    bool views_are_hinted; /* block_map gives only what block_prefetch announced: keep announcing */
    char label[96];        /* for messages: "vda (raw)" */
};

VR_MUST_CHECK int
block_read(struct block_dev *dev, void *buf, size_t len, uint64_t off, struct vr_err *err);
VR_MUST_CHECK int
block_write(struct block_dev *dev, const void *buf, size_t len, uint64_t off, struct vr_err *err);
VR_MUST_CHECK int block_zero(struct block_dev *dev, uint64_t off, uint64_t len, struct vr_err *err);
VR_MUST_CHECK int block_flush(struct block_dev *dev, struct vr_err *err);
VR_MUST_CHECK int block_extents(struct block_dev *dev,
                                uint64_t off,
                                uint64_t len,
                                struct block_extent *ret,
                                size_t max,
                                size_t *ret_n,
                                struct vr_err *err);
VR_MUST_CHECK int
block_reserve(struct block_dev *dev, uint64_t off, uint64_t len, struct vr_err *err);
void block_prefetch(struct block_dev *dev, uint64_t off, uint64_t len);
/*
 * A view of a range that is in memory anyway or was hinted, by whatever costs least; at most
 * BLOCK_IO_MAX bytes. NULL: not to be had, read it. Else look, then call block_map_end for the same
 * range, at which the pointer ends; a thread has one view at a time. False: some of what was seen
 * was not there (a file that became shorter, an I/O error), so what was computed from it is
 * worthless: read it, which tells the error. A view may change while somebody writes the device:
 * look at a byte once.
 */
const uint8_t *block_map(struct block_dev *dev, uint64_t off, size_t len);
VR_MUST_CHECK bool block_map_end(struct block_dev *dev, uint64_t off, size_t len);
/* Gives back what is kept mapped for the next view (some MiB). */
void block_unmap(struct block_dev *dev);
void block_drop_cache(struct block_dev *dev);
/* For a device whose reads are served by what serves a guest's writes, too: each request of ours is
 * short, and one of the guest's waits behind one of ours at most. Slower; changed at any time. */
void block_be_gentle(struct block_dev *dev, bool gentle);
bool block_changed(struct block_dev *dev);
void block_close(struct block_dev *dev); /* NULL is fine */
DEFINE_CLEANUP(struct block_dev *, block_close)

/* Writes at or above this many zero bytes are punched or WRITE_ZEROES; below they are written
 * (fewer extents). */
#define BLOCK_PUNCH_MIN (64u << 10)
/* Below this a file keeps the space of what is zeroed, where its file system can say so without
 * writing it: to give back small pieces takes longer than writing them (a discard each). */
#define BLOCK_GIVE_BACK_MIN (1u << 20)

/* --- drivers --- */

/*
 * A raw image file or block device. Extents by SEEK_HOLE/SEEK_DATA. NOT_FOUND: no such file; BUSY
 * is never returned here (see block/lock.h). fd is borrowed for locking until close.
 */
VR_MUST_CHECK int
block_file_open(const char *path, unsigned flags, struct block_dev **ret_dev, struct vr_err *err);
int block_file_fd(struct block_dev *dev); /* the descriptor of a file device, else -1 */

/* Memory, for tests and the simulator. */
VR_MUST_CHECK int
block_mem_new(uint64_t size_bytes, struct block_dev **ret_dev, struct vr_err *err);

/*
 * An NBD export over a Unix socket or TCP. uri as nbd_connect_uri takes it. Several requests in
 * flight for prefetched reads and for writes; block_flush waits for all of them. A failed write is
 * told by the next write or by the flush: then all since the last good flush must be written again.
 * UNSUPPORTED: an export without flush for writing. TIMEOUT, IO: the server is gone, and the device
 * unusable.
 */
VR_MUST_CHECK int
block_nbd_open(const char *uri, unsigned flags, struct block_dev **ret_dev, struct vr_err *err);

/* The export with this name behind a Unix socket, for reading. bitmap: NULL, or a meta context of
 * it (at most 191 bytes), for block_dirty. */
VR_MUST_CHECK int block_nbd_open_export(const char *socket_path,
                                        const char *name,
                                        const char *bitmap,
                                        struct block_dev **ret_dev,
                                        struct vr_err *err);

/* Calls fn for every range whose bit 0 is set in the export's bitmap, ascending. UNSUPPORTED: the
 * server does not tell that bitmap, or not all of it: what was called is then not all; or the
 * device is none of the NBD driver's. */
VR_MUST_CHECK int block_dirty(struct block_dev *dev,
                              void (*fn)(void *ctx, uint64_t off, uint64_t len),
                              void *ctx,
                              struct vr_err *err);

/*
 * Any image: raw goes to block_file_open; other formats to a qemu-nbd of our own, started with the
 * explicit format, file.locking=off (lock the image yourself first) and killed with the parent; it
 * ends when the device is closed. The kill is tied to the thread that opens it (PR_SET_PDEATHSIG):
 * that thread must outlive the device. run_dir: a private directory for its socket.
 */
VR_MUST_CHECK int block_image_open(const char *path,
                                   const char *format,
                                   unsigned flags,
                                   const char *run_dir,
                                   struct block_dev **ret_dev,
                                   struct vr_err *err);
/* Every QEMU tool started from now on inherits fd (borrowed, for good), so that a lock of that open
 * file ends only with the last of them: one whose daemon was killed may write for a moment longer,
 * and nobody must open the images before. Call it before there are threads. */
void block_children_hold(int fd);
/* Makes an empty image that reads as zeroes. EXISTS: something is there. INVALID: not a format we
 * know. */
VR_MUST_CHECK int
block_image_create(const char *path, const char *format, uint64_t size_bytes, struct vr_err *err);
/* Gives an image another size: what is beyond the smaller of both is gone, or reads as zeroes.
 * Repeating it changes nothing. The caller holds the image's lock. UNSUPPORTED: not an image whose
 * size can be changed. */
VR_MUST_CHECK int
block_image_resize(const char *path, const char *format, uint64_t size_bytes, struct vr_err *err);
/* Formats whose images can be given another size. */
bool block_format_resizes(const char *format);
/* Would block_image_resize be refused because of what the image is? UNSUPPORTED: yes, and the text
 * says what to do. CORRUPT, IO. */
VR_MUST_CHECK int
block_image_check_resizes(const char *path, const char *format, struct vr_err *err);
/* Makes a format's own tables consistent again after a writer of the image died or met an error;
 * what a guest reads stays the same. The caller holds the image's lock. Nothing for formats that
 * have no check. */
VR_MUST_CHECK int block_image_repair(const char *path, const char *format, struct vr_err *err);
/* Takes a bitmap out of a qcow2 image that no QEMU uses (the tool locks it). IO: it is used, or has
 * no such bitmap; the text says which. */
VR_MUST_CHECK int block_image_drop_bitmap(const char *path, const char *bitmap, struct vr_err *err);
/* Is this one of the formats that block_image_open takes ("raw", "qcow2", "vhdx", "vmdk", "vpc",
 * "vdi", "qed")? */
bool block_format_known(const char *format);

/* --- filters: own `next`, close it with themselves --- */

struct block_fault_plan {
    uint64_t fail_at;  /* the n-th call counted (1 = the first), 0 = never */
    int kind;          /* VR_E_* to fail with */
    bool persistent;   /* every call from fail_at on */
    unsigned ops;      /* BLOCK_OP_* mask of the calls that count */
    uint64_t seen;     /* counts */
    uint64_t injected; /* a test of faults fails when this stays 0 */
};
#define BLOCK_OP_READ 1u
#define BLOCK_OP_WRITE 2u
#define BLOCK_OP_ZERO 4u
#define BLOCK_OP_FLUSH 8u

/* plan is borrowed and may be changed while the device is open. */
VR_MUST_CHECK int block_fault_new(struct block_dev *take_next,
                                  struct block_fault_plan *plan,
                                  struct block_dev **ret_dev,
                                  struct vr_err *err);

/* At most bytes_s (not 0) bytes a second are read and written through the device that results. */
VR_MUST_CHECK int block_rate_new(struct block_dev *take_next,
                                 uint64_t bytes_s,
                                 struct block_dev **ret_dev,
                                 struct vr_err *err);

/* take_next (NULL: nothing) seen as a device of size_bytes, not less than its own: zeroes beyond
 * its end. For reading only. */
VR_MUST_CHECK int block_pad_new(struct block_dev *take_next,
                                uint64_t size_bytes,
                                struct block_dev **ret_dev,
                                struct vr_err *err);
