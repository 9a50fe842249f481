#ifndef LIMIT_REPORT_H
#define LIMIT_REPORT_H

#include "run.h"

/// Prints the measurement as one line of JSON. CPU is microseconds a committed transaction; what
/// was not asked for or cannot be known is left out.
void report_print(const struct Run *run, const char *verify);

#endif
