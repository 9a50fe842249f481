#include "pool.h"

#include <stdlib.h>

#include "../support/fatal.h"

static void queue_open(struct TaskQueue *queue, int capacity) {
    queue->tasks = allocate((size_t)capacity, sizeof *queue->tasks);
    queue->capacity = capacity;
}

static void queue_put(struct TaskQueue *queue, struct Task task) {
    // A branch has one task at a time, so branches times transactions in flight always fit.
    if (queue->count == queue->capacity) fatal("a task queue overflowed");
    queue->tasks[(queue->head + queue->count++) % queue->capacity] = task;
}

static struct Task queue_take(struct TaskQueue *queue) {
    struct Task task = queue->tasks[queue->head];
    queue->head = (queue->head + 1) % queue->capacity;
    queue->count--;
    return task;
}

static void start(struct Worker *worker, struct Task task) {
    worker->task = task;
    task_build(&worker->session.out, &task, worker->pool->statements);
    session_send(&worker->session);
}

static void completed(struct Session *session) {
    struct Worker *worker = (struct Worker *)session;
    struct Pool *pool = worker->pool;
    session_expect_tag(session, task_tag(&worker->task));
    if (task_goes_on(&worker->task)) {
        start(worker, worker->task);
        return;
    }
    struct Task task = worker->task;
    // The worker is idle before the transaction advances, so that what this sends next goes out
    // on the session whose backend ran last and is warm.
    if (pool->idle) pool->idle[pool->idleCount++] = worker;
    pool->completed(pool, task);
    while (pool->idleCount && (pool->finishing.count || pool->working.count)) {
        struct TaskQueue *queue = pool->finishing.count ? &pool->finishing : &pool->working;
        start(pool->idle[--pool->idleCount], queue_take(queue));
    }
}

void pool_open(
    struct Pool *pool, struct Loop *loop, const struct Options *options, enum DatabaseRole role,
    int count, bool pinned) {
    pool->count = count;
    pool->statements = options->statements;
    pool->workers = allocate((size_t)count, sizeof *pool->workers);
    if (!pinned) {
        int capacity = options->inFlight * options->branches;
        pool->idle = allocate((size_t)count, sizeof(struct Worker *));
        queue_open(&pool->finishing, capacity);
        queue_open(&pool->working, capacity);
    }
    for (int index = 0; index < count; index++) {
        struct Worker *worker = &pool->workers[index];
        session_open(&worker->session, &options->databases[role]);
        task_prepare_statements(&worker->session, role);
        session_join(&worker->session, loop);
        worker->session.completed = completed;
        worker->pool = pool;
        if (!pinned) pool->idle[pool->idleCount++] = worker;
    }
}

void pool_close(struct Pool *pool) {
    for (int index = 0; index < pool->count; index++) session_close(&pool->workers[index].session);
    free(pool->workers);
    free(pool->idle);
    free(pool->finishing.tasks);
    free(pool->working.tasks);
}

void pool_submit(struct Pool *pool, struct Task task) {
    if (pool->idleCount) {
        start(pool->idle[--pool->idleCount], task);
    } else {
        queue_put(task.kind == TASK_FINISH ? &pool->finishing : &pool->working, task);
    }
}

void pool_start(struct Pool *pool, int worker, struct Task task) {
    start(&pool->workers[worker], task);
}
