"""The scenes; `make mutants` and docs/RELIABILITY.md refer to them by name."""

import threading
import time

from stack.stack import GRACE_SECONDS, PARTICIPANTS
from traps.scene import Caller

FIRST, SECOND, THIRD = PARTICIPANTS


def late_prepare(scene):
    """A PREPARE is delayed when its replica dies: once the transaction has finished, no session is
    left that could run the PREPARE, and the branch never appears (I4)."""
    scene.start()
    proxy = scene.stack.proxies[scene.replica.name][SECOND]
    held = proxy.arm("^PREPARE TRANSACTION", "hold")
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
    proxy.heal()
    time.sleep(2 * GRACE_SECONDS)
    scene.until_quiet()
    scene.expect(scene.rows() == [0, 0, 0], f"nothing, not {scene.rows()}")


def rolled_back_by_hand(scene):
    """42704, and the evidence says rolled back: reported, never counted as done."""
    caller = scene.stopped_at("commitPrepared.before.1")
    scene.on(SECOND, f"ROLLBACK PREPARED '{scene.gid(SECOND)}'")
    scene.replica.thaw()
    scene.until("the row says so", lambda: scene.record()[0] == "needsOperator")
    scene.expect("heuristicRollback" in scene.record()[2], f"not {scene.record()}")
    answer = caller.wait()
    scene.expect(answer.body.get("state") != "committed", f"not {answer} {answer.body}")


def committed_by_hand(scene):
    """42704, and the evidence says committed: done."""
    caller = scene.stopped_at("commitPrepared.before.1")
    scene.on(SECOND, f"COMMIT PREPARED '{scene.gid(SECOND)}'")
    scene.replica.thaw()
    scene.expect(caller.wait().status == 201, f"201, not {caller.answer}")
    scene.until_quiet()
    scene.expect(scene.record()[0] == "committed", f"committed, not {scene.record()}")
    scene.expect(scene.rows() == [1, 1, 1], f"all, not {scene.rows()}")


def commit_answer_lost(scene):
    """COMMIT PREPARED succeeded in the next incarnation, but its answer was lost: the evidence
    recorded with the decision proves the commit."""
    scene.start("decideCommit.after=kill")
    Caller(scene.replica, scene.body(), scene.name)
    scene.until("the first incarnation ends", lambda: not scene.replica.is_running)
    rules = [scene.stack.proxies[scene.replica.name][name].arm("^COMMIT PREPARED", "swallow")
             for name in PARTICIPANTS]
    scene.replica.start()
    scene.until("the answers are lost", lambda: all(rule.fired.is_set() for rule in rules))
    scene.until_quiet()
    scene.expect(scene.record()[0] == "committed", f"committed, not {scene.record()}")
    scene.expect(scene.rows() == [1, 1, 1], f"all, not {scene.rows()}")


def role_changed(scene):
    """SQL changes the role: tandem's role could not finish the branch (42501)."""
    scene.start()
    answer = scene.replica.post(scene.body("SELECT set_config('role', 'somebody', false)"))
    scene.expect(answer.status == 201, f"201, not {answer} {answer.body}")
    scene.until_quiet()
    scene.expect(scene.rows() == [1, 1, 1], f"all, not {scene.rows()}")


def standby_wait_cancelled(scene):
    """A cancelled wait for a standby is a success with a warning: the decision is not durable, so
    no branch commits by it."""
    caller = scene.stopped_at("decideCommit.before")
    waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
    cancel = f"SELECT pg_cancel_backend(pid) FROM ({waiting}) AS w"
    scene.on("state", "ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
    scene.on("state", "SELECT pg_reload_conf()")
    try:
        # The setting is in force when a write waits.
        probe = threading.Thread(target=scene.on, args=("state", "CREATE TABLE probe ()"))
        probe.start()
        scene.until("the setting is in force", lambda: scene.on("state", waiting))
        scene.on("state", cancel)
        probe.join()
        scene.replica.thaw()
        # Several writes may wait; the decision is among them.
        for _ in range(20):
            scene.on("state", cancel)
            time.sleep(0.05)
        scene.until("it waits again", lambda: scene.on("state", waiting))
        prepared = [len(scene.stack.prepared(name)) for name in PARTICIPANTS]
        scene.expect(prepared == [1, 1, 1], f"all in doubt, not {prepared}")
    finally:
        scene.on("state", "ALTER SYSTEM RESET synchronous_standby_names")
        scene.on("state", "SELECT pg_reload_conf()")
    caller.wait()
    scene.until_quiet()
    scene.expect(scene.rows() == [1, 1, 1], f"all, not {scene.rows()}")


def plans_are_not_compiled(scene):
    """The plans of the state database avoid sequential scans at any cost. A high cost makes
    PostgreSQL compile plans, which can take longer than a lease."""
    log = scene.stack.state.log
    began = len(log.read_text())
    scene.start()
    scene.expect(scene.replica.post(scene.body(), scene.name).status == 201, "201")
    scene.until("claims and ends are in the log", lambda: all(
        text in log.read_text()[began:] for text in ("SKIP LOCKED", "finished_at = ")))
    scene.expect("JIT:" not in log.read_text()[began:], "no plan that is compiled")


def living_replica(scene):
    """Other replicas leave the transactions of a living replica alone, however long they take."""
    scene.start()
    other = scene.stack.replicas["other"]
    other.start()
    answer = scene.replica.post(scene.body("SELECT pg_sleep(2)"))
    scene.expect(answer.status == 201, f"201, not {answer} {answer.body}")
    other.stop()
    scene.until_quiet()
    scene.expect(scene.rows() == [1, 1, 1], f"all, not {scene.rows()}")


def decided_elsewhere(scene):
    """Another replica records an abort before the owner records commit: the first decision stays
    (compare-and-set), and the owner obeys it."""
    other = scene.stack.replicas["other"]
    other.start()
    caller = scene.stopped_at("decideCommit.before")
    asked = threading.Thread(target=other.roll_back, args=(scene.transaction(),))
    asked.start()
    scene.until("the abort is recorded", lambda: scene.record()[1] == "abort")
    scene.replica.thaw()
    answer = caller.wait()
    scene.expect(answer.status != 201, f"no commit, got {answer} {answer.body}")
    scene.until_quiet()
    asked.join()
    other.stop()
    scene.expect(scene.record()[1] == "abort", f"abort, not {scene.record()}")
    scene.expect(scene.rows() == [0, 0, 0], f"nothing, not {scene.rows()}")


def foreign_gids(scene):
    """A thousand foreign gids neither delay the scan nor are touched."""
    foreign = [f"{prefix}{number}" for number in range(500)
               for prefix in ("stranger-", "tandem:00000000-0000-4000-8000-000000000000:1-00:")]
    for gid in foreign:
        scene.on(THIRD, "BEGIN; SELECT txid_current(); " f"PREPARE TRANSACTION '{gid}'")
    scene.start()
    proxy = scene.stack.proxies[scene.replica.name]["state"]
    proxy.arm("INSERT INTO tandem.transactions", "stall")
    Caller(scene.replica, scene.body(participants=PARTICIPANTS[1:]))
    scene.until("it is prepared among them", lambda: len(scene.stack.prepared(THIRD)) > 1000)
    scene.replica.kill()
    proxy.reset_all()
    proxy.heal()
    scene.replica.start()
    scene.until("the orphan is gone", lambda: len(scene.stack.prepared(THIRD)) <= 1000)
    scene.expect(sorted(scene.stack.prepared(THIRD)) == sorted(foreign), "the foreign ones remain")
    for gid in foreign:
        scene.on(THIRD, f"ROLLBACK PREPARED '{gid}'")
    scene.until_quiet()
    scene.expect(scene.rows() == [0, 0, 0], f"nothing, not {scene.rows()}")


TRAPS = (late_prepare, committed_by_hand, commit_answer_lost, role_changed,
         standby_wait_cancelled, plans_are_not_compiled, living_replica,
         decided_elsewhere, foreign_gids,
         # Last: its row stays with the operator.
         rolled_back_by_hand)
NEEDS_AUTO_EXPLAIN = {plans_are_not_compiled}
