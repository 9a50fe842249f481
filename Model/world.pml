/* The replicas, for the models in which each is a process that proceeds line by line. */
#include "row.pml"

byte epoch = 0;                 /* who owns the row: 0 the first owner, n the n-th claimant */
bool lives[RECOVERERS + 1];     /* running; number 0 is the owner */
bool down[RECOVERERS + 1];

/*
 * Crashes and failovers at any moment, but not forever: a process may crash only while another has
 * not started. So what is asserted "at rest" must hold once the faults have healed.
 */
#define CRASH(n) :: d_step { fresh > 0 && lives[n] && !down[n] -> down[n] = true }
#define FAILOVER :: d_step { failovers > 0 && visible != durable -> failovers--; visible = durable }

#if RECOVERERS > 2
#define CRASHES CRASH(0) CRASH(1) CRASH(2)
#else
#define CRASHES CRASH(0) CRASH(1)
#endif
