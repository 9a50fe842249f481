#include "run.h"

#include "../support/clock.h"
#include "../support/fatal.h"

enum { STANDSTILL_SECONDS_MAX = 30 };

enum Phase { WARMING, MEASURING, DRAINING };

static struct ProcessorTime difference(struct ProcessorTime later, struct ProcessorTime earlier) {
    later.client -= earlier.client;
    later.coordinator -= earlier.coordinator;
    for (int index = 0; index < POSTMASTERS_MAX; index++) {
        later.postgres[index] -= earlier.postgres[index];
    }
    return later;
}

/// Where the measured time began.
struct Mark {
    int64_t time;
    long committed;
    long committedHot;
    struct ProcessorTime processor;
};

static void begin_measuring(struct Run *run, struct Mark *mark) {
    // Reading /proc takes a millisecond or so of this program's own; it is spent before the mark.
    processor_read(&mark->processor, run->options);
    mark->time = clock_nanoseconds();
    mark->committed = run->committed;
    mark->committedHot = run->committedHot;
    run->measuring = true;
}

static void end_measuring(struct Run *run, const struct Mark *mark, int64_t time) {
    struct ProcessorTime processor;
    run->measuring = false;
    run->measuredSeconds = (double)(time - mark->time) / (double)NANOSECONDS_PER_SECOND;
    run->measuredCommits = run->committed - mark->committed;
    run->measuredHot = run->committedHot - mark->committedHot;
    processor_read(&processor, run->options);
    resident_read(&run->memory, run->options->coordinator);
    run->spent = difference(processor, mark->processor);
}

/// Ends the program when nothing has ended for too long: a lost wake-up must be seen, not waited
/// for.
static void watch(const struct Run *run, long *endedBefore, int64_t *movedAt, int64_t time) {
    long ended = run->committed + run->committedHot + run->otherwise + run->losses.aborts;
    if (ended != *endedBefore) {
        *endedBefore = ended;
        *movedAt = time;
    } else if (time - *movedAt > STANDSTILL_SECONDS_MAX * NANOSECONDS_PER_SECOND) {
        fatal("no transaction has ended for %d s", STANDSTILL_SECONDS_MAX);
    }
}

void run_measure(struct Run *run, struct Workload *workload) {
    const struct Options *options = run->options;
    enum Phase phase = WARMING;
    struct Mark mark = {0};
    int64_t movedAt = clock_nanoseconds();
    int64_t phaseEnd = movedAt + (int64_t)(options->warmupSeconds * NANOSECONDS_PER_SECOND);
    long ended = -1;

    for (;;) {
        int64_t time = clock_nanoseconds();
        if (phase == WARMING && time >= phaseEnd) {
            begin_measuring(run, &mark);
            phaseEnd = mark.time + (int64_t)(options->seconds * NANOSECONDS_PER_SECOND);
            phase = MEASURING;
        } else if (phase == MEASURING && time >= phaseEnd) {
            end_measuring(run, &mark, time);
            phase = DRAINING;
        }
        workload->advance(workload, phase == DRAINING);
        if (phase == DRAINING && workload->idle(workload)) return;
        watch(run, &ended, &movedAt, time);
        int64_t wait = NANOSECONDS_PER_SECOND;
        if (phase != DRAINING && phaseEnd - time < wait) wait = phaseEnd - time;
        if (workload->wakesAt && workload->wakesAt - time < wait) wait = workload->wakesAt - time;
        loop_turn(&run->loop, wait);
    }
}

void run_committed(struct Run *run, int64_t startedAt) {
    run->committed++;
    if (run->measuring) latency_record(&run->latency, clock_nanoseconds() - startedAt);
}
