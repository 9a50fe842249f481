#include <stdlib.h>

#include "../load/connection.h"
#include "../support/fatal.h"
#include "contention.h"
#include "counters.h"

enum { CREATED = 201, CONFLICT = 409, UNAVAILABLE = 503 };

/// A client's connection, which is its first member.
struct Link {
    struct Connection connection;
    struct Client *client;
    struct Buffer body;
    struct Buffer request;
};

static void append_branch(struct Buffer *body, const struct Update *update) {
    buffer_append_format(
        body,
        "{\"participant\":\"%s\",\"statements\":[{\"sql\":\"%s\",\"parameters\":[\"%d\",\"%d\"],"
        "\"expectRows\":1}]}",
        update->role == USERS ? "users" : "orders", counterUpdate, update->row, update->amount);
}

static void build(struct Link *link, const struct Options *options) {
    struct Buffer *body = &link->body, *request = &link->request;
    buffer_clear(body);
    buffer_clear(request);
    buffer_append_text(body, "{\"branches\":[");
    append_branch(body, &link->client->pair.updates[0]);
    buffer_append_text(body, ",");
    append_branch(body, &link->client->pair.updates[1]);
    buffer_append_text(body, options->inOrder ? "],\"execution\":\"inOrder\"}" : "]}");
    buffer_append_format(
        request,
        "POST /v1/transactions HTTP/1.1\r\nHost: %s:%d\r\nContent-Type: application/json\r\n"
        "Content-Length: %zu\r\n\r\n",
        options->url.host, options->url.port, buffer_length(body));
    buffer_append(request, body->bytes + body->start, buffer_length(body));
}

static void attempt(struct Client *client) {
    struct Link *link = &((struct Link *)client->contention->links)[client->number];
    build(link, client->contention->run->options);
    connection_send(&link->connection, &link->request);
}

static enum Attempt judge(struct Run *run, const struct Response *response) {
    int status = response ? response->status : 0;
    if (status == CREATED) return ATTEMPT_COMMITTED;
    bool isRetryable =
        (status == CONFLICT || status == UNAVAILABLE) && response_has(response, "\"retryable\":true");
    if (!isRetryable) {
        response_describe(response, run->otherAnswer);
        return ATTEMPT_OTHERWISE;
    }
    if (status == UNAVAILABLE) return ATTEMPT_REFUSED;
    response_describe(response, run->losses.firstAbort);
    return ATTEMPT_ABORTED;
}

static void answered(struct Connection *connection, const struct Response *response) {
    struct Link *link = (struct Link *)connection;
    client_ended(link->client, judge(link->client->contention->run, response));
}

static void open_links(struct Contention *contention) {
    struct Run *run = contention->run;
    struct Link *links = allocate((size_t)contention->count, sizeof(struct Link));
    contention->links = links;
    for (int index = 0; index < contention->count; index++) {
        links[index].client = &contention->clients[index];
        links[index].connection.answered = answered;
        connection_open(&links[index].connection, &run->loop, &run->options->url);
    }
}

static void close_links(struct Contention *contention) {
    struct Link *links = contention->links;
    for (int index = 0; index < contention->count; index++) {
        connection_close(&links[index].connection);
        buffer_free(&links[index].body);
        buffer_free(&links[index].request);
    }
    free(links);
}

const struct Transport requestTransport = {
    .open = open_links, .close = close_links, .attempt = attempt};
