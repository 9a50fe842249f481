#ifndef LIMIT_PROCESSOR_H
#define LIMIT_PROCESSOR_H

#include <sys/types.h>

#include "../options.h"

/// CPU seconds used so far, by whom.
struct ProcessorTime {
    double client;
    double coordinator;
    double postgres[POSTMASTERS_MAX];
};

/// Reads the clocks of this program, of the coordinator and of each postmaster with its children,
/// as far as they were named.
void processor_read(struct ProcessorTime *time, const struct Options *options);

/// Resident memory in megabytes: at its peak (`VmHWM`) and now (`VmRSS`). Pid 0 is this program.
struct ResidentMemory {
    double peak;
    double current;
};

void resident_read(struct ResidentMemory *memory, pid_t process);

#endif
