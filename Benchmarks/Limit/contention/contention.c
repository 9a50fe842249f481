#include "contention.h"

#include <stdlib.h>

#include "../support/clock.h"

static void attempt(struct Client *client) {
    client->isBusy = true;
    client->resumesAt = 0;
    client->attempts++;
    client->contention->transport->attempt(client);
}

static void begin(struct Client *client) {
    client->pair =
        chooser_next(&client->contention->chooser, client->number, client->isHot);
    client->startedAt = clock_nanoseconds();
    attempt(client);
}

/// A random pause, so that attempts that conflicted do not conflict again at once.
static void pause_client(struct Client *client) {
    struct Contention *contention = client->contention;
    uint64_t most = (uint64_t)contention->run->options->pauseMilliseconds + 1;
    client->resumesAt = clock_nanoseconds() +
        (int64_t)chooser_random(&contention->chooser, most) * NANOSECONDS_PER_MILLISECOND;
}

void client_ended(struct Client *client, enum Attempt attempt) {
    struct Run *run = client->contention->run;
    client->isBusy = false;
    switch (attempt) {
    case ATTEMPT_COMMITTED:
        if (client->isHot) {
            run->committedHot++;
        } else {
            run_committed(run, client->startedAt);
        }
        break;
    case ATTEMPT_ABORTED:
        run->losses.aborts++;
        pause_client(client);
        break;
    case ATTEMPT_REFUSED:
        run->losses.refusals++;
        pause_client(client);
        break;
    case ATTEMPT_OTHERWISE:
        run->otherwise++;
        break;
    }
}

static void advance(struct Workload *workload, bool draining) {
    struct Contention *contention = (struct Contention *)workload;
    int64_t time = clock_nanoseconds();
    workload->wakesAt = 0;
    for (int index = 0; index < contention->count; index++) {
        struct Client *client = &contention->clients[index];
        if (client->isBusy || draining) continue;
        if (!client->resumesAt) {
            begin(client);
        } else if (client->resumesAt <= time) {
            attempt(client);
        } else if (!workload->wakesAt || client->resumesAt < workload->wakesAt) {
            workload->wakesAt = client->resumesAt;
        }
    }
}

static bool idle(const struct Workload *workload) {
    const struct Contention *contention = (const struct Contention *)workload;
    for (int index = 0; index < contention->count; index++) {
        if (contention->clients[index].isBusy) return false;
    }
    return true;
}

void contention_open(
    struct Contention *contention, struct Run *run, const struct Transport *transport) {
    const struct Options *options = run->options;
    int count = options->inFlight + options->hotClients;
    *contention = (struct Contention){
        .workload = {.advance = advance, .idle = idle},
        .run = run,
        .transport = transport,
        .clients = allocate((size_t)count, sizeof(struct Client)),
        .count = count,
    };
    chooser_open(&contention->chooser, options);
    for (int index = 0; index < count; index++) {
        contention->clients[index] = (struct Client){
            .contention = contention, .number = index, .isHot = index >= options->inFlight};
    }
    transport->open(contention);
}

void contention_close(struct Contention *contention) {
    contention->transport->close(contention);
    free(contention->clients);
}
