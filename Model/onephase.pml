/*
 * One writing branch, committed in one phase: its own COMMIT decides. Before that the row says that the
 * branch decides and names its transaction id, so that any replica can ask PostgreSQL for its status.
 * The acceptance is modeled in twophase.pml; here the row is durable at the start.
 */
#define FIRST_ROW undecided
#include "world.pml"

mtype:branch = { nothing, open, committed, rolledBack };
mtype:session = { closed, idle, committing, gone };     /* committing: COMMIT was sent */
mtype:told = { unanswered, toldCommitted, toldAborted };

mtype:branch branch = nothing;
mtype:session session = closed;
mtype:told told = unanswered;
byte executions = 0;            /* how often the caller's work took effect */

/* A COMMIT that was sent runs later, or the session ends and PostgreSQL rolls back. */
active proctype World() {
end:
    do
    CRASHES
    FAILOVER
#ifdef DELEGATION_OVERRULED
    :: d_step { visible == delegated -> visible = abort; flush() }
#endif
    DEADLINE
    :: d_step { session == committing -> session = gone; branch = committed; executions++ }
    :: d_step { session == committing -> session = gone; branch = rolledBack }
    od
}

inline answer(what) {
    if
    :: told == unanswered -> told = what
    :: else
    fi
}

/* After this no session can change the branch's outcome. */
inline fence() {
    if
    :: session == idle || session == committing -> session = gone; branch = rolledBack
    :: session == closed -> session = gone
    :: else
    fi
}

/* Reads the row's durable content; if the branch decides, queries the branch. */
inline learn(seen) {
    if
    :: seen == delegated ->
#ifdef ASKED_BEFORE_FENCE
        d_step {                        /* mistake: "in progress" counts as "aborted" */
            if
            :: branch == committed -> seen = commit
            :: else -> seen = abort
            fi
        };
        d_step { fence() };
#else
        d_step {
            fence();
            if
            :: branch == committed -> seen = commit
            :: else -> seen = abort
            fi
        };
#endif
        copy(seen)
    :: seen == abort -> d_step { fence() }
    :: else
    fi
}

/* The row gets a copy of the branch's decision, and never another one. */
inline copy(seen) {
    do
    :: durable == seen -> break
    :: else ->
        d_step { visible = seen; generation = failovers };
        if
        :: d_step { generation == failovers -> generation = 0; flush() }
        :: d_step { generation != failovers -> generation = 0 }
        fi
    od
}

inline recordEnd(owner) {
    atomic {
        if
        :: epoch == owner -> finished = true
        :: else
        fi
    }
}

/* Decides abort, or finds a decision or a delegation. */
inline abortOrFind(seen) {
    do
    :: isDecided(seen) || seen == delegated -> break
    :: else ->
        d_step {
            if
            :: visible == undecided -> visible = abort
            :: else
            fi;
            generation = failovers
        };
        if
        :: d_step { generation == failovers -> generation = 0; flush(); seen = visible }
        :: d_step { generation != failovers -> generation = 0 }
        fi
    od
}

active proctype Owner() {
    mtype:row seen = undecided;
    byte generation = 0;
    {
        lives[0] = true;
        if
        :: d_step { epoch == 0 && session == closed -> session = idle; branch = open }
        :: else
        fi;
        if
        :: session == idle ->
#ifndef ID_NOT_DURABLE
            do
            :: seen == delegated || isDecided(seen) -> break
            :: seen == undecided ->
                d_step {
                    if
                    :: visible == undecided -> visible = delegated
                    :: else
                    fi;
                    generation = failovers
                };
                if
                :: d_step { generation == failovers -> generation = 0; flush(); seen = visible }
                :: d_step { generation != failovers -> generation = 0 }
                :: d_step { losses > 0 && generation == failovers -> losses--; generation = 0;
                            flush() }
                fi
            od;
#else
            seen = delegated;
#endif
            if
            :: seen == delegated ->
#ifdef TOLD_BEFORE_TAG
                answer(toldCommitted);
#endif
                if
                :: d_step { session == idle -> session = committing }
                :: session == gone
                fi;
                if
                :: d_step { branch == committed -> answer(toldCommitted); seen = commit }
                :: session == gone && branch != committed
                :: d_step { losses > 0 -> losses-- }    /* the answer is lost: query it */
#ifdef RUN_AGAIN
                    ; d_step { session = committing; branch = open }
#endif
                fi
            :: else
            fi
        :: session != idle
        fi;
        abortOrFind(seen);
        learn(seen);
        copy(seen);
        atomic {
            if
            :: seen == commit -> answer(toldCommitted)
            :: else -> answer(toldAborted)
            fi
        };
        recordEnd(0)
    } unless { down[0] };
    atomic { lives[0] = false; seen = absent; generation = 0 }
}

proctype Recoverer(byte me) {
    mtype:row seen = undecided;
    byte generation = 0, mine = 0;
end:
    {
        d_step { fresh == RECOVERERS + 1 - me && !finished ->
                 fresh--; lives[me] = true; epoch++; mine = epoch; flush() };
        abortOrFind(seen);
        learn(seen);
        recordEnd(mine)
    } unless { down[me] };
    atomic { lives[me] = false; seen = absent; generation = 0; mine = 0 }
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

/* The reply was true, the row is right, the work took effect once, and nothing is left. */
active proctype AtRest() {
    timeout;
    assert(finished);
    assert(session == gone);
    assert((visible == commit) == (branch == committed));
    assert(told != toldCommitted || branch == committed);
    assert(told != toldAborted || branch != committed);
    assert(executions <= 1)
}
