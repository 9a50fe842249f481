"""The scenes. Each one's name is what `make mutants` and docs/RELIABILITY.md call it by."""

import threading
import time

from stack.stack import GRACE_SECONDS, PARTICIPANTS
from traps.scene import Caller

FIRST, SECOND, THIRD = PARTICIPANTS


def late_prepare(scene):
    """A PREPARE is still on its way when its replica dies: when the transaction is reported
    finished, no session is left that could run it, and it never appears (I4)."""
    scene.start()
    way = scene.stack.proxies[scene.replica.name][SECOND]
    held = way.arm("^PREPARE TRANSACTION", "hold")
    Caller(scene.replica, scene.body(), scene.name)
    scene.until("the PREPARE is held", held.fired.is_set)
    scene.until("the others are prepared", lambda: scene.stack.prepared(FIRST))
    old = [pid for (pid,) in scene.on(SECOND, "SELECT pid FROM pg_stat_activity "
                                              "WHERE application_name LIKE 'tandem-work%'")]
    scene.start()
    scene.until("the row is finished", lambda: scene.record()[0] == "aborted")
    left = scene.on(SECOND, f"SELECT pid FROM pg_stat_activity WHERE pid IN ({', '.join(old)}) "
                            "AND xact_start IS NOT NULL")
    scene.expect(not left, f"no session that could still prepare, but {left} are there")
    way.heal()
    time.sleep(2 * GRACE_SECONDS)
    scene.until_quiet()
    scene.expect(scene.rows() == [0, 0, 0], f"nothing, not {scene.rows()}")


def rolled_back_by_hand(scene):
    """42704, and the evidence says that it was rolled back: reported, never taken for done."""
    caller = scene.stopped_at("commitPrepared.before.1")
    scene.on(SECOND, f"ROLLBACK PREPARED '{scene.gid(SECOND)}'")
    scene.replica.thaw()
    scene.until("the row says so", lambda: scene.record()[0] == "needsOperator")
    scene.expect("heuristicRollback" in scene.record()[2], f"not {scene.record()}")
    answer = caller.told()
    scene.expect(answer.body.get("state") != "committed", f"not {answer} {answer.body}")


def committed_by_hand(scene):
    """42704, and the evidence says that it was committed: done."""
    caller = scene.stopped_at("commitPrepared.before.1")
    scene.on(SECOND, f"COMMIT PREPARED '{scene.gid(SECOND)}'")
    scene.replica.thaw()
    scene.expect(caller.told().status == 201, f"201, not {caller.answer}")
    scene.until_quiet()
    scene.expect(scene.record()[0] == "committed", f"committed, not {scene.record()}")
    scene.expect(scene.rows() == [1, 1, 1], f"all, not {scene.rows()}")


def committed_and_not_told(scene):
    """COMMIT PREPARED took place and its answer was lost in the next life: the evidence that is
    durable with the decision proves it."""
    scene.start("decideCommit.after=kill")
    Caller(scene.replica, scene.body(), scene.name)
    scene.until("the first life ends", lambda: not scene.replica.is_running)
    rules = [scene.stack.proxies[scene.replica.name][name].arm("^COMMIT PREPARED", "swallow")
             for name in PARTICIPANTS]
    scene.replica.start()
    scene.until("the answers are lost", lambda: all(rule.fired.is_set() for rule in rules))
    scene.until_quiet()
    scene.expect(scene.record()[0] == "committed", f"committed, not {scene.record()}")
    scene.expect(scene.rows() == [1, 1, 1], f"all, not {scene.rows()}")


def role_changed(scene):
    """SQL that changes the role: our own could not end the branch (42501)."""
    scene.start()
    answer = scene.replica.post(scene.body("SELECT set_config('role', 'somebody', false)"))
    scene.expect(answer.status == 201, f"201, not {answer} {answer.body}")
    scene.until_quiet()
    scene.expect(scene.rows() == [1, 1, 1], f"all, not {scene.rows()}")


def standby_wait_cancelled(scene):
    """A cancelled wait for a standby is a success with a warning: not a durable decision, so
    nothing is committed on its strength."""
    caller = scene.stopped_at("decideCommit.before")
    waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    cancel = f"SELECT pg_cancel_backend(pid) FROM ({waiting}) AS w"
    scene.on("state", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    scene.on("state", "SELECT pg_reload_conf()")
    try:
        # The setting is in force when a write of our own waits.
        probe = threading.Thread(target=scene.on, args=("state", "CREATE TABLE probe ()"))
        probe.start()
        scene.until("the setting is in force", lambda: scene.on("state", waiting))
        scene.on("state", cancel)
        probe.join()
        scene.replica.thaw()
        # More than one write may wait; whichever holds the decision is among them.
        for _ in range(20):
            scene.on("state", cancel)
            time.sleep(0.05)
        scene.until("it waits again", lambda: scene.on("state", waiting))
        prepared = [len(scene.stack.prepared(name)) for name in PARTICIPANTS]
        scene.expect(prepared == [1, 1, 1], f"all in doubt, not {prepared}")
    finally:
        scene.on("state", "ALTER SYSTEM RESET synchronous_standby_names")
        scene.on("state", "SELECT pg_reload_conf()")
    caller.told()
    scene.until_quiet()
    scene.expect(scene.rows() == [1, 1, 1], f"all, not {scene.rows()}")


def nothing_is_compiled(scene):
    """The plans of the state database avoid sequential scans at any cost, and a cost like that makes
    PostgreSQL compile them first, which takes longer than a lease has patience for."""
    log = scene.stack.state.log
    began = len(log.read_text())
    scene.start()
    scene.expect(scene.replica.post(scene.body(), scene.name).status == 201, "201")
    scene.until("claims and ends are in the log", lambda: all(
        text in log.read_text()[began:] for text in ("SKIP LOCKED", "finished_at = ")))
    scene.expect("JIT:" not in log.read_text()[began:], "no plan that is compiled")


def living_neighbour(scene):
    """What a living replica drives is left alone by all others, however long it takes."""
    scene.start()
    other = scene.stack.replicas["other"]
    other.start()
    answer = scene.replica.post(scene.body("SELECT pg_sleep(2)"))
    scene.expect(answer.status == 201, f"201, not {answer} {answer.body}")
    other.stop()
    scene.until_quiet()
    scene.expect(scene.rows() == [1, 1, 1], f"all, not {scene.rows()}")


def decided_elsewhere(scene):
    """Another replica records the abort while the owner is about to record commit: whichever comes
    first is kept (compare-and-set), and the owner obeys it."""
    other = scene.stack.replicas["other"]
    other.start()
    caller = scene.stopped_at("decideCommit.before")
    asked = threading.Thread(target=other.roll_back, args=(scene.transaction(),))
    asked.start()
    scene.until("the abort is recorded", lambda: scene.record()[1] == "abort")
    scene.replica.thaw()
    told = caller.told()
    scene.expect(told.status != 201, f"no commit, but {told} {told.body}")
    scene.until_quiet()
    asked.join()
    other.stop()
    scene.expect(scene.record()[1] == "abort", f"abort, not {scene.record()}")
    scene.expect(scene.rows() == [0, 0, 0], f"nothing, not {scene.rows()}")


def squatted_gids(scene):
    """A thousand foreign gids neither stall the scan nor are touched."""
    foreign = [f"{prefix}{number}" for number in range(500)
               for prefix in ("stranger-", "tandem:00000000-0000-4000-8000-000000000000:1-00:")]
    for gid in foreign:
        scene.on(THIRD, "BEGIN; SELECT txid_current(); " f"PREPARE TRANSACTION '{gid}'")
    scene.start()
    way = scene.stack.proxies[scene.replica.name]["state"]
    way.arm("INSERT INTO tandem.transactions", "hole")
    Caller(scene.replica, scene.body(participants=PARTICIPANTS[1:]))
    scene.until("it is prepared among them", lambda: len(scene.stack.prepared(THIRD)) > 1000)
    scene.replica.kill()
    way.reset_all()
    way.heal()
    scene.replica.start()
    scene.until("the orphan is gone", lambda: len(scene.stack.prepared(THIRD)) <= 1000)
    scene.expect(sorted(scene.stack.prepared(THIRD)) == sorted(foreign), "the foreign ones remain")
    for gid in foreign:
        scene.on(THIRD, f"ROLLBACK PREPARED '{gid}'")
    scene.until_quiet()
    scene.expect(scene.rows() == [0, 0, 0], f"nothing, not {scene.rows()}")


TRAPS = (late_prepare, committed_by_hand, committed_and_not_told, role_changed,
         standby_wait_cancelled, nothing_is_compiled, living_neighbour,
         decided_elsewhere, squatted_gids,
         # Last: its row stays with the operator.
         rolled_back_by_hand)
NEEDS_AUTO_EXPLAIN = {nothing_is_compiled}
