#ifndef LIMIT_MODE_H
#define LIMIT_MODE_H

#include <stdbool.h>

/// Which records a mode writes besides the branches' own work, and when.
struct Mode {
    const char *name;
    /// Every command its own round trip, one participant after the other.
    bool sequential;
    /// The row that says a transaction exists.
    enum { ACCEPT_NONE, ACCEPT_ASYNCHRONOUS, ACCEPT_SYNCHRONOUS } accept;
    /// Where the decision becomes durable, if anywhere.
    enum { DECIDE_NOWHERE, DECIDE_BY_INSERT, DECIDE_BY_UPDATE, DECIDE_IN_JOURNAL } decide;
    /// Whether the end is recorded, asynchronously.
    bool done;
    /// Whether each branch is surrounded by what a coordinator must send that cannot trust its
    /// callers' SQL: the session is cleaned, and the evidence is taken.
    bool guarded;
    /// Whether the work has a round trip of its own before what follows it, as where the caller's
    /// code reads its result before it goes on.
    bool interactive;
};

/// The mode of that name, or NULL.
const struct Mode *mode_find(const char *name);

#endif
