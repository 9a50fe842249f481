#include "buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fatal.h"

void *allocate(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size);
    if (!memory) fatal("out of memory");
    return memory;
}

void buffer_clear(struct Buffer *buffer) {
    buffer->start = 0;
    buffer->end = 0;
}

void buffer_free(struct Buffer *buffer) {
    free(buffer->bytes);
    *buffer = (struct Buffer){0};
}

char *buffer_reserve(struct Buffer *buffer, size_t count) {
    if (buffer->end + count <= buffer->capacity) return buffer->bytes + buffer->end;
    if (buffer->start > 0) {
        memmove(buffer->bytes, buffer->bytes + buffer->start, buffer_length(buffer));
        buffer->end -= buffer->start;
        buffer->start = 0;
    }
    size_t capacity = buffer->capacity ? buffer->capacity : 1024;
    while (capacity < buffer->end + count) capacity *= 2;
    if (capacity != buffer->capacity) {
        char *bytes = realloc(buffer->bytes, capacity);
        if (!bytes) fatal("out of memory");
        buffer->bytes = bytes;
        buffer->capacity = capacity;
    }
    return buffer->bytes + buffer->end;
}

void buffer_grew(struct Buffer *buffer, size_t count) { buffer->end += count; }

void buffer_append(struct Buffer *buffer, const void *bytes, size_t count) {
    memcpy(buffer_reserve(buffer, count), bytes, count);
    buffer->end += count;
}

void buffer_append_text(struct Buffer *buffer, const char *text) {
    buffer_append(buffer, text, strlen(text));
}

void buffer_append_format(struct Buffer *buffer, const char *format, ...) {
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int count = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (count < 0) fatal("a format could not be printed");
    // One byte more than is kept: vsnprintf ends what it writes with a NUL.
    vsnprintf(buffer_reserve(buffer, (size_t)count + 1), (size_t)count + 1, format, again);
    va_end(again);
    buffer->end += (size_t)count;
}

void buffer_consume(struct Buffer *buffer, size_t count) {
    buffer->start += count;
    if (buffer->start == buffer->end) buffer_clear(buffer);
}

size_t buffer_length(const struct Buffer *buffer) { return buffer->end - buffer->start; }
