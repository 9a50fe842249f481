#include "session.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../support/fatal.h"
#include "message.h"

enum { READ_BYTES = 16384 };

static _Noreturn void lost(const struct Session *session) {
    fatal("the connection to port %d was lost", session->database->endpoint.port);
}

/// Takes in what has arrived; false when a non-blocking socket has nothing.
static bool receive(struct Session *session) {
    for (;;) {
        char *room = buffer_reserve(&session->in, READ_BYTES);
        ssize_t count = recv(session->source.descriptor, room, READ_BYTES, 0);
        if (count > 0) {
            buffer_grew(&session->in, (size_t)count);
            return true;
        }
        if (count == 0) lost(session);
        if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
        if (errno != EINTR) lost(session);
    }
}

/// What every message means wherever it comes: tags are kept, errors end the program.
static void note(struct Session *session, const struct Message *message) {
    switch (message->type) {
    case 'C':
        snprintf(session->tag, sizeof session->tag, "%.*s", (int)message->length, message->body);
        break;
    case 'E':
        if (session->keepsErrors) {
            snprintf(
                session->sqlState, sizeof session->sqlState, "%s",
                message_error_field(message, 'C'));
            break;
        }
        fatal(
            "port %d: %s (SQLSTATE %s)", session->database->endpoint.port,
            message_error_field(message, 'M'), message_error_field(message, 'C'));
    case 'R': {
        static const char trusted[4] = {0};
        if (message->length != sizeof trusted || memcmp(message->body, trusted, sizeof trusted)) {
            fatal("port %d asks for a password", session->database->endpoint.port);
        }
        break;
    }
    default:
        break;
    }
}

/// Blocking: sends `out` and reads up to ReadyForQuery.
static void converse(struct Session *session, char *value, size_t capacity) {
    while (buffer_length(&session->out)) {
        const char *front = session->out.bytes + session->out.start;
        long sent =
            descriptor_send(session->source.descriptor, front, buffer_length(&session->out));
        if (sent < 0) lost(session);
        buffer_consume(&session->out, (size_t)sent);
    }
    for (;;) {
        struct Message message;
        while (message_next(&session->in, &message)) {
            if (message.type == 'Z') return;
            if (message.type == 'D' && value) message_first_column(&message, value, capacity);
            note(session, &message);
        }
        receive(session);
    }
}

void session_open(struct Session *session, const struct Database *database) {
    *session = (struct Session){.database = database};
    session->source.descriptor = endpoint_connect(&database->endpoint);
    message_startup(&session->out, database->user, database->name);
    converse(session, NULL, 0);
}

void session_close(struct Session *session) {
    buffer_clear(&session->out);
    message_terminate(&session->out);
    // Best effort: the server also understands a closed socket.
    descriptor_send(
        session->source.descriptor, session->out.bytes, buffer_length(&session->out));
    close(session->source.descriptor);
    buffer_free(&session->out);
    buffer_free(&session->in);
}

void session_run(struct Session *session, const char *sql, char *value, size_t capacity) {
    if (value) value[0] = '\0';
    message_query(&session->out, sql);
    converse(session, value, capacity);
}

long session_number(struct Session *session, const char *sql) {
    char value[64];
    session_run(session, sql, value, sizeof value);
    return strtol(value, NULL, 10);
}

void session_prepare(struct Session *session, const char *statement, const char *sql) {
    message_parse(&session->out, statement, sql);
    message_sync(&session->out);
    converse(session, NULL, 0);
}

static void flush(struct Source *source) {
    // The source is the first member of its session.
    struct Session *session = (struct Session *)source;
    long sent = descriptor_send(
        source->descriptor, session->out.bytes + session->out.start,
        buffer_length(&session->out));
    if (sent < 0) lost(session);
    buffer_consume(&session->out, (size_t)sent);
    loop_want_write(session->loop, source, buffer_length(&session->out) > 0);
}

static void ready(struct Source *source, uint32_t events) {
    struct Session *session = (struct Session *)source;
    if (events & EPOLLOUT) flush(source);
    if (!(events & (EPOLLIN | EPOLLHUP | EPOLLERR))) return;
    if (!receive(session)) return;
    struct Message message;
    while (message_next(&session->in, &message)) {
        if (message.type == 'Z') {
            session->completed(session);
        } else {
            note(session, &message);
        }
    }
}

void session_join(struct Session *session, struct Loop *loop) {
    session->loop = loop;
    session->source.ready = ready;
    session->source.flush = flush;
    descriptor_unblock(session->source.descriptor);
    loop_add(loop, &session->source);
}

void session_send(struct Session *session) {
    session->sqlState[0] = '\0';
    loop_defer(session->loop, &session->source);
}

void session_expect_tag(const struct Session *session, const char *tag) {
    if (strcmp(session->tag, tag)) {
        fatal(
            "port %d answered \"%s\" where \"%s\" was due", session->database->endpoint.port,
            session->tag, tag);
    }
}
