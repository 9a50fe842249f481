"""The faults, each applied while the coordinator stands still at a crash point."""

import time

from stack import processes
from stack.stack import LEASE_SECONDS

COORDINATOR, FREEZE, PARTICIPANT, STATE, RESET, HOLE = (
    "coordinator", "freeze", "participant", "state", "reset", "hole")
FAULTS = (COORDINATOR, FREEZE, PARTICIPANT, STATE, RESET, HOLE)

# Longer than every timeout of the coordinator's connections but COMMIT PREPARED's own.
HOLE_SECONDS = 2
# How a replica ends whose life is over; whoever runs it starts it again.
SUPERSEDED = 75
DOWN_SECONDS = 0.3


def apply(fault, point, stack, victim):
    """Applies the fault to the stopped victim, lets it go on, and repairs what was broken.

    Answers when the repair was done, from which healing is measured.
    """
    return HANDLERS[fault](point, stack, victim)


def kill_coordinator(point, stack, victim):
    victim.kill()
    began = time.monotonic()
    victim.start(wait=False)
    return began


def freeze(point, stack, victim):
    """SIGSTOP until its lease is over and the other replica has had time to take over."""
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


def way(point, stack, victim):
    """The proxy between the victim and the database that the point addresses."""
    return stack.proxies[victim.name]["state" if point.is_at_state else point.participant]


def reset(point, stack, victim):
    way(point, stack, victim).reset_all()
    victim.thaw()
    return time.monotonic()


def hole(point, stack, victim):
    """Nothing arrives and nothing is refused; in the end everything arrives late."""
    held = way(point, stack, victim)
    held.hole()
    victim.thaw()
    time.sleep(HOLE_SECONDS)
    held.heal()
    return time.monotonic()


def restart_if_superseded(victim):
    """Starts a replica again that finds itself superseded."""
    try:
        processes.until(1, "it goes on or ends", lambda: not victim.is_running)
    except TimeoutError:
        return
    if victim.exit_status != SUPERSEDED:
        raise RuntimeError(f"{victim.name} ended with {victim.exit_status}")
    victim.start(wait=False)


HANDLERS = {
    COORDINATOR: kill_coordinator, FREEZE: freeze, PARTICIPANT: kill_participant,
    STATE: kill_state, RESET: reset, HOLE: hole,
}
