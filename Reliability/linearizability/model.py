"""What one transaction may do, as a variable: absent, undecided, then committed or aborted for ever.

An operation of the model takes effect at one moment between its call and its return. A request that
does two things (a POST accepts and decides) is two operations over the same time. What a request
whose outcome is unknown may have done is an operation that never returns: it takes effect at any
moment after its call, or never.
"""

from dataclasses import dataclass

ABSENT, UNDECIDED, COMMITTED, ABORTED = "absent", "undecided", "committed", "aborted"
READS = {f"reads {state}": state for state in (ABSENT, UNDECIDED, COMMITTED, ABORTED)}
DECISIONS = {"commit": COMMITTED, "abort": ABORTED}
# What an unknown outcome may mean.
OPEN = ("may accept", "may commit", "may abort")


@dataclass(frozen=True)
class Operation:
    """One operation on one transaction; the times are nanoseconds of one monotonic clock."""

    kind: str
    call: int
    # None: it never returned.
    returned: int | None
    # Who asked whom for what, and what was answered.
    origin: str = ""

    def __str__(self):
        end = "never" if self.returned is None else f"{self.returned / 1e6:.3f} ms"
        return f"{self.call / 1e6:.3f} ms to {end}: {self.kind} ({self.origin})"


def step(state, kind):
    """The state after the operation; None if it cannot happen in this state."""
    if kind in READS:
        return state if READS[kind] == state else None
    if kind == "reads present":
        return None if state == ABSENT else state
    if kind in ("accept", "may accept"):
        return UNDECIDED if state == ABSENT else state
    if kind in DECISIONS:
        return DECISIONS[kind] if state in (UNDECIDED, DECISIONS[kind]) else None
    if kind in ("may commit", "may abort"):
        return DECISIONS[kind.removeprefix("may ")] if state == UNDECIDED else state
    raise ValueError(f"expected an operation of the model, got {kind!r}")
