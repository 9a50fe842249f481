"""One case: run a transaction to a crash point, apply a fault, repair it, and judge the result."""

import random
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
TABLES = (
    "CREATE TABLE legs (marker text NOT NULL, branch int NOT NULL)",
    # Fails as a transaction does that PostgreSQL ends so that another can go on.
    "CREATE FUNCTION lose() RETURNS void LANGUAGE plpgsql AS $$ BEGIN "
    "RAISE EXCEPTION 'lost' USING ERRCODE = 'serialization_failure'; END $$")


class NotHit(Exception):
    """The crash point was not reached, so the case is invalid."""


@dataclass
class Result:
    """The result of a case."""

    point: object
    fault: str
    outcome: str = ""
    answer: str = ""
    seconds: float = 0.0
    violations: list = field(default_factory=list)


class Post(threading.Thread):
    """A request on a thread of its own."""

    def __init__(self, replica, body, key, early):
        super().__init__(daemon=True)
        self._replica, self._body, self._key, self._early = replica, body, key, early
        self.answer = LOST
        self.start()

    def run(self):
        self.answer = self._replica.post_when_connected(self._body, self._key, self._early)


def transaction(marker, kind):
    """Three branches that each write one row; in a one-phase transaction only the first writes.

    A transaction to abort fails after all branches have worked; one to retry loses instead.
    """
    branches = []
    for branch, participant in enumerate(PARTICIPANTS):
        statement = {"sql": "INSERT INTO legs VALUES ($1, $2::int)",
                     "parameters": [marker, str(branch)], "expectRows": 1}
        reads = kind.startswith("one-phase") and branch > 0
        if reads:
            statement = {"sql": "SELECT 1", "expectRows": 1}
        if kind.endswith("abort") and branch == 2:
            statement["expectRows"] = 2
        if kind.startswith("retry") and branch == 2:
            statement = {"sql": "SELECT lose()"}
        branches.append({"participant": participant, "readOnly": reads, "statements": [statement]})
    return {"branches": branches, "onePhase": kind.startswith("one-phase"),
            "labels": {"marker": marker}}


def written(body):
    """The number of rows that each participant holds after a commit."""
    return [0 if branch["readOnly"] else 1 for branch in body["branches"]]


def ask(replica, body, key):
    """Sends a request to a replica, which may have to be started again."""
    if not replica.is_running:
        replica.start()
    answer = replica.post_when_connected(body, key)
    if answer is LOST:
        faults.restart_if_superseded(replica)
        replica.becomes_ready()
        answer = replica.post_when_connected(body, key)
    return answer


class Case:
    """A point and a fault; `number` marks its rows."""

    def __init__(self, stack, victim, other, point, fault, number):
        self.stack, self.victim, self.other = stack, victim, other
        self.point, self.fault = point, fault
        self.marker = f"case-{number}"
        # With a key, work starts after the acceptance; without one, they overlap.
        chance = random.Random(f"{point} {fault}")
        has_key = point.path.first_incarnation != "rowless" and chance.random() < 0.5
        self.key = self.marker if has_key else None
        # One in three gets its reply at the decision.
        self.early = chance.random() < 1 / 3
        self.body = transaction(self.marker, point.path.transaction)
        self.whole = written(self.body)
        # Only the replica that runs the transaction needs the setting.
        self.environment = ({"TANDEM_PARTICIPANTS_USERS_JOURNAL": "true"}
                            if point.path.transaction.startswith("journal") else {})

    def run(self):
        result = Result(self.point, self.fault)
        if self.victim.is_running:
            self.victim.kill()
        if not self.other.is_running:
            self.other.start()
        post, began = self.strike()
        post.join()
        result.answer = str(post.answer)
        try:
            processes.until(HEAL_SECONDS_MAX, "every transaction finishes", self._is_healed)
        except TimeoutError as error:
            result.violations.append(str(error))
        result.seconds = time.monotonic() - began
        judge(self, post.answer, result)
        return result

    def strike(self):
        """Runs the transaction to the point, applies the fault and repairs it.

        Returns the request and the time of the repair.
        """
        raise NotImplementedError

    def end_first_incarnation(self):
        """A process that is killed on the proxy; answers the caller that it had.

        The other would take its work over as fast as its next life does, so it stands still
        until the point is reached.
        """
        self.other.freeze()
        self.victim.start(f"{self.point.path.first_incarnation}=kill", more=self.environment)
        post = Post(self.victim, self.body, self.key, self.early)
        processes.until(HIT_SECONDS_MAX, "the first incarnation ends",
                        lambda: not self.victim.is_running)
        return post

    def ask_elsewhere(self):
        """Sends the same request with the same key to the other replica.

        On a busy machine that replica may have been frozen beyond its lease, and have ended.
        """
        return ask(self.other, self.body, self.key)

    def _is_healed(self):
        # On a busy machine a fault may outlast the lease; only the victim scans for orphans.
        if self.victim.exit_status == SUPERSEDED:
            self.victim.start(wait=False)
        try:
            return self.stack.is_quiet()
        except OSError:
            return False


class FailpointCase(Case):
    """The replica is stopped at a failpoint while the fault is applied."""

    def strike(self):
        post = self._reach_the_point()
        if not self.victim.stops_at(self.point.failpoint, HIT_SECONDS_MAX):
            raise NotHit(f"the point was not hit; the answer was {post.answer}")
        self.other.thaw()
        return post, faults.apply(self.fault, self.point, self.stack, self.victim)

    def _reach_the_point(self):
        armed = f"{self.point.failpoint}=stop"
        first = self.point.path.first_incarnation
        if first is None:
            self.victim.start(armed, more=self.environment)
            return Post(self.victim, self.body, self.key, self.early)
        post = self._leave_orphans() if first == "rowless" else self.end_first_incarnation()
        self.victim.start(armed, wait=False, more=self.environment)
        return post

    def _leave_orphans(self):
        """Delays the accept while the branches prepare, then loses it."""
        self.victim.start()
        proxy = self.stack.proxies[self.victim.name]["state"]
        proxy.arm("INSERT INTO tandem.transactions", "stall")
        post = Post(self.victim, self.body, None, self.early)
        processes.until(HIT_SECONDS_MAX, "every branch is prepared",
                        lambda: all(self.stack.prepared(name) for name in PARTICIPANTS))
        self.victim.kill()
        proxy.reset_all()
        proxy.heal()
        return post


class MessageCase(Case):
    """The connection breaks at a message; no process is stopped."""

    def strike(self):
        proxy = self.stack.proxies[self.victim.name][self.point.database]
        if self.point.path.first_incarnation is None:
            self.victim.start()
            rule = proxy.arm(self.point.pattern, self.fault, self.point.hit)
            post = Post(self.victim, self.body, self.key, self.early)
        else:
            post = self.end_first_incarnation()
            rule = proxy.arm(self.point.pattern, self.fault, self.point.hit)
            self.victim.start(wait=False)
        if not rule.fired.wait(HIT_SECONDS_MAX):
            raise NotHit(f"the message did not come; the answer was {post.answer}")
        self.other.thaw()
        if self.fault == "stall":
            time.sleep(faults.STALL_SECONDS)
        proxy.heal()
        return post, time.monotonic()
