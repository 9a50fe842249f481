"""The workload: transfers of two or three legs, each leg in another participant."""

import itertools
import random
import threading
import time
from dataclasses import dataclass, field

from stack.stack import PARTICIPANTS

ACCOUNTS, OPENING_BALANCE = 200, 1000
TABLES = (
    "CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL CHECK (balance >= 0))",
    f"INSERT INTO accounts SELECT n, {OPENING_BALANCE} FROM generate_series(1, {ACCOUNTS}) AS n",
    # No unique key: a leg that is executed twice is there twice.
    "CREATE TABLE ledger (transfer text NOT NULL, leg int NOT NULL, account int NOT NULL, "
    "amount bigint NOT NULL)",
)
TIMEOUT_MILLISECONDS = 3000
# One in so many transfers expects a row that is not there, and has to abort.
HOPELESS = 20
# This part of them asks to be answered at the decision.
EARLY = 0.4


@dataclass
class Transfer:
    """What was asked for, and all that its caller was ever told."""

    name: str
    key: str | None
    legs: list
    hopeless: bool
    early: bool = False
    answers: list = field(default_factory=list)
    ids: set = field(default_factory=set)

    @property
    def body(self):
        return {"branches": [self._branch(number, *leg) for number, leg in enumerate(self.legs)],
                "timeoutMilliseconds": TIMEOUT_MILLISECONDS, "labels": {"transfer": self.name}}

    def _branch(self, number, participant, account, amount):
        account = 0 if self.hopeless and number == 0 else account
        return {"participant": participant, "statements": [
            {"sql": "UPDATE accounts SET balance = balance + $2::bigint "
                    "WHERE id = $1::int AND balance + $2::bigint >= 0",
             "parameters": [str(account), str(amount)], "expectRows": 1},
            {"sql": "INSERT INTO ledger VALUES ($1, $2::int, $3::int, $4::bigint)",
             "parameters": [self.name, str(number), str(account), str(amount)],
             "expectRows": 1}]}


def told(answer):
    """What an answer says: committed, aborted, refused, running or unknown."""
    if answer.status in (200, 201):
        return "committed"
    if answer.status == 202:
        return "committed" if answer.body.get("state") == "committing" else "running"
    if answer.status == 409:
        return "running" if answer.type == "idempotency-key-in-progress" else "aborted"
    if answer.status == 503 and answer.type != "outcome-unknown":
        return "refused"
    return "unknown" if answer.status in (None, 503) else f"odd {answer} {answer.body}"


def transfers(client, dice):
    """Transfers without end; most have a key."""
    for number in itertools.count():
        participants = dice.sample(PARTICIPANTS, dice.choice((2, 2, 3)))
        amounts = [dice.randint(1, 50) for _ in participants[1:]]
        legs = [(name, dice.randint(1, ACCOUNTS), amount)
                for name, amount in zip(participants, [-sum(amounts), *amounts])]
        name = f"{client}-{number}"
        key = name if dice.random() < 0.7 else None
        yield Transfer(name, key, legs, dice.randrange(HOPELESS) == 0, dice.random() < EARLY)


class Client(threading.Thread):
    """Sends one transfer after the other to any replica, as a careful caller would: what has a key
    and no final answer is sent again, elsewhere."""

    def __init__(self, name, replicas, stopping, seed):
        super().__init__(daemon=True)
        self._dice = random.Random(f"{seed} {name}")
        self._name, self._replicas, self._stopping = name, replicas, stopping
        self.history = []

    def run(self):
        for transfer in transfers(self._name, self._dice):
            if self._stopping.is_set():
                return
            self.history.append(transfer)
            self._send(transfer)

    def _send(self, transfer):
        while True:
            answer = self._dice.choice(self._replicas).post(
                transfer.body, transfer.key, timeout=15, early=transfer.early)
            says = told(answer)
            transfer.answers.append(says)
            if answer.body.get("id"):
                transfer.ids.add(answer.body["id"])
            if says in ("committed", "aborted") or says.startswith("odd"):
                return
            if transfer.key is None or self._stopping.is_set():
                # Nobody is hurt by waiting a little before more is asked of what is broken.
                self._stopping.wait(0.05 if says == "refused" else 0)
                return
            self._stopping.wait(0.05)


class Watcher(threading.Thread):
    """Reads the status of recent transactions at one replica after the other."""

    RANK = {"active": 0, "preparing": 0, "committing": 1, "aborting": 1, "committed": 2,
            "aborted": 2}

    def __init__(self, clients, replicas, stopping, seed):
        super().__init__(daemon=True)
        self._clients, self._replicas, self._stopping = clients, replicas, stopping
        self._dice = random.Random(f"{seed} watcher")
        self.faults = []
        self.reads = 0

    def run(self):
        while not self._stopping.is_set():
            recent = [transfer for client in self._clients for transfer in client.history[-3:]
                      if transfer.ids]
            if not recent:
                time.sleep(0.05)
                continue
            self._watch(self._dice.choice(sorted(self._dice.choice(recent).ids)))

    def _watch(self, number):
        """One transaction, read a few times: what is decided stays, and each life of a replica
        goes forward only."""
        decision, seen = None, {}
        for _ in range(6):
            replica = self._dice.choice(self._replicas)
            life = replica.life
            answer = replica.get(f"/v1/transactions/{number}", timeout=5)
            if answer.status != 200:
                continue
            self.reads += 1
            state, now = answer.body.get("state"), answer.body.get("decision")
            rank = self.RANK.get(state)
            if rank is None:
                self.faults.append(f"{number}: {state} at {replica.name}")
            elif rank < seen.get((replica.name, life), 0) and life == replica.life:
                self.faults.append(f"{number}: back to {state} at {replica.name}")
            else:
                seen[replica.name, life] = rank
            if decision and now != decision:
                self.faults.append(f"{number}: {decision}, then {now} at {replica.name}")
            decision = decision or now
