"""Whether a history is linearizable: Wing and Gong's search with Lowe's memory of where it has been.

One history is about one transaction, so it is short. Two things keep the search small. An operation
that leaves the state as it is can go first whenever it can go at all, since it hinders no other. And
of several operations that never return and may do the same, the one that was called first can do
whatever the others can.
"""

from math import inf

from linearizability.model import ABSENT, OPEN, step


class Stuck(Exception):
    """No order explains the history; says how far the longest attempt came."""

    def __init__(self, state, explained, remaining):
        lines = "\n".join(f"    {operation}" for operation in remaining[:12])
        super().__init__(f"after {explained} operations it is {state}, and none of these can be next:"
                         f"\n{lines}")


def check(operations):
    """Raises `Stuck` if there is no legal order of the operations that respects their times."""
    ordered = sorted(first_open(operations), key=lambda operation: operation.call)
    required = sum(1 << index for index, operation in enumerate(ordered)
                   if operation.kind not in OPEN)
    ends = [inf if operation.returned is None else operation.returned for operation in ordered]
    to_visit, seen, longest = [(0, ABSENT)], set(), (0, ABSENT)
    while to_visit:
        done, state = settle(ordered, ends, *to_visit.pop())
        if done & required == required:
            return
        if (done, state) in seen:
            continue
        seen.add((done, state))
        longest = max(longest, (done, state), key=lambda place: place[0].bit_count())
        for index in candidates(ordered, ends, done):
            after = step(state, ordered[index].kind)
            if after not in (None, state):
                to_visit.append((done | 1 << index, after))
    done, state = longest
    raise Stuck(state, done.bit_count(), [ordered[index] for index in candidates(ordered, ends, done)
                                          if ordered[index].kind not in OPEN])


def is_linearizable(operations):
    """Whether some legal order explains the history."""
    try:
        check(operations)
    except Stuck:
        return False
    return True


def first_open(operations):
    """The operations, with the earliest alone of those that never return and may do the same."""
    earliest = {}
    for operation in operations:
        if operation.kind in OPEN:
            known = earliest.get(operation.kind)
            if known is None or operation.call < known.call:
                earliest[operation.kind] = operation
    return ([operation for operation in operations if operation.kind not in OPEN]
            + list(earliest.values()))


def settle(ordered, ends, done, state):
    """Takes all operations that can be next and leave the state as it is."""
    while True:
        ready = sum(1 << index for index in candidates(ordered, ends, done)
                    if ordered[index].kind not in OPEN
                    and step(state, ordered[index].kind) == state)
        if not ready:
            return done, state
        done |= ready


def candidates(ordered, ends, done):
    """Those left that were called before any other of those left returned."""
    found, first_end = [], inf
    for index, operation in enumerate(ordered):
        if operation.call > first_end:
            break
        if not done >> index & 1:
            found.append(index)
            first_end = min(first_end, ends[index])
    return found
