#include "tables.h"

#include <stdbool.h>
#include <stdio.h>

#include "../support/clock.h"
#include "../support/fatal.h"
#include "../wire/session.h"

static const char createTables[] =
    "SET client_min_messages = warning;"
    "CREATE SCHEMA IF NOT EXISTS limit_bench;"
    "CREATE TABLE IF NOT EXISTS limit_bench.decision"
    " (gid text PRIMARY KEY, at timestamptz NOT NULL DEFAULT now());"
    "CREATE TABLE IF NOT EXISTS limit_bench.transaction"
    " (gid text PRIMARY KEY, state text NOT NULL, body text,"
    " at timestamptz NOT NULL DEFAULT now()) WITH (fillfactor = 50);"
    "TRUNCATE limit_bench.decision, limit_bench.transaction";

static const char *const participantTables[] = {[USERS] = "users", [ORDERS] = "orders"};

/// Finishing a prepared transaction can only be said one at a time, each by its literal gid.
static void roll_back_leftovers(struct Session *session) {
    for (;;) {
        char gid[256], sql[300];
        session_run(
            session,
            "SELECT quote_literal(gid) FROM pg_prepared_xacts"
            " WHERE gid LIKE 'limit:%' AND database = current_database() LIMIT 1",
            gid, sizeof gid);
        if (!gid[0]) return;
        snprintf(sql, sizeof sql, "ROLLBACK PREPARED %s", gid);
        session_run(session, sql, NULL, 0);
    }
}

static void require_databases(const struct Options *options) {
    if (!options->hasDatabase[STATE] || !options_have_participants(options)) {
        fatal("--state, --users and --orders are needed");
    }
}

void tables_ready(const struct Options *options) {
    require_databases(options);
    for (enum DatabaseRole role = STATE; role < DATABASE_COUNT; role++) {
        struct Session session;
        session_open(&session, &options->databases[role]);
        roll_back_leftovers(&session);
        session_run(&session, createTables, NULL, 0);
        session_close(&session);
    }
}

void tables_reset(const struct Options *options) {
    tables_ready(options);
    for (enum DatabaseRole role = STATE; role < DATABASE_COUNT; role++) {
        struct Session session;
        session_open(&session, &options->databases[role]);
        // Whatever still holds a lock on the tables is a fault to be told of, not waited for.
        session_run(&session, "SET lock_timeout = '10s'", NULL, 0);
        if (role != STATE) session_run(&session, "TRUNCATE users, orders", NULL, 0);
        session_run(&session, "CHECKPOINT", NULL, 0);
        session_close(&session);
    }
}

long tables_number(const struct Options *options, enum DatabaseRole role, const char *sql) {
    struct Session session;
    session_open(&session, &options->databases[role]);
    long number = session_number(&session, sql);
    session_close(&session);
    return number;
}

int tables_prepared_slots(const struct Options *options) {
    static const char show[] = "SHOW max_prepared_transactions";
    long users = tables_number(options, USERS, show);
    long orders = tables_number(options, ORDERS, show);
    long slots = users < orders ? users : orders;
    if (slots < BRANCHES_MAX) fatal("max_prepared_transactions is %ld: too few", slots);
    return (int)slots;
}

static long count_rows(const struct Options *options, enum DatabaseRole role) {
    char sql[64];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", participantTables[role]);
    return tables_number(options, role, sql);
}

struct RowCounts tables_count(const struct Options *options) {
    return (struct RowCounts){
        .users = count_rows(options, USERS),
        .orders = count_rows(options, ORDERS),
    };
}

/// A coordinator may answer at the decision and finish a moment later; five seconds are ample.
static long prepared_left(const struct Options *options, enum DatabaseRole role) {
    long left = 0;
    for (int attempt = 0; attempt < 100; attempt++) {
        left = tables_number(
            options, role,
            "SELECT count(*) FROM pg_prepared_xacts WHERE database = current_database()");
        if (!left) break;
        clock_pause_milliseconds(50);
    }
    return left;
}

long tables_prepared_left(const struct Options *options) {
    return prepared_left(options, USERS) + prepared_left(options, ORDERS);
}

static bool plausible(long rows, long perTransaction, long committed, long otherwise) {
    return rows >= committed * perTransaction &&
        rows <= (committed + otherwise) * perTransaction;
}

const char *tables_verify(
    const struct Options *options, struct RowCounts before, long committed, long otherwise) {
    static char finding[160];
    long left = tables_prepared_left(options);
    if (left) {
        snprintf(finding, sizeof finding, "%ld prepared transactions left", left);
        return finding;
    }
    struct RowCounts after = tables_count(options);
    long users = after.users - before.users, orders = after.orders - before.orders;
    long usersEach = (long)((options->branches + 1) / 2) * options->statements;
    long ordersEach = (long)(options->branches / 2) * options->statements;
    if (plausible(users, usersEach, committed, otherwise) &&
        plausible(orders, ordersEach, committed, otherwise)) {
        return "ok";
    }
    snprintf(
        finding, sizeof finding, "%ld users and %ld orders for %ld transactions", users, orders,
        committed);
    return finding;
}
