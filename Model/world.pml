/* The lives of the coordinator, for the models in which each is a process that goes line by line. */
#include "row.pml"

byte epoch = 0;                 /* whose the row is: 0 the first owner's, n the n-th claim's */
bool lives[RECOVERERS + 1];     /* at work; number 0 is the owner */
bool down[RECOVERERS + 1];

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
