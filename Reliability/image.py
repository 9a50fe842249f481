"""The main job with a program of its own world, such as one in an image: two replicas, one killed."""

import os
import subprocess

from stack import processes
from stack.stack import PARTICIPANTS, Stack

TABLES = ("CREATE TABLE executions (key text NOT NULL)",)
KEYS = 20


def body(key):
    return {"branches": [
        {"participant": name,
         "statements": [{"sql": "INSERT INTO executions VALUES ($1)", "parameters": [key]}]}
        for name in PARTICIPANTS[:2]]}


def health(stack, replica):
    """The exit status of the image's health check: 0 is good."""
    return subprocess.run(
        [stack.binary, "health", "--url", f"http://127.0.0.1:{replica.port}"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode


def commit(replica, keys):
    answers = {key: replica.post_when_connected(body(key), key) for key in keys}
    return [f"{key}: {answer} {answer.body}" for key, answer in answers.items()
            if answer.status not in (200, 201)]


def run(binary):
    """Returns the faults."""
    with Stack(binary, TABLES) as stack:
        one, two = (stack.add_replica(name) for name in ("one", "two"))
        for replica in (one, two):
            replica.start()
        faults = commit(one, [f"one-{number}" for number in range(KEYS)])
        # The kernel gives the files of a process that must not be dumped to root.
        if os.stat(f"/proc/{one.pid}/environ").st_uid != 0:
            faults.append("the replica's memory could be dumped or read by its own user")
        if health(stack, one) != 0:
            faults.append("the health check fails at a replica that serves")
        one.kill()
        if health(stack, one) == 0:
            faults.append("the health check passes at a replica that is dead")
        faults += commit(two, [f"two-{number}" for number in range(KEYS)])
        processes.until(60, "everything is finished", stack.is_quiet)
        for name in PARTICIPANTS[:2]:
            with stack.participants[name].session() as session:
                count = int(session.value("SELECT count(*) FROM executions"))
            if count != 2 * KEYS:
                faults.append(f"{name}: expected {2 * KEYS} rows, got {count}")
    return faults
