#ifndef LIMIT_CONTENTION_H
#define LIMIT_CONTENTION_H

#include "../measure/run.h"
#include "update.h"

struct Contention;

/// How an attempt to run a transaction ended.
enum Attempt {
    ATTEMPT_COMMITTED,
    /// Aborted, and nothing of it is left.
    ATTEMPT_ABORTED,
    /// Refused before any work.
    ATTEMPT_REFUSED,
    /// Otherwise, or nobody knows how.
    ATTEMPT_OTHERWISE,
};

/// A client that repeats each transaction until it commits, and then begins the next.
struct Client {
    struct Contention *contention;
    int number;
    /// Whether it is one of those that make the row hot while the others are measured.
    bool isHot;
    struct UpdatePair pair;
    int64_t startedAt;
    bool isBusy;
    /// When it tries again, by the clock; 0 if it does not pause.
    int64_t resumesAt;
    /// Attempts of all of its transactions.
    long attempts;
};

/// How clients run transactions. An attempt ends with a call of `client_ended`.
struct Transport {
    void (*open)(struct Contention *contention);
    void (*close)(struct Contention *contention);
    void (*attempt)(struct Client *client);
};

/// Clients whose transactions contend for the same rows. The workload is its first member.
struct Contention {
    struct Workload workload;
    struct Run *run;
    const struct Transport *transport;
    struct Chooser chooser;
    struct Client *clients;
    int count;
    /// The transport's.
    void *links;
};

/// Over HTTP, and each command in a round trip of its own, one participant after the other.
extern const struct Transport requestTransport, sequentialTransport;

void contention_open(
    struct Contention *contention, struct Run *run, const struct Transport *transport);
void contention_close(struct Contention *contention);

void client_ended(struct Client *client, enum Attempt attempt);

#endif
