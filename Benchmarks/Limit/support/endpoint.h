#ifndef LIMIT_ENDPOINT_H
#define LIMIT_ENDPOINT_H

#include <stdbool.h>

/// A numeric address and a port.
struct Endpoint {
    char host[64];
    int port;
};

/// Reads `host:port`, where host is an IPv4 address or `localhost`. False when it is neither.
bool endpoint_parse(const char *text, struct Endpoint *endpoint);

/// A connected TCP socket with Nagle's delay off, or the end of the program.
int endpoint_connect(const struct Endpoint *endpoint);

/// Makes a socket non-blocking.
void descriptor_unblock(int descriptor);

#endif
