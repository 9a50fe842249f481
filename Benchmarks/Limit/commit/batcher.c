#include "batcher.h"

#include <stdio.h>
#include <stdlib.h>

#include "../support/fatal.h"
#include "../wire/message.h"

static void completed(struct Session *session) {
    struct Batcher *batcher = (struct Batcher *)session;
    char tag[64];
    // One row for each transaction, or a decision would rest on a row that is not there.
    snprintf(tag, sizeof tag, "%s %d", batcher->tag, batcher->flyingCount);
    session_expect_tag(session, tag);
    batcher->busy = false;
    if (!batcher->written) return;
    for (int index = 0; index < batcher->flyingCount; index++) {
        batcher->written(batcher, batcher->flying[index]);
    }
}

void batcher_open(
    struct Batcher *batcher, struct Loop *loop, const struct Database *database,
    const struct BatchStatement *statement) {
    session_open(&batcher->session, database);
    session_run(
        &batcher->session,
        statement->synchronous ? "SET synchronous_commit = on" : "SET synchronous_commit = off",
        NULL, 0);
    // A plan made while the table is empty or without statistics would be a sequential scan, and
    // would stay one as the table grows.
    session_run(&batcher->session, "SET enable_seqscan = off", NULL, 0);
    session_run(&batcher->session, "SET plan_cache_mode = force_generic_plan", NULL, 0);
    session_prepare(&batcher->session, "batch", statement->sql);
    session_join(&batcher->session, loop);
    batcher->session.completed = completed;
    batcher->tag = statement->tag;
    batcher->extra = statement->extra;
    batcher->opened = true;
}

void batcher_close(struct Batcher *batcher) {
    if (!batcher->opened) return;
    session_close(&batcher->session);
    free(batcher->gathered);
    free(batcher->flying);
    buffer_free(&batcher->gids);
}

static void grow(struct Batcher *batcher) {
    int capacity = batcher->capacity ? batcher->capacity * 2 : 64;
    size_t bytes = (size_t)capacity * sizeof(struct Transaction *);
    batcher->gathered = realloc(batcher->gathered, bytes);
    batcher->flying = realloc(batcher->flying, bytes);
    if (!batcher->gathered || !batcher->flying) fatal("out of memory");
    batcher->capacity = capacity;
}

void batcher_add(struct Batcher *batcher, struct Transaction *transaction) {
    if (batcher->gatheredCount == batcher->capacity) grow(batcher);
    buffer_append_text(&batcher->gids, batcher->gatheredCount ? "," : "{");
    buffer_append_text(&batcher->gids, transaction->gid);
    batcher->gathered[batcher->gatheredCount++] = transaction;
}

void batcher_kick(struct Batcher *batcher) {
    if (batcher->busy || !batcher->gatheredCount) return;
    buffer_append(&batcher->gids, "}", 2);
    const char *values[] = {batcher->gids.bytes + batcher->gids.start, batcher->extra};
    message_execute(&batcher->session.out, "batch", batcher->extra ? 2 : 1, values);
    message_sync(&batcher->session.out);
    buffer_clear(&batcher->gids);

    struct Transaction **written = batcher->flying;
    batcher->flying = batcher->gathered;
    batcher->flyingCount = batcher->gatheredCount;
    batcher->gathered = written;
    batcher->gatheredCount = 0;
    batcher->busy = true;
    session_send(&batcher->session);
}

bool batcher_quiet(const struct Batcher *batcher) {
    return !batcher->busy && !batcher->gatheredCount;
}
