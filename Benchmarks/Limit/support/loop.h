#ifndef LIMIT_LOOP_H
#define LIMIT_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// A descriptor in the loop and what runs when it is ready. Embedded first in its owner.
struct Source {
    int descriptor;
    bool wantsWrite;
    void (*ready)(struct Source *source, uint32_t events);
    /// Sends what was gathered; only for sources that are given to `loop_defer`.
    void (*flush)(struct Source *source);
    bool deferred;
    struct Source *nextDeferred;
};

/// One epoll instance; everything runs on the thread that calls `loop_turn`.
struct Loop {
    int descriptor;
    struct Source *deferred;
};

void loop_open(struct Loop *loop);
void loop_close(struct Loop *loop);

/// Adds a source, at first for reading only.
void loop_add(struct Loop *loop, struct Source *source);

/// Asks for writability too, or no longer. Costs a system call only when it changes.
void loop_want_write(struct Loop *loop, struct Source *source, bool wanted);

/// Has the source's `flush` run before the loop next waits. A send wakes a server process, which
/// then competes for the processor; sent after all answers at hand were taken in, requests cost
/// fewer switches and fewer waits.
void loop_defer(struct Loop *loop, struct Source *source);

/// Flushes what was deferred, waits at most `nanosecondsMax` and runs what is ready.
void loop_turn(struct Loop *loop, int64_t nanosecondsMax);

/// Sends what it can of `bytes`. Returns how much went, 0 when the socket is full, -1 when the
/// connection is gone.
long descriptor_send(int descriptor, const void *bytes, size_t count);

#endif
