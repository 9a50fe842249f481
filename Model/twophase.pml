/*
 * Two-phase commit with a decision row: every branch is prepared, one compare-and-set decides,
 * anybody may recover. The rules are those of docs/PROTOCOL.md; each mistake is behind a macro, so
 * that `make model` can show that its rule is needed.
 */
#include "world.pml"

#ifndef RESTORES        /* how often a participant may be restored from a backup */
#define RESTORES 0
#endif

mtype:branch = { nothing, prepared, committed, rolledBack, vanished };
/* The owner's session there: a server process with a life of its own. */
mtype:session = { closed, working, gone };
mtype:vote = { none, yes, no, lost };

mtype:branch branch[BRANCHES] = nothing;
mtype:session session[BRANCHES] = closed;
mtype:vote vote[BRANCHES] = none;
bool believedAbsent[BRANCHES];  /* somebody concluded "no such gid, nor ever will be" */
bool heard[BRANCHES];           /* some coordinator was told that it committed */
byte restores = RESTORES;
bool reported = false;          /* an operator was called, with the evidence */

/* I8, I4: who believes in absence, or reports the end, is right for ever. */
#define PREPARE(b) \
    assert(!believedAbsent[b] && !finished); branch[b] = prepared; session[b] = gone

/* A session does its work whether or not anybody still waits for it: PREPARE may come late. */
#define SESSION(b) \
    :: d_step { session[b] == working && vote[b] == none -> PREPARE(b); vote[b] = yes } \
    :: d_step { session[b] == working && vote[b] == none -> session[b] = gone; vote[b] = no } \
    :: d_step { session[b] == working && vote[b] == none && losses > 0 -> \
                losses--; vote[b] = lost } \
    :: d_step { session[b] == working && vote[b] == lost -> PREPARE(b) } \
    :: d_step { session[b] == working && vote[b] == lost -> session[b] = gone }

/* A backup from before the PREPARE takes a branch away while commit is under way. */
#define RESTORE(b) \
    :: d_step { restores > 0 && !heard[b] && (branch[b] == prepared || branch[b] == committed) -> \
                restores--; branch[b] = vanished }

active proctype World() {
end:
    do
    LATE_WRITES
    DEADLINE
    CRASHES
    FAILOVER
    SESSION(0) RESTORE(0)
    SESSION(1) RESTORE(1)
#if BRANCHES > 2
    SESSION(2) RESTORE(2)
#endif
    od
}

/*
 * Work goes to a session that was recorded by a statement which checks the owner's epoch, so that
 * a fence either finds the session or forbids it.
 */
inline sendWork() {
    do
    :: d_step { b < BRANCHES ->
            if
#ifndef SESSIONS_UNREGISTERED
            :: session[b] == closed && epoch != 0 -> session[b] = gone
            :: session[b] == closed && epoch == 0 -> session[b] = working
#else
            :: session[b] == closed -> session[b] = working
#endif
            :: else
            fi;
            b++ }
    :: b == BRANCHES -> break
    od;
    b = 0
}

inline rollBack(b) {
    assert(visible == abort);           /* decided before any branch is ended */
    if
    :: branch[b] == prepared -> branch[b] = rolledBack
    :: branch[b] == nothing -> believedAbsent[b] = true
    :: else
    fi;
    isEnded = true
}

/*
 * Terminates the owner's session and sees it gone: what it has not done, it never does. Then looks.
 * One step, since the session alone could come between, and it is gone.
 */
inline fenceAndRollBack(b) {
    d_step {
#ifndef NO_FENCE
        if
        :: session[b] == working -> session[b] = gone
        :: else
        fi;
#endif
        rollBack(b)
    }
}

/* COMMIT PREPARED; where the gid is gone, the evidence is asked: the same timeline, and the xid. */
inline commitPrepared(b) {
    if
    :: d_step {
            isEnded = true;
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
    :: d_step { losses > 0 && branch[b] == prepared -> losses--; branch[b] = committed }
    fi
}

inline recordEnd(owner) {
    d_step {
        if
        :: epoch == owner -> finished = true
        :: else
        fi
    }
}

#define LAST (BRANCHES - 1)
#define isEveryYes (vote[0] == yes && vote[1] == yes && vote[LAST] == yes)
#define isAnyPrepared (branch[0] == prepared || branch[1] == prepared || branch[LAST] == prepared)
#define isLost(b) (vote[b] == lost || (vote[b] == none && session[b] == gone))
#define isOut(b) (vote[b] == no || isLost(b))
#define isAnyOut (isOut(0) || isOut(1) || isOut(LAST))

/* The process that the caller asked. */
active proctype Owner() {
    mtype:row seen = absent, wanted = commit;
    byte b = 0, generation = 0;
    bool isEnded = false;
    {
        lives[0] = true;
        if
        :: sendWork()                   /* work may overlap the acceptance */
        :: skip
        fi;
        if
        :: d_step { visible == absent -> visible = undecided; generation = failovers };
            if
            :: d_step { generation == failovers -> generation = 0; flush() }
            :: d_step { generation != failovers -> generation = 0; wanted = abort }
            fi
        :: visible != absent -> wanted = abort          /* the orphan scan was faster */
        :: d_step { losses > 0 -> losses--; acceptInFlight = true; wanted = abort }
        fi;
        if
        :: wanted == commit ->
            sendWork();
            if
            :: isEveryYes
            :: isAnyOut -> wanted = abort
            :: wanted = abort           /* the deadline, or the caller */
            fi
        :: else
        fi;
        decide(wanted, seen);
        do
        :: b < BRANCHES ->
            do
            :: isEnded -> break
            :: !isEnded && seen == commit -> commitPrepared(b)
            :: !isEnded && seen == abort ->
                if
                :: session[b] == closed || vote[b] == no -> isEnded = true
                :: vote[b] == yes -> d_step { rollBack(b) }
                :: isLost(b) -> fenceAndRollBack(b)
                fi
            od;
            atomic { b++; isEnded = false }
        :: b == BRANCHES -> break
        od;
        recordEnd(0)
    } unless { down[0] };
    atomic { lives[0] = false; seen = absent; wanted = absent; b = 0; generation = 0;
             isEnded = false }
}

#ifdef IN_ORDER         /* recoverers end the branches one after the other, for a smaller space */
#define IS_NEXT(n) (!ended[n] && ended[n - 1])
#else
#define IS_NEXT(n) !ended[n]
#endif

/* A life that takes the row over, for good reasons or because it believes the owner dead. */
proctype Recoverer(byte me) {
    mtype:row seen = absent;
    byte b = 0, generation = 0, mine = 0, left = BRANCHES;
    bool ended[BRANCHES], isEnded = false;
end:
    {
        /* Recoverers are alike, so nothing is lost when they begin in the order of their numbers.
           Without a row this is the orphan scan; its tombstone is written below. */
        d_step { fresh == RECOVERERS + 1 - me && !finished && (visible != absent || isAnyPrepared)
            ->  fresh--; lives[me] = true;
                epoch++; mine = epoch;
#ifndef ACT_ON_READ
                flush();                /* the claim: what a write of one's own answers is durable */
#endif
                if
                :: isDecided(visible) -> seen = visible
                :: else
                fi };
        decide(abort, seen);
        do
        :: left == 0 -> break
        :: left > 0 ->
            if                          /* in any order, or as IS_NEXT says */
            :: !ended[0] -> b = 0
            :: IS_NEXT(1) -> b = 1
#if BRANCHES > 2
            :: IS_NEXT(2) -> b = 2
#endif
            fi;
            if
            :: seen == commit -> commitPrepared(b)
            :: seen == abort -> fenceAndRollBack(b)
            fi;
            d_step {
                if
                :: isEnded -> ended[b] = true; left--
                :: else
                fi;
                b = 0; isEnded = false
            }
        od;
        recordEnd(mine)
    } unless { down[me] };
    atomic { lives[me] = false; seen = absent; b = 0; generation = 0; mine = 0; left = 0;
             isEnded = false; ended[0] = false; ended[1] = false; ended[LAST] = false }
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

#define isBranch(n, state) (branch[n] == state)
#define isAny(state) (isBranch(0, state) || isBranch(1, state) || isBranch(LAST, state))
#define isAnyWorking (session[0] == working || session[1] == working || session[LAST] == working)

/*
 * When nothing more can happen: AC5 and I4 (all has ended, and nothing is left), AC1 and AC2 (no
 * two branches differently), I9 (what cannot be proved is reported, and nothing else is).
 */
active proctype AtRest() {
    timeout;
    assert(!isAny(prepared) && !isAnyWorking);
    assert(visible == absent || finished);
    assert(!isAny(committed) || !(isAny(rolledBack) || isAny(nothing)));
    assert(reported == (visible == commit && isAny(vanished)))
}
