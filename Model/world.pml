/*
 * The state database and the lives of the coordinator, shared by the models.
 *
 * Spin checks every interleaving. A process that is not scheduled is a paused one, so a replica
 * that is frozen, overtaken and woken needs no code of its own: what it believed is still in its
 * local variables. There are no clocks; a lease may expire, and a deadline pass, at any moment.
 */
#ifndef BRANCHES
#define BRANCHES 2
#endif
#ifndef RECOVERERS
#define RECOVERERS 2
#endif
#ifndef LOSSES          /* how many answers may be lost */
#define LOSSES 1
#endif
#ifndef FAILOVERS       /* how often the state database may fall back to what is durable */
#define FAILOVERS 1
#endif

mtype:row = { absent, undecided, delegated, commit, abort };
#define isDecided(row) (row == commit || row == abort)

/*
 * The transaction's row. A write is first `visible` to readers; it is `durable` once a synchronous
 * commit, of this write or of any later one, was acknowledged. A failover in between takes it back.
 */
#ifndef FIRST_ROW
#define FIRST_ROW absent
#endif
mtype:row visible = FIRST_ROW;
mtype:row durable = FIRST_ROW;
bool finished = false;          /* the row says that every branch has ended */
bool acceptInFlight = false;    /* an accept whose answer was lost may land later, or never */
bool decisionInFlight = false;  /* and so may a decision to commit */

byte losses = LOSSES;
byte failovers = FAILOVERS;

byte epoch = 0;                 /* whose the row is: 0 the first owner's, n the n-th claim's */
byte fresh = RECOVERERS;        /* recoverers that have not begun */
bool lives[RECOVERERS + 1];     /* at work; number 0 is the owner */
bool down[RECOVERERS + 1];

/* A synchronous commit was acknowledged. I1: what was durably decided stays. */
inline flush() {
    assert(!isDecided(durable) || durable == visible);
    durable = visible
}

/*
 * Decides where nothing is decided, and learns what the row durably says. No row: an abort
 * tombstone takes its place. An unknown answer changes nothing but that one asks again.
 */
inline decide(wanted, seen) {
    do
    :: isDecided(seen) -> break
    :: else ->
        if
        :: writeDecision(wanted, seen);
            if
            :: d_step { generation == failovers -> generation = 0; flush(); seen = visible }
            :: d_step { generation != failovers -> generation = 0; unknown(seen) }
            :: d_step { losses > 0 && generation == failovers -> losses--; generation = 0;
                        flush(); unknown(seen) }
            fi
        :: d_step { losses > 0 && wanted == commit -> losses--; decisionInFlight = true;
                    unknown(seen) }
        fi
    od
}

/* The write as other readers can see it from now on. */
inline writeDecision(wanted, seen) {
#ifdef READ_THEN_ACT
    seen = visible;             /* mistake: what is read here may be otherwise when it is written */
    d_step {
        if
        :: !isDecided(seen) -> visible = wanted
        :: else
        fi;
        seen = absent;
#else
    d_step {
        if
        :: visible == absent -> visible = abort
        :: visible == undecided -> visible = wanted
        :: isDecided(visible) ->
#ifdef NO_COMPARE_AND_SET
            visible = wanted
#else
            skip
#endif
        fi;
#endif
        generation = failovers
    }
}

inline unknown(seen) {
#ifdef UNKNOWN_IS_ABORT
    seen = abort
#else
    seen = absent
#endif
}

/* What requests whose answers were lost still do, or never do. */
#define LATE_WRITES \
    :: d_step { acceptInFlight -> acceptInFlight = false; \
                if :: visible == absent -> visible = undecided; flush() :: else fi } \
    :: acceptInFlight -> acceptInFlight = false \
    :: d_step { decisionInFlight -> decisionInFlight = false; \
                if :: visible == undecided -> visible = commit; flush() :: else fi } \
    :: decisionInFlight -> decisionInFlight = false

/* Any replica aborts an undecided row past its deadline, whoever owns it. */
#define DEADLINE \
    :: d_step { visible == undecided -> visible = abort; flush() }

/*
 * Crashes and failovers at any moment, and none for ever: a process may crash only while another
 * is left that has not begun. So what is asked "at rest" must hold once the faults have healed.
 */
#define CRASH(n) :: d_step { fresh > 0 && lives[n] && !down[n] -> down[n] = true }
#define FAILOVER :: d_step { failovers > 0 && visible != durable -> failovers--; visible = durable }

#if RECOVERERS > 2
#define CRASHES CRASH(0) CRASH(1) CRASH(2)
#else
#define CRASHES CRASH(0) CRASH(1)
#endif
