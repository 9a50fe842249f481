#ifndef LIMIT_REQUEST_H
#define LIMIT_REQUEST_H

#include <stddef.h>

#include "../options.h"
#include "../support/buffer.h"

/// The bytes of `POST /v1/transactions`, built once. Only the transaction's number differs from
/// one request to the next, and is written over in place, so that making a request costs nearly
/// nothing.
struct Request {
    struct Buffer bytes;
    size_t *numberOffsets;
    size_t numberCount;
    size_t numberCapacity;
};

void request_build(struct Request *request, const struct Options *options);
void request_free(struct Request *request);

/// Makes it the request of that transaction.
void request_number(struct Request *request, long number);

#endif
