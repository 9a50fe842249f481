#ifndef LIMIT_COUNTERS_H
#define LIMIT_COUNTERS_H

#include "../measure/run.h"

/// The statement of every update: `$1` is the row, `$2` the amount.
extern const char *const counterUpdate;

/// Creates the table of counters in both participants, with all of its rows, at 0.
void counters_ready(const struct Options *options);

/// "ok", or what differs: each participant counts one update for each committed transaction, the
/// amounts add up, and no prepared transaction is left.
const char *counters_verify(const struct Run *run);

#endif
