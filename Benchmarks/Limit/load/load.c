#include "load.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../support/clock.h"
#include "../support/fatal.h"
#include "response.h"

enum { READ_BYTES = 8192, CREATED = 201, ACCEPTED = 202 };

static void ready(struct Source *source, uint32_t events);

static void dial(struct Connection *connection) {
    const struct Run *run = connection->load->run;
    connection->source.descriptor = endpoint_connect(&run->options->url);
    connection->source.ready = ready;
    descriptor_unblock(connection->source.descriptor);
    loop_add(&connection->load->run->loop, &connection->source);
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
    loop_want_write(
        &connection->load->run->loop, &connection->source, buffer_length(out) > 0);
    return true;
}

static void begin(struct Connection *connection) {
    struct Load *load = connection->load;
    const struct Buffer *bytes = &load->request.bytes;
    request_number(&load->request, ++load->begun);
    connection->waiting = true;
    load->waitingCount++;
    connection->startedAt = clock_nanoseconds();
    long sent =
        descriptor_send(connection->source.descriptor, bytes->bytes, buffer_length(bytes));
    // A connection found gone here is reported by epoll too, and counted there.
    if (sent < 0 || (size_t)sent == buffer_length(bytes)) return;
    buffer_append(
        &connection->out, bytes->bytes + sent, buffer_length(bytes) - (size_t)sent);
    loop_want_write(&load->run->loop, &connection->source, true);
}

static void note_other(struct Load *load, int status, const char *body, size_t length) {
    load->run->otherwise++;
    if (load->otherAnswer[0]) return;
    snprintf(
        load->otherAnswer, sizeof load->otherAnswer, "%d %.*s", status, (int)length, body);
}

/// The request in flight has ended, whichever way.
static void ended(struct Connection *connection) {
    connection->waiting = false;
    connection->load->waitingCount--;
}

static void lost(struct Connection *connection) {
    static const char reason[] = "connection closed by the server";
    if (connection->waiting) {
        note_other(connection->load, 0, reason, sizeof reason - 1);
        ended(connection);
    }
    redial(connection);
    if (!connection->load->draining) begin(connection);
}

static void answered(struct Connection *connection, const struct Response *response) {
    struct Load *load = connection->load;
    if (!connection->waiting) fatal("an answer that nobody asked for: status %d", response->status);
    bool decided = load->run->options->returnAtDecision && response->status == ACCEPTED;
    if (response->status == CREATED || decided) {
        run_committed(load->run, connection->startedAt);
    } else {
        note_other(load, response->status, response->body, response->bodyLength);
    }
    ended(connection);
    if (response->closes) redial(connection);
    if (!load->draining) begin(connection);
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

static void advance(struct Workload *workload, bool draining) {
    struct Load *load = (struct Load *)workload;
    load->draining = draining;
    if (load->started) return;
    load->started = true;
    for (int index = 0; index < load->count; index++) begin(&load->connections[index]);
}

static bool idle(const struct Workload *workload) {
    return ((const struct Load *)workload)->waitingCount == 0;
}

void load_open(struct Load *load, struct Run *run) {
    *load = (struct Load){
        .workload = {.advance = advance, .idle = idle},
        .run = run,
        .count = run->options->inFlight,
        .connections = allocate((size_t)run->options->inFlight, sizeof(struct Connection)),
    };
    request_build(&load->request, run->options);
    for (int index = 0; index < load->count; index++) {
        load->connections[index].load = load;
        dial(&load->connections[index]);
    }
}

void load_close(struct Load *load) {
    for (int index = 0; index < load->count; index++) {
        close(load->connections[index].source.descriptor);
        buffer_free(&load->connections[index].in);
        buffer_free(&load->connections[index].out);
    }
    free(load->connections);
    request_free(&load->request);
}
