#ifndef LIMIT_CLOCK_H
#define LIMIT_CLOCK_H

#include <stdint.h>

enum { NANOSECONDS_PER_MILLISECOND = 1000000 };
#define NANOSECONDS_PER_SECOND INT64_C(1000000000)

/// Monotonic time in nanoseconds.
int64_t clock_nanoseconds(void);

/// A pause, for the two places that wait on something no descriptor reports.
void clock_pause_milliseconds(int milliseconds);

#endif
