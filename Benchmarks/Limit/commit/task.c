#include "task.h"

#include <stdio.h>

#include "../wire/message.h"

enum { COMMAND_BYTES = 128 };

/// What the coordinator sends between the work and PREPARE.
static const struct {
    const char *name, *sql;
} guards[] = {
    {"constraints", "SET CONSTRAINTS ALL IMMEDIATE"},
    {"settings", "RESET ALL"},
    {"sequences", "DISCARD SEQUENCES"},
    {"evidence",
     "SELECT CASE WHEN pg_catalog.current_setting('role') OPERATOR(pg_catalog.<>) 'none'"
     " THEN pg_catalog.set_config('role', 'none', false) END, pg_catalog.pg_current_xact_id(),"
     " pg_catalog.pg_current_wal_insert_lsn(), session_user, pg_catalog.pg_advisory_unlock_all(),"
     " CASE WHEN pg_catalog.current_setting('transaction_timeout', true)"
     " OPERATOR(pg_catalog.<>) '0'"
     " THEN pg_catalog.set_config('transaction_timeout', '0', false) END"},
};

enum { GUARD_COUNT = sizeof guards / sizeof *guards };

enum DatabaseRole branch_role(int branch) { return branch % 2 ? ORDERS : USERS; }

void task_prepare_statements(struct Session *session, enum DatabaseRole role) {
    session_prepare(session, "begin", "BEGIN");
    for (int index = 0; index < GUARD_COUNT; index++) {
        session_prepare(session, guards[index].name, guards[index].sql);
    }
    session_prepare(session, "commit", "COMMIT");
    session_prepare(session, "journal", "INSERT INTO limit_bench.decision (gid) VALUES ($1)");
    session_prepare(
        session, "insert",
        role == USERS ? "INSERT INTO users (id, name) VALUES ($1, $2)"
                      : "INSERT INTO orders (id, user_id, amount) VALUES ($1, $2, $3)");
}

static void build_insert(struct Buffer *buffer, const struct Task *task, int statement) {
    long number = task->transaction->number;
    char identifier[IDENTIFIER_BYTES], user[IDENTIFIER_BYTES];
    if (branch_role(task->branch) == USERS) {
        row_identifier(identifier, 'u', number, task->branch, statement);
        message_execute(buffer, "insert", 2, (const char *[]){identifier, "Ada Lovelace"});
    } else {
        row_identifier(identifier, 'o', number, task->branch, statement);
        row_identifier(user, 'u', number, task->branch - 1, statement);
        message_execute(buffer, "insert", 3, (const char *[]){identifier, user, "99.50"});
    }
}

static void build_work(struct Buffer *buffer, const struct Task *task, int statements) {
    message_execute(buffer, "begin", 0, NULL);
    for (int statement = 0; statement < statements; statement++) {
        build_insert(buffer, task, statement);
    }
}

/// Two-phase commands take no parameters and are cheapest as simple queries; one behind
/// extended-protocol messages also stands for their Sync.
static void build_command(struct Buffer *buffer, const char *command, const struct Task *task) {
    char sql[COMMAND_BYTES];
    snprintf(sql, sizeof sql, "%s '%s:%d'", command, task->transaction->gid, task->branch);
    message_query(buffer, sql);
}

static void build_guards(struct Buffer *buffer, const struct Task *task) {
    for (int index = 0; task->guarded && index < GUARD_COUNT; index++) {
        message_execute(buffer, guards[index].name, 0, NULL);
    }
}

void task_build(struct Buffer *buffer, const struct Task *task, int statements) {
    if (task->workAlone) {
        build_work(buffer, task, statements);
        message_sync(buffer);
        return;
    }
    switch (task->kind) {
    case TASK_PREPARE:
        if (!task->hasWorked) build_work(buffer, task, statements);
        build_guards(buffer, task);
        build_command(buffer, "PREPARE TRANSACTION", task);
        break;
    case TASK_JOURNAL:
        if (!task->hasWorked) build_work(buffer, task, statements);
        build_guards(buffer, task);
        message_execute(buffer, "journal", 1, (const char *[]){task->transaction->gid});
        message_execute(buffer, "commit", 0, NULL);
        message_sync(buffer);
        break;
    case TASK_FINISH:
        build_command(buffer, "COMMIT PREPARED", task);
        break;
    case TASK_BEGIN_ALONE:
        message_query(buffer, "BEGIN");
        break;
    case TASK_INSERT_ALONE:
        build_insert(buffer, task, task->statement);
        message_sync(buffer);
        break;
    case TASK_PREPARE_ALONE:
        build_command(buffer, "PREPARE TRANSACTION", task);
        break;
    }
}

bool task_goes_on(struct Task *task) {
    if (!task->workAlone) return false;
    task->workAlone = false;
    task->hasWorked = true;
    return true;
}

const char *task_tag(const struct Task *task) {
    if (task->workAlone) return "INSERT 0 1";
    switch (task->kind) {
    case TASK_PREPARE:
    case TASK_PREPARE_ALONE: return "PREPARE TRANSACTION";
    case TASK_JOURNAL: return "COMMIT";
    case TASK_FINISH: return "COMMIT PREPARED";
    case TASK_BEGIN_ALONE: return "BEGIN";
    case TASK_INSERT_ALONE: return "INSERT 0 1";
    }
    return "";
}
