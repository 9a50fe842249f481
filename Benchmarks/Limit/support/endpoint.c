#include "endpoint.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fatal.h"

bool endpoint_parse(const char *text, struct Endpoint *endpoint) {
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text) return false;
    size_t length = (size_t)(colon - text);
    if (length >= sizeof endpoint->host) return false;
    memcpy(endpoint->host, text, length);
    endpoint->host[length] = '\0';
    if (!strcmp(endpoint->host, "localhost")) strcpy(endpoint->host, "127.0.0.1");

    char *rest;
    long port = strtol(colon + 1, &rest, 10);
    if (*rest || rest == colon + 1 || port < 1 || port > 65535) return false;
    endpoint->port = (int)port;
    struct in_addr address;
    return inet_pton(AF_INET, endpoint->host, &address) == 1;
}

int endpoint_connect(const struct Endpoint *endpoint) {
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons((uint16_t)endpoint->port),
    };
    if (inet_pton(AF_INET, endpoint->host, &address.sin_addr) != 1) {
        fatal("%s is not an IPv4 address", endpoint->host);
    }
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0) fatal_errno("socket");
    if (connect(descriptor, (struct sockaddr *)&address, sizeof address) < 0) {
        fatal_errno("cannot connect to %s:%d", endpoint->host, endpoint->port);
    }
    int on = 1;
    setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return descriptor;
}

void descriptor_unblock(int descriptor) {
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0 || fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) < 0) fatal_errno("fcntl");
}
