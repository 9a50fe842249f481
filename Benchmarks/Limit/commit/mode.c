#include "mode.h"

#include <stddef.h>
#include <string.h>

static const struct Mode modes[] = {
    {.name = "seq", .sequential = true},
    {.name = "par"},
    {.name = "group", .decide = DECIDE_BY_INSERT},
    {.name = "full", .accept = ACCEPT_ASYNCHRONOUS, .decide = DECIDE_BY_UPDATE, .done = true},
    {.name = "guarded", .accept = ACCEPT_ASYNCHRONOUS, .decide = DECIDE_BY_UPDATE, .done = true,
     .guarded = true},
    {.name = "closures", .accept = ACCEPT_ASYNCHRONOUS, .decide = DECIDE_BY_UPDATE, .done = true,
     .guarded = true, .interactive = true},
    {.name = "llr", .decide = DECIDE_IN_JOURNAL},
    // The journal's decision needs an accept row that survives a crash of the state database, so
    // here, unlike in `full`, the accept is waited for on a synchronous session.
    {.name = "llrfull", .accept = ACCEPT_SYNCHRONOUS, .decide = DECIDE_IN_JOURNAL, .done = true},
    {.name = "llrclosures", .accept = ACCEPT_SYNCHRONOUS, .decide = DECIDE_IN_JOURNAL, .done = true,
     .guarded = true, .interactive = true},
};

const struct Mode *mode_find(const char *name) {
    for (size_t index = 0; index < sizeof modes / sizeof *modes; index++) {
        if (!strcmp(modes[index].name, name)) return &modes[index];
    }
    return NULL;
}
