"""The workload: transfers of two or three legs, each leg in another participant."""

import itertools
import random
import threading
import time
from dataclasses import dataclass, field

from chaos.heard import Word
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
# After so many answers another replica is asked at once.
ASKED_AT_ONCE = 0.3


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

    def __init__(self, name, replicas, heard, stopping, seed):
        super().__init__(daemon=True)
        self._dice = random.Random(f"{seed} {name}")
        self._name, self._replicas, self._stopping = name, replicas, stopping
        self._heard = heard
        self.history = []

    def run(self):
        for transfer in transfers(self._name, self._dice):
            if self._stopping.is_set():
                return
            self.history.append(transfer)
            self._send(transfer)

    def _send(self, transfer):
        while True:
            replica, before = self._dice.choice(self._replicas), self._heard.so_far(transfer.ids)
            answer = replica.post(
                transfer.body, transfer.key, timeout=15, early=transfer.early)
            says = told(answer)
            transfer.answers.append(says)
            self._note(answer, says, transfer, before, replica.name)
            if says in ("committed", "aborted") or says.startswith("odd"):
                return
            if transfer.key is None or self._stopping.is_set():
                # Nobody is hurt by waiting a little before more is asked of what is broken.
                self._stopping.wait(0.05 if says == "refused" else 0)
                return
            self._stopping.wait(0.05)

    def _note(self, answer, says, transfer, before, place):
        """What was told, for the watchers to go on with; sometimes another replica is asked at once."""
        number = answer.body.get("id") or answer.body.get("transaction")
        if not number or says not in ("committed", "aborted", "running"):
            return
        if answer.body.get("id"):
            transfer.ids.add(number)
            self._heard.status(answer.body, before, place)
        elif says == "aborted":
            transfer.ids.add(number)
            self._heard.tell(number, Word("aborting", "abort"), before, place)
        if self._dice.random() < ASKED_AT_ONCE:
            ask(self._dice.choice(self._replicas), number, self._heard)


def ask(replica, number, heard):
    """Asks a replica for the status of a transaction."""
    before = heard.so_far([number])
    answer = replica.get(f"/v1/transactions/{number}", timeout=5)
    if answer.status == 200:
        heard.status(answer.body, before, replica.name)


class Watcher(threading.Thread):
    """Reads the status of recent transactions at one replica after the other."""

    def __init__(self, clients, replicas, heard, stopping, seed):
        super().__init__(daemon=True)
        self._clients, self._replicas, self._stopping = clients, replicas, stopping
        self._heard = heard
        self._dice = random.Random(f"{seed} watcher")

    def run(self):
        while not self._stopping.is_set():
            recent = [transfer for client in self._clients for transfer in client.history[-3:]
                      if transfer.ids]
            if not recent:
                time.sleep(0.05)
                continue
            number = self._dice.choice(sorted(self._dice.choice(recent).ids))
            for _ in range(6):
                ask(self._dice.choice(self._replicas), number, self._heard)
