#ifndef LIMIT_LOAD_H
#define LIMIT_LOAD_H

#include "../measure/run.h"
#include "request.h"

enum { OTHER_ANSWER_BYTES = 600 };

struct Load;

/// A keep-alive connection with at most one request in flight. The source is its first member.
struct Connection {
    struct Source source;
    struct Load *load;
    struct Buffer in;
    /// What of the request the socket has not taken yet; nearly always nothing.
    struct Buffer out;
    int64_t startedAt;
    bool waiting;
};

/// A closed loop over HTTP: each connection sends its next transaction when the last is answered.
/// The workload is its first member.
struct Load {
    struct Workload workload;
    struct Run *run;
    struct Request request;
    struct Connection *connections;
    int count;
    int waitingCount;
    bool draining;
    bool started;
    long begun;
    /// The first answer that was not 201, as `status body`, or "".
    char otherAnswer[OTHER_ANSWER_BYTES];
};

void load_open(struct Load *load, struct Run *run);
void load_close(struct Load *load);

#endif
