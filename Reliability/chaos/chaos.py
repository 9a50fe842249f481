"""A run: the bank, the clients and the nemesis; then a pause, and the checker."""

import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from chaos.bank import TABLES, Client, Watcher
from chaos.checker import check, repeat_requests
from chaos.disk import Disk
from chaos.observed import ObservedStatuses
from chaos.nemesis import FAILPOINTS, Nemesis
from stack import processes, runs
from stack.stack import GRACE_SECONDS, PARTICIPANTS, Stack

CLIENTS, REPLICAS = 12, 3
HEAL_SECONDS_MAX = 60
# A run with less work or fewer faults per minute is invalid.
TRANSFERS_PER_MINUTE_MIN, FAULTS_PER_MINUTE_MIN = 1200, 8
PAUSE_SECONDS = 0.7


def run(minutes, seed, binary=None):
    """Returns the violations, and the reasons why the run is invalid, if any."""
    folder = tempfile.mkdtemp(prefix="tandem-disk-")
    disk = Disk.mounted(Path(folder) / "small")
    if not disk:
        print("cannot mount a tmpfs: the disk will not be filled")
    Path(folder).chmod(0o755)
    folders = {Disk.participant: disk.folder} if disk else {}
    settings = {Disk.participant: {"max_wal_size": "96MB", "min_wal_size": "32MB"}}
    try:
        with Stack(binary, TABLES, settings, folders) as stack:
            return storm(stack, disk, minutes, seed)
    finally:
        if disk:
            disk.unmount()


def storm(stack, disk, minutes, seed):
    for number in range(1, REPLICAS + 1):
        replica = stack.add_replica(f"replica-{number}")
        # The journal decides if that participant has the first leg; otherwise the row decides.
        replica.environment = {f"TANDEM_PARTICIPANTS_{PARTICIPANTS[0].upper()}_JOURNAL": "true"}
        replica.start()
    replicas = list(stack.replicas.values())
    stopping = threading.Event()
    observed = ObservedStatuses()
    clients = [Client(f"client-{number}", replicas, observed, stopping, seed)
               for number in range(CLIENTS)]
    watcher = Watcher(clients, replicas, observed, stopping, seed)
    nemesis = Nemesis(stack, disk, seed)
    began = time.monotonic()
    for thread in [*clients, watcher]:
        thread.start()
    while time.monotonic() - began < minutes * 60:
        nemesis.strike()
        nemesis.revive()
        time.sleep(PAUSE_SECONDS)
    seconds = time.monotonic() - began
    stopping.set()
    nemesis.repair_all()
    repaired = time.monotonic()
    for thread in [*clients, watcher]:
        thread.join()
    transfers = [transfer for client in clients for transfer in client.history]
    faults = nemesis.failed + observed.faults
    try:
        processes.until(HEAL_SECONDS_MAX, "every transaction finishes",
                        lambda: is_quiet(stack), every=0.1)
    except TimeoutError as error:
        faults.append(str(error))
    healed = time.monotonic() - repaired
    time.sleep(2 * GRACE_SECONDS)
    if not is_quiet(stack):
        faults.append("a transaction reappeared after all had finished")
    faults += repeat_requests(stack, transfers)
    faults += check(stack, transfers)
    report(transfers, nemesis, observed, seconds, healed)
    return faults, (shortcomings(transfers, nemesis, seconds / 60)
                    + missing_journal_decisions(stack) + missing_repeats(stack)
                    + unseen_faults(stack, transfers) + ObservedStatuses.unseen_faults()
                    + runs.unseen_faults())


def missing_journal_decisions(stack):
    """The decisions that no journal made: such a run is invalid."""
    lacks = []
    with stack.state.session() as session:
        for decision in ("commit", "abort"):
            count = session.value(
                "SELECT count(*) FROM tandem.transactions WHERE journal_server IS NOT NULL "
                f"AND decision_from = 'commitPoint' AND decision = '{decision}'")
            print(f"{count} decisions to {decision} by a journal")
            if count == "0":
                lacks.append(f"no journal decided {decision}")
    return lacks


def missing_repeats(stack):
    """Why the run is invalid if no transaction lost to others and ran again."""
    with stack.state.session() as session:
        rows = runs.read(session, "transfer")
    again = [row for row in rows if row.retry_of]
    committed = sum(row.decision == "commit" for row in again)
    print(f"{len(again)} transactions ran again, {committed} of them committed; the most runs of one "
          f"request: {max((row.attempt for row in rows), default=0)}")
    return [] if committed else ["no transaction that lost to others ran again and committed"]


def unseen_faults(stack, transfers):
    """The planted faults that the checker misses; nothing else uses the databases at this time."""
    planted = ("DELETE FROM ledger WHERE ctid = (SELECT min(ctid) FROM ledger)",
               "INSERT INTO ledger SELECT * FROM ledger LIMIT 1",
               "UPDATE accounts SET balance = balance + 1 WHERE id = 1")
    unseen = []
    for number, sql in enumerate(planted):
        before = len(check(stack, transfers))
        with stack.participants[PARTICIPANTS[number]].session() as session:
            session.query(sql)
        if len(check(stack, transfers)) <= before:
            unseen.append(f"the checker misses: {sql}")
    return unseen


def is_quiet(stack):
    try:
        return stack.is_quiet()
    except OSError:
        return False


def shortcomings(transfers, nemesis, minutes):
    """The reasons why the run is invalid; empty if it is valid."""
    lacks = []
    answered = sum(bool(transfer.answers) for transfer in transfers)
    if answered < TRANSFERS_PER_MINUTE_MIN * minutes:
        lacks.append(f"only {answered} transfers in {minutes:.1f} minutes")
    if len(nemesis.done) < FAULTS_PER_MINUTE_MIN * minutes:
        lacks.append(f"only {len(nemesis.done)} faults in {minutes:.1f} minutes")
    missing = set(FAILPOINTS) - nemesis.fired
    if missing:
        lacks.append(f"failpoints that never fired: {', '.join(sorted(missing))}")
    if not any(transfer.early and transfer.happened for transfer in transfers):
        lacks.append("no transaction got its reply at the decision")
    if not any(transfer.happened for transfer in transfers):
        lacks.append("nothing was committed")
    return lacks


def report(transfers, nemesis, observed, seconds, healed):
    said = Counter(transfer.answers[-1] for transfer in transfers if transfer.answers)
    happened = sum(transfer.happened for transfer in transfers)
    early = sum(transfer.early and transfer.happened for transfer in transfers)
    print(f"{len(transfers)} transfers in {seconds:.0f} s ({len(transfers) / seconds:.0f} a "
          f"second), {happened} committed, {early} of them early; last answers: "
          + ", ".join(f"{count} {word}" for word, count in said.most_common()))
    print(f"{len(nemesis.done)} faults: "
          + ", ".join(f"{count} {kind}" for kind, count in Counter(nemesis.done).most_common()))
    print(f"failpoints that fired: {', '.join(sorted(nemesis.fired)) or 'none'}; messages cut: "
          f"{nemesis.messages_cut}; statuses compared: {observed.answers}; healed in {healed:.2f} s")
