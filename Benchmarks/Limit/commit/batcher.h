#ifndef LIMIT_BATCHER_H
#define LIMIT_BATCHER_H

#include <stdbool.h>

#include "../options.h"
#include "../wire/session.h"
#include "transaction.h"

/// Group commit of one kind of record: one statement and one commit in flight, while the next
/// batch gathers. The session is the first member.
struct Batcher {
    struct Session session;
    bool opened;
    bool busy;
    /// "INSERT 0" or "UPDATE": the command tag but for the count of rows.
    const char *tag;
    /// A second parameter of the statement, or NULL.
    const char *extra;
    struct Transaction **gathered;
    struct Transaction **flying;
    int gatheredCount;
    int flyingCount;
    int capacity;
    /// The gathered gids as the text of an array.
    struct Buffer gids;
    /// Runs for each transaction whose record is written; may be NULL.
    void (*written)(struct Batcher *batcher, struct Transaction *transaction);
    void *owner;
};

/// Which record a batcher writes, and how.
struct BatchStatement {
    const char *sql;
    const char *tag;
    const char *extra;
    bool synchronous;
};

void batcher_open(
    struct Batcher *batcher, struct Loop *loop, const struct Database *database,
    const struct BatchStatement *statement);
void batcher_close(struct Batcher *batcher);

/// Adds a transaction to the next batch.
void batcher_add(struct Batcher *batcher, struct Transaction *transaction);

/// Sends the gathered batch unless one is in flight.
void batcher_kick(struct Batcher *batcher);

/// True when nothing is gathered or in flight.
bool batcher_quiet(const struct Batcher *batcher);

#endif
