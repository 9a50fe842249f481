#ifndef LIMIT_UPDATE_H
#define LIMIT_UPDATE_H

#include "../options.h"

/// Rows of `limit_bench.counters` in each participant. Accounts are the first ones; the rows of
/// clients, which nobody else updates, are behind them.
enum { ACCOUNTS = 1000, ACCOUNTS_EACH = ACCOUNTS / 2, ROWS_EACH = 2000, HOT_ROW = 1 };

/// Adds an amount to a row, and counts that it did.
struct Update {
    enum DatabaseRole role;
    int row;
    int amount;
};

/// What a transaction does: an update in each participant, in the order of the request.
struct UpdatePair {
    struct Update updates[2];
};

/// Chooses the updates of transactions.
struct Chooser {
    enum LoadKind load;
    bool randomOrder;
    uint64_t state;
    /// The share of draws that fall on an account or a more popular one.
    double popularity[ACCOUNTS];
};

void chooser_open(struct Chooser *chooser, const struct Options *options);

/// The next transaction of a client. A hot one updates the row that all hot ones update.
struct UpdatePair chooser_next(struct Chooser *chooser, int client, bool isHot);

/// A random number below `limit`.
uint64_t chooser_random(struct Chooser *chooser, uint64_t limit);

#endif
