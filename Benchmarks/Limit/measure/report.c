#include "report.h"

#include <stdio.h>
#include <string.h>

static void print_string(const char *key, const char *text) {
    printf(",\"%s\":\"", key);
    for (const unsigned char *cursor = (const unsigned char *)text; *cursor; cursor++) {
        if (*cursor == '"' || *cursor == '\\') {
            printf("\\%c", *cursor);
        } else if (*cursor < 0x20 || *cursor > 0x7e) {
            // Beyond ASCII the text may have been cut inside a character; a mark keeps it valid.
            putchar(*cursor < 0x20 ? ' ' : '?');
        } else {
            putchar(*cursor);
        }
    }
    putchar('"');
}

static void print_number(const char *key, double value, int decimals) {
    printf(",\"%s\":%.*f", key, decimals, value);
}

static void print_cpu(const struct Run *run, const char *key, double seconds) {
    double commits = (double)(run->measuredCommits + run->measuredHot);
    print_number(key, commits > 0 ? seconds / commits * 1e6 : 0, 1);
}

static void print_postgres(const struct Run *run) {
    const pid_t *postmasters = run->options->postmasters;
    if (!postmasters[0]) return;
    double total = 0;
    for (int index = 0; index < POSTMASTERS_MAX; index++) total += run->spent.postgres[index];
    print_cpu(run, "postgresCPUMicroseconds", total);
    if (postmasters[STATE] && postmasters[USERS] && postmasters[ORDERS]) {
        print_cpu(run, "statePostgresCPUMicroseconds", run->spent.postgres[STATE]);
    }
}

/// What only loads with contention have.
static void print_contention(const struct Run *run) {
    const struct Losses *losses = &run->losses;
    double seconds = run->measuredSeconds;
    print_number(
        "hotTransactionsPerSecond", seconds > 0 ? (double)run->measuredHot / seconds : 0, 1);
    printf(
        ",\"committed\":%ld,\"aborts\":%ld,\"refusals\":%ld",
        run->committed + run->committedHot, losses->aborts, losses->refusals);
    if (losses->firstAbort[0]) print_string("firstAbort", losses->firstAbort);
}

void report_print(const struct Run *run, const char *verify) {
    const struct Options *options = run->options;
    printf(
        "{\"mode\":\"%s\",\"inFlight\":%d,\"branches\":%d,\"statements\":%d,\"transactions\":%ld",
        options->mode, options->inFlight, options->branches, options->statements,
        run->measuredCommits);
    double seconds = run->measuredSeconds;
    print_number(
        "transactionsPerSecond", seconds > 0 ? (double)run->measuredCommits / seconds : 0, 1);
    print_number("p50Milliseconds", latency_milliseconds(&run->latency, 0.50), 3);
    print_number("p95Milliseconds", latency_milliseconds(&run->latency, 0.95), 3);
    print_number("p99Milliseconds", latency_milliseconds(&run->latency, 0.99), 3);
    print_cpu(run, "clientCPUMicroseconds", run->spent.client);
    if (options->coordinator) {
        print_cpu(run, "coordinatorCPUMicroseconds", run->spent.coordinator);
    }
    print_postgres(run);
    // Over HTTP this program's own memory says nothing about the coordinator's.
    if (options->coordinator || strcmp(options->mode, "http")) {
        print_number("residentMegabytes", run->memory.current, 1);
        print_number("peakResidentMegabytes", run->memory.peak, 1);
    }
    printf(",\"otherAnswers\":%ld", run->otherwise);
    if (run->otherAnswer[0]) print_string("firstOtherAnswer", run->otherAnswer);
    if (options->load != LOAD_INSERTS) print_contention(run);
    if (verify) print_string("verify", verify);
    puts("}");
}
