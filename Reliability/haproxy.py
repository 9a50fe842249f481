"""Two replicas behind HAProxy, as deploy/haproxy/haproxy.cfg has it, one of which is killed and comes back."""

import collections
import concurrent.futures
import itertools
import os
import shutil
import subprocess
import threading

from stack import processes
from stack.replica import request
from stack.stack import PARTICIPANTS, ROOT, Stack

CONFIGURATION = ROOT / "deploy/haproxy/haproxy.cfg"
TABLES = ("CREATE TABLE executions (key text NOT NULL)",)
# Answers that say nothing yet about the outcome, or that nothing was done.
REPEATED = (None, 502, 503, 504)
REQUESTS_AFTER = 40


class HAProxy:
    """A context in which HAProxy runs in front of the replicas."""

    def __init__(self, replicas):
        self.port = processes.free_port()
        self._environment = os.environ | {
            "TANDEM_LISTEN": f"127.0.0.1:{self.port}",
            "TANDEM_ONE": f"127.0.0.1:{replicas[0].port}",
            "TANDEM_TWO": f"127.0.0.1:{replicas[1].port}"}

    def __enter__(self):
        program = shutil.which("haproxy", path=os.environ["PATH"] + ":/usr/sbin")
        if not program:
            raise FileNotFoundError("there is no haproxy: install Debian's package haproxy")
        self._process = subprocess.Popen(
            [*processes.DYING, program, "-db", "-f", str(CONFIGURATION)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env=self._environment, start_new_session=True)
        self._lines = collections.deque(maxlen=20)
        threading.Thread(target=lambda: self._lines.extend(self._process.stderr), daemon=True).start()
        processes.until(30, "HAProxy answers", self.is_ready)
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()

    def is_ready(self):
        if self._process.poll() is not None:
            raise RuntimeError(f"HAProxy ended: {b''.join(self._lines).decode()}")
        return request(self.port, "GET", "/v1/overview", timeout=2).status == 200


class Callers:
    """Callers that send transactions through HAProxy until they are stopped, each with its key."""

    def __init__(self, port, count):
        self._port = port
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._over = threading.Event()
        # The answers to each key, in order; the last one is final.
        self.answers = {}
        self._news = threading.Condition()
        self._pool = concurrent.futures.ThreadPoolExecutor(count)
        self._callers = [self._pool.submit(self._call) for _ in range(count)]

    def _call(self):
        while not self._over.is_set():
            with self._lock:
                key = f"key-{next(self._numbers)}"
            answers = self._ask_until_final(key)
            with self._news:
                self.answers[key] = answers
                self._news.notify_all()

    def _ask_until_final(self, key):
        answers = []
        while not answers or answers[-1].status in REPEATED or "progress" in answers[-1].type:
            answers.append(request(self._port, "POST", "/v1/transactions", body(key),
                                   {"Idempotency-Key": f'"{key}"'}))
        return answers

    def await_more(self, count, seconds=120):
        """Waits until so many more keys have a final answer; whether they do."""
        with self._news:
            enough = len(self.answers) + count
            return self._news.wait_for(
                lambda: len(self.answers) >= enough or self._failed(), seconds) \
                and not self._failed()

    def _failed(self):
        return any(caller.done() for caller in self._callers)

    def stop(self):
        self._over.set()
        for caller in self._callers:
            caller.result()
        self._pool.shutdown()


def body(key):
    """One row in each of two participants; no unique key would hide a second execution."""
    return {"branches": [
        {"participant": name,
         "statements": [{"sql": "INSERT INTO executions VALUES ($1)", "parameters": [key]}]}
        for name in PARTICIPANTS[:2]]}


def run(binary=None, rounds=4, callers=8):
    """Returns the faults, what the run lacked, and the number of keys."""
    faults, lacks = [], []
    with Stack(binary, TABLES) as stack:
        replicas = [stack.add_replica(name) for name in ("one", "two")]
        for replica in replicas:
            replica.start()
        with HAProxy(replicas) as proxy:
            load = Callers(proxy.port, callers)
            try:
                for index in range(rounds):
                    faults += kill_under_load(replicas[index % 2], load)
            finally:
                load.stop()
        processes.until(60, "everything is finished", stack.is_quiet)
        faults += judge(stack, load.answers)
    unanswered = sum(1 for answers in load.answers.values() if len(answers) > 1)
    if not unanswered:
        lacks.append("no request was interrupted by a kill")
    print(f"{unanswered} of {len(load.answers)} keys were sent more than once by their callers")
    return faults, lacks, len(load.answers)


def kill_under_load(replica, load):
    """Kills a replica among requests; work goes on without it, and with it when it is back."""
    faults = []
    if not load.await_more(REQUESTS_AFTER):
        return [f"no service before {replica.name} was killed"]
    replica.kill()
    if not load.await_more(REQUESTS_AFTER):
        faults.append(f"no service without {replica.name}")
    replica.start()
    if not load.await_more(REQUESTS_AFTER):
        faults.append(f"no service when {replica.name} was back")
    return faults


def judge(stack, answers):
    """Compares what the callers were answered with what the participants have."""
    faults = []
    rows = {}
    for name in PARTICIPANTS[:2]:
        with stack.participants[name].session() as session:
            rows[name] = {key: int(count) for key, count in session.query(
                "SELECT key, count(*) FROM executions GROUP BY key")}
    for key, received in answers.items():
        final = received[-1]
        counts = [rows[name].pop(key, 0) for name in PARTICIPANTS[:2]]
        # 409: the abort of its one execution is recorded under the key.
        right = [1, 1] if final.status in (200, 201, 202) else [0, 0]
        if final.status not in (200, 201, 202, 409) or counts != right:
            faults.append(f"{key}: {counts} executions, after {', '.join(map(str, received))}")
    for name, more in rows.items():
        faults += [f"{name}: {key} has rows and no caller" for key in more]
    return faults
