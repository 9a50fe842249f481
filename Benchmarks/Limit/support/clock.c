#define _GNU_SOURCE
#include "clock.h"

#include <time.h>

int64_t clock_nanoseconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * NANOSECONDS_PER_SECOND + time.tv_nsec;
}

void clock_pause_milliseconds(int milliseconds) {
    struct timespec pause = {
        .tv_sec = milliseconds / 1000,
        .tv_nsec = (long)(milliseconds % 1000) * NANOSECONDS_PER_MILLISECOND,
    };
    nanosleep(&pause, NULL);
}
