#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../commit/transaction.h"
#include "../support/fatal.h"
#include "../wire/message.h"
#include "../wire/session.h"
#include "contention.h"
#include "counters.h"

/// What a careful program does by hand: in each participant in turn BEGIN, the update and PREPARE
/// TRANSACTION, then COMMIT PREPARED in each, every command in a round trip of its own, and no
/// record. A lock that does not come within `lock_timeout` ends the attempt, and what is prepared
/// is rolled back: only so does a deadlock over two participants end.
enum Step { BEGIN, UPDATE, PREPARE, STEPS_EACH, COMMIT = 2 * STEPS_EACH, COMMIT_LAST, DONE };

/// A client's sessions, one for each participant.
struct Hands {
    struct Client *client;
    struct Session sessions[DATABASE_COUNT];
    int step;
    /// Commands left that undo the attempt: ROLLBACK where it failed, and ROLLBACK PREPARED of
    /// what was prepared before it.
    int undoing;
};

static const struct Update *update_at(const struct Hands *hands) {
    int index = hands->step < COMMIT ? hands->step / STEPS_EACH : hands->step - COMMIT;
    return &hands->client->pair.updates[index];
}

static void command(struct Hands *hands, const struct Update *update, const char *name) {
    char sql[160];
    snprintf(
        sql, sizeof sql, "%s 'limit:%s:%d-%ld:%d'", name, run_identifier(), hands->client->number,
        hands->client->attempts, (int)update->role);
    message_query(&hands->sessions[update->role].out, sql);
}

static void send_step(struct Hands *hands) {
    const struct Update *update = update_at(hands);
    struct Session *session = &hands->sessions[update->role];
    if (hands->step >= COMMIT) {
        command(hands, update, "COMMIT PREPARED");
    } else if (hands->step % STEPS_EACH == BEGIN) {
        message_query(&session->out, "BEGIN");
    } else if (hands->step % STEPS_EACH == UPDATE) {
        char row[16], amount[16];
        snprintf(row, sizeof row, "%d", update->row);
        snprintf(amount, sizeof amount, "%d", update->amount);
        message_execute(&session->out, "update", 2, (const char *[]){row, amount});
        message_sync(&session->out);
    } else {
        command(hands, update, "PREPARE TRANSACTION");
    }
    session_send(session);
}

static const char *tag_at(const struct Hands *hands) {
    if (hands->step >= COMMIT) return "COMMIT PREPARED";
    switch (hands->step % STEPS_EACH) {
    case BEGIN: return "BEGIN";
    case UPDATE: return "UPDATE 1";
    default: return "PREPARE TRANSACTION";
    }
}

/// Only a lock that did not come in time may end an attempt; it has no effect then.
static void undo(struct Hands *hands, const struct Session *session) {
    if (strcmp(session->sqlState, "55P03") || hands->step >= COMMIT) {
        fatal("step %d of a transaction failed: SQLSTATE %s", hands->step, session->sqlState);
    }
    const struct Update *updates = hands->client->pair.updates;
    bool isSecond = hands->step >= STEPS_EACH;
    struct Session *failed = &hands->sessions[updates[isSecond].role];
    message_query(&failed->out, "ROLLBACK");
    session_send(failed);
    hands->undoing = 1;
    if (isSecond) {
        command(hands, &updates[0], "ROLLBACK PREPARED");
        session_send(&hands->sessions[updates[0].role]);
        hands->undoing = 2;
    }
}

static void completed(struct Session *session) {
    struct Hands *hands = session->owner;
    if (hands->undoing) {
        if (session->sqlState[0]) fatal("a rollback failed: SQLSTATE %s", session->sqlState);
        if (--hands->undoing == 0) client_ended(hands->client, ATTEMPT_ABORTED);
        return;
    }
    if (session->sqlState[0]) {
        undo(hands, session);
        return;
    }
    session_expect_tag(session, tag_at(hands));
    if (++hands->step == DONE) {
        client_ended(hands->client, ATTEMPT_COMMITTED);
    } else {
        send_step(hands);
    }
}

static void attempt(struct Client *client) {
    struct Hands *hands = &((struct Hands *)client->contention->links)[client->number];
    hands->step = BEGIN;
    send_step(hands);
}

static void open_hands(struct Contention *contention) {
    const struct Options *options = contention->run->options;
    struct Hands *all = allocate((size_t)contention->count, sizeof(struct Hands));
    contention->links = all;
    for (int index = 0; index < contention->count; index++) {
        struct Hands *hands = &all[index];
        hands->client = &contention->clients[index];
        for (enum DatabaseRole role = USERS; role <= ORDERS; role++) {
            struct Session *session = &hands->sessions[role];
            char limit[64];
            snprintf(
                limit, sizeof limit, "SET lock_timeout = %d", options->lockTimeoutMilliseconds);
            session_open(session, &options->databases[role]);
            session_run(session, limit, NULL, 0);
            session_prepare(session, "update", counterUpdate);
            session->keepsErrors = true;
            session->owner = hands;
            session->completed = completed;
            session_join(session, &contention->run->loop);
        }
    }
}

static void close_hands(struct Contention *contention) {
    struct Hands *all = contention->links;
    for (int index = 0; index < contention->count; index++) {
        for (enum DatabaseRole role = USERS; role <= ORDERS; role++) {
            session_close(&all[index].sessions[role]);
        }
    }
    free(all);
}

const struct Transport sequentialTransport = {
    .open = open_hands, .close = close_hands, .attempt = attempt};
