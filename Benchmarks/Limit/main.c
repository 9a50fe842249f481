#include <stdlib.h>
#include <string.h>

#include "commit/driver.h"
#include "contention/contention.h"
#include "contention/counters.h"
#include "load/load.h"
#include "measure/report.h"
#include "support/fatal.h"
#include "tables/tables.h"

/// 0 when every transaction committed and the databases agree; 1 when a figure was printed that
/// cannot be trusted.
static int verdict(const struct Run *run, const char *verify) {
    return run->otherwise || (verify && strcmp(verify, "ok")) ? EXIT_FAILURE : EXIT_SUCCESS;
}

static int run_limit(struct Run *run, const struct Mode *mode) {
    static struct Driver driver;
    const struct Options *options = run->options;
    tables_ready(options);
    struct RowCounts before = tables_count(options);
    driver_open(&driver, run, mode, tables_prepared_slots(options));
    run_measure(run, &driver.workload);
    driver_close(&driver);
    const char *verify = tables_verify(options, before, run->committed, run->otherwise);
    report_print(run, verify);
    return verdict(run, verify);
}

static int run_load(struct Run *run) {
    static struct Load load;
    const struct Options *options = run->options;
    bool verifiable = options_have_participants(options);
    if (!options->hasURL) fatal("--url is needed");
    struct RowCounts before = {0};
    if (verifiable) before = tables_count(options);
    load_open(&load, run);
    run_measure(run, &load.workload);
    const char *verify =
        verifiable ? tables_verify(options, before, run->committed, run->otherwise) : NULL;
    report_print(run, verify);
    load_close(&load);
    return verdict(run, verify);
}

static int run_contention(struct Run *run, bool isLoad) {
    static struct Contention contention;
    const struct Options *options = run->options;
    if (isLoad && !options->hasURL) fatal("--url is needed");
    counters_ready(options);
    contention_open(&contention, run, isLoad ? &requestTransport : &sequentialTransport);
    run_measure(run, &contention.workload);
    contention_close(&contention);
    const char *verify = counters_verify(run);
    report_print(run, verify);
    return verdict(run, verify);
}

int main(int count, char **arguments) {
    static struct Options options;
    static struct Run run;
    options_parse(&options, count, arguments);
    if (!strcmp(options.mode, "reset")) {
        tables_reset(&options);
        return EXIT_SUCCESS;
    }
    const struct Mode *mode = mode_find(options.mode);
    bool isLoad = !strcmp(options.mode, "http");
    if (!mode && !isLoad) fatal("there is no mode %s", options.mode);
    run.options = &options;
    loop_open(&run.loop);
    int status;
    if (options.load != LOAD_INSERTS) {
        if (mode && !mode->sequential) fatal("with --load only the modes seq and http run");
        status = run_contention(&run, isLoad);
    } else {
        status = isLoad ? run_load(&run) : run_limit(&run, mode);
    }
    loop_close(&run.loop);
    return status;
}
