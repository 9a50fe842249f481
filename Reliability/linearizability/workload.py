"""Callers that post, read and roll back the same few transactions, each at any replica."""

import random
import threading
import time

from linearizability.history import Exchange
from stack.stack import PARTICIPANTS

TABLES = ("CREATE TABLE executions (key text NOT NULL)",)
# So many keys are in use at a time, each for some seconds.
KEYS_AT_ONCE = 4
LIFE_SECONDS = (0.5, 3)
# How long a transaction works, so that others meet it undecided.
WORK_SECONDS_MAX = 0.3
TIMEOUT_MILLISECONDS = 3000
# One in so many transactions expects a missing row and must abort.
ABORT_ONE_IN = 8
REQUESTS = {"post": 40, "get": 35, "find": 10, "rollback": 15}
# The part of POSTs that ask for an answer at the decision.
REPLY_AT_DECISION = 0.3
ANSWER_SECONDS_MAX = 5


class Subject:
    """A key, its request, and the transactions that answers named for it."""

    def __init__(self, key, rng):
        self.key = key
        self.until = time.monotonic() + rng.uniform(*LIFE_SECONDS)
        self.participants = rng.sample(PARTICIPANTS, rng.choice((2, 2, 3)))
        self.seconds = rng.choice((0, rng.uniform(0, WORK_SECONDS_MAX)))
        self.must_abort = rng.randrange(ABORT_ONE_IN) == 0
        self.named = []

    @property
    def body(self):
        """The same for each repetition of the key; a lost transaction does not run again."""
        return {"branches": [self._branch(number, name)
                             for number, name in enumerate(self.participants)],
                "timeoutMilliseconds": TIMEOUT_MILLISECONDS, "retries": 0,
                "labels": {"key": self.key}}

    def _branch(self, number, name):
        statements = [{"sql": "INSERT INTO executions VALUES ($1)", "parameters": [self.key]}]
        if number == 0 and self.seconds:
            statements.append({"sql": "SELECT pg_sleep($1)", "parameters": [f"{self.seconds:.3f}"]})
        if number == 0 and self.must_abort:
            statements.append({"sql": "DELETE FROM executions WHERE key = 'absent'",
                               "expectRows": 1})
        return {"participant": name, "statements": statements}

    def name(self, transaction):
        if transaction not in self.named:
            self.named.append(transaction)


class Desk:
    """The keys in use; a key whose time is over makes room for a new one."""

    def __init__(self, seed):
        self._random = random.Random(f"{seed} desk")
        self._lock = threading.Lock()
        self._open = []
        self.subjects = []

    def choose(self, rng):
        with self._lock:
            now = time.monotonic()
            self._open = [subject for subject in self._open if subject.until > now]
            while len(self._open) < KEYS_AT_ONCE:
                self.subjects.append(Subject(f"key-{len(self.subjects)}", self._random))
                self._open.append(self.subjects[-1])
            return rng.choice(self._open)


class Caller(threading.Thread):
    """Sends one request after the other about any key, to any replica."""

    def __init__(self, name, replicas, desk, history, stopping, seed):
        super().__init__(daemon=True)
        self._random = random.Random(f"{seed} {name}")
        self._name, self._replicas, self._stopping = name, replicas, stopping
        self._desk, self._history = desk, history

    def run(self):
        while not self._stopping.is_set():
            subject = self._desk.choose(self._random)
            request = self._random.choices(list(REQUESTS), REQUESTS.values())[0]
            if request in ("get", "rollback") and not subject.named:
                request = "post"
            ask(self._random.choice(self._replicas), request, subject, self._history,
                client=self._name, rng=self._random)


def ask(replica, request, subject, history, *, client, rng):
    """Sends a request about a key, and records it with its answer."""
    named = rng.choice(subject.named) if request in ("get", "rollback") else None
    call = time.monotonic_ns()
    if request == "post":
        answer = replica.post(subject.body, subject.key, timeout=ANSWER_SECONDS_MAX,
                              early=rng.random() < REPLY_AT_DECISION)
    elif request == "rollback":
        answer = replica.roll_back(named, timeout=ANSWER_SECONDS_MAX)
    elif request == "get":
        answer = replica.get(f"/v1/transactions/{named}", timeout=ANSWER_SECONDS_MAX)
    else:
        answer = replica.get(f"/v1/transactions?idempotencyKey={subject.key}",
                             timeout=ANSWER_SECONDS_MAX)
    returned = time.monotonic_ns()
    body = (answer.body.get("transactions") or [{}])[0] if request == "find" else answer.body
    transaction = body.get("id") or answer.body.get("transaction") or named
    if transaction:
        subject.name(transaction)
    history.add(Exchange(
        key=subject.key, request=request, client=client, replica=replica.name, call=call,
        returned=returned, status=answer.status, problem=answer.type,
        outcome=answer.body.get("outcome"), transaction=transaction, state=body.get("state")))
    return answer
