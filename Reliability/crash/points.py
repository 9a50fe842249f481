"""The crash points: a failpoint on a path, and the database that it addresses.

The names are those of `Sources/TransactionEngine/Steps/ProtocolStep.swift`; a tidy test holds the
two lists together.
"""

from dataclasses import dataclass

from stack.stack import PARTICIPANTS


@dataclass(frozen=True)
class Path:
    """A path through the protocol.

    `first_incarnation` is the failpoint that kills a first process, so that the next one recovers.
    """

    name: str
    transaction: str
    first_incarnation: str | None = None


COMMIT = Path("commit", "commit")
ABORT = Path("abort", "abort")
# It loses to another transaction as often as it runs.
RETRY = Path("retry", "retry-abort")
RECOVER_COMMIT = Path("recover-commit", "commit", "decideCommit.after")
RECOVER_ABORT = Path("recover-abort", "commit", "decideCommit.before")
# Prepared everywhere, but without a row: only the scan can find it.
ORPHAN = Path("orphan", "commit", "rowless")

# The first branch writes and decides by its own COMMIT; the others only read.
ONE_PHASE = Path("one-phase", "one-phase")
RECOVER_ONE_PHASE = Path("recover-one-phase", "one-phase", "commitLocally.after.0")
# The first branch decides by its journal, after the others are prepared.
JOURNAL = Path("journal", "journal")
JOURNAL_ABORT = Path("journal-abort", "journal-abort")
RECOVER_JOURNAL = Path("recover-journal", "journal", "commitLocally.after.0")
RECOVER_JOURNAL_ABORT = Path("recover-journal-abort", "journal", "commitLocally.before.0")

BRANCHES = range(len(PARTICIPANTS))

STEPS = (
    (COMMIT, "accept"),
    *((COMMIT, f"work.{branch}") for branch in BRANCHES),
    (COMMIT, "decideCommit"),
    *((COMMIT, f"commitPrepared.{branch}") for branch in BRANCHES),
    (COMMIT, "finish"),
    (ABORT, "decideAbort"),
    *((ABORT, f"rollbackPrepared.{branch}") for branch in BRANCHES),
    (ABORT, "finish"),
    (RETRY, "retry"),
    (RECOVER_COMMIT, "claim"),
    *((RECOVER_COMMIT, f"commitPrepared.{branch}") for branch in BRANCHES),
    (RECOVER_COMMIT, "finish"),
    (RECOVER_ABORT, "decideAbort"),
    *((RECOVER_ABORT, f"fence.{branch}") for branch in BRANCHES),
    (RECOVER_ABORT, "finish"),
    (ORPHAN, "tombstone"),
    (ORPHAN, "finish"),
    (ONE_PHASE, "work.0"),
    (ONE_PHASE, "delegate"),
    (ONE_PHASE, "commitLocally.0"),
    (ONE_PHASE, "release.1"),
    (ONE_PHASE, "finish"),
    (RECOVER_ONE_PHASE, "queryCommitPoint.0"),
    (RECOVER_ONE_PHASE, "copy"),
    (RECOVER_ONE_PHASE, "finish"),
    (JOURNAL, "accept"),
    (JOURNAL, "commitLocally.0"),
    (JOURNAL, "commitPrepared.1"),
    (JOURNAL, "finish"),
    (JOURNAL_ABORT, "queryCommitPoint.0"),
    (JOURNAL_ABORT, "copy"),
    (RECOVER_JOURNAL, "queryCommitPoint.0"),
    (RECOVER_JOURNAL, "copy"),
    (RECOVER_JOURNAL, "finish"),
    (RECOVER_JOURNAL_ABORT, "queryCommitPoint.0"),
    (RECOVER_JOURNAL_ABORT, "copy"),
)


@dataclass(frozen=True)
class Point:
    """One crash point."""

    path: Path
    step: str
    moment: str
    branch: int | None

    @property
    def failpoint(self):
        name = f"{self.step}.{self.moment}"
        return name if self.branch is None else f"{name}.{self.branch}"

    @property
    def is_at_state(self):
        """Whether the point addresses the state database, not a participant."""
        return self.branch is None

    @property
    def participant(self):
        """The addressed participant; the second one for a step of the state database."""
        return PARTICIPANTS[1 if self.branch is None else self.branch]

    def __str__(self):
        return f"{self.path.name}/{self.failpoint}"


def points():
    """All crash points, in the order of the protocol."""
    for path, name in STEPS:
        step, _, branch = name.partition(".")
        for moment in ("before", "after"):
            yield Point(path, step, moment, int(branch) if branch else None)
