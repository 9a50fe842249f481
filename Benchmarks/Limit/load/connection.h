#ifndef LIMIT_CONNECTION_H
#define LIMIT_CONNECTION_H

#include "../support/buffer.h"
#include "../support/endpoint.h"
#include "../support/loop.h"
#include "response.h"

/// A keep-alive connection with at most one request in flight, which dials again when it is lost.
/// The source is its first member.
struct Connection {
    struct Source source;
    struct Loop *loop;
    const struct Endpoint *endpoint;
    struct Buffer in;
    /// What of the request the socket has not taken yet; nearly always nothing.
    struct Buffer out;
    bool waiting;
    /// Runs with the answer to the request in flight, or with NULL when the connection was lost
    /// before it. The next request may be sent from there.
    void (*answered)(struct Connection *connection, const struct Response *response);
};

void connection_open(
    struct Connection *connection, struct Loop *loop, const struct Endpoint *endpoint);
void connection_close(struct Connection *connection);

/// Sends a request.
void connection_send(struct Connection *connection, const struct Buffer *request);

#endif
