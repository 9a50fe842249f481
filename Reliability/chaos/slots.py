"""Foreign prepared transactions that take all slots, and that tandem must not touch."""

from stack.wire import ServerError

# A name of another installation, one that only resembles tandem's, and a foreign one.
NAMES = ("tandem:00000000-0000-4000-8000-00000000000{0}:{1}-00000000000000aa:0",
         "tandem:{0}:{1}", "stranger-{0}-{1}")


class SlotExhaustion:
    """Prepares transactions until no slot is left, and rolls them back later."""

    def __init__(self, stack):
        self._stack = stack
        self._gids = []

    def fill(self, participant):
        with self._stack.participants[participant].session() as session:
            for number in range(1000):
                gid = NAMES[number % len(NAMES)].format(number % 10, number)
                session.query("BEGIN")
                session.query("SELECT txid_current()")
                try:
                    session.query(f"PREPARE TRANSACTION '{gid}'")
                except ServerError as error:
                    if error.sqlstate != "53200":
                        raise
                    break
                self._gids.append(gid)
        return len(self._gids)

    def leave(self, participant):
        """Rolls all of them back; returns those that were ended by others."""
        missing = []
        with self._stack.participants[participant].session() as session:
            for gid in self._gids:
                try:
                    session.query(f"ROLLBACK PREPARED '{gid}'")
                except ServerError as error:
                    missing.append(f"the foreign gid {gid} was touched: {error}")
        self._gids = []
        return missing
