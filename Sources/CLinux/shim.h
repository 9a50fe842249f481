// The part of Linux that Swift's Glibc module does not offer, or offers in a shape that is
// awkward to call. Everything here is a thin `static inline`: no state, no policy.
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// `errno` is a macro over a thread-local lvalue. It is read in the same C call that may set it,
// so that nothing which Swift inserts between two calls can overwrite it.

/// Returns 0, or the errno of a failed epoll_ctl. `tag` comes back with every event.
static inline int clinux_epoll_control(
    int epoll, int operation, int descriptor, uint32_t events, uint64_t tag) {
    struct epoll_event event = {.events = events, .data = {.u64 = tag}};
    return epoll_ctl(epoll, operation, descriptor, &event) == 0 ? 0 : errno;
}

/// `struct epoll_event` is packed on x86-64: its fields are read here rather than from Swift.
static inline uint32_t clinux_event_readiness(const struct epoll_event *events, int index) {
    return events[index].events;
}
static inline uint64_t clinux_event_tag(const struct epoll_event *events, int index) {
    return events[index].data.u64;
}

/// Makes the eventfd readable. The counter cannot overflow: it is drained on every wake-up.
static inline void clinux_eventfd_signal(int descriptor) {
    uint64_t one = 1;
    while (write(descriptor, &one, sizeof one) < 0 && errno == EINTR) {
    }
}
static inline void clinux_eventfd_drain(int descriptor) {
    uint64_t count;
    while (read(descriptor, &count, sizeof count) < 0 && errno == EINTR) {
    }
}

/// Nanoseconds of CLOCK_MONOTONIC.
static inline uint64_t clinux_monotonic_nanoseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/// Starts a detached thread with all signals blocked, so that none of the process's signals is
/// handled on it. Returns 0 or an errno; `thread` is set when it is 0.
static inline int clinux_start_thread(
    pthread_t *thread, size_t stack_bytes, void *(*body)(void *)) {
    pthread_attr_t attributes;
    int error = pthread_attr_init(&attributes);
    if (error != 0) return error;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, stack_bytes);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(thread, &attributes, body, 0);
    pthread_sigmask(SIG_SETMASK, &before, 0);
    pthread_attr_destroy(&attributes);
    return error;
}

/// Writes the text of an errno into `buffer`.
static inline void clinux_describe_error(int error, char *buffer, size_t capacity) {
#ifdef __USE_GNU
    const char *text = strerror_r(error, buffer, capacity);
    if (text != buffer) {
        strncpy(buffer, text, capacity - 1);
        buffer[capacity - 1] = 0;
    }
#else
    if (strerror_r(error, buffer, capacity) != 0) buffer[0] = 0;
#endif
}

/// Lets no other process of the user read this one's memory, and the kernel write none of it to a file.
/// Returns 0, or the errno.
static inline int clinux_keep_memory_private(void) {
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : errno;
}
