#ifndef LIMIT_POOL_H
#define LIMIT_POOL_H

#include "../options.h"
#include "task.h"

struct Pool;

/// A session to a participant and the task it is at. The session is its first member.
struct Worker {
    struct Session session;
    struct Pool *pool;
    struct Task task;
};

/// Tasks that wait for a worker, first come first served.
struct TaskQueue {
    struct Task *tasks;
    int capacity;
    int head;
    int count;
};

/// A few sessions to one participant, and the queue for them: more sessions than this only make
/// PostgreSQL switch between more processes.
struct Pool {
    struct Worker *workers;
    int count;
    struct Worker **idle;
    int idleCount;
    /// Ends of transactions go before beginnings: they give back prepared slots and locks.
    struct TaskQueue finishing;
    struct TaskQueue working;
    int statements;
    /// Runs when a task is done, its tag already checked. NULL `pool->idle` means that workers
    /// are each owned by a transaction's slot.
    void (*completed)(struct Pool *pool, struct Task task);
    void *owner;
};

/// Opens `count` sessions. `pinned` pools have no queue; their tasks go to workers by index.
void pool_open(
    struct Pool *pool, struct Loop *loop, const struct Options *options, enum DatabaseRole role,
    int count, bool pinned);
void pool_close(struct Pool *pool);

/// Starts a task, or queues it until a worker is idle.
void pool_submit(struct Pool *pool, struct Task task);

/// Starts a task on the worker of a pinned pool.
void pool_start(struct Pool *pool, int worker, struct Task task);

#endif
