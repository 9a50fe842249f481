"""What was told of each transaction, by anybody to anybody, and whether an answer takes it back."""

import threading
from dataclasses import dataclass

RANK = {"active": 0, "preparing": 0, "committing": 1, "aborting": 1, "committed": 2, "aborted": 2}


@dataclass(frozen=True)
class Word:
    """The most that was told of a transaction."""

    state: str = "active"
    decision: str | None = None


class Heard:
    """Whoever asks notes what everybody had heard before, for two answers may cross."""

    def __init__(self, is_quiet=False):
        self._is_quiet = is_quiet
        self._lock = threading.Lock()
        self._words = {}
        self.faults = []
        self.answers = 0

    def so_far(self, numbers):
        with self._lock:
            return {number: self._words.get(number, Word()) for number in numbers}

    def status(self, body, before, place):
        """A transaction, as an answer of any kind shows it."""
        number, state, decision = body.get("id"), body.get("state"), body.get("decision")
        if state in RANK:
            self.tell(number, Word(state, decision), before, place)
        else:
            self._blame(f"{number}: {state} at {place}")

    def tell(self, number, word, before, place):
        earlier = before.get(number, Word())
        if RANK[word.state] < RANK[earlier.state]:
            self._blame(f"{number}: {earlier.state}, then {word.state} at {place}")
        if earlier.decision and word.decision != earlier.decision:
            self._blame(f"{number}: {earlier.decision}, then {word.decision} at {place}")
        with self._lock:
            self.answers += 1
            known = self._words.get(number, Word())
            most = max(known.state, word.state, key=RANK.get)
            self._words[number] = Word(most, known.decision or word.decision)

    def _blame(self, fault):
        # Beside the faults of the nemesis, so that it can be seen what was broken then.
        if not self._is_quiet:
            print(f"  {fault}", flush=True)
        self.faults.append(fault)

    @classmethod
    def blindness(cls):
        """What it does not see when it is told."""
        planted = ((Word("committed", "commit"), Word("committing", "commit")),
                   (Word("aborted", "abort"), Word("aborting", "abort")),
                   (Word("committing", "commit"), Word("preparing")),
                   (Word("committing", "commit"), Word("committed", "abort")))
        blind = []
        for first, then in planted:
            heard = cls(is_quiet=True)
            heard.tell("1", first, {}, "here")
            heard.tell("1", then, heard.so_far(["1"]), "there")
            if not heard.faults:
                blind.append(f"the checker does not see {then} after {first}")
        return blind
