"""Records requests and their answers, and translates them into operations of the model."""

import json
import threading
from dataclasses import asdict, dataclass

from linearizability.model import ABORTED, COMMITTED, OPEN, UNDECIDED, Operation

STATES = {"active": UNDECIDED, "preparing": UNDECIDED, "committing": COMMITTED,
          "committed": COMMITTED, "aborting": ABORTED, "aborted": ABORTED}
DECIDE = {COMMITTED: "commit", ABORTED: "abort"}


@dataclass(frozen=True)
class Exchange:
    """A request about a key, and its answer; the times are nanoseconds."""

    key: str
    # post, rollback, get or find.
    request: str
    client: str
    replica: str
    call: int
    returned: int
    status: int | None
    # The last part of a problem's type.
    problem: str
    # What a problem says became of the transaction.
    outcome: str | None
    # The transaction that the answer, or else the path, names.
    transaction: str | None
    # What the answer reports of it.
    state: str | None

    @property
    def observed(self):
        """The state of the model that the answer reports; None if it reports none."""
        if self.is_unrecorded:
            return None
        if self.outcome == "aborted":
            return ABORTED
        if self.request == "rollback" and self.problem == "conflict":
            return COMMITTED
        return STATES.get(self.state) if self.status in (200, 201, 202) else None

    @property
    def is_unrecorded(self):
        """Whether its transaction never commits, but its key may be unused."""
        return self.status == 503 and self.outcome == "aborted"

    @property
    def is_unknown(self):
        """Whether it may have had an effect that its answer does not tell."""
        return self.status is None or self.outcome == "unknown"

    @property
    def origin(self):
        answer = "no answer" if self.status is None else f"{self.status} {self.problem}".strip()
        return (f"{self.client} {self.request} at {self.replica}: {answer}"
                f"{' ' + self.state if self.state else ''}, {self.transaction}")


class History:
    """All exchanges of a run; any thread adds to it."""

    def __init__(self):
        self._lock = threading.Lock()
        self.exchanges = []

    def add(self, exchange):
        with self._lock:
            self.exchanges.append(exchange)

    def by_key(self):
        """The exchanges of each key, in the order of their calls."""
        found = {}
        for exchange in sorted(self.exchanges, key=lambda exchange: exchange.call):
            found.setdefault(exchange.key, []).append(exchange)
        return found

    def write(self, file):
        """Writes one exchange a line."""
        file.parent.mkdir(parents=True, exist_ok=True)
        lines = (json.dumps(asdict(exchange)) for exchange in self.exchanges)
        file.write_text("".join(f"{line}\n" for line in lines))

    @classmethod
    def read(cls, file):
        history = cls()
        history.exchanges = [Exchange(**json.loads(line)) for line in file.read_text().splitlines()]
        return history


def transactions(exchanges):
    """The transactions that answers report of a key; there must be one at most."""
    return {exchange.transaction for exchange in exchanges if exchange.observed}


def operations(exchanges):
    """What the exchanges of one key did, as operations of the model."""
    known = transactions(exchanges)
    return [operation for exchange in exchanges for operation in effects(exchange, known)]


def broken_promises(exchanges):
    """What the answers about one key say of two transactions, as sentences; None is right."""
    known = transactions(exchanges)
    faults = [f"one key, {len(known)} transactions: {sorted(known)}"] if len(known) > 1 else []
    never = {exchange.transaction for exchange in exchanges if exchange.is_unrecorded}
    return faults + [f"answered that it never commits: {exchange.origin}" for exchange in exchanges
                     if exchange.observed == COMMITTED and exchange.transaction in never]


def effects(exchange, known):
    """The operations of one exchange; none if it did and says nothing."""
    if exchange.request == "post":
        return posted(exchange)
    if exchange.request == "rollback" and exchange.observed == ABORTED:
        return [returning("abort", exchange)]
    if exchange.request == "rollback" and exchange.is_unknown:
        return [never_returning("may abort", exchange)]
    if exchange.request == "find" and exchange.observed == UNDECIDED:
        # A list shows without a decision what a commit point that did not answer may have decided.
        return [returning("reads present", exchange)]
    if exchange.observed:
        return [returning(f"reads {exchange.observed}", exchange)]
    is_absent = (exchange.status == 404 and exchange.transaction in known
                 or exchange.request == "find" and exchange.status == 200)
    return [returning("reads absent", exchange)] if is_absent else []


def posted(exchange):
    """The operations of a POST, which accepts and decides."""
    if exchange.observed == UNDECIDED:
        # The work goes on, and ends somehow.
        return [returning("accept", exchange),
                *(never_returning(kind, exchange) for kind in ("may commit", "may abort"))]
    if exchange.observed:
        return [returning("accept", exchange), returning(DECIDE[exchange.observed], exchange)]
    if exchange.is_unrecorded:
        return [never_returning(kind, exchange) for kind in ("may accept", "may abort")]
    if exchange.is_unknown:
        return [never_returning(kind, exchange) for kind in OPEN]
    # It names the transaction that has the key once that is recorded; else it says nothing.
    names_owner = exchange.problem == "idempotency-key-in-progress" and exchange.transaction
    return [returning("reads present", exchange)] if names_owner else []


def returning(kind, exchange):
    return Operation(kind, exchange.call, exchange.returned, exchange.origin)


def never_returning(kind, exchange):
    return Operation(kind, exchange.call, None, exchange.origin)
