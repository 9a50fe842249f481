"""The tools of every scene: a replica on the stack, callers, and queries of the databases."""

import threading

from stack import processes
from stack.replica import LOST
from stack.stack import PARTICIPANTS

TABLES = ("CREATE TABLE legs (marker text NOT NULL)",
          "CREATE ROLE somebody", "GRANT ALL ON legs TO somebody")
SECONDS_MAX = 30


class Broken(Exception):
    """A scene failed: what was expected, and what was found."""


class Caller(threading.Thread):
    """One request in the background."""

    def __init__(self, replica, body, key=None):
        super().__init__(daemon=True)
        self._arguments = replica, body, key
        self.answer = LOST
        self.start()

    def run(self):
        self.answer = self._arguments[0].post_when_connected(*self._arguments[1:])

    def wait(self):
        self.join()
        return self.answer


class Scene:
    """A transaction named after the trap, and its participants."""

    def __init__(self, stack, replica, name):
        self.stack, self.replica, self.name = stack, replica, name

    def body(self, before=None, participants=PARTICIPANTS):
        """One row in each participant; `before` is a statement that goes first in the second."""
        insert = {"sql": "INSERT INTO legs VALUES ($1)", "parameters": [self.name]}
        return {"branches": [
            {"participant": name,
             "statements": [{"sql": before}, insert] if before and number == 1 else [insert]}
            for number, name in enumerate(participants)],
            "labels": {"trap": self.name}}

    def start(self, failpoints=None):
        if self.replica.is_running:
            self.replica.kill()
        self.replica.start(failpoints)

    def stopped_at(self, failpoint, key=None, body=None):
        """A caller whose transaction is stopped at a failpoint."""
        self.start(f"{failpoint}=stop")
        caller = Caller(self.replica, body or self.body(), key)
        self.expect(self.replica.stops_at(failpoint, SECONDS_MAX), f"{failpoint} is hit")
        return caller

    def on(self, database, sql):
        with self.stack.databases[database].session() as session:
            return session.query(sql)

    def rows(self):
        """The number of rows in each participant."""
        return [int(self.on(name, f"SELECT count(*) FROM legs WHERE marker = '{self.name}'")[0][0])
                for name in PARTICIPANTS]

    def gid(self, participant):
        """The only prepared gid in a participant."""
        gids = self.stack.prepared(participant)
        self.expect(len(gids) == 1, f"one gid in {participant}, got {gids}")
        return gids[0]

    def transaction(self):
        """The transaction's id."""
        return self.on("state", "SELECT number || '-' || lpad(to_hex(salt), 16, '0') "
                                "FROM tandem.transactions "
                                f"WHERE label_values @> ARRAY['{self.name}']")[0][0]

    def record(self):
        """(state, decision, outcomes) of the row; outcomes by branch."""
        found = self.on("state", "SELECT state, decision, outcomes FROM tandem.transactions "
                                 f"WHERE label_values @> ARRAY['{self.name}']")
        return found[0] if found else None

    def until(self, what, is_so, seconds=SECONDS_MAX):
        try:
            processes.until(seconds, what, is_so)
        except TimeoutError as error:
            raise Broken(str(error)) from error

    def until_quiet(self):
        self.until("every transaction finishes", self.stack.is_quiet)

    @staticmethod
    def expect(is_so, what):
        if not is_so:
            raise Broken(f"expected: {what}")
