/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside block/ only: a QEMU tool as a child process, without a shell. It is killed when the THREAD
 * that started it ends (that is how PR_SET_PDEATHSIG works), so it must be started by the thread
 * that uses it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "util/err.h"

struct child {
    pid_t pid;   /* 0: none, or gone and reaped */
    int pid_fd;  /* -1: none */
    int text_fd; /* what it says on stdout and stderr; what is not read in time is dropped */
    int status;  /* as waitpid gives it, once reaped */
    char text[512];
};

/* argv[0] is looked up in PATH. NOT_FOUND is seen as an early exit with status 127. */
VR_MUST_CHECK int child_start(struct child *c, char *const argv[], struct vr_err *err);
/* Reaps it if it ends within wait_ms; then c->text is what it said, one line. */
bool child_ended(struct child *c, unsigned wait_ms);
/* SIGTERM, after grace_ms SIGKILL; reaps. Safe on one that ended or never started. */
void child_stop(struct child *c, unsigned grace_ms);
