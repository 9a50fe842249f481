#include "processor.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../support/fatal.h"

/// What `/proc/PID/stat` says of a process; times in seconds.
struct ProcessStat {
    pid_t parent;
    double own;
    double reapedChildren;
};

static bool stat_read(pid_t process, struct ProcessStat *stat) {
    char path[64], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)process);
    FILE *file = fopen(path, "r");
    if (!file) return false;
    size_t length = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[length] = '\0';
    // The command's name is in parentheses and may hold any character, parentheses too.
    const char *rest = strrchr(text, ')');
    int parent;
    long user, system, childrenUser, childrenSystem;
    if (!rest ||
        sscanf(
            rest + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld %ld %ld", &parent,
            &user, &system, &childrenUser, &childrenSystem) != 5) {
        return false;
    }
    double ticksPerSecond = (double)sysconf(_SC_CLK_TCK);
    stat->parent = (pid_t)parent;
    stat->own = (double)(user + system) / ticksPerSecond;
    stat->reapedChildren = (double)(childrenUser + childrenSystem) / ticksPerSecond;
    return true;
}

/// A single-threaded process's CPU seconds from the scheduler, exact to the nanosecond where
/// `stat` counts in ticks of 10 ms; a hundred backends' rounding would show. `fallback` where the
/// kernel keeps no such file.
static double scheduled_seconds(pid_t process, double fallback) {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)process);
    FILE *file = fopen(path, "r");
    if (!file) return fallback;
    unsigned long long nanoseconds = 0;
    int fields = fscanf(file, "%llu", &nanoseconds);
    fclose(file);
    return fields == 1 && nanoseconds > 0 ? (double)nanoseconds / 1e9 : fallback;
}

/// One walk over /proc finds every postmaster's children. One that ends between two readings
/// moves from its own clock to the postmaster's count of reaped children, so nothing is lost.
static void postgres_read(struct ProcessorTime *time, const pid_t *postmasters) {
    DIR *directory = opendir("/proc");
    if (!directory) fatal_errno("/proc");
    struct dirent *entry;
    while ((entry = readdir(directory))) {
        pid_t process = (pid_t)atoi(entry->d_name);
        struct ProcessStat stat;
        if (process <= 0 || !stat_read(process, &stat)) continue;
        for (int index = 0; index < POSTMASTERS_MAX; index++) {
            pid_t postmaster = postmasters[index];
            if (!postmaster || (process != postmaster && stat.parent != postmaster)) continue;
            time->postgres[index] += scheduled_seconds(process, stat.own);
            if (process == postmaster) time->postgres[index] += stat.reapedChildren;
        }
    }
    closedir(directory);
}

static double seconds(struct timeval time) { return (double)time.tv_sec + time.tv_usec * 1e-6; }

void processor_read(struct ProcessorTime *time, const struct Options *options) {
    *time = (struct ProcessorTime){0};
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    time->client = seconds(usage.ru_utime) + seconds(usage.ru_stime);
    if (options->coordinator) {
        struct ProcessStat stat;
        if (!stat_read(options->coordinator, &stat)) {
            fatal("there is no coordinator with pid %d", (int)options->coordinator);
        }
        time->coordinator = stat.own;
    }
    if (options->postmasters[0]) postgres_read(time, options->postmasters);
}

void resident_read(struct ResidentMemory *memory, pid_t process) {
    char path[64], line[256];
    *memory = (struct ResidentMemory){0};
    snprintf(path, sizeof path, "/proc/%d/status", process ? (int)process : (int)getpid());
    FILE *file = fopen(path, "r");
    if (!file) return;
    long kilobytes;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "VmHWM: %ld", &kilobytes) == 1) memory->peak = (double)kilobytes / 1024;
        if (sscanf(line, "VmRSS: %ld", &kilobytes) == 1) memory->current = (double)kilobytes / 1024;
    }
    fclose(file);
}
