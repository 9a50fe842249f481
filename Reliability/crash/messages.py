"""The messages at which a connection is broken, so that the replica does not know the result.

`stack.proxy.Rule` describes `cut`, `forward`, `swallow` and `stall`.
"""

from dataclasses import dataclass

from crash.points import ABORT, COMMIT, RECOVER_ABORT, RECOVER_COMMIT, RETRY, Path
from stack.stack import PARTICIPANTS

ACTIONS = ("cut", "forward", "swallow", "stall")

ACCEPT = r"INSERT INTO tandem\.transactions"
DECIDE = r"UPDATE tandem\.transactions AS t SET\s+decision"
RETRIED = r"^WITH successors AS"
FINISH = r"UPDATE tandem\.transactions AS t SET\s+state"
CLAIM = r"FOR UPDATE SKIP LOCKED"
SESSION = r"INSERT INTO tandem\.sessions"
FENCE = r"pg_terminate_backend"


@dataclass(frozen=True)
class Message:
    """A message on a path, and the database that receives it."""

    path: Path
    name: str
    database: str
    pattern: str
    hit: int = 1

    @property
    def step(self):
        return self.name

    def __str__(self):
        return f"{self.path.name}/{self.name} to {self.database}"


def at_each(path, name, pattern):
    return [Message(path, name, participant, pattern) for participant in PARTICIPANTS]


MESSAGES = (
    Message(COMMIT, "accept", "state", ACCEPT),
    Message(COMMIT, "COMMIT of the accept", "state", "^COMMIT"),
    *at_each(COMMIT, "PREPARE TRANSACTION", "^PREPARE TRANSACTION"),
    Message(COMMIT, "decision", "state", DECIDE),
    Message(COMMIT, "COMMIT of the decision", "state", "^COMMIT", hit=2),
    *at_each(COMMIT, "COMMIT PREPARED", "^COMMIT PREPARED"),
    Message(COMMIT, "finish record", "state", FINISH),
    Message(ABORT, "decision", "state", DECIDE),
    *at_each(ABORT, "ROLLBACK PREPARED", "^ROLLBACK PREPARED"),
    Message(RETRY, "retry", "state", RETRIED),
    Message(RETRY, "COMMIT of the retry", "state", "^COMMIT", hit=2),
    Message(RECOVER_COMMIT, "session", "state", SESSION),
    Message(RECOVER_COMMIT, "claim", "state", CLAIM),
    *at_each(RECOVER_COMMIT, "COMMIT PREPARED", "^COMMIT PREPARED"),
    Message(RECOVER_ABORT, "decision", "state", DECIDE),
    *at_each(RECOVER_ABORT, "fence", FENCE),
    *at_each(RECOVER_ABORT, "ROLLBACK PREPARED", "^ROLLBACK PREPARED"),
)
