"""Judges a case by the databases and by the answers to callers."""

from stack import runs
from stack.stack import PARTICIPANTS


def effects(stack, marker):
    """The number of the case's rows in each participant."""
    counts = []
    for name in PARTICIPANTS:
        with stack.participants[name].session() as session:
            counts.append(int(session.value(
                f"SELECT count(*) FROM legs WHERE marker = '{marker}'")))
    return counts


def runs_of(stack, marker):
    """The rows of the case's request, the oldest first."""
    with stack.state.session() as session:
        return runs.read(session, "marker", marker)


def row_of(stack, marker):
    """The row of its last run, or None."""
    rows = runs.last(runs_of(stack, marker))
    return rows[-1] if rows else None


def judge(case, answer, result):
    """Sets the outcome and the violations."""
    complain = result.violations.append
    counts = effects(case.stack, case.marker)
    rows = runs_of(case.stack, case.marker)
    for fault in runs.faults(rows):
        complain(fault)
    row = row_of(case.stack, case.marker)
    decision, state = (row.decision, row.state) if row else (None, None)
    result.outcome = "committed" if counts == case.whole else "aborted"
    if counts not in ([0, 0, 0], case.whole):
        complain(f"committed in part: the rows are {counts}")
    committed = any(counts)
    if committed != (decision == "commit"):
        complain(f"the rows are {counts}, but the decision is {decision}")
    if row and state not in ("committed", "aborted"):
        complain(f"the state is {state}")
    if answer.status in (200, 201) and not committed:
        complain(f"answered {answer}, but nothing is committed")
    if answer.status == 409 and committed:
        complain(f"answered {answer}, but it is committed")
    if answer.status == 202 and answer.body.get("state") == "committing" and not committed:
        complain("answered committing, but nothing is committed")
    if answer.status == 503 and answer.type != "outcome-unknown" and committed:
        complain(f"answered {answer}, but it is committed")
    if answer.status not in (None, 200, 201, 202, 409, 503):
        complain(f"unexpected answer {answer}: {answer.body}")
    repeat_request(case, committed, row, complain)


def repeat_request(case, committed, row, complain):
    """Repeats a keyed request at the other replica: the outcome is the same, executed once."""
    if not case.key:
        return
    again = case.ask_elsewhere()
    counts = effects(case.stack, case.marker)
    if row and committed and (again.status not in (200, 201) or counts != case.whole):
        complain(f"repeated after a commit: {again}, rows {counts}")
    if row and not committed and (again.status != 409 or any(counts)):
        complain(f"repeated after an abort: {again}, rows {counts}")
    named = again.body.get("id") or again.body.get("transaction")
    if row and named != row.id:
        complain(f"repeated: {again} of {named}, but its last run is {row.id}")
    if not row and not case.point.path.transaction.endswith("abort") and (
            again.status != 201 or counts != case.whole):
        complain(f"the key was unused, and its first use gave {again}, rows {counts}")


def still_holds(case, result):
    """Checks later that nothing has changed since the verdict."""
    counts = effects(case.stack, case.marker)
    row = row_of(case.stack, case.marker)
    if (counts == case.whole) != bool(row and row.decision == "commit") or counts not in (
            [0, 0, 0], case.whole):
        result.violations.append(
            f"later: the rows are {counts}, and the transaction's row is {row}")
