#ifndef LIMIT_MESSAGE_H
#define LIMIT_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "../support/buffer.h"

/// What little of PostgreSQL's frontend/backend protocol 3.0 the client needs, as bytes in buffers.

void message_startup(struct Buffer *buffer, const char *user, const char *database);
void message_query(struct Buffer *buffer, const char *sql);
void message_parse(struct Buffer *buffer, const char *statement, const char *sql);

/// Bind and Execute of a prepared statement with text parameters; no Describe, no Sync.
void message_execute(
    struct Buffer *buffer, const char *statement, int valueCount, const char *const *values);
void message_sync(struct Buffer *buffer);
void message_terminate(struct Buffer *buffer);

/// One message of the server's; `body` points into the buffer it was taken from.
struct Message {
    char type;
    const char *body;
    size_t length;
};

/// Takes the next whole message off the front. False when it has not arrived whole. The body
/// stays valid until the buffer is next appended to.
bool message_next(struct Buffer *buffer, struct Message *message);

/// A field of an ErrorResponse by its code ('C' SQLSTATE, 'M' message), or "".
const char *message_error_field(const struct Message *message, char code);

/// The first column of a DataRow as text in `value`; a NULL is "".
void message_first_column(const struct Message *message, char *value, size_t capacity);

#endif
