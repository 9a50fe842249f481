#define _GNU_SOURCE
#include "transaction.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

const char *run_identifier(void) {
    static char identifier[16];
    if (!identifier[0]) {
        struct timespec time;
        clock_gettime(CLOCK_REALTIME, &time);
        unsigned long long milliseconds =
            (unsigned long long)time.tv_sec * 1000 + (unsigned long long)time.tv_nsec / 1000000;
        // Rising with time, as keys in order are; 36 bits of milliseconds last two years.
        snprintf(identifier, sizeof identifier, "%09llx", milliseconds & 0xfffffffffull);
    }
    return identifier;
}

void row_identifier(
    char identifier[IDENTIFIER_BYTES], char prefix, long number, int branch, int statement) {
    snprintf(
        identifier, IDENTIFIER_BYTES, "%c-%s-%0*ld-%x-%03d", prefix, run_identifier(),
        ROW_NUMBER_DIGITS, number, (unsigned)branch, statement);
}
