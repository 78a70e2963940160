/* SPDX-License-Identifier: Apache-2.0 */
#include "util/thread.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>

int vr_thread_start(void *(*fn)(void *arg), void *arg, size_t stack, struct vr_err *err)
{
    pthread_t thread;
    pthread_attr_t attr;
    sigset_t all, before;
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    if (stack != VR_THREAD_STACK_DEFAULT) {
        pthread_attr_setstacksize(&attr, stack);
    }
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int e = pthread_create(&thread, &attr, fn, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attr);
    if (e) {
        errno = e;
        return vr_fail_errno(err, VR_E_LIMIT, "cannot start a thread");
    }
    return 0;
}
