/*
 * A decision inside a participant. The first branch is not prepared: its work and its journal's row
 * commit in one local transaction, after all other branches are prepared. The journal is the commit
 * point; the state row is a copy. Abort is decided by inserting a tombstone with the journal's key,
 * after the fence.
 */
#include "world.pml"

#ifndef RESTORES        /* how often the journal's participant may be restored from a backup */
#define RESTORES 0
#endif
#define SIBLINGS (BRANCHES - 1)
#define LAST (SIBLINGS - 1)

mtype:branch = { nothing, open, prepared, committed, rolledBack };
/* The owner's session in the journal's participant; holding: inserted, not committed. */
mtype:session = { closed, working, idle, holding, committing, gone };
mtype:register = { vacant, saysCommit, saysAbort, removed };

mtype:branch sibling[SIBLINGS] = nothing;
mtype:session siblingSession[SIBLINGS] = closed;
mtype:branch home = nothing;
mtype:session session = closed;
mtype:register journal = vacant;
bool believedAbsent[SIBLINGS];
bool isToldCommitted = false;
bool isChanged = false;         /* the participant's timeline differs from the accept row's */
bool reported = false;
byte restores = RESTORES;

#define SIBLING(b) \
    :: d_step { siblingSession[b] == working -> assert(!believedAbsent[b] && !finished); \
                sibling[b] = prepared; siblingSession[b] = gone } \
    :: d_step { siblingSession[b] == working -> siblingSession[b] = gone }

/* mistake: a restored journal counts */
#ifdef IDENTITY_UNCHECKED
#define isUnprovable false
#else
#define isUnprovable isChanged
#endif

#define isHeld (session == holding || session == committing)

inline fenceJournal() {
    if
    :: session == idle || isHeld -> session = gone; home = rolledBack
    :: else
    fi
}

active proctype World() {
end:
    do
    CRASHES
    FAILOVER
    SIBLING(0)
#if BRANCHES > 2
    SIBLING(1)
#endif
#ifdef ROW_DECIDED_ALONE
    DEADLINE
#endif
    /* A COMMIT that was sent runs later, or the session ends and PostgreSQL rolls back. */
    :: d_step { session == committing -> session = gone; home = committed; journal = saysCommit }
    :: d_step { session == committing -> session = gone; home = rolledBack }
    /* A dead replica's sessions are fenced with its lease; that needs no row. */
    :: d_step { down[0] && visible == absent && (session == idle || isHeld) -> fenceJournal() }
    /* Retention. */
#ifdef REMOVED_TOO_EARLY
    :: d_step { isDecided(visible) && (journal == saysCommit || journal == saysAbort) ->
                journal = vacant }
#else
    :: d_step { finished && isDecided(durable) && (session == gone || session == closed) &&
                (journal == saysCommit || journal == saysAbort) -> journal = removed }
#endif
    :: d_step { restores > 0 && journal == saysCommit && !finished ->
                restores--; journal = vacant; isChanged = true }
    od
}

/*
 * Reads the journal's decision; if there is none, inserts an abort. The INSERT waits while another
 * transaction has inserted the key, so the fence comes first.
 */
inline askJournal(seen) {
#ifdef ABSENCE_BELIEVED
    d_step {                            /* mistake: a read without a tombstone, and the fence too late */
        if
        :: journal == saysCommit -> seen = commit
        :: else -> seen = abort
        fi
    };
    d_step { fenceJournal() };
#else
#ifndef TOMBSTONE_WITHOUT_FENCE
    d_step { fenceJournal() };
#endif
    d_step { !isHeld ->
        if
        :: isUnprovable -> reported = true
        :: !isUnprovable && journal == saysCommit -> seen = commit
        :: !isUnprovable && journal == saysAbort -> seen = abort
        :: !isUnprovable && journal == vacant -> journal = saysAbort; seen = abort
        :: !isUnprovable && journal == removed -> seen = visible
        fi
    };
#endif
    copy(seen)
}

/* The row gets a copy of the journal's decision; a trigger refuses any other. */
inline copy(seen) {
    do
    :: reported || durable == seen -> break
    :: !reported && durable != seen ->
        d_step { visible = seen; generation = failovers };
        if
        :: d_step { generation == failovers -> generation = 0; flush() }
        :: d_step { generation != failovers -> generation = 0 }
        fi
    od
}

inline endSiblings(seen) {
    b = 0;
    do
    :: !reported && b < SIBLINGS ->
        d_step {
            if
            :: seen == commit ->
                assert(sibling[b] == prepared || sibling[b] == committed);
                sibling[b] = committed
            :: seen == abort ->
                if
                :: siblingSession[b] == working -> siblingSession[b] = gone
                :: else
                fi;
                if
                :: sibling[b] == prepared -> sibling[b] = rolledBack
                :: sibling[b] == nothing -> believedAbsent[b] = true
                :: else
                fi
            fi;
            b++
        }
    :: reported || b == SIBLINGS -> break
    od
}

inline recordEnd(owner) {
    atomic {
        if
        :: epoch == owner && !reported -> finished = true
        :: else
        fi
    }
}

#define isEveryPrepared (sibling[0] == prepared && sibling[LAST] == prepared)
#define isAnyPrepared (sibling[0] == prepared || sibling[LAST] == prepared)

inline work() {
    d_step {
        if
        :: epoch == 0 && session == closed -> session = idle; home = open
        :: else
        fi
    };
    b = 0;
    do
    :: d_step { b < SIBLINGS ->
            if
            :: epoch == 0 && siblingSession[b] == closed -> siblingSession[b] = working
            :: else
            fi;
            b++ }
    :: b == SIBLINGS -> break
    od;
    b = 0
}

active proctype Owner() {
    mtype:row seen = undecided;
    byte b = 0, generation = 0;
    bool isAccepted = false, isRefused = false;
    {
        lives[0] = true;
        if
        :: work()                       /* work may overlap the acceptance */
        :: skip
        fi;
        if
        :: d_step { visible == absent -> visible = undecided; generation = failovers };
            if
#ifdef ACCEPT_NOT_DURABLE
            :: isAccepted = true
#else
            :: d_step { generation == failovers -> generation = 0; flush(); isAccepted = true }
            :: d_step { generation != failovers -> generation = 0; isRefused = true }
#endif
            fi
        :: visible != absent -> isRefused = true
        fi;
        if
        :: isAccepted ->
            work();
            if
            :: isEveryPrepared && session == idle ->
#ifdef TOLD_BEFORE_TAG
                isToldCommitted = true;
#endif
#ifdef SIBLINGS_FIRST
                sibling[0] = committed;
#endif
                if
                :: d_step { session == idle && journal == vacant -> session = holding }
                :: d_step { session == idle && journal != vacant -> fenceJournal() }
                :: session == gone
                fi;
                if
                :: d_step { session == holding -> session = committing }
                :: session == gone
                fi;
                if
                :: d_step { home == committed -> seen = commit }
                :: session == gone && home != committed
                :: d_step { losses > 0 -> losses-- }    /* the answer is lost: query it */
                fi
            :: skip                     /* a no vote, the deadline, or a rollback request */
            fi
        :: isRefused                    /* no COMMIT was sent */
        fi;
        if
        :: seen == commit -> isToldCommitted = true
        :: else -> askJournal(seen)
        fi;
        endSiblings(seen);
        copy(seen);
        recordEnd(0)
    } unless { down[0] };
    atomic { lives[0] = false; seen = absent; b = 0; generation = 0; isAccepted = false;
             isRefused = false }
}

proctype Recoverer(byte me) {
    mtype:row seen = absent;
    byte b = 0, generation = 0, mine = 0;
end:
    {
        d_step { fresh == RECOVERERS + 1 - me && !finished && !reported &&
                 (visible != absent || isAnyPrepared) ->
                fresh--; lives[me] = true; epoch++; mine = epoch; flush(); seen = visible };
        do
        :: seen != absent -> break
        :: seen == absent ->            /* the scan for orphans: nothing names a journal yet */
            d_step {
                if
                :: visible == absent -> visible = abort
                :: else
                fi;
                flush(); seen = visible
            }
        od;
        if
        :: isDecided(seen) -> d_step { fenceJournal() }
        :: else -> askJournal(seen)
        fi;
        endSiblings(seen);
        recordEnd(mine)
    } unless { down[me] };
    atomic { lives[me] = false; seen = absent; b = 0; generation = 0; mine = 0 }
}

#ifdef READER
/*
 * A status request to a replica that does not own the transaction, after the decision was reported (I5).
 * It reads the row, then the journal, then the row again: a decision leaves the journal only after the
 * row durably holds the same. `absent` stands for the answer that the outcome is unknown.
 */
active proctype Reader() {
    mtype:row seen = absent;
end:
    isToldCommitted;
    seen = visible;
    if
    :: seen == undecided ->
#ifndef ROW_READ_ALONE
        d_step {
            if
            :: isUnprovable -> seen = absent
            :: !isUnprovable && journal == saysCommit -> seen = commit
            :: !isUnprovable && journal == saysAbort -> seen = abort
            :: else
            fi
        };
#ifndef LOOKED_ONCE
        if
        :: seen == undecided -> seen = visible
        :: else
        fi
#else
        skip
#endif
#else
        skip
#endif
    :: else
    fi;
    assert(seen != undecided && seen != abort)
}
#endif

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

#define isAny(state) (sibling[0] == state || sibling[LAST] == state)

active proctype AtRest() {
    timeout;
    if
    :: reported -> assert(isChanged)    /* an operator decides; prepared branches stay prepared */
    :: else ->
        assert(visible == absent || finished);
        assert(!isAny(prepared) && siblingSession[0] != working && siblingSession[LAST] != working);
        assert(session == closed || session == gone);
        assert(!isAny(committed) || (home == committed && !isAny(rolledBack) && !isAny(nothing)));
        assert(home != committed || (!isAny(rolledBack) && !isAny(nothing)));
        assert(!isToldCommitted || home == committed);
        assert(visible != commit || home == committed);
        assert(visible != abort || home != committed)
    fi
}
