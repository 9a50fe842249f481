// Loaded into a coordinator that runs under valgrind, in front of libc.
//
// Valgrind makes the program some fifty times slower, and other work on the machine makes it slower
// still. Timers would then fire that never fire in earnest (a lock wait is examined after 20 ms,
// lazy records are written after 10), and how often would depend on the machine. So this clock runs
// slower than time does, and every wait for a moment of this clock lasts longer by the same factor.
// Time of day is left as it is.
#define _GNU_SOURCE
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { FACTOR = 1000, SECOND = 1000000000 };

// A deadline beyond is no moment since the machine's start but a time of day.
enum { UPTIME_SECONDS_MAX = 1000000000 };

// When the program began, by CLOCK_MONOTONIC and by CLOCK_BOOTTIME.
static int64_t monotonic_start, boottime_start;

static int64_t nanoseconds(const struct timespec *time) {
    return (int64_t)time->tv_sec * SECOND + time->tv_nsec;
}

static struct timespec timespec_of(int64_t nanoseconds) {
    return (struct timespec){nanoseconds / SECOND, nanoseconds % SECOND};
}

static int64_t read_clock(clockid_t clock) {
    struct timespec now;
    syscall(SYS_clock_gettime, clock, &now);
    return nanoseconds(&now);
}

__attribute__((constructor)) static void start(void) {
    monotonic_start = read_clock(CLOCK_MONOTONIC);
    boottime_start = read_clock(CLOCK_BOOTTIME);
}

// When the slow clock will show this deadline.
static struct timespec real_deadline(const struct timespec *deadline) {
    int64_t span = nanoseconds(deadline) - monotonic_start;
    int64_t longest = (INT64_MAX - monotonic_start) / FACTOR;
    return timespec_of(monotonic_start + (span > longest ? longest : span) * FACTOR);
}

int clock_gettime(clockid_t clock, struct timespec *time) {
    if (clock != CLOCK_MONOTONIC && clock != CLOCK_BOOTTIME) {
        return (int)syscall(SYS_clock_gettime, clock, time);
    }
    int64_t begun = clock == CLOCK_MONOTONIC ? monotonic_start : boottime_start;
    *time = timespec_of(begun + (read_clock(clock) - begun) / FACTOR);
    return 0;
}

int epoll_wait(int epoll, struct epoll_event *events, int count, int timeout) {
    if (timeout > 0) timeout = timeout > INT_MAX / FACTOR ? INT_MAX : timeout * FACTOR;
    return epoll_pwait(epoll, events, count, timeout, NULL);
}

int pthread_cond_timedwait(
    pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *deadline) {
    if (deadline->tv_sec > UPTIME_SECONDS_MAX) {
        return pthread_cond_clockwait(condition, mutex, CLOCK_REALTIME, deadline);
    }
    struct timespec real = real_deadline(deadline);
    return pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, &real);
}

// libdispatch sets its timers so. It always gives a deadline, never a span.
int timerfd_settime(
    int timer, int flags, const struct itimerspec *value, struct itimerspec *before) {
    struct itimerspec real = *value;
    bool isArmed = value->it_value.tv_sec || value->it_value.tv_nsec;
    if (isArmed && (flags & TFD_TIMER_ABSTIME) && value->it_value.tv_sec <= UPTIME_SECONDS_MAX) {
        real.it_value = real_deadline(&value->it_value);
    }
    return (int)syscall(SYS_timerfd_settime, timer, flags, &real, before);
}

// Valgrind 3.19 writes into the mask, and crashes where libdispatch has it: in read-only memory.
int sigsuspend(const sigset_t *mask) {
    sigset_t own = *mask;
    return (int)syscall(SYS_rt_sigsuspend, &own, _NSIG / 8);
}
