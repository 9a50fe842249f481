"""Deadlocks over two participants and two replicas, with faults at the abort and at the next run.

Two transactions write the same two rows in opposite order, one branch after the other. Each holds
its first row and stands at a gate before the second, which a session of no transaction holds until
both do: then each asks for the other's row. The later transaction is the younger, so its replica,
the victim, aborts it and runs its request again.
"""

import time
from contextlib import ExitStack
from dataclasses import dataclass

from crash import faults
from crash.case import HIT_SECONDS_MAX, Case, NotHit, Post, ask
from crash.judge import judge
from crash.points import Path
from stack import processes
from stack.stack import PARTICIPANTS

DEADLOCK = Path("deadlock", "deadlock")
TABLES = (
    "CREATE TABLE deadlocks (id text PRIMARY KEY, n int NOT NULL)",)
# Faults of the replica that runs the other transaction of the cycle.
OTHER_KILLED, OTHER_FROZEN = "kill of the other replica", "freeze of the other replica"
OTHERS = (OTHER_KILLED, OTHER_FROZEN)
# Both transactions have time for all of it.
TIMEOUT_MILLISECONDS = 20_000
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted"


@dataclass(frozen=True)
class DeadlockPoint:
    """Where the victim's replica stops; without a failpoint, the fault comes with the cycle."""

    step: str
    failpoint: str | None
    hit: int = 1
    participant: str = PARTICIPANTS[1]
    is_at_state: bool = True
    path: Path = DEADLOCK

    def __str__(self):
        return f"{self.path.name}/{self.step}"


CYCLE = DeadlockPoint("cycle", None)
# The younger one's first branch is in the second participant. Its failpoints are hit in both runs.
POINTS = (
    DeadlockPoint("retry.before", "retry.before"),
    DeadlockPoint("retry.after", "retry.after"),
    DeadlockPoint("next run, work.before.0", "work.before.0", 2, is_at_state=False),
    DeadlockPoint("next run, work.after.0", "work.after.0", 2, is_at_state=False),
    DeadlockPoint("next run, decideCommit.after", "decideCommit.after"),
)


def cases():
    """All cases as (point, fault)."""
    found = [(CYCLE, fault) for fault in OTHERS]
    for point in POINTS:
        found += [(point, fault) for fault in faults.FAULTS]
        # The cycle is there until the abort, and over afterwards.
        found += [(point, fault) for fault in OTHERS if point.step.startswith("retry")]
    return found


def transaction(marker, row, first, second):
    """Updates a row in one participant, and then one in another, where a gate is before it."""
    def branch(number, participant, gate):
        statements = [{"sql": "SELECT n FROM deadlocks WHERE id = $1 FOR SHARE",
                       "parameters": [gate]}] if gate else []
        statements += [
            {"sql": "UPDATE deadlocks SET n = n + 1 WHERE id = $1", "parameters": [row],
             "expectRows": 1},
            {"sql": "INSERT INTO legs VALUES ($1, $2::int)", "parameters": [marker, str(number)],
             "expectRows": 1}]
        return {"participant": participant, "statements": statements}

    return {"branches": [branch(0, first, None), branch(1, second, f"gate of {marker}")],
            "execution": "inOrder", "timeoutMilliseconds": TIMEOUT_MILLISECONDS,
            "labels": {"marker": marker}}


class Older:
    """The transaction of the other replica, as much as its judge needs."""

    whole = [1, 1, 0]

    def __init__(self, case):
        self.stack, self.point, self.case = case.stack, case.point, case
        self.marker = f"{case.marker}-older"
        self.key = self.marker
        self.body = transaction(self.marker, case.marker, *PARTICIPANTS[:2])

    def ask_elsewhere(self):
        """Sends the same request to the victim's replica."""
        return ask(self.case.victim, self.body, self.key)


class DeadlockCase(Case):
    """The younger transaction runs at the victim, the older one at the other replica."""

    def __init__(self, stack, victim, other, point, fault, number):
        super().__init__(stack, victim, other, point, fault, number)
        self.body = transaction(self.marker, self.marker, *PARTICIPANTS[1::-1])
        self.whole = [1, 1, 0]
        self.older = Older(self)
        self.gates = {PARTICIPANTS[0]: f"gate of {self.marker}",
                      PARTICIPANTS[1]: f"gate of {self.older.marker}"}

    def run(self):
        result = super().run()
        self.older_post.join()
        outcome = result.outcome
        result.answer += f", {self.older_post.answer} of the older"
        judge(self.older, self.older_post.answer, result)
        result.outcome = f"{outcome}, {result.outcome} the older"
        return result

    def strike(self):
        armed = f"{self.point.failpoint}=stop*{self.point.hit}" if self.point.failpoint else None
        # A process takes numbers when it first needs one: the younger transaction has the greater.
        self.victim.start(armed)
        with ExitStack() as gates:
            for participant, gate in self.gates.items():
                self._close(gates.enter_context(self.stack.participants[participant].session()),
                            gate)
            self.older_post = self._stand(self.other, self.older, PARTICIPANTS[1])
            post = self._stand(self.victim, self, PARTICIPANTS[0])
        if self.point.failpoint and not self.victim.stops_at(
                self.point.failpoint, HIT_SECONDS_MAX):
            raise NotHit(f"the point was not hit; the answer was {post.answer}")
        if self.fault not in OTHERS:
            return post, faults.apply(self.fault, self.point, self.stack, self.victim)
        return post, self._fault_of_the_other()

    def _close(self, session, gate):
        """Holds the gate's row, and adds the row that both transactions write."""
        session.query(f"INSERT INTO deadlocks VALUES ('{self.marker}', 0), ('{gate}', 0)")
        session.query("BEGIN")
        session.query(f"SELECT FROM deadlocks WHERE id = '{gate}' FOR UPDATE")

    def _stand(self, replica, transaction, participant):
        """Sends a transaction, and waits until it stands at its gate."""
        early = transaction is self and self.early
        post = Post(replica, transaction.body, transaction.key, early)
        with self.stack.participants[participant].session() as session:
            processes.until(HIT_SECONDS_MAX, f"{transaction.marker} stands at its gate",
                            lambda: session.value(WAITING) != "0")
        return post

    def _fault_of_the_other(self):
        if self.fault == OTHER_KILLED:
            self.other.kill()
            self.victim.thaw()
            time.sleep(faults.DOWN_SECONDS)
            self.other.start(wait=False)
            return time.monotonic()
        self.other.freeze()
        self.victim.thaw()
        time.sleep(faults.STALL_SECONDS)
        self.other.thaw()
        return time.monotonic()
