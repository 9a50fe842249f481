"""Two figures: the recovery time, and the delay that a dead participant causes to others."""

import concurrent.futures
import statistics
import time

from stack import processes
from stack.stack import PARTICIPANTS, Stack

TABLES = ("CREATE TABLE legs (marker text NOT NULL)",)
TOGETHER = 16


def body(marker, participants=PARTICIPANTS):
    return {"branches": [
        {"participant": name, "statements": [
            {"sql": "INSERT INTO legs VALUES ($1)", "parameters": [marker]}]}
        for name in participants]}


def recovery(binary=None, rounds=20):
    """Seconds from kill -9 among many transactions until each has finished, in every round.

    All have keys: then no gid is without a row, and no grace period is in the figure.
    """
    seconds = []
    with Stack(binary, TABLES) as stack:
        replica = stack.add_replica("killed")
        for number in range(rounds):
            if replica.is_running:
                replica.kill()
            replica.start(f"decideCommit.after=kill*{TOGETHER // 2}")
            with concurrent.futures.ThreadPoolExecutor(TOGETHER) as pool:
                for caller in range(TOGETHER):
                    marker = f"{number}-{caller}"
                    pool.submit(replica.post, body(marker), marker)
                processes.until(30, "it dies", lambda: not replica.is_running, every=0.002)
            killed = time.monotonic()
            replica.start(wait=False)
            processes.until(60, "every transaction finishes", stack.is_quiet, every=0.01)
            seconds.append(time.monotonic() - killed)
    return seconds


def neighbour(binary=None, rounds=5, seconds=5):
    """Latencies of transactions between two participants: (while the third lives, while it is dead
    and has branches in doubt), taking turns."""
    living, dead = [], []
    with Stack(binary, TABLES) as stack:
        replica = stack.add_replica("measured")
        replica.start()
        third = stack.participants[PARTICIPANTS[2]]
        load(replica, "warm", 2)
        for number in range(rounds):
            living += load(replica, f"living-{number}", seconds)
            proxy = stack.proxies["measured"][third.name]
            # Decided, and not finished there: a branch in doubt that is retried all the time.
            rule = proxy.arm("^COMMIT PREPARED", "cut")
            with concurrent.futures.ThreadPoolExecutor(1) as caller:
                doubtful = caller.submit(replica.post, body(f"doubt-{number}"))
                rule.fired.wait(10)
                third.kill()
                dead += load(replica, f"dead-{number}", seconds)
                third.start()
                doubtful.result()
            processes.until(60, "every transaction finishes", stack.is_quiet)
    return living, dead


def load(replica, name, seconds, callers=4):
    """Returns the latencies of several callers during the time."""
    end = time.monotonic() + seconds

    def call(caller):
        latencies = []
        while time.monotonic() < end:
            began = time.monotonic()
            answer = replica.post(body(f"{name}-{caller}", PARTICIPANTS[:2]))
            if answer.status != 201:
                raise RuntimeError(f"expected 201 for a healthy transaction, got {answer} {answer.body}")
            latencies.append(time.monotonic() - began)
        return latencies

    with concurrent.futures.ThreadPoolExecutor(callers) as pool:
        return [value for values in pool.map(call, range(callers)) for value in values]


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def report_recovery(seconds):
    print(f"kill -9 until every branch is finished, {len(seconds)} times among {TOGETHER} "
          f"transactions: {statistics.median(seconds):.2f} s (median), "
          f"{max(seconds):.2f} s (maximum)")
    return max(seconds)


def report_neighbour(living, dead):
    ratio = percentile(dead, 0.99) / percentile(living, 0.99)
    for name, values in (("all participants alive", living), ("one dead and in doubt", dead)):
        print(f"{name}: {len(values)} transactions of the others, median "
              f"{percentile(values, 0.5) * 1000:.1f} ms, p99 {percentile(values, 0.99) * 1000:.1f} ms")
    print(f"ratio of p99: {ratio:.2f}")
    return ratio
