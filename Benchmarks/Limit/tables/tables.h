#ifndef LIMIT_TABLES_H
#define LIMIT_TABLES_H

#include "../options.h"

/// Creates the limit's own tables in schema `limit_bench` where missing, empties them, and rolls
/// back what an interrupted run left prepared.
void tables_ready(const struct Options *options);

/// Empties users and orders in both participants and the limit's own tables, and writes a
/// checkpoint everywhere, so that every measurement starts alike.
void tables_reset(const struct Options *options);

/// The fewer of the two participants' prepared slots.
int tables_prepared_slots(const struct Options *options);

/// A number that a query gives in a participant.
long tables_number(const struct Options *options, enum DatabaseRole role, const char *sql);

/// How many transactions are left prepared in the participants, once a coordinator had the time to
/// finish them.
long tables_prepared_left(const struct Options *options);

/// Rows of users and of orders, counted where the branches write them.
struct RowCounts {
    long users;
    long orders;
};

struct RowCounts tables_count(const struct Options *options);

/// "ok", or what differs: every committed transaction has all its rows, none has more, and no
/// prepared transaction is left. Transactions that ended otherwise may have left rows or not.
const char *tables_verify(
    const struct Options *options, struct RowCounts before, long committed, long otherwise);

#endif
