#include "driver.h"

#include <stdio.h>
#include <stdlib.h>

#include "../support/clock.h"
#include "sequence.h"

static void submit(
    struct Driver *driver, struct Transaction *transaction, int branch, enum TaskKind kind) {
    struct Task task = {.transaction = transaction, .kind = kind, .branch = branch};
    if (kind != TASK_FINISH) {
        task.guarded = driver->mode->guarded;
        task.workAlone = driver->mode->interactive;
    }
    pool_submit(&driver->pools[branch_role(branch)], task);
}

/// How many branches are prepared: with a journal, all but the last, which decides.
static int prepared_branches(const struct Driver *driver) {
    return driver->branches - (driver->mode->decide == DECIDE_IN_JOURNAL ? 1 : 0);
}

static void work(struct Driver *driver, struct Transaction *transaction) {
    transaction->phase = WORKING;
    if (driver->mode->sequential) {
        sequence_start(driver, transaction);
        return;
    }
    int prepared = prepared_branches(driver);
    // The accept row is waited for like a branch: no decision may precede it.
    transaction->pending = prepared + (driver->mode->accept != ACCEPT_NONE);
    if (driver->mode->accept != ACCEPT_NONE) batcher_add(&driver->accept, transaction);
    for (int branch = 0; branch < prepared; branch++) {
        submit(driver, transaction, branch, TASK_PREPARE);
    }
}

static void begin(struct Driver *driver) {
    struct Transaction *transaction = driver->free[--driver->freeCount];
    transaction->number = ++driver->begun;
    transaction->startedAt = clock_nanoseconds();
    snprintf(
        transaction->gid, sizeof transaction->gid, "limit:%s:%ld", run_identifier(),
        transaction->number);
    if (driver->admitted < driver->admittedMax) {
        driver->admitted++;
        work(driver, transaction);
    } else {
        int place = (driver->waitingHead + driver->waitingCount++) % driver->inFlight;
        driver->waiting[place] = transaction;
    }
}

void driver_ended(struct Driver *driver, struct Transaction *transaction) {
    if (driver->mode->done) batcher_add(&driver->done, transaction);
    run_committed(driver->run, transaction->startedAt);
    driver->free[driver->freeCount++] = transaction;
    if (driver->waitingCount) {
        struct Transaction *next = driver->waiting[driver->waitingHead];
        driver->waitingHead = (driver->waitingHead + 1) % driver->inFlight;
        driver->waitingCount--;
        work(driver, next);
    } else {
        driver->admitted--;
    }
}

static void finish(struct Driver *driver, struct Transaction *transaction) {
    transaction->phase = FINISHING;
    transaction->pending = prepared_branches(driver);
    for (int branch = 0; branch < prepared_branches(driver); branch++) {
        submit(driver, transaction, branch, TASK_FINISH);
    }
}

/// Every branch is prepared and the accept row, if any, is written.
static void decide(struct Driver *driver, struct Transaction *transaction) {
    transaction->phase = DECIDING;
    switch (driver->mode->decide) {
    case DECIDE_NOWHERE:
        finish(driver, transaction);
        break;
    case DECIDE_BY_INSERT:
    case DECIDE_BY_UPDATE:
        batcher_add(&driver->decide, transaction);
        break;
    case DECIDE_IN_JOURNAL:
        submit(driver, transaction, driver->branches - 1, TASK_JOURNAL);
        break;
    }
}

static void answered(struct Driver *driver, struct Transaction *transaction) {
    switch (transaction->phase) {
    case WORKING:
        if (--transaction->pending == 0) decide(driver, transaction);
        break;
    case DECIDING:
        finish(driver, transaction);
        break;
    case FINISHING:
        if (--transaction->pending == 0) driver_ended(driver, transaction);
        break;
    }
}

static void task_completed(struct Pool *pool, struct Task task) {
    struct Driver *driver = pool->owner;
    if (driver->mode->sequential) {
        sequence_answered(driver, task.transaction);
    } else {
        answered(driver, task.transaction);
    }
}

static void record_written(struct Batcher *batcher, struct Transaction *transaction) {
    answered(batcher->owner, transaction);
}

static void advance(struct Workload *workload, bool draining) {
    struct Driver *driver = (struct Driver *)workload;
    while (!draining && driver->freeCount) begin(driver);
    batcher_kick(&driver->accept);
    batcher_kick(&driver->decide);
    batcher_kick(&driver->done);
}

static bool idle(const struct Workload *workload) {
    const struct Driver *driver = (const struct Driver *)workload;
    return driver->freeCount == driver->inFlight && batcher_quiet(&driver->done);
}

static void open_batchers(struct Driver *driver) {
    // The caller's request, kept with the accept row: some 300 bytes, as a coordinator would.
    static char body[301];
    for (size_t index = 0; index + 1 < sizeof body; index++) body[index] = 'x';
    struct Loop *loop = &driver->run->loop;
    const struct Database *state = &driver->run->options->databases[STATE];
    const struct Mode *mode = driver->mode;
    driver->accept.owner = driver->decide.owner = driver;
    driver->accept.written = driver->decide.written = record_written;
    if (mode->accept != ACCEPT_NONE) {
        struct BatchStatement accept = {
            .sql = "INSERT INTO limit_bench.transaction (gid, state, body)"
                   " SELECT gid, 'active', $2 FROM unnest($1::text[]) AS gid",
            .tag = "INSERT 0",
            .extra = body,
            .synchronous = mode->accept == ACCEPT_SYNCHRONOUS,
        };
        batcher_open(&driver->accept, loop, state, &accept);
    }
    if (mode->decide == DECIDE_BY_INSERT || mode->decide == DECIDE_BY_UPDATE) {
        bool insert = mode->decide == DECIDE_BY_INSERT;
        struct BatchStatement decide = {
            .sql = insert ? "INSERT INTO limit_bench.decision (gid) SELECT unnest($1::text[])"
                          : "UPDATE limit_bench.transaction SET state = 'commit', at = now()"
                            " WHERE gid = ANY ($1::text[])",
            .tag = insert ? "INSERT 0" : "UPDATE",
            .synchronous = true,
        };
        batcher_open(&driver->decide, loop, state, &decide);
    }
    if (mode->done) {
        struct BatchStatement done = {
            .sql = "UPDATE limit_bench.transaction SET state = 'done', body = NULL"
                   " WHERE gid = ANY ($1::text[])",
            .tag = "UPDATE",
        };
        batcher_open(&driver->done, loop, state, &done);
    }
}

void driver_open(struct Driver *driver, struct Run *run, const struct Mode *mode, int slots) {
    const struct Options *options = run->options;
    size_t inFlight = (size_t)options->inFlight;
    int slotsEach = (options->branches + 1) / 2;
    *driver = (struct Driver){
        .workload = {.advance = advance, .idle = idle},
        .run = run,
        .mode = mode,
        .branches = options->branches,
        .statements = options->statements,
        .inFlight = options->inFlight,
        .admittedMax = slots / slotsEach,
        .transactions = allocate(inFlight, sizeof(struct Transaction)),
        .free = allocate(inFlight, sizeof(struct Transaction *)),
        .waiting = allocate(inFlight, sizeof(struct Transaction *)),
    };
    for (int slot = options->inFlight - 1; slot >= 0; slot--) {
        driver->transactions[slot].slot = slot;
        driver->free[driver->freeCount++] = &driver->transactions[slot];
    }
    for (enum DatabaseRole role = USERS; role <= ORDERS; role++) {
        struct Pool *pool = &driver->pools[role];
        int count = mode->sequential ? options->inFlight : options->connections;
        pool_open(pool, &run->loop, options, role, count, mode->sequential);
        pool->completed = task_completed;
        pool->owner = driver;
    }
    open_batchers(driver);
}

void driver_close(struct Driver *driver) {
    for (enum DatabaseRole role = USERS; role <= ORDERS; role++) pool_close(&driver->pools[role]);
    batcher_close(&driver->accept);
    batcher_close(&driver->decide);
    batcher_close(&driver->done);
    free(driver->transactions);
    free(driver->free);
    free(driver->waiting);
}
