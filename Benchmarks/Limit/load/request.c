#include "request.h"

#include <stdlib.h>
#include <string.h>

#include "../commit/task.h"
#include "../commit/transaction.h"
#include "../support/fatal.h"

/// Remembers that a number's digits stand at `offset` from the front of the bytes.
static void note_number(struct Request *request, size_t offset) {
    if (request->numberCount == request->numberCapacity) {
        request->numberCapacity = request->numberCapacity ? request->numberCapacity * 2 : 16;
        request->numberOffsets =
            realloc(request->numberOffsets, request->numberCapacity * sizeof(size_t));
        if (!request->numberOffsets) fatal("out of memory");
    }
    request->numberOffsets[request->numberCount++] = offset;
}

static void append_key(struct Request *request, char prefix, int branch, int statement) {
    char key[IDENTIFIER_BYTES];
    row_identifier(key, prefix, 0, branch, statement);
    note_number(request, buffer_length(&request->bytes) + 1 + ROW_NUMBER_OFFSET);
    buffer_append_format(&request->bytes, "\"%s\"", key);
}

static void append_statement(struct Request *request, int branch, int statement) {
    struct Buffer *bytes = &request->bytes;
    if (branch_role(branch) == USERS) {
        buffer_append_text(
            bytes, "{\"sql\":\"INSERT INTO users (id, name) VALUES ($1, $2)\",\"parameters\":[");
        append_key(request, 'u', branch, statement);
        buffer_append_text(bytes, ",\"Ada Lovelace\"]}");
    } else {
        buffer_append_text(
            bytes,
            "{\"sql\":\"INSERT INTO orders (id, user_id, amount) VALUES ($1, $2, $3)\","
            "\"parameters\":[");
        append_key(request, 'o', branch, statement);
        buffer_append_text(bytes, ",");
        append_key(request, 'u', branch - 1, statement);
        buffer_append_text(bytes, ",99.50]}");
    }
}

static void append_body(struct Request *request, const struct Options *options) {
    struct Buffer *bytes = &request->bytes;
    buffer_append_text(bytes, "{\"branches\":[");
    for (int branch = 0; branch < options->branches; branch++) {
        buffer_append_format(
            bytes, "%s{\"participant\":\"%s\",\"statements\":[", branch ? "," : "",
            branch_role(branch) == USERS ? "users" : "orders");
        for (int statement = 0; statement < options->statements; statement++) {
            if (statement) buffer_append_text(bytes, ",");
            append_statement(request, branch, statement);
        }
        buffer_append_text(bytes, "]}");
    }
    buffer_append_text(bytes, "]}");
}

static void append_head(struct Request *request, const struct Options *options, size_t length) {
    struct Buffer *bytes = &request->bytes;
    buffer_append_format(
        bytes,
        "POST /v1/transactions HTTP/1.1\r\nHost: %s:%d\r\nContent-Type: application/json\r\n"
        "Content-Length: %zu\r\n",
        options->url.host, options->url.port, length);
    if (options->idempotencyKeys) {
        char key[IDENTIFIER_BYTES];
        static const char field[] = "Idempotency-Key: \"";
        row_identifier(key, 'k', 0, 0, 0);
        note_number(request, buffer_length(bytes) + sizeof field - 1 + ROW_NUMBER_OFFSET);
        buffer_append_format(bytes, "%s%s\"\r\n", field, key);
    }
    if (options->returnAtDecision) {
        buffer_append_text(bytes, "Prefer: return-at=decision\r\n");
    }
    buffer_append_text(bytes, "\r\n");
}

void request_build(struct Request *request, const struct Options *options) {
    // The head states the body's length, so the body is built twice: first to be measured.
    *request = (struct Request){0};
    append_body(request, options);
    size_t length = buffer_length(&request->bytes);
    buffer_clear(&request->bytes);
    request->numberCount = 0;
    append_head(request, options, length);
    append_body(request, options);
}

void request_free(struct Request *request) {
    buffer_free(&request->bytes);
    free(request->numberOffsets);
}

void request_number(struct Request *request, long number) {
    char digits[ROW_NUMBER_DIGITS];
    for (int index = ROW_NUMBER_DIGITS - 1; index >= 0; index--) {
        digits[index] = (char)('0' + number % 10);
        number /= 10;
    }
    for (size_t index = 0; index < request->numberCount; index++) {
        memcpy(
            request->bytes.bytes + request->numberOffsets[index], digits, sizeof digits);
    }
}
