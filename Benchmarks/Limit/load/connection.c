#include "connection.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../support/fatal.h"

enum { READ_BYTES = 8192 };

static void ready(struct Source *source, uint32_t events);

static void dial(struct Connection *connection) {
    connection->source.descriptor = endpoint_connect(connection->endpoint);
    connection->source.ready = ready;
    descriptor_unblock(connection->source.descriptor);
    loop_add(connection->loop, &connection->source);
}

static void redial(struct Connection *connection) {
    // Closing takes the descriptor out of the loop. Events of this turn that name the connection
    // are behind us: epoll reports a descriptor once a turn.
    close(connection->source.descriptor);
    buffer_clear(&connection->in);
    buffer_clear(&connection->out);
    dial(connection);
}

/// Sends what is left; false when the connection is gone.
static bool push(struct Connection *connection) {
    struct Buffer *out = &connection->out;
    long sent = descriptor_send(
        connection->source.descriptor, out->bytes + out->start, buffer_length(out));
    if (sent < 0) return false;
    buffer_consume(out, (size_t)sent);
    loop_want_write(connection->loop, &connection->source, buffer_length(out) > 0);
    return true;
}

void connection_send(struct Connection *connection, const struct Buffer *request) {
    const char *bytes = request->bytes + request->start;
    size_t length = buffer_length(request);
    connection->waiting = true;
    long sent = descriptor_send(connection->source.descriptor, bytes, length);
    // A connection found gone here is reported by epoll too, and counted there.
    if (sent < 0 || (size_t)sent == length) return;
    buffer_append(&connection->out, bytes + sent, length - (size_t)sent);
    loop_want_write(connection->loop, &connection->source, true);
}

static void lost(struct Connection *connection) {
    bool waited = connection->waiting;
    connection->waiting = false;
    redial(connection);
    if (waited) connection->answered(connection, NULL);
}

static void answered(struct Connection *connection, const struct Response *response) {
    if (!connection->waiting) fatal("an answer that nobody asked for: status %d", response->status);
    connection->waiting = false;
    if (response->closes) {
        // Its body lies in the buffer, which stays when the connection is dialed again.
        redial(connection);
    }
    connection->answered(connection, response);
}

/// Takes in what has arrived; false when the connection is gone.
static bool receive(struct Connection *connection) {
    char *room = buffer_reserve(&connection->in, READ_BYTES);
    ssize_t count = recv(connection->source.descriptor, room, READ_BYTES, 0);
    if (count > 0) buffer_grew(&connection->in, (size_t)count);
    return count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR));
}

static void ready(struct Source *source, uint32_t events) {
    struct Connection *connection = (struct Connection *)source;
    if ((events & EPOLLOUT) && !push(connection)) {
        lost(connection);
        return;
    }
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
    if (!receive(connection)) {
        lost(connection);
        return;
    }
    struct Response response;
    switch (response_next(&connection->in, &response)) {
    case RESPONSE_PARTIAL:
        break;
    case RESPONSE_WHOLE:
        answered(connection, &response);
        break;
    case RESPONSE_UNREADABLE:
        fatal("the answer is not HTTP/1.1 with a Content-Length");
    }
}

void connection_open(
    struct Connection *connection, struct Loop *loop, const struct Endpoint *endpoint) {
    connection->loop = loop;
    connection->endpoint = endpoint;
    dial(connection);
}

void connection_close(struct Connection *connection) {
    close(connection->source.descriptor);
    buffer_free(&connection->in);
    buffer_free(&connection->out);
}
