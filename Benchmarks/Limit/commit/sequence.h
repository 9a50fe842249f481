#ifndef LIMIT_SEQUENCE_H
#define LIMIT_SEQUENCE_H

#include "driver.h"

/// The naive way: one session a participant for each transaction in flight, one command a round
/// trip, one branch after the other.
void sequence_start(struct Driver *driver, struct Transaction *transaction);

/// The command under way was answered: sends the next, or ends the transaction.
void sequence_answered(struct Driver *driver, struct Transaction *transaction);

/// The driver's: a transaction is committed everywhere.
void driver_ended(struct Driver *driver, struct Transaction *transaction);

#endif
