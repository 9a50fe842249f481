"""Duplicate requests: many at once with one key, over two replicas, are executed exactly once."""

import concurrent.futures

from stack.replica import request
from stack.stack import PARTICIPANTS, Stack

TABLES = ("CREATE TABLE executions (key text NOT NULL)",)
PROGRESS = "idempotency-key-in-progress"


def body(key):
    """One row in each of two participants; no unique key would hide a second execution."""
    return {"branches": [
        {"participant": name,
         "statements": [{"sql": "INSERT INTO executions VALUES ($1) RETURNING key",
                         "parameters": [key]}]}
        for name in PARTICIPANTS[:2]]}


def ask(replicas, key, number):
    """Sends the request as a client does, again while the first one is in progress."""
    replica = replicas[number % len(replicas)]
    while True:
        answer = replica.post(body(key), key)
        if answer.type != PROGRESS:
            return answer


def run(binary=None, keys=200, requests=16):
    """Returns the faults."""
    faults = []
    with Stack(binary, TABLES) as stack:
        replicas = [stack.add_replica(name) for name in ("one", "two")]
        for replica in replicas:
            replica.start()
        with concurrent.futures.ThreadPoolExecutor(requests) as pool:
            for index in range(keys):
                key = f"key-{index}"
                answers = list(pool.map(lambda number: ask(replicas, key, number),
                                        range(requests)))
                faults += judge(key, answers)
        for name in PARTICIPANTS[:2]:
            with stack.participants[name].session() as session:
                wrong = session.query("SELECT key, count(*) FROM executions GROUP BY key "
                                      "HAVING count(*) <> 1")
                count = int(session.value("SELECT count(*) FROM executions"))
            faults += [f"{name}: {key} was executed {times} times" for key, times in wrong]
            if count != keys:
                faults.append(f"{name}: {count} rows instead of {keys}")
        faults += judge_again(replicas, keys)
    return faults


def judge(key, answers):
    """Checks that all answers report the same commit."""
    faults = [f"{key}: {answer} {answer.body}" for answer in answers
              if answer.status not in (200, 201, 202)]
    ids = {answer.body.get("id") for answer in answers}
    if len(ids) != 1:
        faults.append(f"{key}: {len(ids)} transactions")
    bodies = {repr(answer.body.get("results")) for answer in answers if answer.status == 201}
    if len(bodies) != 1:
        faults.append(f"{key}: {len(bodies)} different results")
    return faults


def judge_again(replicas, keys):
    """Checks later that each replica finds each transaction by its key, committed."""
    faults = []
    for index in range(0, keys, 20):
        for replica in replicas:
            answer = request(replica.port, "GET",
                             f"/v1/transactions?idempotencyKey=key-{index}")
            found = [item.get("state") for item in answer.body.get("transactions", [])]
            if found != ["committed"]:
                faults.append(f"key-{index} at {replica.name}: {found} {answer}")
    return faults
