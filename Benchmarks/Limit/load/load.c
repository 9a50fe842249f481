#include "load.h"

#include <stdlib.h>

#include "../support/clock.h"

enum { CREATED = 201, ACCEPTED = 202 };

static void begin(struct Caller *caller) {
    struct Load *load = caller->load;
    request_number(&load->request, ++load->begun);
    load->waitingCount++;
    caller->startedAt = clock_nanoseconds();
    connection_send(&caller->connection, &load->request.bytes);
}

static void answered(struct Connection *connection, const struct Response *response) {
    struct Caller *caller = (struct Caller *)connection;
    struct Load *load = caller->load;
    struct Run *run = load->run;
    int status = response ? response->status : 0;
    if (status == CREATED || (run->options->returnAtDecision && status == ACCEPTED)) {
        run_committed(run, caller->startedAt);
    } else {
        response_describe(response, run->otherAnswer);
        run->otherwise++;
    }
    load->waitingCount--;
    if (!load->draining) begin(caller);
}

static void advance(struct Workload *workload, bool draining) {
    struct Load *load = (struct Load *)workload;
    load->draining = draining;
    if (load->started) return;
    load->started = true;
    for (int index = 0; index < load->count; index++) begin(&load->callers[index]);
}

static bool idle(const struct Workload *workload) {
    return ((const struct Load *)workload)->waitingCount == 0;
}

void load_open(struct Load *load, struct Run *run) {
    *load = (struct Load){
        .workload = {.advance = advance, .idle = idle},
        .run = run,
        .count = run->options->inFlight,
        .callers = allocate((size_t)run->options->inFlight, sizeof(struct Caller)),
    };
    request_build(&load->request, run->options);
    for (int index = 0; index < load->count; index++) {
        struct Caller *caller = &load->callers[index];
        caller->load = load;
        caller->connection.answered = answered;
        connection_open(&caller->connection, &run->loop, &run->options->url);
    }
}

void load_close(struct Load *load) {
    for (int index = 0; index < load->count; index++) {
        connection_close(&load->callers[index].connection);
    }
    free(load->callers);
    request_free(&load->request);
}
