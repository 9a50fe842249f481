#ifndef LIMIT_RUN_H
#define LIMIT_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "../options.h"
#include "../support/loop.h"
#include "latency.h"
#include "processor.h"

/// One measurement: warm-up, the measured time, then draining what is still in flight.
struct Run {
    const struct Options *options;
    struct Loop loop;
    struct Latency latency;
    bool measuring;
    /// Transactions that committed, over the whole run; the databases must show exactly these.
    long committed;
    /// Transactions that ended otherwise or unknown, over the whole run.
    long otherwise;
    /// What follows describes the measured time alone.
    long measuredCommits;
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
};

/// Runs a workload through the phases; a standstill of 30 seconds ends the program.
void run_measure(struct Run *run, struct Workload *workload);

/// A transaction that began at `startedAt` has committed.
void run_committed(struct Run *run, int64_t startedAt);

#endif
