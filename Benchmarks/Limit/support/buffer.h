#ifndef LIMIT_BUFFER_H
#define LIMIT_BUFFER_H

#include <stddef.h>
#include <stdint.h>

/// Bytes appended at the end and consumed at the front; it grows as needed and is reused.
struct Buffer {
    char *bytes;
    size_t start;
    size_t end;
    size_t capacity;
};

/// Zeroed memory for `count` elements; ends the program when there is none.
void *allocate(size_t count, size_t size);

void buffer_clear(struct Buffer *buffer);
void buffer_free(struct Buffer *buffer);

/// Room for `count` more bytes; the result is where they go. `buffer_grew` then says how many came.
char *buffer_reserve(struct Buffer *buffer, size_t count);
void buffer_grew(struct Buffer *buffer, size_t count);

void buffer_append(struct Buffer *buffer, const void *bytes, size_t count);
void buffer_append_text(struct Buffer *buffer, const char *text);
void buffer_append_format(struct Buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/// Drops `count` bytes from the front.
void buffer_consume(struct Buffer *buffer, size_t count);

/// How many bytes wait between front and end.
size_t buffer_length(const struct Buffer *buffer);

#endif
