#include "update.h"

#include <math.h>

static const double zipfExponent = 0.99;

void chooser_open(struct Chooser *chooser, const struct Options *options) {
    *chooser = (struct Chooser){
        .load = options->load,
        .randomOrder = options->randomOrder,
        // The same draws in every run, so that modes that are compared do the same work.
        .state = 0x9e3779b97f4a7c15u,
    };
    double sum = 0;
    for (int rank = 0; rank < ACCOUNTS; rank++) {
        sum += 1 / pow(rank + 1, zipfExponent);
        chooser->popularity[rank] = sum;
    }
    for (int rank = 0; rank < ACCOUNTS; rank++) chooser->popularity[rank] /= sum;
}

/// xorshift64*, of which the upper bits are good.
static uint64_t next(struct Chooser *chooser) {
    chooser->state ^= chooser->state >> 12;
    chooser->state ^= chooser->state << 25;
    chooser->state ^= chooser->state >> 27;
    return (chooser->state * 0x2545f4914f6cdd1du) >> 32;
}

uint64_t chooser_random(struct Chooser *chooser, uint64_t limit) { return next(chooser) % limit; }

/// An account by its popularity, the most popular first.
static int draw_rank(struct Chooser *chooser) {
    double share = (double)next(chooser) / 4294967296.0;
    int low = 0, high = ACCOUNTS - 1;
    while (low < high) {
        int middle = (low + high) / 2;
        if (chooser->popularity[middle] > share) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

/// Popular accounts are in both participants alike: users and orders in turn.
static struct Update account(int rank, int amount) {
    return (struct Update){
        .role = rank % 2 ? ORDERS : USERS, .row = rank / 2 + 1, .amount = amount};
}

/// From an account to one in the other participant, the debit first.
static struct UpdatePair transfer(struct Chooser *chooser) {
    int amount = 1 + (int)chooser_random(chooser, 100);
    int from = draw_rank(chooser), to;
    do {
        to = draw_rank(chooser);
    } while (from % 2 == to % 2);
    return (struct UpdatePair){.updates = {account(from, -amount), account(to, amount)}};
}

static struct UpdatePair swapped(struct UpdatePair pair) {
    return (struct UpdatePair){.updates = {pair.updates[1], pair.updates[0]}};
}

struct UpdatePair chooser_next(struct Chooser *chooser, int client, bool isHot) {
    if (chooser->load == LOAD_BANK) {
        struct UpdatePair pair = transfer(chooser);
        // Debits come from both participants: in one order, the update of users is always first.
        bool inOrder = pair.updates[0].role == USERS;
        return inOrder || chooser->randomOrder ? pair : swapped(pair);
    }
    int own = ACCOUNTS_EACH + 1 + client;
    struct UpdatePair pair = {.updates = {
        {.role = USERS, .row = own, .amount = 1}, {.role = ORDERS, .row = own, .amount = 1}}};
    if (chooser->load == LOAD_HOT_PAIR) {
        pair.updates[0].row = pair.updates[1].row = HOT_ROW;
    } else if (isHot) {
        pair.updates[0].row = HOT_ROW;
    }
    return chooser->randomOrder && chooser_random(chooser, 2) ? swapped(pair) : pair;
}
