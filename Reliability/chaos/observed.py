"""The statuses that replicas reported, and whether a later one contradicts an earlier one."""

import threading
from dataclasses import dataclass

RANK = {"active": 0, "preparing": 0, "committing": 1, "aborting": 1, "committed": 2, "aborted": 2}


@dataclass(frozen=True)
class Status:
    """The most that was reported of a transaction."""

    state: str = "active"
    decision: str | None = None
    # The run after it, which is written together with the decision; True if that is none.
    next_run: str | bool | None = None


class ObservedStatuses:
    """Compares each status with those observed before its request, since answers may cross."""

    def __init__(self, is_quiet=False):
        self._is_quiet = is_quiet
        self._lock = threading.Lock()
        self._words = {}
        self.faults = []
        self.answers = 0

    def so_far(self, numbers):
        with self._lock:
            return {number: self._words.get(number, Status()) for number in numbers}

    def status(self, body, before, place):
        """Records a transaction in an answer of any kind."""
        number, state, decision = body.get("id"), body.get("state"), body.get("decision")
        if state in RANK:
            next_run = decision and (body.get("retriedAs") or True)
            self.record(number, Status(state, decision, next_run), before, place)
        else:
            self._blame(f"{number}: {state} at {place}")

    def record(self, number, word, before, place):
        earlier = before.get(number, Status())
        if RANK[word.state] < RANK[earlier.state]:
            self._blame(f"{number}: {earlier.state}, then {word.state} at {place}")
        if earlier.decision and word.decision != earlier.decision:
            self._blame(f"{number}: {earlier.decision}, then {word.decision} at {place}")
        if earlier.next_run and word.next_run and word.next_run != earlier.next_run:
            self._blame(f"{number}: ran again as {earlier.next_run}, then {word.next_run} at {place}")
        with self._lock:
            self.answers += 1
            known = self._words.get(number, Status())
            most = max(known.state, word.state, key=RANK.get)
            self._words[number] = Status(
                most, known.decision or word.decision, known.next_run or word.next_run)

    def _blame(self, fault):
        # Printed among the nemesis' faults, to show what was broken at that time.
        if not self._is_quiet:
            print(f"  {fault}", flush=True)
        self.faults.append(fault)

    @classmethod
    def unseen_faults(cls):
        """The planted contradictions that it misses."""
        planted = ((Status("committed", "commit"), Status("committing", "commit")),
                   (Status("aborted", "abort"), Status("aborting", "abort")),
                   (Status("committing", "commit"), Status("preparing")),
                   (Status("committing", "commit"), Status("committed", "abort")),
                   (Status("aborting", "abort", True), Status("aborted", "abort", "2")),
                   (Status("aborting", "abort", "2"), Status("aborted", "abort", "3")))
        unseen = []
        for first, then in planted:
            observed = cls(is_quiet=True)
            observed.record("1", first, {}, "here")
            observed.record("1", then, observed.so_far(["1"]), "there")
            if not observed.faults:
                unseen.append(f"the checker misses {then} after {first}")
        return unseen
