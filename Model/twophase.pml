/*
 * Two-phase commit with a decision row: every branch is prepared, one compare-and-set decides, and
 * any replica may recover. The rules are those of docs/PROTOCOL.md. A macro enables each mistake, so
 * that `make model` can show that its rule is needed.
 *
 * Each step changes shared state once; local work before or after is merged with it, since no other
 * process could see the difference. So the state of a process is its `stage` only, and a crash loses
 * nothing in part.
 */
#include "row.pml"

#ifndef RESTORES        /* how often a participant may be restored from a backup */
#define RESTORES 0
#endif
#define LAST (BRANCHES - 1)

mtype:branch = { nothing, prepared, committed, rolledBack, vanished };
/* The owner's session: a server process, which may outlive its client. */
mtype:session = { closed, working, gone };
mtype:vote = { none, yes, no, lost };
/*
 * The stage of a process. The owner begins, accepts and works. All decide and wait for their write;
 * `read` belongs to a mistake. Then they finish the branches, and are over, as after a crash.
 */
mtype:stage = { unborn, begins, accepts, works, decides, read, waits, ends, over };

/* Number 0 is the owner, which the caller asked; the others take over the row, one after the other. */
mtype:stage stage[RECOVERERS + 1] = unborn;
mtype:row seen[RECOVERERS + 1] = absent;        /* the decision that it obeys */
mtype:row wanted = commit;                      /* requested by the owner; the others request abort */
/* Who owns the row: 0 the owner, n the n-th claimant. */
#define epoch (RECOVERERS - fresh)

mtype:branch branch[BRANCHES] = nothing;
mtype:session session[BRANCHES] = closed;
mtype:vote vote[BRANCHES] = none;               /* as the owner received it */
bool believedAbsent[BRANCHES];  /* a process concluded "no such gid, nor ever will be" */
bool heard[BRANCHES];           /* a replica was told that it committed */
byte endedBy[BRANCHES];         /* the processes that are done with it, a bit each */

bool acceptInFlight = false;    /* an accept without an answer may land later, or never */
bool decisionInFlight = false;  /* as may a decision to commit */
byte restores = RESTORES;
bool reported = false;          /* needsOperator, with the evidence */

#define mask(n) (1 << (n))
#define isEndedBy(n, b) ((endedBy[b] & mask(n)) != 0)
#define hasEndedAll(n) ((endedBy[0] & endedBy[1] & endedBy[LAST] & mask(n)) != 0)
#define isAny(state) (branch[0] == state || branch[1] == state || branch[LAST] == state)

/*
 * Branches are symmetric: no variable holds the number of a branch. Of the states that differ only in
 * the order of the branches, checking the sorted one is enough.
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

/* The answer of a branch to the owner, unless the owner is over. */
#define TELL(b, what) if :: stage[0] != over -> vote[b] = what :: else fi

/* I8, I4: a conclusion of absence, or a report of the finish, stays true. */
#define PREPARE(b) assert(!believedAbsent[b] && !finished); branch[b] = prepared; session[b] = gone

/* A session does its work even without a client: PREPARE may come late. */
#define SESSION(b) \
    :: d_step { session[b] == working && vote[b] == none -> PREPARE(b); TELL(b, yes); SORT } \
    :: d_step { session[b] == working && vote[b] == none -> session[b] = gone; TELL(b, no); SORT } \
    :: d_step { session[b] == working && vote[b] == none && losses > 0 && stage[0] != over -> \
                losses--; vote[b] = lost; SORT } \
    :: d_step { session[b] == working && vote[b] == lost -> PREPARE(b); SORT } \
    :: d_step { session[b] == working && vote[b] == lost -> session[b] = gone; SORT }

/* Restoring a backup from before the PREPARE removes a branch during a commit. */
#define RESTORE(b) \
    :: d_step { restores > 0 && !heard[b] && (branch[b] == prepared || branch[b] == committed) -> \
                restores--; branch[b] = vanished; SORT }

/* Requests without an answer take effect later, or never. */
#define LATE_WRITES \
    :: d_step { acceptInFlight -> acceptInFlight = false; \
                if :: visible == absent -> visible = undecided; flush() :: else fi } \
    :: acceptInFlight -> acceptInFlight = false \
    :: d_step { decisionInFlight -> decisionInFlight = false; \
                if :: visible == undecided -> visible = commit; flush() :: else fi } \
    :: decisionInFlight -> decisionInFlight = false

/* A process is over and leaves nothing. */
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
 * Crashes and failovers at any moment, but not forever: a process may crash only while another has
 * not started. So what is asserted "at rest" must hold once the faults have healed.
 */
#define CRASH(n) \
    :: d_step { fresh > 0 && stage[n] != unborn && stage[n] != over -> leave(n) }

/* After an unknown answer the process repeats its request. */
inline unknown(n) {
#ifdef UNKNOWN_IS_ABORT
    seen[n] = abort; stage[n] = ends
#else
    seen[n] = absent; stage[n] = decides
#endif
}

/* A process gets no answer to a write that a failover lost. */
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
 * Decides unless there is a decision, and returns the row's durable decision. Without a row it writes
 * an abort tombstone.
 */
inline write(n, wish) {
#ifdef READ_THEN_ACT
    if                          /* mistake: acts on a read that may be outdated */
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
#else           /* anything between the write and its answer could also come after it */
#define DECIDES(n, wish) \
    READS(n) \
    :: d_step { IS_TO_WRITE(n) -> write(n, wish); hear(n) } \
    :: d_step { IS_TO_WRITE(n) && losses > 0 -> losses--; write(n, wish); flush(); unknown(n) }
#endif

inline done(b, n) {
    endedBy[b] = endedBy[b] | mask(n);
    SORT
}

/* COMMIT PREPARED; if the gid is gone, evidence decides: the same timeline, and the xid. */
inline commitPrepared(b) {
    if
    :: branch[b] == prepared -> branch[b] = committed; heard[b] = RESTORES
    :: branch[b] == committed -> heard[b] = RESTORES
    :: branch[b] == vanished ->
#ifdef RESTORED_UNNOTICED
        skip                    /* mistake: "no such gid" counts as "already done" */
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

/* Without a session nothing can be prepared, so the conclusion of absence is safe. */
inline rollBack(b) {
    assert(visible == abort);           /* decided before any branch finishes */
    if
    :: branch[b] == prepared -> branch[b] = rolledBack
    :: branch[b] == nothing -> believedAbsent[b] = (session[b] != gone)
    :: else
    fi
}

/*
 * Terminates the owner's session and waits until it is gone, then reads the branch. This is one step,
 * since only the session could come between.
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
 * Work runs on a session that was recorded by a statement that checks the owner's epoch. So a fence
 * either finds the session or prevents it. Work may overlap the acceptance.
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

/* The owner rolls back branches that have voted, and waits for pending votes. */
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
    /* the scan for orphans was faster */
    :: d_step { stage[0] == begins && visible != absent -> wanted = abort; stage[0] = decides }
    :: d_step { stage[0] == begins && losses > 0 -> losses--; acceptInFlight = true;
                wanted = abort; stage[0] = decides }
    :: d_step { stage[0] == works && isEveryYes -> stage[0] = decides }
    /* a vote, the deadline, or a rollback request */
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

/* A replica that takes over the row, whether the owner is dead or only seems so. */
proctype Recoverer(byte me) {
end:
    do
    /* Recoverers are symmetric, so they may start in the order of their numbers. Without a row this
       is the scan for orphans, whose tombstone is written below. */
    :: d_step { fresh == RECOVERERS + 1 - me && !finished &&
                (visible != absent || isAny(prepared)) ->
                fresh--;
#ifndef ACT_ON_READ
                flush();                /* the claim: the answer to a write is durable */
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
 * At rest: AC5 and I4 (all branches have finished, nothing is left), AC1 and AC2 (no two branches end
 * differently), I9 (what cannot be proved is reported, and nothing else).
 */
#define isAnyWorking (session[0] == working || session[1] == working || session[LAST] == working)

active proctype AtRest() {
    timeout;
    assert(!isAny(prepared) && !isAnyWorking);
    assert(visible == absent || finished);
    assert(!isAny(committed) || !(isAny(rolledBack) || isAny(nothing)));
    assert(reported == (visible == commit && isAny(vanished)))
}
