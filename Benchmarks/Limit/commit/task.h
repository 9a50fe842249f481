#ifndef LIMIT_TASK_H
#define LIMIT_TASK_H

#include "../options.h"
#include "../support/buffer.h"
#include "../wire/session.h"
#include "transaction.h"

enum TaskKind {
    /// BEGIN, the work and PREPARE TRANSACTION in one round trip.
    TASK_PREPARE,
    /// BEGIN, the work, the decision and COMMIT in one round trip.
    TASK_JOURNAL,
    /// COMMIT PREPARED.
    TASK_FINISH,
    /// The sequential mode's single commands.
    TASK_BEGIN_ALONE,
    TASK_INSERT_ALONE,
    TASK_PREPARE_ALONE,
};

/// One round trip to one participant for one branch; two where the work has one of its own.
struct Task {
    struct Transaction *transaction;
    enum TaskKind kind;
    int branch;
    /// Which INSERT, for `TASK_INSERT_ALONE`.
    int statement;
    /// Whether the commands that clean the session and take the evidence follow the work.
    bool guarded;
    /// Whether BEGIN and the work go ahead in a round trip of their own.
    bool workAlone;
    /// Whether they have.
    bool hasWorked;
};

/// The participant of a branch: users and orders in turn.
enum DatabaseRole branch_role(int branch);

/// Prepares on a participant's session the statements that tasks execute.
void task_prepare_statements(struct Session *session, enum DatabaseRole role);

/// Appends a task's messages, which end in exactly one ReadyForQuery.
void task_build(struct Buffer *buffer, const struct Task *task, int statements);

/// Whether another round trip follows the one that was answered; the task then stands for it.
bool task_goes_on(struct Task *task);

/// The command tag that alone means the task did what it should: PREPARE TRANSACTION in a failed
/// transaction answers ROLLBACK, and no error.
const char *task_tag(const struct Task *task);

#endif
