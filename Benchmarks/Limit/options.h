#ifndef LIMIT_OPTIONS_H
#define LIMIT_OPTIONS_H

#include <stdbool.h>
#include <sys/types.h>

#include "support/endpoint.h"
#include "wire/session.h"

enum { BRANCHES_MAX = 16, STATEMENTS_MAX = 1000, IN_FLIGHT_MAX = 10000, POSTMASTERS_MAX = 3 };

/// The three databases of a run, in the order in which they are given and named.
enum DatabaseRole { STATE, USERS, ORDERS, DATABASE_COUNT };

/// What the command line asked for.
struct Options {
    const char *mode;
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
