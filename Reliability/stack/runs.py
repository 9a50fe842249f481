"""The runs of requests, as the state database records them, and the rules that they must obey."""

from collections import defaultdict
from dataclasses import dataclass, replace

COLUMNS = """
SELECT label_values[array_position(label_names, '{label}')], number, salt, attempt, retry_of,
    retried_as, decision, state, finished_at IS NOT NULL, key_digest IS NOT NULL
FROM tandem.transactions{condition} ORDER BY number
"""


@dataclass(frozen=True)
class Run:
    """A transaction's row: one run of the request that bears the label."""

    label: str | None
    id: str
    attempt: int
    retry_of: str | None
    retried_as: str | None
    decision: str | None
    state: str
    is_finished: bool
    has_key: bool


def read(session, label, value=None):
    """All rows, or those of one value, the oldest first.

    `label` is the name of the label that tells requests apart.
    """
    condition = f" WHERE label_values @> ARRAY['{value}']" if value else ""
    return [
        Run(value, f"{number}-{int(salt) % 2 ** 64:016x}", int(attempt), retry_of, retried_as,
            decision, state, is_finished == "t", has_key == "t")
        for value, number, salt, attempt, retry_of, retried_as, decision, state, is_finished,
        has_key in session.query(COLUMNS.format(label=label, condition=condition))]


def last(runs):
    """The runs that no other follows."""
    return [run for run in runs if run.retried_as is None]


def faults(runs):
    """What breaks a rule: runs form chains that end, and only the last one commits or has the key."""
    found = []
    by_id = {run.id: run for run in runs}
    by_label = defaultdict(list)
    for run in runs:
        by_label[run.label].append(run)
        if run.retried_as:
            found += broken_link(run, by_id.get(run.retried_as))
        former = by_id.get(run.retry_of)
        if run.retry_of and (not former or former.retried_as != run.id):
            found.append(f"{run.id} says that it follows {run.retry_of}, which does not know of it")
        if (run.attempt > 1) != bool(run.retry_of):
            found.append(f"{run.id} is attempt {run.attempt} and follows {run.retry_of}")
    for label, mine in by_label.items():
        commits = sum(run.decision == "commit" for run in mine)
        keys = sum(run.has_key for run in mine)
        if label is not None and commits > 1:
            found.append(f"{label}: {commits} of its runs committed")
        if label is not None and keys > 1:
            found.append(f"{label}: {keys} of its runs have the key")
    return found


def broken_link(run, successor):
    """What is wrong with a run that another follows."""
    if not successor:
        return [f"{run.id} says that {run.retried_as} follows it, of which there is no row"]
    found = []
    if run.decision != "abort" or run.has_key:
        found.append(f"{run.id} ran again, but its decision is {run.decision}, key: {run.has_key}")
    if successor.retry_of != run.id or successor.attempt != run.attempt + 1:
        found.append(f"{successor.id} follows {run.id}, but says {successor.retry_of}, attempt "
                     f"{successor.attempt} after {run.attempt}")
    if successor.label != run.label:
        found.append(f"{successor.id} of {successor.label} follows {run.id} of {run.label}")
    return found


def unseen_faults():
    """The planted contradictions that `faults` misses."""
    first = Run("a", "1-0", 1, None, "2-0", "abort", "aborted", True, False)
    second = Run("a", "2-0", 2, "1-0", None, "commit", "committed", True, True)
    planted = {
        "a successor without a row": [first],
        "a run that follows one that does not know of it": [replace(first, retried_as=None), second],
        "two committed runs": [replace(first, decision="commit"), second],
        "two runs with the key": [replace(first, has_key=True), second],
        "an attempt that is left out": [first, replace(second, attempt=3)],
        "two committed requests of one label": [replace(second, id="3-0", attempt=1, retry_of=None),
                                                first, second],
    }
    unseen = [f"the checker misses {name}" for name, runs in planted.items() if not faults(runs)]
    return unseen + (["the checker blames sound runs"] if faults([first, second]) else [])
