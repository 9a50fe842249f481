#include "options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/fatal.h"

static const char usage[] =
    "usage: limit -m MODE --state HOST:PORT --users HOST:PORT --orders HOST:PORT\n"
    "             [-c IN_FLIGHT] [-p CONNECTIONS_PER_PARTICIPANT]\n"
    "       limit -m http --url http://HOST:PORT [-c IN_FLIGHT] [--coordinator-pid PID]\n"
    "             [--idempotency-keys] [--return-at-decision]\n"
    "             [--users HOST:PORT --orders HOST:PORT]\n"
    "       limit -m seq|http --load hot-pair|bank|hot-row [--order same|random] [--in-order]\n"
    "             [--hot-clients N] [--lock-timeout MS] [--pause MS] ...\n"
    "       limit -m reset --state HOST:PORT --users HOST:PORT --orders HOST:PORT\n"
    "\n"
    "Runs two-phase commit against PostgreSQL as bare as can be, or the same transactions\n"
    "through the coordinator's HTTP, and prints one line of JSON. `reset` EMPTIES the tables\n"
    "users and orders and writes a checkpoint everywhere.\n"
    "\n"
    "MODE: seq, par, group, full, guarded, closures, llr, llrfull, llrclosures. What each does is\n"
    "told in docs/PERFORMANCE.md.\n"
    "With --load, transactions update the same rows, and a client repeats its transaction until it\n"
    "commits, after a random pause each time.\n"
    "\n"
    "  -t, --seconds S          measured time (10)\n"
    "  -w, --warmup S           time before it that is not measured (1)\n"
    "  -b, --branches N         branches a transaction, 2 to 16, users and orders in turn (2)\n"
    "  -s, --statements N       INSERTs a branch, 1 to 1000 (1)\n"
    "      --order ORDER        of a transaction's updates: the same in all, or random (same)\n"
    "      --in-order           the coordinator is asked to work in that order\n"
    "      --hot-clients N      clients that update one row while the others are measured (0)\n"
    "      --lock-timeout MS    how long `seq` waits for a lock before it gives up (1000)\n"
    "      --pause MS           the longest pause before a transaction is repeated (100)\n"
    "      --postmasters A,B,C  pids of the servers (state, users, orders) to account CPU for\n"
    "      --user NAME          role to enter as (postgres)\n"
    "      --database NAME      database to enter (postgres)\n";

static _Noreturn void refuse(const char *what, const char *value) {
    fprintf(stderr, "limit: %s: %s\n\n%s", what, value, usage);
    exit(2);
}

static int integer(const char *text, int least, int most, const char *what) {
    char *rest;
    long value = strtol(text, &rest, 10);
    if (rest == text || *rest || value < least || value > most) refuse(what, text);
    return (int)value;
}

static double duration(const char *text, const char *what) {
    char *rest;
    double value = strtod(text, &rest);
    if (rest == text || *rest || !(value >= 0 && value <= 86400)) refuse(what, text);
    return value;
}

static void postmasters(struct Options *options, const char *text) {
    const char *cursor = text;
    for (int index = 0; index < POSTMASTERS_MAX; index++) {
        char *rest;
        long pid = strtol(cursor, &rest, 10);
        if (rest == cursor || pid < 1) refuse("not a list of pids", text);
        options->postmasters[index] = (pid_t)pid;
        if (!*rest) return;
        if (*rest != ',') refuse("not a list of pids", text);
        cursor = rest + 1;
    }
    refuse("too many pids", text);
}

static enum LoadKind load_kind(const char *text) {
    if (!strcmp(text, "hot-pair")) return LOAD_HOT_PAIR;
    if (!strcmp(text, "bank")) return LOAD_BANK;
    if (!strcmp(text, "hot-row")) return LOAD_HOT_ROW;
    refuse("no load of that name", text);
}

static bool random_order(const char *text) {
    if (strcmp(text, "same") && strcmp(text, "random")) refuse("neither same nor random", text);
    return !strcmp(text, "random");
}

static void database(struct Options *options, enum DatabaseRole role, const char *text) {
    if (!endpoint_parse(text, &options->databases[role].endpoint)) {
        refuse("not HOST:PORT with an IPv4 address", text);
    }
    options->hasDatabase[role] = true;
}

static void url(struct Options *options, const char *text) {
    static const char scheme[] = "http://";
    char rest[80];
    if (strncmp(text, scheme, sizeof scheme - 1)) refuse("not http://HOST:PORT", text);
    snprintf(rest, sizeof rest, "%s", text + sizeof scheme - 1);
    rest[strcspn(rest, "/")] = '\0';
    if (!endpoint_parse(rest, &options->url)) refuse("not http://HOST:PORT", text);
    options->hasURL = true;
}

enum { LONG_STATE = 256, LONG_USERS, LONG_ORDERS, LONG_URL, LONG_COORDINATOR, LONG_POSTMASTERS,
       LONG_KEYS, LONG_DECISION, LONG_USER, LONG_DATABASE, LONG_LOAD, LONG_ORDER, LONG_IN_ORDER,
       LONG_HOT_CLIENTS, LONG_LOCK_TIMEOUT, LONG_PAUSE };

static const struct option longOptions[] = {
    {"mode", required_argument, NULL, 'm'},
    {"in-flight", required_argument, NULL, 'c'},
    {"connections", required_argument, NULL, 'p'},
    {"seconds", required_argument, NULL, 't'},
    {"warmup", required_argument, NULL, 'w'},
    {"branches", required_argument, NULL, 'b'},
    {"statements", required_argument, NULL, 's'},
    {"state", required_argument, NULL, LONG_STATE},
    {"users", required_argument, NULL, LONG_USERS},
    {"orders", required_argument, NULL, LONG_ORDERS},
    {"url", required_argument, NULL, LONG_URL},
    {"coordinator-pid", required_argument, NULL, LONG_COORDINATOR},
    {"postmasters", required_argument, NULL, LONG_POSTMASTERS},
    {"idempotency-keys", no_argument, NULL, LONG_KEYS},
    {"return-at-decision", no_argument, NULL, LONG_DECISION},
    {"load", required_argument, NULL, LONG_LOAD},
    {"order", required_argument, NULL, LONG_ORDER},
    {"in-order", no_argument, NULL, LONG_IN_ORDER},
    {"hot-clients", required_argument, NULL, LONG_HOT_CLIENTS},
    {"lock-timeout", required_argument, NULL, LONG_LOCK_TIMEOUT},
    {"pause", required_argument, NULL, LONG_PAUSE},
    {"user", required_argument, NULL, LONG_USER},
    {"database", required_argument, NULL, LONG_DATABASE},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static void apply(struct Options *options, int option, const char *value) {
    switch (option) {
    case 'm': options->mode = value; break;
    case 'c': options->inFlight = integer(value, 1, IN_FLIGHT_MAX, "in flight"); break;
    case 'p': options->connections = integer(value, 1, 1000, "connections"); break;
    case 't': options->seconds = duration(value, "seconds"); break;
    case 'w': options->warmupSeconds = duration(value, "warm-up seconds"); break;
    case 'b': options->branches = integer(value, 2, BRANCHES_MAX, "branches"); break;
    case 's': options->statements = integer(value, 1, STATEMENTS_MAX, "statements"); break;
    case LONG_STATE: database(options, STATE, value); break;
    case LONG_USERS: database(options, USERS, value); break;
    case LONG_ORDERS: database(options, ORDERS, value); break;
    case LONG_URL: url(options, value); break;
    case LONG_COORDINATOR: options->coordinator = integer(value, 1, INT32_MAX, "pid"); break;
    case LONG_POSTMASTERS: postmasters(options, value); break;
    case LONG_KEYS: options->idempotencyKeys = true; break;
    case LONG_DECISION: options->returnAtDecision = true; break;
    case LONG_LOAD: options->load = load_kind(value); break;
    case LONG_ORDER: options->randomOrder = random_order(value); break;
    case LONG_IN_ORDER: options->inOrder = true; break;
    case LONG_HOT_CLIENTS:
        options->hotClients = integer(value, 0, CLIENTS_MAX, "hot clients");
        break;
    case LONG_LOCK_TIMEOUT:
        options->lockTimeoutMilliseconds = integer(value, 1, 600000, "lock timeout");
        break;
    case LONG_PAUSE: options->pauseMilliseconds = integer(value, 0, 60000, "pause"); break;
    case LONG_USER:
        for (int role = 0; role < DATABASE_COUNT; role++) options->databases[role].user = value;
        break;
    case LONG_DATABASE:
        for (int role = 0; role < DATABASE_COUNT; role++) options->databases[role].name = value;
        break;
    case 'h': fputs(usage, stdout); exit(0);
    default: fputs(usage, stderr); exit(2);
    }
}

void options_parse(struct Options *options, int count, char **arguments) {
    *options = (struct Options){
        .mode = "par", .inFlight = 8, .seconds = 10, .warmupSeconds = 1, .branches = 2,
        .statements = 1, .lockTimeoutMilliseconds = 1000, .pauseMilliseconds = 100};
    for (int role = 0; role < DATABASE_COUNT; role++) {
        options->databases[role].user = "postgres";
        options->databases[role].name = "postgres";
    }
    int option;
    while ((option = getopt_long(count, arguments, "m:c:p:t:w:b:s:h", longOptions, NULL)) != -1) {
        apply(options, option, optarg);
    }
    if (optind < count) refuse("not an option", arguments[optind]);
    if (options->seconds <= 0) refuse("seconds", "must be above 0");
    if (options->load != LOAD_INSERTS && options->inFlight + options->hotClients > CLIENTS_MAX) {
        refuse("too many clients", "at most 1000 with --load");
    }
    if (!options->connections) {
        // More than this only adds to PostgreSQL's work; the rest queue in the client.
        options->connections = options->inFlight < 12 ? options->inFlight : 12;
    }
}

bool options_have_participants(const struct Options *options) {
    return options->hasDatabase[USERS] && options->hasDatabase[ORDERS];
}
