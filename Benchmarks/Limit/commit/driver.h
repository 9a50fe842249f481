#ifndef LIMIT_DRIVER_H
#define LIMIT_DRIVER_H

#include "../measure/run.h"
#include "batcher.h"
#include "mode.h"
#include "pool.h"

/// Takes every transaction of a mode through its phases: the least that two-phase commit with
/// those records can cost. The workload is its first member.
struct Driver {
    struct Workload workload;
    struct Run *run;
    const struct Mode *mode;
    int branches;
    int statements;
    /// By role; the state database has batchers instead.
    struct Pool pools[DATABASE_COUNT];
    struct Batcher accept;
    struct Batcher decide;
    struct Batcher done;
    struct Transaction *transactions;
    struct Transaction **free;
    int freeCount;
    int inFlight;
    /// How many transactions may hold prepared slots; the others wait, their time running.
    int admittedMax;
    int admitted;
    struct Transaction **waiting;
    int waitingHead;
    int waitingCount;
    long begun;
};

void driver_open(struct Driver *driver, struct Run *run, const struct Mode *mode, int slots);
void driver_close(struct Driver *driver);

#endif
