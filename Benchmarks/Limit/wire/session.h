#ifndef LIMIT_SESSION_H
#define LIMIT_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "../support/buffer.h"
#include "../support/endpoint.h"
#include "../support/loop.h"

/// Where a database is and as whom to enter it.
struct Database {
    struct Endpoint endpoint;
    const char *user;
    const char *name;
};

/// A connection to PostgreSQL with at most one task under way: some messages, then one
/// ReadyForQuery. Blocking until it joins a loop, then driven by it. Any error of the server's
/// ends the program, because a limit measured past an error is no limit; but a session that expects
/// to lose to others, as for a lock, keeps the SQLSTATE and goes on.
struct Session {
    struct Source source;
    struct Loop *loop;
    const struct Database *database;
    struct Buffer out;
    struct Buffer in;
    /// The last command tag before ReadyForQuery, by which a vote is judged.
    char tag[64];
    /// Whether errors are kept.
    bool keepsErrors;
    /// The SQLSTATE of the task's error, or "".
    char sqlState[6];
    /// Runs when the task's ReadyForQuery has come.
    void (*completed)(struct Session *session);
    /// The owner's, and none of the session's business.
    void *owner;
};

/// Connects and logs in; only trust authentication is understood.
void session_open(struct Session *session, const struct Database *database);
void session_close(struct Session *session);

/// Blocking: runs SQL and copies the first column of the last row to `value` (unless NULL).
void session_run(struct Session *session, const char *sql, char *value, size_t capacity);

/// Blocking: the same for a number; no row is 0.
long session_number(struct Session *session, const char *sql);

/// Blocking: makes a named prepared statement.
void session_prepare(struct Session *session, const char *statement, const char *sql);

/// Hands the session to a loop; from here on only `session_send`.
void session_join(struct Session *session, struct Loop *loop);

/// Sends what was built in `out` before the loop next waits.
void session_send(struct Session *session);

/// Ends the program unless the task's command tag is exactly this one.
void session_expect_tag(const struct Session *session, const char *tag);

#endif
