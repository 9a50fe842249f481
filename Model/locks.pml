/*
 * Deadlocks over two participants, with one row in each: requests lock both rows, at once, and a
 * detector aborts one of them. The rules are those of docs/decisions/0012. A macro enables each mistake,
 * so that `make model` can show that its rule is needed.
 *
 * Spin checks every interleaving, so a reading may be as old as it likes when it is acted upon, a cancel
 * may arrive late, and an owner that was superseded may wake up and go on.
 */
#ifndef DETECTORS       /* replicas that look for deadlocks */
#define DETECTORS 1
#endif
#ifndef READINGS        /* readings that are made although there is no deadlock */
#define READINGS 1
#endif
#ifndef TAKEOVERS
#define TAKEOVERS 1
#endif
#ifndef DEADLINES       /* aborts for another reason, which make phantoms */
#define DEADLINES 1
#endif

#ifndef REQUESTS
#define REQUESTS 2
#endif
#ifndef ATTEMPTS        /* how often a request may run: once or twice */
#define ATTEMPTS 2
#endif

/* Run n belongs to request n % REQUESTS, of which 0 is the oldest. */
#define RUNS (REQUESTS * ATTEMPTS)
#define NONE RUNS
#define LAST (REQUESTS - 1)
#define request(u) ((u) % REQUESTS)
#define successor(u) ((u) + REQUESTS)
#define mask(u) (1 << (u))

mtype:row = { absent, undecided, commit, abort };
mtype:phase = { idle, waiting, voted, over };

mtype:row row[RUNS] = absent;
byte key[REQUESTS];                  /* the run that holds the request's key */
bool taken[REQUESTS];                 /* another replica has taken the request's run over */
bool hadDeadline[REQUESTS];
byte commits[REQUESTS];               /* how many of its runs were committed */
mtype:row shown[REQUESTS] = absent;    /* what a caller was shown as the outcome of the key */

/* The branch of run u in participant s is number 2 * u + s. It votes as soon as it has its lock. */
mtype:phase phase[2 * RUNS] = idle;
#define branch(u, s) phase[2 * (u) + (s)]
byte holder[2] = NONE;          /* the transaction that holds the row of a participant */
bool lost[RUNS];                /* a branch of it was cancelled, and voted no */
bool isCancelSent[RUNS];
byte cancel = NONE;             /* a cancel on its way: the run, and the participant */
byte cancelAt = 0;
byte onCycle[DETECTORS];        /* the truth: the transactions on a cycle since a detector began to read */

byte readings = READINGS;
byte takeovers = TAKEOVERS;
byte deadlines = DEADLINES;

#define isCycle (holder[0] != NONE && holder[1] != NONE && holder[0] != holder[1] && \
                 branch(holder[0], 1) == waiting && branch(holder[1], 0) == waiting)

#if DETECTORS > 1
#define noteFor(what) onCycle[0] = onCycle[0] | what; onCycle[1] = onCycle[1] | what
#else
#define noteFor(what) onCycle[0] = onCycle[0] | what
#endif

inline noteCycle() {
    if
    :: isCycle -> noteFor(mask(holder[0]) | mask(holder[1]))
    :: else
    fi
}

/* Ends a branch, whatever it did, and gives its lock up. */
inline endBranch(u, s) {
    branch(u, s) = over;
    if
    :: holder[s] == u -> holder[s] = NONE
    :: else
    fi
}

/* A caller asks with its key. */
inline answer(r) {
    assert(shown[r] == absent);         /* I3: one key, one outcome */
    shown[r] = row[key[r]]
}

#define isUndecided(u) (row[u] == undecided)

#ifdef NO_COMPARE_AND_SET
#define mayAbort(u) (row[u] != absent && row[u] != abort)
#else
#define mayAbort(u) isUndecided(u)
#endif

inline writeAbort(u) {
    assert(row[u] != commit);           /* I1: only undecided transactions are aborted */
    row[u] = abort
}

/* The next run is accepted, with the key. */
inline accept(u) {
    row[successor(u)] = undecided;
#ifndef NEW_KEY
    key[request(u)] = successor(u)
#endif
}

#define BRANCH(u, s) \
    :: d_step { isUndecided(u) && !taken[request(u)] && branch(u, s) == idle -> \
                if :: holder[s] == NONE -> holder[s] = u; branch(u, s) = voted \
                   :: else -> branch(u, s) = waiting fi; noteCycle() } \
    :: d_step { branch(u, s) == waiting && holder[s] == NONE -> \
                holder[s] = u; branch(u, s) = voted; noteCycle() } \
    :: d_step { (row[u] == abort || (row[u] == commit && branch(u, s) == voted)) && \
                branch(u, s) != over -> endBranch(u, s) }

#ifdef TWO_WRITES       /* mistake: the abort is written first, and the next run accepted later */
#define RUNS_AGAIN(u) \
    :: d_step { lost[u] && mayAbort(u) && !taken[request(u)] -> writeAbort(u) } \
    :: d_step { lost[u] && row[u] == abort && row[successor(u)] == absent && \
                !taken[request(u)] -> accept(u) }
#else
#define RUNS_AGAIN(u) \
    :: d_step { lost[u] && mayAbort(u) && !taken[request(u)] -> writeAbort(u); accept(u) }
#endif

/* A request may run twice. */
#define GIVES_UP(u) \
    :: d_step { lost[u] && mayAbort(u) && !taken[request(u)] -> writeAbort(u) }

#define OWNER(u) \
    BRANCH(u, 0) BRANCH(u, 1) \
    :: d_step { isUndecided(u) && !taken[request(u)] && branch(u, 0) == voted && \
                branch(u, 1) == voted -> \
                row[u] = commit; commits[request(u)]++; assert(commits[request(u)] == 1) }

/* Any replica aborts an undecided run past its deadline; a replica that takes over does, too. */
#define ELSEWHERE(r) \
    :: d_step { deadlines > 0 && mayAbort(key[r]) -> deadlines--; hadDeadline[r] = true; \
                writeAbort(key[r]) } \
    :: d_step { takeovers > 0 && !taken[r] && row[key[r]] != absent -> \
                takeovers--; taken[r] = true; \
                if :: isUndecided(key[r]) -> row[key[r]] = abort :: else fi } \
    :: d_step { (row[key[r]] == commit || row[key[r]] == abort) && shown[r] != row[key[r]] -> \
                answer(r) }

active proctype World() {
    d_step {
        key[0] = 0; row[0] = undecided; key[1] = 1; row[1] = undecided;
        key[LAST] = LAST; row[LAST] = undecided
    };
end:
    do
    OWNER(0) OWNER(1) ELSEWHERE(0) ELSEWHERE(1)
#if REQUESTS > 2
    OWNER(2) ELSEWHERE(2)
#endif
#if ATTEMPTS > 1
    OWNER(2) OWNER(3) RUNS_AGAIN(0) RUNS_AGAIN(1) GIVES_UP(2) GIVES_UP(3)
#else
    GIVES_UP(0) GIVES_UP(1) GIVES_UP(LAST)
#endif
    /* The cancel makes a branch that has not voted vote no. */
    :: d_step { cancel != NONE ->
#ifdef CANCEL_BY_REQUEST
                cancel = key[request(cancel)];
#endif
                if
                :: branch(cancel, cancelAt) == waiting ->
                    assert(isCancelSent[cancel]);       /* it hits the victim, and no other run */
                    endBranch(cancel, cancelAt); lost[cancel] = true
                :: else
                fi;
                cancel = NONE; cancelAt = 0 }
    od
}

/* What a reading shows of a participant: the holder of its row, and its waiters. */
#define waits(u, s) (mask(u) * (branch(u, s) == waiting))
#if RUNS > 3
#define waiters(s) (waits(0, s) | waits(1, s) | waits(2, s) | waits(3, s))
#else
#define waiters(s) (waits(0, s) | waits(1, s) | waits(2, s))
#endif
#define isAnyWaiting (waiters(0) != 0 || waiters(1) != 0)
/* Of two runs, the one of the younger request. */
#define younger(a, b) (request(a) > request(b) -> a : b)

/* Reads the participants one after the other, and then again; what both readings show is proved. */
proctype Detector(byte me) {
    byte stage = 0;
    byte held[2] = NONE;
    byte queued[2] = 0;
    byte victim = NONE;
end:
    do
    :: d_step { stage == 0 && isAnyWaiting && (readings > 0 || \
                (isCycle && !isCancelSent[younger(holder[0], holder[1])])) ->
                if :: isCycle :: else -> readings-- fi;
                onCycle[me] = 0;
                if :: isCycle -> onCycle[me] = mask(holder[0]) | mask(holder[1]) :: else fi;
                held[0] = holder[0]; queued[0] = waiters(0); stage = 1 }
    :: d_step { stage == 1 -> held[1] = holder[1]; queued[1] = waiters(1); stage = 2 }
#ifdef ONE_READING      /* mistake: a reading is acted upon, although its parts are not of one time */
    :: d_step { stage == 2 -> stage = 4 }
#else
    :: d_step { stage == 2 ->
                if :: held[0] != holder[0] -> held[0] = NONE :: else fi;
                queued[0] = queued[0] & waiters(0); stage = 3 }
    :: d_step { stage == 3 ->
                if :: held[1] != holder[1] -> held[1] = NONE :: else fi;
                queued[1] = queued[1] & waiters(1); stage = 4 }
#endif
    :: d_step { stage == 4 && cancel == NONE ->
                if
                :: held[0] != NONE && held[1] != NONE && held[0] != held[1] && \
                   (queued[1] & mask(held[0])) != 0 && (queued[0] & mask(held[1])) != 0 ->
                    victim = younger(held[0], held[1]);
                    assert((onCycle[me] & mask(victim)) != 0);  /* no abort without a cycle */
                    isCancelSent[victim] = true;
                    /* It waits where the other one holds the row. */
                    cancelAt = (victim == held[0] -> 1 : 0);
                    cancel = victim
#ifdef FORGETS_PARTICIPANT
                    ; if :: cancelAt == 1 -> cancel = NONE; cancelAt = 0 :: else fi
#endif
                :: else
                fi;
                stage = 0; onCycle[me] = 0; held[0] = NONE; held[1] = NONE; queued[0] = 0; queued[1] = 0;
                victim = NONE }
    od
}

init {
    atomic {
        run Detector(0);
#if DETECTORS > 1
        run Detector(1)
#endif
    }
}

/*
 * At rest: no deadlock is left, every run is decided and every lock given up; a request whose run was
 * committed shows that under its key; and the older request, which never loses, is committed.
 */
#define isOver(u) (row[u] == absent || ((row[u] == commit || row[u] == abort) && \
                   branch(u, 0) == over && branch(u, 1) == over))

active proctype AtRest() {
    timeout;
    assert(isOver(0) && isOver(1) && isOver(RUNS - 2) && isOver(RUNS - 1));
    assert(holder[0] == NONE && holder[1] == NONE);
    assert(commits[0] == 0 || row[key[0]] == commit);
    assert(commits[1] == 0 || row[key[1]] == commit);
    assert(commits[LAST] == 0 || row[key[LAST]] == commit);
    assert(commits[0] == 1 || hadDeadline[0] || taken[0])
}
