/*
 * The transaction's row in the state database, shared by the models.
 *
 * Spin checks every interleaving. A process that is not scheduled is a paused one, so a replica
 * that is frozen, overtaken and woken needs no code of its own: what it believed is still in its
 * own variables. There are no clocks; a lease may expire, and a deadline pass, at any moment.
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
 * A write is first `visible` to readers; it is `durable` once a synchronous commit, of this write or
 * of any later one, was acknowledged. A failover in between takes it back.
 */
#ifndef FIRST_ROW
#define FIRST_ROW absent
#endif
mtype:row visible = FIRST_ROW;
mtype:row durable = FIRST_ROW;
bool finished = false;          /* the row says that every branch has ended */

byte losses = LOSSES;
byte failovers = FAILOVERS;
byte fresh = RECOVERERS;        /* recoverers that have not begun */

/* A synchronous commit was acknowledged. I1: what was durably decided stays. */
inline flush() {
    assert(!isDecided(durable) || durable == visible);
    durable = visible
}

/* Any replica aborts an undecided row past its deadline, whoever owns it. */
#define DEADLINE \
    :: d_step { visible == undecided -> visible = abort; flush() }
