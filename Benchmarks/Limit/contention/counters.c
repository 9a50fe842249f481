#include "counters.h"

#include <stdio.h>

#include "../tables/tables.h"
#include "../wire/session.h"
#include "update.h"

const char *const counterUpdate =
    "UPDATE limit_bench.counters SET amount = amount + $2, updates = updates + 1 WHERE id = $1";

void counters_ready(const struct Options *options) {
    tables_ready(options);
    for (enum DatabaseRole role = USERS; role <= ORDERS; role++) {
        struct Session session;
        char fill[160];
        session_open(&session, &options->databases[role]);
        session_run(&session, "SET lock_timeout = '10s'", NULL, 0);
        // Pages with room for the next versions of their rows, as a table has after some time.
        session_run(
            &session,
            "SET client_min_messages = warning;"
            "CREATE TABLE IF NOT EXISTS limit_bench.counters"
            " (id integer PRIMARY KEY, amount bigint NOT NULL, updates bigint NOT NULL)"
            " WITH (fillfactor = 20);"
            "TRUNCATE limit_bench.counters",
            NULL, 0);
        snprintf(
            fill, sizeof fill,
            "INSERT INTO limit_bench.counters SELECT n, 0, 0 FROM generate_series(1, %d) AS n",
            ROWS_EACH);
        session_run(&session, fill, NULL, 0);
        session_run(&session, "ANALYZE limit_bench.counters", NULL, 0);
        session_run(&session, "CHECKPOINT", NULL, 0);
        session_close(&session);
    }
}

static long sum(const struct Options *options, enum DatabaseRole role, const char *column) {
    char sql[96];
    snprintf(sql, sizeof sql, "SELECT sum(%s)::bigint FROM limit_bench.counters", column);
    return tables_number(options, role, sql);
}

const char *counters_verify(const struct Run *run) {
    static char finding[200];
    const struct Options *options = run->options;
    long left = tables_prepared_left(options);
    if (left) {
        snprintf(finding, sizeof finding, "%ld prepared transactions left", left);
        return finding;
    }
    long users = sum(options, USERS, "updates"), orders = sum(options, ORDERS, "updates");
    long amounts = sum(options, USERS, "amount") + sum(options, ORDERS, "amount");
    long committed = run->committed + run->committedHot;
    bool counted = users == orders && users >= committed && users <= committed + run->otherwise;
    bool added = amounts == (options->load == LOAD_BANK ? 0 : users + orders);
    if (counted && added) return "ok";
    snprintf(
        finding, sizeof finding,
        "%ld updates of users and %ld of orders for %ld transactions, amounts %ld", users, orders,
        committed, amounts);
    return finding;
}
