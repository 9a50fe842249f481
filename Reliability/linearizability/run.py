"""A run: callers and the nemesis; then a pause, the last reads, and the checker."""

import threading
import time
from collections import Counter
from dataclasses import replace

from chaos.chaos import is_quiet
from chaos.nemesis import Nemesis
from linearizability.checker import Stuck, check, is_linearizable
from linearizability.history import History, broken_promises, operations
from linearizability.model import ABORTED, COMMITTED, UNDECIDED
from linearizability.workload import TABLES, Caller, Desk, ask
from stack import processes
from stack.stack import GRACE_SECONDS, PARTICIPANTS, Stack

CALLERS, REPLICAS = 12, 3
HEAL_SECONDS_MAX = 60
# A run with fewer of them a minute is invalid.
KEYS_PER_MINUTE_MIN, FAULTS_PER_MINUTE_MIN = 60, 8
PAUSE_SECONDS = 0.3
STATES = {COMMITTED: "committed", ABORTED: "aborted", UNDECIDED: "preparing"}
OPPOSITE = {COMMITTED: ABORTED, ABORTED: COMMITTED}


def run(minutes, seed, binary=None):
    """Returns the history, the violations, and why the run is invalid."""
    with Stack(binary, TABLES) as stack:
        for number in range(1, REPLICAS + 1):
            replica = stack.add_replica(f"replica-{number}")
            # The journal decides if that participant has the first branch.
            replica.environment = {f"TANDEM_PARTICIPANTS_{PARTICIPANTS[0].upper()}_JOURNAL": "true"}
            replica.start()
        history, desk, nemesis = History(), Desk(seed), Nemesis(stack, None, seed)
        storm(stack, desk, history, nemesis, minutes, seed)
        faults = nemesis.failed + heal(stack) + read_all(stack, desk, history)
        faults += judge(history) + judge_databases(stack, history)
        return history, faults, (shortcomings(history, nemesis, minutes) + unseen_faults(history))


def storm(stack, desk, history, nemesis, minutes, seed):
    """Has the callers and the nemesis do their worst for some minutes."""
    stopping = threading.Event()
    replicas = list(stack.replicas.values())
    callers = [Caller(f"caller-{number}", replicas, desk, history, stopping, seed)
               for number in range(CALLERS)]
    began = time.monotonic()
    for caller in callers:
        caller.start()
    while time.monotonic() - began < minutes * 60:
        nemesis.strike()
        nemesis.revive()
        time.sleep(PAUSE_SECONDS)
    stopping.set()
    nemesis.repair_all()
    for caller in callers:
        caller.join()


def heal(stack):
    """Waits until every transaction has finished; returns what did not."""
    try:
        processes.until(HEAL_SECONDS_MAX, "every transaction finishes", lambda: is_quiet(stack),
                        every=0.1)
    except TimeoutError as error:
        return [str(error)]
    # Orphans without a row may be left.
    time.sleep(2 * GRACE_SECONDS)
    return [] if is_quiet(stack) else ["a transaction reappeared after all had finished"]


def read_all(stack, desk, history):
    """Reads every key at every replica, as the last operations of the history."""
    faults = []
    for subject in desk.subjects:
        for replica in stack.replicas.values():
            answer = ask(replica, "find", subject, history, client="reader", rng=None)
            if answer.status != 200:
                faults.append(f"{subject.key} at {replica.name} after all had healed: {answer}")
    return faults


def judge(history):
    """What is wrong with the answers, by key."""
    faults = []
    for key, exchanges in history.by_key().items():
        faults += [f"{key}: {fault}" for fault in broken_promises(exchanges)]
        try:
            check(operations(exchanges))
        except Stuck as stuck:
            faults.append(f"{key} is not linearizable: {stuck}")
    return faults


def judge_databases(stack, history):
    """What disagrees with the last answer about each key: every branch once, or none."""
    counts = Counter()
    for name in PARTICIPANTS:
        with stack.participants[name].session() as session:
            for key, count in session.query("SELECT key, count(*) FROM executions GROUP BY key"):
                counts[key] += int(count)
    with stack.state.session() as session:
        branches = dict(session.query(
            "SELECT label_values[array_position(label_names, 'key')], cardinality(participants) "
            "FROM tandem.transactions WHERE decision = 'commit'"))
    faults = []
    for key, exchanges in history.by_key().items():
        is_committed = exchanges[-1].observed == COMMITTED
        right = int(branches.get(key, 0)) if is_committed else 0
        if counts[key] != right or is_committed != (key in branches):
            faults.append(f"{key}: {counts[key]} rows, expected {right}: {exchanges[-1].origin}")
    return faults


def planted(exchanges):
    """Histories of one key that no variable has, made of one that it has."""
    last = exchanges[-1]
    if last.observed not in OPPOSITE:
        return {}
    later = {"call": last.returned + 1, "returned": last.returned + 2}
    return {
        "a decision that changes": [*exchanges, replace(
            last, **later, state=STATES[OPPOSITE[last.observed]])],
        "a decision that is undone": [*exchanges, replace(
            last, **later, request="get", state="preparing")],
        "a transaction that disappears": [*exchanges, replace(
            last, **later, request="find", state=None, transaction=None)],
        "a first answer that is too early": [replace(
            last, call=exchanges[0].call - 2, returned=exchanges[0].call - 1), *exchanges],
    }


def unseen_faults(history):
    """The planted contradictions that the checker misses, with the history that it misses them in."""
    unseen = []
    for key, exchanges in history.by_key().items():
        if is_linearizable(operations(exchanges)):
            unseen += [f"the checker misses {name} in {key}"
                       for name, wrong in planted(exchanges).items()
                       if is_linearizable(operations(wrong))]
    return unseen


def shortcomings(history, nemesis, minutes):
    """The reasons why the run is invalid; empty if it is valid. Prints what was done."""
    keys, exchanges = history.by_key(), history.exchanges
    last = Counter(mine[-1].observed for mine in keys.values())
    undecided = sum(exchange.observed == UNDECIDED for exchange in exchanges)
    unknown = sum(exchange.is_unknown for exchange in exchanges)
    rolled_back = sum(any(exchange.problem == "rolled-back-by-request" for exchange in mine)
                      for mine in keys.values())
    print(f"{len(exchanges)} requests about {len(keys)} keys: {last[COMMITTED]} committed, "
          f"{last[ABORTED]} aborted ({rolled_back} by a rollback), {last[None]} never accepted; "
          f"{undecided} answers found one undecided, {unknown} outcomes unknown to their callers")
    print(f"{len(nemesis.done)} faults: "
          + ", ".join(f"{count} {kind}" for kind, count in Counter(nemesis.done).most_common()))
    enough = {
        f"{KEYS_PER_MINUTE_MIN} keys a minute": len(keys) >= KEYS_PER_MINUTE_MIN * minutes,
        f"{FAULTS_PER_MINUTE_MIN} faults a minute":
            len(nemesis.done) >= FAULTS_PER_MINUTE_MIN * minutes,
        "a commit": last[COMMITTED], "a transaction that a rollback aborted": rolled_back,
        "an answer that found one undecided": undecided, "an unknown outcome": unknown}
    return [f"expected at least {what}" for what, is_so in enough.items() if not is_so]
