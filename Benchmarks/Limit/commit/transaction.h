#ifndef LIMIT_TRANSACTION_H
#define LIMIT_TRANSACTION_H

#include <stdint.h>

enum { GID_BYTES = 64, IDENTIFIER_BYTES = 64 };

enum TransactionPhase { WORKING, DECIDING, FINISHING };

/// One global transaction under way; its slot is used again by the next.
struct Transaction {
    int slot;
    /// Unique within the run, from 1.
    long number;
    int64_t startedAt;
    enum TransactionPhase phase;
    /// Answers that the phase still waits for.
    int pending;
    /// Round trips already made, in the sequential mode.
    int step;
    /// `limit:RUN:NUMBER`; a branch's gid has `:BRANCH` behind it.
    char gid[GID_BYTES];
};

/// A name for this run that no earlier run on the same tables had.
const char *run_identifier(void);

/// The key of a row: `PREFIX-RUN-NUMBER-BRANCH-STATEMENT`. Every part has a fixed width, so that
/// all modes and the HTTP load write rows of one size in one order.
void row_identifier(
    char identifier[IDENTIFIER_BYTES], char prefix, long number, int branch, int statement);

/// Where NUMBER stands in a row's key, and its digits.
enum { ROW_NUMBER_OFFSET = 12, ROW_NUMBER_DIGITS = 10 };

#endif
