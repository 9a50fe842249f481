/*
 * The transaction's row in the state database, shared by the models.
 *
 * Spin checks every interleaving. A process that is not scheduled is a paused one, so a replica that
 * is paused, superseded and resumed needs no code: its variables still hold what it had read. There
 * are no clocks; a lease may expire, and a deadline pass, at any moment.
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
#ifndef FAILOVERS       /* how often the state database may lose what is not durable */
#define FAILOVERS 1
#endif

mtype:row = { absent, undecided, delegated, commit, abort };
#define isDecided(row) (row == commit || row == abort)

/*
 * A write is first `visible` to readers. It is `durable` once a synchronous commit, of this write or
 * of any later one, was acknowledged. A failover before that loses it.
 */
#ifndef FIRST_ROW
#define FIRST_ROW absent
#endif
mtype:row visible = FIRST_ROW;
mtype:row durable = FIRST_ROW;
bool finished = false;          /* the row says that every branch has finished */

byte losses = LOSSES;
byte failovers = FAILOVERS;
byte fresh = RECOVERERS;        /* recoverers that have not started */

/* A synchronous commit was acknowledged. I1: a durable decision stays. */
inline flush() {
    assert(!isDecided(durable) || durable == visible);
    durable = visible
}

/* Any replica aborts an undecided row past its deadline, whichever replica owns it. */
#define DEADLINE \
    :: d_step { visible == undecided -> visible = abort; flush() }
