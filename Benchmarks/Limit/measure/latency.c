#include "latency.h"

// A bucket is an exponent and the six bits after the leading one: 64 buckets an octave.
enum { SUBBUCKET_BITS = 6, SUBBUCKETS = 1 << SUBBUCKET_BITS };

static unsigned bucket_of(uint64_t value) {
    if (value < SUBBUCKETS) return (unsigned)value;
    unsigned exponent = 63u - (unsigned)__builtin_clzll(value);
    unsigned shift = exponent - SUBBUCKET_BITS;
    return (shift + 1) * SUBBUCKETS + (unsigned)((value >> shift) & (SUBBUCKETS - 1));
}

/// The middle of a bucket.
static double value_of(unsigned bucket) {
    if (bucket < SUBBUCKETS) return bucket;
    unsigned shift = bucket / SUBBUCKETS - 1;
    double low = (double)((uint64_t)(SUBBUCKETS + bucket % SUBBUCKETS) << shift);
    return low + (double)(UINT64_C(1) << shift) / 2;
}

void latency_record(struct Latency *latency, int64_t nanoseconds) {
    latency->buckets[bucket_of(nanoseconds > 0 ? (uint64_t)nanoseconds : 0)]++;
    latency->count++;
}

double latency_milliseconds(const struct Latency *latency, double share) {
    if (!latency->count) return 0;
    uint64_t wanted = (uint64_t)(share * (double)latency->count);
    if (wanted >= latency->count) wanted = latency->count - 1;
    uint64_t seen = 0;
    for (unsigned bucket = 0; bucket < sizeof latency->buckets / sizeof *latency->buckets;
         bucket++) {
        seen += latency->buckets[bucket];
        if (seen > wanted) return value_of(bucket) / 1e6;
    }
    return 0;
}
