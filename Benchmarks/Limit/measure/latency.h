#ifndef LIMIT_LATENCY_H
#define LIMIT_LATENCY_H

#include <stdint.h>

/// A histogram of durations in nanoseconds with a relative error below 1 %, of constant size, so
/// that recording costs nothing and memory stays flat however long the run.
struct Latency {
    uint64_t buckets[64 * 64];
    uint64_t count;
};

void latency_record(struct Latency *latency, int64_t nanoseconds);

/// The duration in milliseconds that `share` (0 to 1) of the recorded ones do not exceed.
double latency_milliseconds(const struct Latency *latency, double share);

#endif
