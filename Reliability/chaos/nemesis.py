"""The faults: each breaks something, waits, and repairs it."""

import random
import time

from chaos.squatter import Squatter
from stack import processes
from stack.stack import LEASE_SECONDS, PARTICIPANTS

# Where a message can be cut, and in whose hands it is.
MESSAGES = (
    ("state", r"INSERT INTO tandem\.transactions"),
    ("state", r"UPDATE tandem\.transactions AS t SET\s+decision"),
    ("state", r"^COMMIT"),
    *((name, r"^PREPARE TRANSACTION") for name in PARTICIPANTS),
    *((name, r"^COMMIT PREPARED") for name in PARTICIPANTS),
)
ACTIONS = ("cut", "forward", "swallow")
# Each of these has to fire in a valid run.
FAILPOINTS = (
    "accept.after", "work.after.0", "decideCommit.before", "decideCommit.after",
    "commitPrepared.before.1", "commitPrepared.after.0", "rollbackPrepared.before.1",
    "finish.before",
)


class Nemesis:
    """Breaks one thing after the other; every kind once before any comes again."""

    def __init__(self, stack, disk, seed):
        self.stack = stack
        self.disk = disk
        self._dice = random.Random(f"{seed} nemesis")
        self._squatter = Squatter(stack)
        self._deck = []
        self.done = []
        self.failed = []
        self.fired = set()
        self.messages_cut = 0
        self.kinds = [self.kill_replica, self.freeze_replica, self.pause_beyond_lease,
                      self.failpoint, self.failpoint, self.kill_participant,
                      self.freeze_participant, self.kill_state, self.freeze_state,
                      self.cut_connections, self.cut_message, self.cut_message, self.hole,
                      self.latency, self.fill_slots]
        if disk:
            self.kinds.append(self.fill_disk)

    def strike(self):
        """One fault from the deck, broken and repaired."""
        if not self._deck:
            self._deck = self._dice.sample(self.kinds, len(self.kinds))
        kind = self._deck.pop()
        began = time.monotonic()
        what = kind()
        self.done.append(kind.__name__)
        print(f"  {kind.__name__} {what} ({time.monotonic() - began:.1f} s)", flush=True)

    def _replica(self):
        return self._dice.choice(list(self.stack.replicas.values()))

    def _participant(self):
        return self.stack.participants[self._dice.choice(PARTICIPANTS)]

    def _hold(self, least=0.3, most=2.0):
        time.sleep(self._dice.uniform(least, most))

    def kill_replica(self):
        replica = self._replica()
        replica.kill()
        self._hold(0, LEASE_SECONDS + 1)
        replica.start()
        return replica.name

    def failpoint(self):
        """A life that dies by itself at a named step, under load."""
        replica = self._replica()
        left = sorted(set(FAILPOINTS) - self.fired) or list(FAILPOINTS)
        name = self._dice.choice(left)
        replica.kill()
        # It may meet its end before anybody sees that it serves.
        replica.start(f"{name}=kill*{self._dice.randint(1, 20)}", wait=False)
        try:
            processes.until(10, "it dies by itself", lambda: not replica.is_running)
            self.fired.add(name)
        except TimeoutError:
            replica.kill()
        replica.start()
        return f"{replica.name} {name}"

    def freeze_replica(self):
        replica = self._replica()
        replica.freeze()
        self._hold()
        replica.thaw()
        return replica.name

    def pause_beyond_lease(self):
        """It is taken for dead meanwhile, and wakes up into a world that went on."""
        replica = self._replica()
        replica.freeze()
        self._hold(LEASE_SECONDS + 0.5, LEASE_SECONDS + 1.5)
        replica.thaw()
        time.sleep(1)
        self.revive()
        return replica.name

    def kill_participant(self):
        return self._kill(self._participant())

    def kill_state(self):
        return self._kill(self.stack.state)

    def _kill(self, cluster):
        cluster.kill()
        self._hold()
        cluster.start()
        return cluster.name

    def freeze_participant(self):
        return self._freeze(self._participant())

    def freeze_state(self):
        return self._freeze(self.stack.state)

    def _freeze(self, cluster):
        cluster.freeze()
        self._hold()
        cluster.thaw()
        return cluster.name

    def _way(self):
        ways = self.stack.proxies[self._replica().name]
        return ways[self._dice.choice(sorted(ways))]

    def cut_connections(self):
        way = self._way()
        for _ in range(3):
            way.reset_all()
            self._hold(0.1, 0.5)
        return way.name

    def cut_message(self):
        database, pattern = self._dice.choice(MESSAGES)
        action = self._dice.choice(ACTIONS)
        way = self.stack.proxies[self._replica().name][database]
        rule = way.arm(pattern, action, self._dice.randint(1, 5))
        fired = rule.fired.wait(5)
        way.disarm()
        self.messages_cut += fired
        return f"{way.name} {action} {pattern}{'' if fired else ' (did not come)'}"

    def hole(self):
        way = self._way()
        way.hole()
        self._hold(1, 3)
        way.heal()
        return way.name

    def latency(self):
        replica = self._replica()
        ways = self.stack.proxies[replica.name].values()
        for way in ways:
            way.delay_seconds = 0.03
        self._hold(1, 2)
        for way in ways:
            way.heal()
        return replica.name

    def fill_slots(self):
        name = self._dice.choice(PARTICIPANTS)
        taken = self._squatter.fill(name)
        self._hold(0.5, 1.5)
        self.failed += self._squatter.leave(name)
        return f"{name} ({taken} foreign gids)"

    def fill_disk(self):
        full = self.disk.fill()
        self._hold(1, 2)
        self.disk.free()
        cluster = self.stack.participants[self.disk.participant]
        cluster.start_again_if_ended()
        return f"{self.disk.participant} ({full >> 20} MiB)"

    def revive(self):
        """What ended on its own because it was superseded is started again."""
        for replica in self.stack.replicas.values():
            if not replica.is_running:
                if replica.exit_status != 75:
                    self.failed.append(f"{replica.name} ended with {replica.exit_status}")
                replica.start()

    def repair_all(self):
        for ways in self.stack.proxies.values():
            for way in ways.values():
                way.heal()
        for cluster in self.stack.databases.values():
            cluster.thaw()
            cluster.start_again_if_ended()
        for replica in self.stack.replicas.values():
            replica.thaw()
        self.revive()
