/* SPDX-License-Identifier: Apache-2.0 */
/* Owning locals that free themselves:  _cleanup_(vr_freep) char *s = NULL;  ...  return
 * TAKE_PTR(s); */
#pragma once
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f) __attribute__((cleanup(f)))

/* Moves a pointer out of an owning variable. */
#define TAKE_PTR(p)                                                                                \
    ({                                                                                             \
        __typeof__(p) taken_ = (p);                                                                \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })
#define TAKE_FD(fd)                                                                                \
    ({                                                                                             \
        int taken_ = (fd);                                                                         \
        (fd) = -1;                                                                                 \
        taken_;                                                                                    \
    })

static inline void vr_freep(void *p)
{
    free(*(void **)p);
}

static inline void vr_closep(const int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
}

static inline void vr_fclosep(FILE **f)
{
    if (*f) {
        fclose(*f);
    }
}

/* DEFINE_CLEANUP(struct job *, job_free) gives job_freep for _cleanup_(job_freep). */
#define DEFINE_CLEANUP(type, func)                                                                 \
    static inline void func##p(type *p)                                                            \
    {                                                                                              \
        if (*p) {                                                                                  \
            func(*p);                                                                              \
        }                                                                                          \
    }
