/* Shifts the real-time clock of a process by SHIFT_CLOCK_SECONDS. The dynamic linker loads this library before libc.
   The monotonic clock is not affected, and waits until a point in real time take as long as without it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>
#include <threads.h>
#include <time.h>

static time_t shift;
static int (*libc_clock_gettime)(clockid_t, struct timespec *);
static int (*libc_cnd_timedwait)(cnd_t *, mtx_t *, const struct timespec *);

__attribute__((constructor)) static void start(void) {
    const char *seconds = getenv("SHIFT_CLOCK_SECONDS");
    shift = seconds ? atol(seconds) : 0;
    libc_cnd_timedwait = dlsym(RTLD_NEXT, "cnd_timedwait");
    libc_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    /* The constructor of another library may run first. */
    if (!libc_clock_gettime) start();
    int result = libc_clock_gettime(clock, now);
    if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += shift;
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (now) *now = precise.tv_sec;
    return precise.tv_sec;
}

/* librdkafka waits with this function until a time of the shifted clock. */
int cnd_timedwait(cnd_t *restrict condition, mtx_t *restrict mutex, const struct timespec *restrict end) {
    struct timespec real_end = *end;
    real_end.tv_sec -= shift;
    return libc_cnd_timedwait(condition, mutex, &real_end);
}
