#ifndef LIMIT_RUN_H
#define LIMIT_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "../options.h"
#include "../support/loop.h"
#include "latency.h"
#include "processor.h"

/// What happened to transactions that were then repeated, over the whole run.
struct Losses {
    /// Attempts that were aborted.
    long aborts;
    /// Attempts that a coordinator refused before it began any work.
    long refusals;
    /// The first abort, as `status body`, or "".
    char firstAbort[ANSWER_BYTES];
};

/// One measurement: warm-up, the measured time, then draining what is still in flight.
struct Run {
    const struct Options *options;
    struct Loop loop;
    struct Latency latency;
    bool measuring;
    /// Transactions that committed, over the whole run; the databases must show exactly these.
    long committed;
    /// Transactions of the hot clients that committed, over the whole run.
    long committedHot;
    /// Transactions that ended otherwise or unknown, over the whole run.
    long otherwise;
    /// The first of these, as `status body`, or "".
    char otherAnswer[ANSWER_BYTES];
    struct Losses losses;
    /// What follows describes the measured time alone.
    long measuredCommits;
    long measuredHot;
    double measuredSeconds;
    struct ProcessorTime spent;
    struct ResidentMemory memory;
};

/// What is measured; embedded first in its owner.
struct Workload {
    /// Called before each wait: begins transactions, unless draining, and sends what gathered.
    void (*advance)(struct Workload *workload, bool draining);
    /// True once nothing is in flight.
    bool (*idle)(const struct Workload *workload);
    /// When `advance` has to be called again at the latest, by the clock; 0 for no such time.
    int64_t wakesAt;
};

/// Runs a workload through the phases; a standstill of 30 seconds ends the program.
void run_measure(struct Run *run, struct Workload *workload);

/// A transaction that began at `startedAt` has committed.
void run_committed(struct Run *run, int64_t startedAt);

#endif
