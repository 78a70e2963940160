/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The control thread: core, provider, store and inventory are called only here, so they have no
 * locks. Other threads hand their news over through a mailbox. A message with memory of its own (a
 * lane's end) is never refused; one that is made on the spot (an HTTP request) is, when too many
 * wait.
 */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "util/cleanup.h"
#include "util/err.h"

#define CONTROL_POSTS_MAX 4096 /* waiting messages of control_post */
#define CONTROL_FDS_MAX 8

struct control;
typedef void (*control_fn)(void *arg);

/* Embedded in what it is about; not to be sent again before it ran. */
struct control_msg {
    struct control_msg *next;
    control_fn fn;
    void *arg;
    bool owned; /* by the mailbox */
};

VR_MUST_CHECK int control_new(struct control **ret, struct vr_err *err);
void control_free(struct control *c);
DEFINE_CLEANUP(struct control *, control_free)

/* Runs fn(arg) on the control thread, soon. Any thread. False: too many wait, or no memory; fn will
 * not run. */
bool control_post(struct control *c, control_fn fn, void *arg);
/* The same with the caller's memory: never refused. */
void control_send(struct control *c, struct control_msg *msg);
/* Runs fn(arg) on the control thread and waits for its end. Not on the control thread itself. */
void control_call(struct control *c, control_fn fn, void *arg);

/* Runs fn(arg) whenever fd is readable. Before control_run. */
VR_MUST_CHECK int
control_watch(struct control *c, int fd, control_fn fn, void *arg, struct vr_err *err);
/* Handles messages until control_stop. tick is called after every round and says when it wants to
 * be called next (wall us, 0: nothing planned). The calling thread is the control thread. */
void control_run(struct control *c, uint64_t (*tick)(void *arg), void *arg);
/* On the control thread. */
void control_stop(struct control *c);
/* Handles what is in the mailbox until done() says true: for the shutdown. */
void control_drain(struct control *c, bool (*done)(void *arg), void *arg);
