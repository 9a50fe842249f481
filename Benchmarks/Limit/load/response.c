#define _GNU_SOURCE
#include "response.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char statusPrefix[] = "HTTP/1.1 ";

enum { HEAD_BYTES_MAX = 64 * 1024, STATUS_OFFSET = sizeof statusPrefix - 1, STATUS_DIGITS = 3 };

static bool field_is(const char *line, size_t length, const char *name) {
    size_t nameLength = strlen(name);
    return length > nameLength && line[nameLength] == ':' && !strncasecmp(line, name, nameLength);
}

/// A field's value without the white space before it; it ends at the line's CR.
static const char *value_of(const char *line) {
    const char *value = strchr(line, ':') + 1;
    return value + strspn(value, " \t");
}

/// Reads the fields that frame the answer; false when they do not frame it.
static bool read_fields(
    const char *line, const char *end, struct Response *response, size_t *length) {
    bool framed = false;
    while (line < end) {
        const char *next = memmem(line, (size_t)(end - line), "\r\n", 2);
        if (!next) return false;
        size_t lineLength = (size_t)(next - line);
        if (field_is(line, lineLength, "Content-Length")) {
            *length = strtoul(value_of(line), NULL, 10);
            framed = true;
        } else if (field_is(line, lineLength, "Transfer-Encoding")) {
            return false;
        } else if (field_is(line, lineLength, "Connection")) {
            response->closes = !strncasecmp(value_of(line), "close", 5);
        }
        line = next + 2;
    }
    return framed;
}

enum ResponseProgress response_next(struct Buffer *buffer, struct Response *response) {
    const char *front = buffer->bytes + buffer->start;
    size_t available = buffer_length(buffer);
    const char *blank = available ? memmem(front, available, "\r\n\r\n", 4) : NULL;
    if (!blank) return available > HEAD_BYTES_MAX ? RESPONSE_UNREADABLE : RESPONSE_PARTIAL;

    *response = (struct Response){0};
    size_t headLength = (size_t)(blank - front) + 4, bodyLength = 0;
    const char *fields = memmem(front, headLength, "\r\n", 2);
    fields += 2;
    if (headLength < STATUS_OFFSET + STATUS_DIGITS ||
        memcmp(front, statusPrefix, STATUS_OFFSET)) {
        return RESPONSE_UNREADABLE;
    }
    response->status = atoi(front + STATUS_OFFSET);
    if (!read_fields(fields, blank + 2, response, &bodyLength)) return RESPONSE_UNREADABLE;
    if (available < headLength + bodyLength) return RESPONSE_PARTIAL;
    response->body = front + headLength;
    response->bodyLength = bodyLength;
    buffer_consume(buffer, headLength + bodyLength);
    return RESPONSE_WHOLE;
}

void response_describe(const struct Response *response, char text[ANSWER_BYTES]) {
    if (text[0]) return;
    if (!response) {
        snprintf(text, ANSWER_BYTES, "0 connection closed by the server");
        return;
    }
    snprintf(
        text, ANSWER_BYTES, "%d %.*s", response->status, (int)response->bodyLength,
        response->body);
}

bool response_has(const struct Response *response, const char *text) {
    return memmem(response->body, response->bodyLength, text, strlen(text)) != NULL;
}
