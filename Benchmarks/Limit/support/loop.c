#define _GNU_SOURCE
#include "loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "fatal.h"

enum { EVENTS_PER_TURN_MAX = 256 };

void loop_open(struct Loop *loop) {
    loop->deferred = NULL;
    loop->descriptor = epoll_create1(EPOLL_CLOEXEC);
    if (loop->descriptor < 0) fatal_errno("epoll_create1");
}

void loop_close(struct Loop *loop) { close(loop->descriptor); }

void loop_add(struct Loop *loop, struct Source *source) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = source};
    source->wantsWrite = false;
    if (epoll_ctl(loop->descriptor, EPOLL_CTL_ADD, source->descriptor, &event) < 0) {
        fatal_errno("epoll_ctl");
    }
}

void loop_want_write(struct Loop *loop, struct Source *source, bool wanted) {
    if (source->wantsWrite == wanted) return;
    struct epoll_event event = {
        .events = wanted ? EPOLLIN | EPOLLOUT : EPOLLIN,
        .data.ptr = source,
    };
    source->wantsWrite = wanted;
    if (epoll_ctl(loop->descriptor, EPOLL_CTL_MOD, source->descriptor, &event) < 0) {
        fatal_errno("epoll_ctl");
    }
}

void loop_defer(struct Loop *loop, struct Source *source) {
    if (source->deferred) return;
    source->deferred = true;
    source->nextDeferred = loop->deferred;
    loop->deferred = source;
}

static void flush_deferred(struct Loop *loop) {
    struct Source *source = loop->deferred;
    loop->deferred = NULL;
    while (source) {
        struct Source *next = source->nextDeferred;
        source->deferred = false;
        source->flush(source);
        source = next;
    }
}

void loop_turn(struct Loop *loop, int64_t nanosecondsMax) {
    flush_deferred(loop);
    struct epoll_event events[EVENTS_PER_TURN_MAX];
    if (nanosecondsMax < 0) nanosecondsMax = 0;
    struct timespec timeout = {
        .tv_sec = nanosecondsMax / NANOSECONDS_PER_SECOND,
        .tv_nsec = nanosecondsMax % NANOSECONDS_PER_SECOND,
    };
    int count = epoll_pwait2(loop->descriptor, events, EVENTS_PER_TURN_MAX, &timeout, NULL);
    if (count < 0 && errno != EINTR) fatal_errno("epoll_pwait2");
    for (int index = 0; index < count; index++) {
        struct Source *source = events[index].data.ptr;
        source->ready(source, events[index].events);
    }
}

long descriptor_send(int descriptor, const void *bytes, size_t count) {
    for (;;) {
        ssize_t sent = send(descriptor, bytes, count, MSG_NOSIGNAL);
        if (sent >= 0) return sent;
        if (errno == EAGAIN || errno == EWOULDBLOCK) return 0;
        if (errno != EINTR) return -1;
    }
}
