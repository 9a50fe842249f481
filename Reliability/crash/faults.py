"""The faults, applied while the replica is stopped at a crash point."""

import time

from stack import processes
from stack.stack import LEASE_SECONDS

COORDINATOR, FREEZE, PARTICIPANT, STATE, RESET, STALL = (
    "coordinator", "freeze", "participant", "state", "reset", "stall")
FAULTS = (COORDINATOR, FREEZE, PARTICIPANT, STATE, RESET, STALL)

# Longer than every timeout of the replica's connections except that of COMMIT PREPARED.
STALL_SECONDS = 2
# The exit status of a superseded replica; its supervisor starts it again.
SUPERSEDED = 75
DOWN_SECONDS = 0.3


def apply(fault, point, stack, victim):
    """Applies the fault to the stopped victim, continues it, and repairs the fault.

    Returns the time of the repair, from which healing is measured.
    """
    return HANDLERS[fault](point, stack, victim)


def kill_coordinator(point, stack, victim):
    victim.kill()
    began = time.monotonic()
    victim.start(wait=False)
    return began


def freeze(point, stack, victim):
    """Keeps the victim stopped until its lease is over and the other replica can take over."""
    time.sleep(LEASE_SECONDS + 1)
    victim.thaw()
    began = time.monotonic()
    restart_if_superseded(victim)
    return began


def kill_participant(point, stack, victim):
    return kill_database(stack.participants[point.participant], victim)


def kill_state(point, stack, victim):
    return kill_database(stack.state, victim)


def kill_database(cluster, victim):
    cluster.kill()
    victim.thaw()
    time.sleep(DOWN_SECONDS)
    cluster.start()
    return time.monotonic()


def proxy(point, stack, victim):
    """The proxy between the victim and the database that the point addresses."""
    return stack.proxies[victim.name]["state" if point.is_at_state else point.participant]


def reset(point, stack, victim):
    proxy(point, stack, victim).reset_all()
    victim.thaw()
    return time.monotonic()


def stall(point, stack, victim):
    """Delays every message of the proxy."""
    held = proxy(point, stack, victim)
    held.stall()
    victim.thaw()
    time.sleep(STALL_SECONDS)
    held.heal()
    return time.monotonic()


def restart_if_superseded(victim):
    """Starts a replica again if it was superseded."""
    try:
        processes.until(1, "it continues or ends", lambda: not victim.is_running)
    except TimeoutError:
        return
    if victim.exit_status != SUPERSEDED:
        raise RuntimeError(f"{victim.name} ended with {victim.exit_status}")
    victim.start(wait=False)


HANDLERS = {
    COORDINATOR: kill_coordinator, FREEZE: freeze, PARTICIPANT: kill_participant,
    STATE: kill_state, RESET: reset, STALL: stall,
}
