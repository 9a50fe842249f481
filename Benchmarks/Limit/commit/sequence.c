#include "sequence.h"

/// What a transaction sends at a step: for each branch BEGIN, its INSERTs and PREPARE, and after
/// all of them each branch's COMMIT PREPARED. False when there is no such step.
static bool task_at(
    const struct Driver *driver, struct Transaction *transaction, struct Task *task) {
    int perBranch = driver->statements + 2;
    int working = driver->branches * perBranch;
    *task = (struct Task){.transaction = transaction};
    if (transaction->step >= working) {
        task->kind = TASK_FINISH;
        task->branch = transaction->step - working;
        return task->branch < driver->branches;
    }
    int command = transaction->step % perBranch;
    task->branch = transaction->step / perBranch;
    if (command == 0) {
        task->kind = TASK_BEGIN_ALONE;
    } else if (command <= driver->statements) {
        task->kind = TASK_INSERT_ALONE;
        task->statement = command - 1;
    } else {
        task->kind = TASK_PREPARE_ALONE;
    }
    return true;
}

void sequence_start(struct Driver *driver, struct Transaction *transaction) {
    transaction->step = -1;
    sequence_answered(driver, transaction);
}

void sequence_answered(struct Driver *driver, struct Transaction *transaction) {
    struct Task task;
    transaction->step++;
    if (task_at(driver, transaction, &task)) {
        pool_start(&driver->pools[branch_role(task.branch)], transaction->slot, task);
    } else {
        driver_ended(driver, transaction);
    }
}
