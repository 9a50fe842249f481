#ifndef LIMIT_OPTIONS_H
#define LIMIT_OPTIONS_H

#include <stdbool.h>
#include <sys/types.h>

#include "support/endpoint.h"
#include "wire/session.h"

enum {
    BRANCHES_MAX = 16,
    STATEMENTS_MAX = 1000,
    IN_FLIGHT_MAX = 10000,
    POSTMASTERS_MAX = 3,
    ANSWER_BYTES = 600,
    /// Clients of a load with contention, the hot ones among them: each may have rows of its own.
    CLIENTS_MAX = 1000,
};

/// The three databases of a run, in the order in which they are given and named.
enum DatabaseRole { STATE, USERS, ORDERS, DATABASE_COUNT };

/// What transactions do.
enum LoadKind {
    /// INSERTs of rows of their own; nobody waits for a lock.
    LOAD_INSERTS,
    /// All add 1 to the same row in each participant.
    LOAD_HOT_PAIR,
    /// Transfers between accounts in different participants, some of which are popular.
    LOAD_BANK,
    /// Each adds 1 to rows of its own, while hot clients all update one row.
    LOAD_HOT_ROW,
};

/// What the command line asked for.
struct Options {
    const char *mode;
    enum LoadKind load;
    /// Whether the order of a transaction's updates is random; of transfers, the debit is first.
    bool randomOrder;
    /// Whether the coordinator is asked to work in the order of the request.
    bool inOrder;
    int hotClients;
    int lockTimeoutMilliseconds;
    int pauseMilliseconds;
    int inFlight;
    int connections;
    double seconds;
    double warmupSeconds;
    int branches;
    int statements;
    bool idempotencyKeys;
    /// Whether the answer is asked for at the durable decision, which 202 then tells of.
    bool returnAtDecision;
    bool hasDatabase[DATABASE_COUNT];
    struct Database databases[DATABASE_COUNT];
    /// Postmasters whose CPU is accounted, state first; 0 where none was given.
    pid_t postmasters[POSTMASTERS_MAX];
    pid_t coordinator;
    bool hasURL;
    struct Endpoint url;
};

/// Reads the command line, or explains what is wrong with it and ends the program.
void options_parse(struct Options *options, int count, char **arguments);

/// Whether both participants were given, so that their rows can be counted.
bool options_have_participants(const struct Options *options);

#endif
