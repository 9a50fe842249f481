"""One case: a transaction is driven to a crash point, a fault strikes, all heals, and is judged."""

import threading
import time
from dataclasses import dataclass, field

from crash import faults
from crash.faults import SUPERSEDED
from crash.judge import judge
from stack import processes
from stack.replica import LOST
from stack.stack import PARTICIPANTS

HIT_SECONDS_MAX = 30
HEAL_SECONDS_MAX = 60
TABLES = ("CREATE TABLE legs (marker text NOT NULL, branch int NOT NULL)",)


class NotHit(Exception):
    """The crash point was never reached: the case says nothing."""


@dataclass
class Result:
    """What came of a case."""

    point: object
    fault: str
    outcome: str = ""
    answer: str = ""
    seconds: float = 0.0
    violations: list = field(default_factory=list)


class Post(threading.Thread):
    """A caller of its own."""

    def __init__(self, replica, body, key, early):
        super().__init__(daemon=True)
        self._replica, self._body, self._key, self._early = replica, body, key, early
        self.answer = LOST
        self.start()

    def run(self):
        self.answer = self._replica.post_when_connected(self._body, self._key, self._early)


def transaction(marker, kind):
    """Three branches that each write one row, of a one-phase transaction only the first; an abort is
    found out when all have worked."""
    branches = []
    for branch, participant in enumerate(PARTICIPANTS):
        statement = {"sql": "INSERT INTO legs VALUES ($1, $2::int)",
                     "parameters": [marker, str(branch)], "expectRows": 1}
        reads = kind.startswith("one-phase") and branch > 0
        if reads:
            statement = {"sql": "SELECT 1", "expectRows": 1}
        if kind.endswith("abort") and branch == 2:
            statement["expectRows"] = 2
        branches.append({"participant": participant, "readOnly": reads, "statements": [statement]})
    return {"branches": branches, "onePhase": kind.startswith("one-phase"),
            "labels": {"marker": marker}}


def written(body):
    """What each participant holds of a transaction that was committed."""
    return [0 if branch["readOnly"] else 1 for branch in body["branches"]]


class Case:
    """A point and a fault; `number` makes its rows its own."""

    def __init__(self, stack, victim, witness, point, fault, number):
        self.stack, self.victim, self.witness = stack, victim, witness
        self.point, self.fault = point, fault
        self.marker = f"case-{number}"
        # Keyed transactions are accepted first and worked on afterwards, keyless ones overlap.
        self.key = None if point.path.first_life == "rowless" or number % 2 else self.marker
        # One in three is answered at its decision.
        self.early = number % 3 == 0
        self.body = transaction(self.marker, point.path.transaction)
        self.whole = written(self.body)
        # A journal is kept where the setting says so; who asks one need not have it.
        self.environment = ({"TANDEM_PARTICIPANTS_USERS_JOURNAL": "true"}
                            if point.path.transaction.startswith("journal") else {})

    def run(self):
        result = Result(self.point, self.fault)
        if self.victim.is_running:
            self.victim.kill()
        if not self.witness.is_running:
            self.witness.start()
        post, began = self.strike()
        post.join()
        result.answer = str(post.answer)
        try:
            processes.until(HEAL_SECONDS_MAX, "all is finished", self._is_healed)
        except TimeoutError as error:
            result.violations.append(str(error))
        result.seconds = time.monotonic() - began
        judge(self, post.answer, result)
        return result

    def strike(self):
        """Drives the transaction to the point, breaks and repairs; answers the caller, and when
        the repair was done."""
        raise NotImplementedError

    def first_life_ends(self):
        """A process that is killed on the way; answers the caller that it had.

        The witness would take its work over as fast as its next life does, so it stands still
        until the point is reached.
        """
        self.witness.freeze()
        self.victim.start(f"{self.point.path.first_life}=kill", more=self.environment)
        post = Post(self.victim, self.body, self.key, self.early)
        processes.until(HIT_SECONDS_MAX, "the first life ends", lambda: not self.victim.is_running)
        return post

    def ask_elsewhere(self):
        """The same request with the same key, to the other replica.

        On a busy machine it may have stood still for longer than its lease, and has ended since then.
        """
        answer = self.witness.post(self.body, self.key)
        if answer is LOST:
            faults.restart_if_superseded(self.witness)
            self.witness.becomes_ready()
            answer = self.witness.post(self.body, self.key)
        return answer

    def _is_healed(self):
        # On a busy machine a fault may outlast the lease, and the witness leaves orphans to the victim.
        if self.victim.exit_status == SUPERSEDED:
            self.victim.start(wait=False)
        try:
            return self.stack.is_quiet()
        except OSError:
            return False


class FailpointCase(Case):
    """The coordinator stands still at a failpoint while the fault is applied."""

    def strike(self):
        post = self._reach_the_point()
        if not self.victim.stops_at(self.point.failpoint, HIT_SECONDS_MAX):
            raise NotHit(f"the point was not hit; the caller was told {post.answer}")
        self.witness.thaw()
        return post, faults.apply(self.fault, self.point, self.stack, self.victim)

    def _reach_the_point(self):
        armed = f"{self.point.failpoint}=stop"
        first = self.point.path.first_life
        if first is None:
            self.victim.start(armed, more=self.environment)
            return Post(self.victim, self.body, self.key, self.early)
        post = self._leave_orphans() if first == "rowless" else self.first_life_ends()
        self.victim.start(armed, wait=False, more=self.environment)
        return post

    def _leave_orphans(self):
        """The accept is held on its way while the branches prepare, and is lost in the end."""
        self.victim.start()
        way = self.stack.proxies[self.victim.name]["state"]
        way.arm("INSERT INTO tandem.transactions", "hole")
        post = Post(self.victim, self.body, None, self.early)
        processes.until(HIT_SECONDS_MAX, "every branch is prepared",
                        lambda: all(self.stack.prepared(name) for name in PARTICIPANTS))
        self.victim.kill()
        way.reset_all()
        way.heal()
        return post


class MessageCase(Case):
    """The connection breaks at a message; nothing is stopped."""

    def strike(self):
        way = self.stack.proxies[self.victim.name][self.point.database]
        if self.point.path.first_life is None:
            self.victim.start()
            rule = way.arm(self.point.pattern, self.fault, self.point.hit)
            post = Post(self.victim, self.body, self.key, self.early)
        else:
            post = self.first_life_ends()
            rule = way.arm(self.point.pattern, self.fault, self.point.hit)
            self.victim.start(wait=False)
        if not rule.fired.wait(HIT_SECONDS_MAX):
            raise NotHit(f"the message did not come; the caller was told {post.answer}")
        self.witness.thaw()
        if self.fault == "hole":
            time.sleep(faults.HOLE_SECONDS)
        way.heal()
        return post, time.monotonic()
