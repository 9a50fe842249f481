/*
 * Two-phase commit with a decision row: every branch is prepared, one compare-and-set decides,
 * anybody may recover. The rules are those of docs/PROTOCOL.md; each mistake is behind a macro, so
 * that `make model` can show that its rule is needed.
 *
 * Everything that can happen is one step, which touches the world once: what a process does for
 * itself before or after is merged with it, since nobody could see the difference. So a process is
 * where it stands (`stage`) and nothing else, and a crash leaves nothing half forgotten.
 */
#include "row.pml"

#ifndef RESTORES        /* how often a participant may be restored from a backup */
#define RESTORES 0
#endif
#define LAST (BRANCHES - 1)

mtype:branch = { nothing, prepared, committed, rolledBack, vanished };
/* The owner's session there: a server process with a life of its own. */
mtype:session = { closed, working, gone };
mtype:vote = { none, yes, no, lost };
/*
 * Where a process stands. The owner begins, accepts and works; all decide, and wait for what they
 * wrote; `read` is a mistake's. Then they end the branches, and it is over, as after a crash.
 */
mtype:stage = { unborn, begins, accepts, works, decides, read, waits, ends, over };

/* Number 0 is the owner, whom the caller asked; the others take the row over, one after the other. */
mtype:stage stage[RECOVERERS + 1] = unborn;
mtype:row seen[RECOVERERS + 1] = absent;        /* the decision that it acts on */
mtype:row wanted = commit;                      /* by the owner; the others want abort */
/* Whose the row is: 0 the owner's, n the n-th claim's. */
#define epoch (RECOVERERS - fresh)

mtype:branch branch[BRANCHES] = nothing;
mtype:session session[BRANCHES] = closed;
mtype:vote vote[BRANCHES] = none;               /* as the owner heard it */
bool believedAbsent[BRANCHES];  /* somebody concluded "no such gid, nor ever will be" */
bool heard[BRANCHES];           /* some coordinator was told that it committed */
byte endedBy[BRANCHES];         /* who is done with it, a bit each */

bool acceptInFlight = false;    /* an accept whose answer was lost may land later, or never */
bool decisionInFlight = false;  /* and so may a decision to commit */
byte restores = RESTORES;
bool reported = false;          /* an operator was called, with the evidence */

#define mask(n) (1 << (n))
#define isEndedBy(n, b) ((endedBy[b] & mask(n)) != 0)
#define hasEndedAll(n) ((endedBy[0] & endedBy[1] & endedBy[LAST] & mask(n)) != 0)
#define isAny(state) (branch[0] == state || branch[1] == state || branch[LAST] == state)

/*
 * Branches are alike: each has its variables, and no number of a branch is kept anywhere. So of
 * states that differ in the order of the branches alone, one is enough: the sorted one.
 */
#define key(b) ((((branch[b] * 32 + session[b]) * 32 + vote[b]) * 4 \
    + believedAbsent[b] * 2 + heard[b]) * 16 + endedBy[b])

hidden mtype:branch aBranch;
hidden mtype:session aSession;
hidden mtype:vote aVote;
hidden byte aByte;

inline order(a, b) {
    if
    :: key(a) > key(b) ->
        aBranch = branch[a]; branch[a] = branch[b]; branch[b] = aBranch;
        aSession = session[a]; session[a] = session[b]; session[b] = aSession;
        aVote = vote[a]; vote[a] = vote[b]; vote[b] = aVote;
        aByte = believedAbsent[a]; believedAbsent[a] = believedAbsent[b]; believedAbsent[b] = aByte;
        aByte = heard[a]; heard[a] = heard[b]; heard[b] = aByte;
        aByte = endedBy[a]; endedBy[a] = endedBy[b]; endedBy[b] = aByte
    :: else
    fi
}

#if BRANCHES > 2
#define SORT order(0, 1); order(1, 2); order(0, 1)
#else
#define SORT order(0, 1)
#endif

/* What the owner hears of a branch; when it is over, nobody listens. */
#define TELL(b, what) if :: stage[0] != over -> vote[b] = what :: else fi

/* I8, I4: who believes in absence, or reports the end, is right for ever. */
#define PREPARE(b) assert(!believedAbsent[b] && !finished); branch[b] = prepared; session[b] = gone

/* A session does its work whether or not anybody still waits for it: PREPARE may come late. */
#define SESSION(b) \
    :: d_step { session[b] == working && vote[b] == none -> PREPARE(b); TELL(b, yes); SORT } \
    :: d_step { session[b] == working && vote[b] == none -> session[b] = gone; TELL(b, no); SORT } \
    :: d_step { session[b] == working && vote[b] == none && losses > 0 && stage[0] != over -> \
                losses--; vote[b] = lost; SORT } \
    :: d_step { session[b] == working && vote[b] == lost -> PREPARE(b); SORT } \
    :: d_step { session[b] == working && vote[b] == lost -> session[b] = gone; SORT }

/* A backup from before the PREPARE takes a branch away while commit is under way. */
#define RESTORE(b) \
    :: d_step { restores > 0 && !heard[b] && (branch[b] == prepared || branch[b] == committed) -> \
                restores--; branch[b] = vanished; SORT }

/* What requests whose answers were lost still do, or never do. */
#define LATE_WRITES \
    :: d_step { acceptInFlight -> acceptInFlight = false; \
                if :: visible == absent -> visible = undecided; flush() :: else fi } \
    :: acceptInFlight -> acceptInFlight = false \
    :: d_step { decisionInFlight -> decisionInFlight = false; \
                if :: visible == undecided -> visible = commit; flush() :: else fi } \
    :: decisionInFlight -> decisionInFlight = false

/* It is over for a process, and nothing of it is left. */
inline forget(b, n) {
    endedBy[b] = endedBy[b] & (255 - mask(n));
    if
    :: n == 0 -> vote[b] = none
    :: else
    fi
}

inline leave(n) {
    stage[n] = over; seen[n] = absent;
    if
    :: n == 0 -> wanted = absent
    :: else
    fi;
    forget(0, n); forget(1, n);
#if BRANCHES > 2
    forget(2, n);
#endif
    SORT
}

/*
 * Crashes and failovers at any moment, and none for ever: a process may crash only while another
 * is left that has not begun. So what is asked "at rest" must hold once the faults have healed.
 */
#define CRASH(n) \
    :: d_step { fresh > 0 && stage[n] != unborn && stage[n] != over -> leave(n) }

/* An unknown answer changes nothing but that one asks again. */
inline unknown(n) {
#ifdef UNKNOWN_IS_ABORT
    seen[n] = abort; stage[n] = ends
#else
    seen[n] = absent; stage[n] = decides
#endif
}

/* Who waits for the answer to a write that is lost with a failover gets none. */
inline overtake(n) {
    if
    :: stage[n] == waits -> unknown(n)
    :: stage[n] == accepts -> wanted = abort; stage[n] = decides
    :: else
    fi
}

active proctype World() {
end:
    do
    LATE_WRITES
    DEADLINE
    CRASH(0) CRASH(1)
#if RECOVERERS > 2
    CRASH(2)
#endif
#if FAILOVERS > 0
    :: d_step { failovers > 0 && visible != durable -> failovers--; visible = durable;
                overtake(0); overtake(1);
#if RECOVERERS > 1
                overtake(2);
#endif
#if RECOVERERS > 2
                overtake(3);
#endif
                skip }
#endif
    SESSION(0) RESTORE(0)
    SESSION(1) RESTORE(1)
#if BRANCHES > 2
    SESSION(2) RESTORE(2)
#endif
    od
}

/*
 * Decides where nothing is decided, and learns what the row durably says. No row: an abort
 * tombstone takes its place.
 */
inline write(n, wish) {
#ifdef READ_THEN_ACT
    if                          /* mistake: what was read may be otherwise by now */
    :: !isDecided(seen[n]) -> visible = wish
    :: else
    fi;
    seen[n] = absent
#else
    if
    :: visible == absent -> visible = abort
    :: visible == undecided -> visible = wish
    :: isDecided(visible) ->
#ifdef NO_COMPARE_AND_SET
        visible = wish
#else
        skip
#endif
    fi
#endif
}

inline hear(n) {
    flush();
    seen[n] = visible; stage[n] = ends
}

#ifdef READ_THEN_ACT
#define IS_TO_WRITE(n) (stage[n] == read)
#define READS(n) :: d_step { stage[n] == decides -> seen[n] = visible; stage[n] = read }
#else
#define IS_TO_WRITE(n) (stage[n] == decides)
#define READS(n)
#endif

#if FAILOVERS > 0
#define DECIDES(n, wish) \
    READS(n) \
    :: d_step { IS_TO_WRITE(n) -> write(n, wish); stage[n] = waits } \
    :: d_step { stage[n] == waits -> hear(n) } \
    :: d_step { stage[n] == waits && losses > 0 -> losses--; flush(); unknown(n) }
#else           /* nothing can come between the write and its answer but what could come after */
#define DECIDES(n, wish) \
    READS(n) \
    :: d_step { IS_TO_WRITE(n) -> write(n, wish); hear(n) } \
    :: d_step { IS_TO_WRITE(n) && losses > 0 -> losses--; write(n, wish); flush(); unknown(n) }
#endif

inline done(b, n) {
    endedBy[b] = endedBy[b] | mask(n);
    SORT
}

/* COMMIT PREPARED; where the gid is gone, the evidence is asked: the same timeline, and the xid. */
inline commitPrepared(b) {
    if
    :: branch[b] == prepared -> branch[b] = committed; heard[b] = RESTORES
    :: branch[b] == committed -> heard[b] = RESTORES
    :: branch[b] == vanished ->
#ifdef RESTORED_UNNOTICED
        skip                    /* mistake: "no such gid" taken for "done already" */
#else
        reported = true
#endif
    :: else -> assert(false)    /* AC1, AC3: nothing to commit */
    fi
}

#define COMMITS(b, n) \
    :: d_step { seen[n] == commit && stage[n] == ends && !isEndedBy(n, b) -> \
                commitPrepared(b); done(b, n) } \
    :: d_step { seen[n] == commit && stage[n] == ends && !isEndedBy(n, b) && losses > 0 && \
                branch[b] == prepared -> losses--; branch[b] = committed; SORT }

/* Where no session is left nothing can be prepared, and the belief need not be remembered. */
inline rollBack(b) {
    assert(visible == abort);           /* decided before any branch is ended */
    if
    :: branch[b] == prepared -> branch[b] = rolledBack
    :: branch[b] == nothing -> believedAbsent[b] = (session[b] != gone)
    :: else
    fi
}

/*
 * Terminates the owner's session and sees it gone: what it has not done, it never does. Then looks.
 * One step, since the session alone could come between, and it is gone.
 */
inline fenceAndRollBack(b) {
#ifndef NO_FENCE
    if
    :: session[b] == working -> session[b] = gone
    :: else
    fi;
#endif
    rollBack(b)
}

#define RECORDS_END(n) \
    :: d_step { stage[n] == ends && hasEndedAll(n) -> \
                if :: epoch == n -> finished = true :: else fi; leave(n) }

/*
 * Work goes to a session that was recorded by a statement which checks the owner's epoch, so that
 * a fence either finds the session or forbids it. Work may overlap the acceptance.
 */
#ifdef SESSIONS_UNREGISTERED
#define mayOpen true
#else
#define mayOpen (epoch == 0)
#endif
#define isSending (stage[0] == begins || stage[0] == accepts || stage[0] == works)
#define SENDS(b) \
    :: d_step { isSending && session[b] == closed -> \
                if :: mayOpen -> session[b] = working \
                   :: else -> session[b] = gone; believedAbsent[b] = false fi; SORT }

#define isEveryYes (vote[0] == yes && vote[1] == yes && vote[LAST] == yes)

/* The owner rolls back what has voted; while a vote is awaited, its end waits for it. */
#define ROLLS_BACK_OWN(b) \
    :: d_step { seen[0] == abort && stage[0] == ends && !isEndedBy(0, b) && \
                !(session[b] == working && vote[b] == none) -> \
                if \
                :: session[b] == closed || vote[b] == no \
                :: vote[b] == yes -> rollBack(b) \
                :: else -> fenceAndRollBack(b) \
                fi; \
                done(b, 0) }

/* The process that the caller asked. */
active proctype Owner() {
    stage[0] = begins;
end:
    do
    SENDS(0) SENDS(1)
#if BRANCHES > 2
    SENDS(2)
#endif
#if FAILOVERS > 0
    :: d_step { stage[0] == begins && visible == absent -> visible = undecided; stage[0] = accepts }
    :: d_step { stage[0] == accepts -> flush(); stage[0] = works }
#else
    :: d_step { stage[0] == begins && visible == absent -> visible = undecided; flush();
                stage[0] = works }
#endif
    /* the orphan scan was faster */
    :: d_step { stage[0] == begins && visible != absent -> wanted = abort; stage[0] = decides }
    :: d_step { stage[0] == begins && losses > 0 -> losses--; acceptInFlight = true;
                wanted = abort; stage[0] = decides }
    :: d_step { stage[0] == works && isEveryYes -> stage[0] = decides }
    /* a vote, the deadline, or the caller */
    :: d_step { stage[0] == works -> wanted = abort; stage[0] = decides }
    DECIDES(0, wanted)
    :: d_step { IS_TO_WRITE(0) && losses > 0 && wanted == commit -> losses--;
                decisionInFlight = true; unknown(0) }
    COMMITS(0, 0) COMMITS(1, 0)
    ROLLS_BACK_OWN(0) ROLLS_BACK_OWN(1)
#if BRANCHES > 2
    COMMITS(2, 0) ROLLS_BACK_OWN(2)
#endif
    RECORDS_END(0)
    od
}

#define ROLLS_BACK(b) \
    :: d_step { seen[me] == abort && stage[me] == ends && !isEndedBy(me, b) -> \
                fenceAndRollBack(b); done(b, me) }

/* A life that takes the row over, for good reasons or because it believes the owner dead. */
proctype Recoverer(byte me) {
end:
    do
    /* Recoverers are alike, so nothing is lost when they begin in the order of their numbers.
       Without a row this is the orphan scan; its tombstone is written below. */
    :: d_step { fresh == RECOVERERS + 1 - me && !finished &&
                (visible != absent || isAny(prepared)) ->
                fresh--;
#ifndef ACT_ON_READ
                flush();                /* the claim: what a write of one's own answers is durable */
#endif
                if
                :: isDecided(visible) -> seen[me] = visible; stage[me] = ends
                :: else -> stage[me] = decides
                fi }
    DECIDES(me, abort)
    COMMITS(0, me) COMMITS(1, me)
    ROLLS_BACK(0) ROLLS_BACK(1)
#if BRANCHES > 2
    COMMITS(2, me) ROLLS_BACK(2)
#endif
    RECORDS_END(me)
    od
}

init {
    atomic {
        run Recoverer(1);
#if RECOVERERS > 1
        run Recoverer(2);
#endif
#if RECOVERERS > 2
        run Recoverer(3)
#endif
    }
}

/*
 * When nothing more can happen: AC5 and I4 (all has ended, and nothing is left), AC1 and AC2 (no
 * two branches differently), I9 (what cannot be proved is reported, and nothing else is).
 */
#define isAnyWorking (session[0] == working || session[1] == working || session[LAST] == working)

active proctype AtRest() {
    timeout;
    assert(!isAny(prepared) && !isAnyWorking);
    assert(visible == absent || finished);
    assert(!isAny(committed) || !(isAny(rolledBack) || isAny(nothing)));
    assert(reported == (visible == commit && isAny(vanished)))
}
