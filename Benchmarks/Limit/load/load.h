#ifndef LIMIT_LOAD_H
#define LIMIT_LOAD_H

#include "../measure/run.h"
#include "connection.h"
#include "request.h"

struct Load;

/// A connection and when its request began. The connection is its first member.
struct Caller {
    struct Connection connection;
    struct Load *load;
    int64_t startedAt;
};

/// A closed loop over HTTP: each connection sends its next transaction when the last is answered.
/// The workload is its first member.
struct Load {
    struct Workload workload;
    struct Run *run;
    struct Request request;
    struct Caller *callers;
    int count;
    int waitingCount;
    bool draining;
    bool started;
    long begun;
};

void load_open(struct Load *load, struct Run *run);
void load_close(struct Load *load);

#endif
