"""The workload: transfers of two or three legs, each in another participant."""

import itertools
import random
import threading
import time
from dataclasses import dataclass, field

from chaos.observed import Status
from stack.stack import PARTICIPANTS

ACCOUNTS, OPENING_BALANCE = 200, 1000
# Some transfers use only these accounts, in any order, so that they deadlock all the time.
HOT_ACCOUNTS, HOT_SHARE = 2, 0.3
# The part of transfers whose branches work in the order of the request. Otherwise tandem orders
# branches whose SQL was in a deadlock, and the transfers do not deadlock again.
IN_ORDER, HOT_IN_ORDER = 0.2, 0.7
TABLES = (
    "CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= 0))",
    f"INSERT INTO accounts SELECT n, {OPENING_BALANCE} FROM generate_series(1, {ACCOUNTS}) AS n",
    # No unique key, so that a leg that is executed twice exists twice.
    "CREATE TABLE ledger (transfer text NOT NULL, leg int NOT NULL, account int NOT NULL, "
    "amount bigint NOT NULL)",
)
TIMEOUT_MILLISECONDS = 3000
# One in so many transfers expects a missing row and must abort.
ABORT_ONE_IN = 20
# The part of transfers that ask for a reply at the decision.
REPLY_AT_DECISION = 0.4
# The part of answers after which another replica is asked at once.
READ_ELSEWHERE_AT_ONCE = 0.3


@dataclass
class Transfer:
    """A transfer, and all answers that its client got."""

    name: str
    key: str | None
    legs: list
    must_abort: bool
    early: bool = False
    in_order: bool = False
    answers: list = field(default_factory=list)
    ids: set = field(default_factory=set)

    @property
    def body(self):
        return {"branches": [self._branch(number, *leg) for number, leg in enumerate(self.legs)],
                "execution": "inOrder" if self.in_order else "parallel",
                "timeoutMilliseconds": TIMEOUT_MILLISECONDS, "labels": {"transfer": self.name}}

    def _branch(self, number, participant, account, amount):
        account = 0 if self.must_abort and number == 0 else account
        return {"participant": participant, "statements": [
            {"sql": "UPDATE accounts SET balance = balance + $2::bigint "
                    "WHERE id = $1::int AND balance + $2::bigint >= 0",
             "parameters": [str(account), str(amount)], "expectRows": 1},
            {"sql": "INSERT INTO ledger VALUES ($1, $2::int, $3::int, $4::bigint)",
             "parameters": [self.name, str(number), str(account), str(amount)],
             "expectRows": 1}]}


def outcome_of(answer):
    """The outcome in an answer: committed, aborted, refused, running or unknown."""
    if answer.status in (200, 201):
        return "committed"
    if answer.status == 202:
        return "committed" if answer.body.get("state") == "committing" else "running"
    if answer.status == 409:
        return "running" if answer.type == "idempotency-key-in-progress" else "aborted"
    if answer.status == 503 and answer.type != "outcome-unknown":
        return "refused"
    return "unknown" if answer.status in (None, 503) else f"odd {answer} {answer.body}"


def transfers(client, rng):
    """An endless series of transfers; most have a key."""
    for number in itertools.count():
        participants = rng.sample(PARTICIPANTS, rng.choice((2, 2, 3)))
        is_hot = rng.random() < HOT_SHARE
        accounts = HOT_ACCOUNTS if is_hot else ACCOUNTS
        amounts = [rng.randint(1, 50) for _ in participants[1:]]
        legs = [(name, rng.randint(1, accounts), amount)
                for name, amount in zip(participants, [-sum(amounts), *amounts])]
        name = f"{client}-{number}"
        key = name if rng.random() < 0.7 else None
        yield Transfer(name, key, legs, must_abort=rng.randrange(ABORT_ONE_IN) == 0,
                       early=rng.random() < REPLY_AT_DECISION,
                       in_order=rng.random() < (HOT_IN_ORDER if is_hot else IN_ORDER))


class Client(threading.Thread):
    """Sends one transfer after the other to any replica, as a careful caller does.

    It repeats a transfer that has a key and no final answer, at any replica.
    """

    def __init__(self, name, replicas, observed, stopping, seed):
        super().__init__(daemon=True)
        self._random = random.Random(f"{seed} {name}")
        self._name, self._replicas, self._stopping = name, replicas, stopping
        self._observed = observed
        self.history = []

    def run(self):
        for transfer in transfers(self._name, self._random):
            if self._stopping.is_set():
                return
            self.history.append(transfer)
            self._send(transfer)

    def _send(self, transfer):
        while True:
            replica = self._random.choice(self._replicas)
            before = self._observed.so_far(transfer.ids)
            answer = replica.post(
                transfer.body, transfer.key, timeout=15, early=transfer.early)
            outcome = outcome_of(answer)
            transfer.answers.append(outcome)
            self._note(answer, outcome, transfer, before, replica.name)
            if outcome in ("committed", "aborted") or outcome.startswith("odd"):
                return
            if transfer.key is None or self._stopping.is_set():
                # Wait a little after a refusal.
                self._stopping.wait(0.05 if outcome == "refused" else 0)
                return
            self._stopping.wait(0.05)

    def _note(self, answer, outcome, transfer, before, place):
        """Records an answer; sometimes asks another replica at once."""
        number = answer.body.get("id") or answer.body.get("transaction")
        if not number or outcome not in ("committed", "aborted", "running"):
            return
        if answer.body.get("id"):
            transfer.ids.add(number)
            self._observed.status(answer.body, before, place)
        elif outcome == "aborted":
            transfer.ids.add(number)
            # The caller is answered for the last run.
            self._observed.record(number, Status("aborting", "abort", True), before, place)
        if self._random.random() < READ_ELSEWHERE_AT_ONCE:
            ask(self._random.choice(self._replicas), number, self._observed)


def ask(replica, number, observed):
    """Reads the status of a transaction at a replica."""
    before = observed.so_far([number])
    answer = replica.get(f"/v1/transactions/{number}", timeout=5)
    if answer.status == 200:
        observed.status(answer.body, before, replica.name)


class Watcher(threading.Thread):
    """Reads the status of recent transactions at one replica after the other."""

    def __init__(self, clients, replicas, observed, stopping, seed):
        super().__init__(daemon=True)
        self._clients, self._replicas, self._stopping = clients, replicas, stopping
        self._observed = observed
        self._random = random.Random(f"{seed} watcher")

    def run(self):
        while not self._stopping.is_set():
            recent = [transfer for client in self._clients for transfer in client.history[-3:]
                      if transfer.ids]
            if not recent:
                time.sleep(0.05)
                continue
            number = self._random.choice(sorted(self._random.choice(recent).ids))
            for _ in range(6):
                ask(self._random.choice(self._replicas), number, self._observed)
