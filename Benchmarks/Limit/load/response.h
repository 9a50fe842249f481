#ifndef LIMIT_RESPONSE_H
#define LIMIT_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>

#include "../options.h"
#include "../support/buffer.h"

/// An HTTP/1.1 answer with a Content-Length; `body` points into the buffer it came in.
struct Response {
    int status;
    bool closes;
    const char *body;
    size_t bodyLength;
};

enum ResponseProgress { RESPONSE_PARTIAL, RESPONSE_WHOLE, RESPONSE_UNREADABLE };

/// Takes the next whole answer off the front. The body stays valid until the buffer is next
/// appended to.
enum ResponseProgress response_next(struct Buffer *buffer, struct Response *response);

/// Writes `status body` to a text that is still empty; NULL is a connection that was lost.
void response_describe(const struct Response *response, char text[ANSWER_BYTES]);

/// Whether the body contains a text.
bool response_has(const struct Response *response, const char *text);

#endif
