"""Judges a run by the databases and by the answers to clients."""

from collections import Counter

from chaos.bank import ACCOUNTS, OPENING_BALANCE, outcome_of
from stack import runs
from stack.stack import PARTICIPANTS

WRONG_BALANCES = f"""
SELECT a.id, a.balance, {OPENING_BALANCE} + coalesce(sum(l.amount), 0)
FROM accounts AS a LEFT JOIN ledger AS l ON l.account = a.id
GROUP BY a.id, a.balance HAVING a.balance <> {OPENING_BALANCE} + coalesce(sum(l.amount), 0)
"""
# A repeated request has the recorded answer at once; so many are repeated at most.
REPEATED_MAX = 2000


def check(stack, transfers):
    """Returns every violation, as a sentence."""
    faults = []
    legs, total = Counter(), 0
    for name in PARTICIPANTS:
        with stack.participants[name].session() as session:
            faults += [f"{name}: account {account} holds {balance} instead of {right}"
                       for account, balance, right in session.query(WRONG_BALANCES)]
            total += int(session.value("SELECT sum(balance) FROM accounts"))
            for transfer, leg in session.query("SELECT transfer, leg FROM ledger"):
                legs[transfer, name, int(leg)] += 1
    if total != ACCOUNTS * OPENING_BALANCE * len(PARTICIPANTS):
        faults.append(f"the total is {total}")
    faults += check_legs(transfers, legs)
    faults += check_rows(stack, transfers)
    return faults


def check_legs(transfers, legs):
    """All legs or none, never twice, and in agreement with the answers."""
    faults = []
    known = set()
    for transfer in transfers:
        expected = [(transfer.name, leg[0], number) for number, leg in enumerate(transfer.legs)]
        known.update(expected)
        counts = [legs[leg] for leg in expected]
        transfer.happened = counts[0] > 0
        if counts not in ([0] * len(expected), [1] * len(expected)):
            faults.append(f"{transfer.name}: its legs exist {counts} times")
        said = set(transfer.answers)
        if "committed" in said and not any(counts):
            faults.append(f"{transfer.name}: answered {transfer.answers}, but it is not committed")
        # A refusal concerns its own attempt only, an abort the key as well.
        refused = said == {"refused"} or "aborted" in said
        if refused and any(counts):
            faults.append(f"{transfer.name}: answered {transfer.answers}, but it is committed")
        faults += [f"{transfer.name}: {word}" for word in said if word.startswith("odd")]
    faults += [f"{leg}: no client sent it" for leg in legs if leg not in known]
    return faults


def check_rows(stack, transfers):
    """The state database agrees with the participants."""
    with stack.state.session() as session:
        rows = runs.read(session, "transfer")
    faults, committed = runs.faults(rows), Counter()
    for row in rows:
        if row.state not in ("committed", "aborted") or not row.is_finished:
            faults.append(f"{row.label}: its row is {row.state}, finished: {row.is_finished}")
        committed[row.label] += row.decision == "commit"
    for transfer in transfers:
        if committed[transfer.name] != transfer.happened:
            faults.append(f"{transfer.name}: {committed[transfer.name]} rows say commit, but it is "
                          f"{'committed' if transfer.happened else 'not committed'}")
    return faults


def repeat_requests(stack, transfers):
    """Sends requests again, with their keys: each has the outcome of its last run, and no other."""
    with stack.state.session() as session:
        rows = runs.read(session, "transfer")
    final = {row.label: row for row in runs.last(rows) if row.has_key}
    # Those that ran several times first.
    keyed = sorted((transfer for transfer in transfers if transfer.key in final),
                   key=lambda transfer: -final[transfer.key].attempt)
    replicas = list(stack.replicas.values())
    faults = []
    for number, transfer in enumerate(keyed[:REPEATED_MAX]):
        row = final[transfer.key]
        answer = replicas[number % len(replicas)].post(transfer.body, transfer.key)
        expected = "committed" if row.decision == "commit" else "aborted"
        named = answer.body.get("id") or answer.body.get("transaction")
        if outcome_of(answer) != expected or named != row.id:
            faults.append(f"{transfer.name}: repeated later, it is {answer} of {named}, and its last "
                          f"run is {row.id}, {expected}")
    return faults
