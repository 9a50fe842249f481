#define _GNU_SOURCE
#include "message.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <string.h>

#include "../support/fatal.h"

enum {
    PROTOCOL_VERSION = 3 << 16,
    HEADER_BYTES = 5,
    LENGTH_BYTES = 4,
    MESSAGE_BYTES_MAX = 64 << 20,
};

static void append_int32(struct Buffer *buffer, int32_t value) {
    uint32_t bytes = htonl((uint32_t)value);
    buffer_append(buffer, &bytes, sizeof bytes);
}

static void append_int16(struct Buffer *buffer, int value) {
    uint16_t bytes = htons((uint16_t)value);
    buffer_append(buffer, &bytes, sizeof bytes);
}

static void append_string(struct Buffer *buffer, const char *text) {
    buffer_append(buffer, text, strlen(text) + 1);
}

/// Starts a message whose length is filled in by `finish`. Positions count from the front, which
/// stays put while a message is built, though the bytes themselves may move.
static size_t begin(struct Buffer *buffer, char type) {
    if (type) buffer_append(buffer, &type, 1);
    size_t position = buffer_length(buffer);
    append_int32(buffer, 0);
    return position;
}

static void finish(struct Buffer *buffer, size_t position) {
    uint32_t length = htonl((uint32_t)(buffer_length(buffer) - position));
    memcpy(buffer->bytes + buffer->start + position, &length, sizeof length);
}

void message_startup(struct Buffer *buffer, const char *user, const char *database) {
    size_t position = begin(buffer, 0);
    append_int32(buffer, PROTOCOL_VERSION);
    append_string(buffer, "user");
    append_string(buffer, user);
    append_string(buffer, "database");
    append_string(buffer, database);
    append_string(buffer, "application_name");
    append_string(buffer, "limit");
    append_string(buffer, "");
    finish(buffer, position);
}

void message_query(struct Buffer *buffer, const char *sql) {
    size_t position = begin(buffer, 'Q');
    append_string(buffer, sql);
    finish(buffer, position);
}

void message_parse(struct Buffer *buffer, const char *statement, const char *sql) {
    size_t position = begin(buffer, 'P');
    append_string(buffer, statement);
    append_string(buffer, sql);
    append_int16(buffer, 0);
    finish(buffer, position);
}

void message_execute(
    struct Buffer *buffer, const char *statement, int valueCount, const char *const *values) {
    size_t position = begin(buffer, 'B');
    append_string(buffer, "");
    append_string(buffer, statement);
    append_int16(buffer, 0);
    append_int16(buffer, valueCount);
    for (int index = 0; index < valueCount; index++) {
        size_t length = strlen(values[index]);
        append_int32(buffer, (int32_t)length);
        buffer_append(buffer, values[index], length);
    }
    append_int16(buffer, 0);
    finish(buffer, position);

    position = begin(buffer, 'E');
    append_string(buffer, "");
    append_int32(buffer, 0);
    finish(buffer, position);
}

void message_sync(struct Buffer *buffer) { finish(buffer, begin(buffer, 'S')); }

void message_terminate(struct Buffer *buffer) { finish(buffer, begin(buffer, 'X')); }

bool message_next(struct Buffer *buffer, struct Message *message) {
    size_t available = buffer_length(buffer);
    if (available < HEADER_BYTES) return false;
    const char *front = buffer->bytes + buffer->start;
    uint32_t length;
    memcpy(&length, front + 1, sizeof length);
    length = ntohl(length);
    if (length < LENGTH_BYTES || length > MESSAGE_BYTES_MAX) {
        fatal("a message of %u bytes: this is not PostgreSQL", length);
    }
    if (available < length + 1) return false;
    message->type = front[0];
    message->body = front + HEADER_BYTES;
    message->length = length - LENGTH_BYTES;
    buffer_consume(buffer, length + 1);
    return true;
}

const char *message_error_field(const struct Message *message, char code) {
    const char *cursor = message->body, *end = message->body + message->length;
    while (cursor < end && *cursor) {
        const char *text = cursor + 1;
        size_t length = strnlen(text, (size_t)(end - text));
        if (text + length == end) break;
        if (*cursor == code) return text;
        cursor = text + length + 1;
    }
    return "";
}

void message_first_column(const struct Message *message, char *value, size_t capacity) {
    uint16_t count;
    uint32_t length;
    value[0] = '\0';
    if (message->length < sizeof count + sizeof length) return;
    memcpy(&count, message->body, sizeof count);
    memcpy(&length, message->body + sizeof count, sizeof length);
    if (ntohs(count) == 0 || (int32_t)ntohl(length) < 0) return;
    size_t size = ntohl(length);
    if (size > message->length - sizeof count - sizeof length || size >= capacity) return;
    memcpy(value, message->body + sizeof count + sizeof length, size);
    value[size] = '\0';
}
