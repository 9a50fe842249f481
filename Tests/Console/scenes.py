"""What the console is to show: transactions that committed, aborted, wait, or went astray."""

import os
import signal
import threading

from stack import processes
from stack.replica import request
from stack.wire import Session

TABLES = ("CREATE TABLE legs (id text PRIMARY KEY, name text)",)
SECONDS_MAX = 60


class Caller(threading.Thread):
    """A request in the background."""

    def __init__(self, replica, body):
        super().__init__(daemon=True)
        self._replica, self._body = replica, body
        self.answer = None
        self.start()

    def run(self):
        self.answer = self._replica.post_when_connected(self._body)

    def wait(self):
        self.join(SECONDS_MAX)
        return self.answer


class Scenes:
    """Makes transactions, and undoes at the end what it did to servers."""

    number = 0

    def __init__(self, stack, replica):
        self.stack, self.replica = stack, replica
        self._undo = []

    def end(self):
        for undo in reversed(self._undo):
            undo()
        self._undo.clear()

    # Transactions

    def body(self, row=None, labels=None, **more):
        """One row in `users` and one in `orders`."""
        Scenes.number += 1
        row = row or f"row-{Scenes.number}"
        return {
            "branches": [
                {"participant": name, "statements": [
                    {"sql": "INSERT INTO legs VALUES ($1, $2)", "parameters": [row, "Ada"]}]}
                for name in ("users", "orders")],
            "labels": {"scene": f"scene-{Scenes.number}", **(labels or {})}, **more}

    def commits(self, **more):
        answer = self.replica.post_when_connected(self.body(**more))
        assert answer.status in (201, 202), answer
        self.becomes(answer.body["id"], "committed")
        return answer.body["id"]

    def aborts(self, sql="SELECT 1/0", labels=None):
        body = self.body(labels=labels)
        body["branches"][1]["statements"] = [{"sql": sql}]
        answer = self.replica.post_when_connected(body)
        assert answer.status == 409, answer
        return answer.body["transaction"]

    def waits(self):
        """A transaction that waits for a row in `users`, and its caller."""
        body = self.body(timeoutMilliseconds=60_000)
        row = body["branches"][0]["statements"][0]["parameters"][0]
        # A value with quotes would need more than this; a row's name has none.
        blocker = Session(self.stack.participants["users"].port)
        blocker.query(f"BEGIN; INSERT INTO legs VALUES ('{row}', 'first')")
        self._undo.append(blocker.close)
        body["branches"][0]["statements"].insert(0, {"sql": "SET LOCAL lock_timeout = '50s'"})
        caller = Caller(self.replica, body)
        label = body["labels"]["scene"]
        processes.until(SECONDS_MAX, "it is accepted", lambda: self.listed(label))
        return self.listed(label)[0]["id"], caller

    def retries(self, kills=True):
        """A transaction that is decided to commit, and whose branch in `orders` cannot be finished.

        The server there is killed, or its finishing sessions are stopped.
        """
        cluster = self.stack.participants["orders"]
        self._stop_finishing(cluster)
        answer = self.replica.post_when_connected(self.body())
        assert answer.status == 202, answer
        if kills:
            cluster.kill()
            self._undo.append(cluster.start_again_if_ended)
            self.is_tried_again(answer.body["id"])
        return answer.body["id"]

    def in_doubt(self, other):
        """A transaction of another replica, which is killed after COMMIT in its commit point, `orders`.

        Whether it was committed is not known while `orders` does not answer. The other replica is to
        be added, and not started.
        """
        failpoint = "commitLocally.after.1"
        other.start(f"{failpoint}=stop")
        body = self.body(timeoutMilliseconds=20_000, onePhase=True)
        body["branches"][0] |= {"readOnly": True, "statements": [{"sql": "SELECT 1"}]}
        Caller(other, body)
        assert other.stops_at(failpoint, SECONDS_MAX)
        orders = self.stack.participants["orders"]
        orders.kill()
        self._undo.append(orders.start_again_if_ended)
        other.kill()
        label = body["labels"]["scene"]
        processes.until(SECONDS_MAX, "it is in doubt", lambda: self.replica.get(
            f"/v1/transactions?queue=inDoubt&label=scene:{label}").body["transactions"])
        return self.listed(label)[0]["id"]

    def goes_astray(self):
        """A transaction whose branch in `orders` was rolled back by hand, against the decision."""
        cluster = self.stack.participants["orders"]
        thaw = self._stop_finishing(cluster)
        answer = self.replica.post_when_connected(self.body())
        assert answer.status == 202, answer
        gid = answer.body["branches"][1]["gid"]
        with cluster.session() as session:
            session.query(f"ROLLBACK PREPARED '{gid}'")
        thaw()
        self.becomes(answer.body["id"], "needsOperator")
        processes.until(SECONDS_MAX, "its other branch ends", lambda: self.show(
            answer.body["id"])["finishedAt"])
        self._undo.append(lambda: self.resolve(answer.body["id"]))
        return answer.body["id"]

    def foreign(self, gid):
        """A prepared transaction in `users` that is not tandem's, and the row that it holds."""
        Scenes.number += 1
        row = f"row-{Scenes.number}"
        literal = "'" + gid.replace("'", "''") + "'"
        users = self.stack.participants["users"]
        with users.session() as session:
            session.query(f"BEGIN; INSERT INTO legs VALUES ('{row}', 'theirs')")
            session.query(f"PREPARE TRANSACTION {literal}")

        def remove():
            with users.session() as session:
                session.query(f"ROLLBACK PREPARED {literal}")
        self._undo.append(remove)
        return row

    def rowless(self):
        """A prepared transaction of tandem's own in `users` whose row is gone; its id and its gid."""
        with self.stack.state.session() as session:
            number = int(session.value("SELECT nextval('tandem.transaction_numbers')"))
            installation = session.value("SELECT id FROM tandem.installation")
            mark = session.value("SELECT low_water_mark FROM tandem.installation")
            # As if the row had been removed when it was old enough.
            session.query(f"UPDATE tandem.installation SET low_water_mark = {number + 1}")

        def restore():
            with self.stack.state.session() as session:
                session.query(f"UPDATE tandem.installation SET low_water_mark = {mark}")
        self._undo.append(restore)
        transaction = f"{number}-00000000000000ab"
        gid = f"tandem:{installation}:{transaction}:0"
        with self.stack.participants["users"].session() as session:
            session.query(f"BEGIN; INSERT INTO legs VALUES ('rowless-{number}', 'ours')")
            session.query(f"PREPARE TRANSACTION '{gid}'")
        processes.until(SECONDS_MAX, f"{gid} is reported", lambda: any(
            entry["gid"] == gid
            for entry in self.replica.get("/v1/participants/users").body["unresolved"]))
        return transaction, gid

    # What the interface says

    def show(self, transaction):
        return self.replica.get(f"/v1/transactions/{transaction}").body

    def listed(self, scene):
        return self.replica.get(f"/v1/transactions?label=scene:{scene}").body["transactions"]

    def becomes(self, transaction, state):
        processes.until(SECONDS_MAX, f"{transaction} is {state}",
                        lambda: self.show(transaction).get("state") == state)

    def is_tried_again(self, transaction):
        processes.until(SECONDS_MAX, f"{transaction} is tried again", lambda: any(
            branch["lastError"] for branch in self.show(transaction)["branches"]))

    def resolve(self, transaction):
        """Has it wait for no operator any more; nothing happens if it does not."""
        request(self.replica.port, "POST", f"/v1/transactions/{transaction}/resolution",
                {"branch": 1, "outcome": "rolledBack", "actor": "tests", "reason": "made by a test",
                 "force": True}, {"If-Match": "*"})

    # Servers

    def _stop_finishing(self, cluster):
        """Stops the sessions that finish branches; returns what lets them go on."""
        query = ("SELECT pid FROM pg_stat_activity WHERE state = 'idle' AND application_name = "
                 f"'tandem-finish {self.replica.name}'")

        pids = []

        def are_idle():
            with cluster.session() as session:
                pids[:] = [int(row[0]) for row in session.query(query)]
            return len(pids) == 2

        # All of them have to be open: one that opened later would finish the branch. What was found is
        # what is stopped, for a moment later one of them may be at work.
        processes.until(SECONDS_MAX, "the finishing sessions are open", are_idle)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)

        def thaw():
            for pid in pids:
                processes.send(pid, signal.SIGCONT)
        self._undo.append(thaw)
        return thaw
