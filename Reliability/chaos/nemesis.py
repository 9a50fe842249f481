"""The faults: each breaks something, waits, and repairs it."""

import random
import time

from chaos.slots import SlotExhaustion
from stack import processes
from stack.stack import LEASE_SECONDS, PARTICIPANTS

# The messages at which a connection can be cut, by database.
MESSAGES = (
    ("state", r"INSERT INTO tandem\.transactions"),
    ("state", r"UPDATE tandem\.transactions AS t SET\s+decision"),
    ("state", r"^COMMIT"),
    *((name, r"^PREPARE TRANSACTION") for name in PARTICIPANTS),
    *((name, r"^COMMIT PREPARED") for name in PARTICIPANTS),
)
ACTIONS = ("cut", "forward", "swallow")
# Each of these must fire in a valid run.
FAILPOINTS = (
    "accept.after", "work.after.0", "decideCommit.before", "decideCommit.after",
    "commitPrepared.before.1", "commitPrepared.after.0", "rollbackPrepared.before.1",
    "finish.before",
)


class Nemesis:
    """Applies one fault after the other; every kind once before any is repeated."""

    def __init__(self, stack, disk, seed):
        self.stack = stack
        self.disk = disk
        self._random = random.Random(f"{seed} nemesis")
        self._slots = SlotExhaustion(stack)
        self._deck = []
        self.done = []
        self.failed = []
        self.fired = set()
        self.messages_cut = 0
        self.kinds = [self.kill_replica, self.freeze_replica, self.pause_beyond_lease,
                      self.failpoint, self.failpoint, self.kill_participant,
                      self.freeze_participant, self.kill_state, self.freeze_state,
                      self.cut_connections, self.cut_message, self.cut_message, self.stall,
                      self.latency, self.fill_slots]
        if disk:
            self.kinds.append(self.fill_disk)

    def strike(self):
        """Applies and repairs the next fault."""
        if not self._deck:
            self._deck = self._random.sample(self.kinds, len(self.kinds))
        kind = self._deck.pop()
        began = time.monotonic()
        what = kind()
        self.done.append(kind.__name__)
        print(f"  {kind.__name__} {what} ({time.monotonic() - began:.1f} s)", flush=True)

    def _replica(self):
        return self._random.choice(list(self.stack.replicas.values()))

    def _participant(self):
        return self.stack.participants[self._random.choice(PARTICIPANTS)]

    def _hold(self, least=0.3, most=2.0):
        time.sleep(self._random.uniform(least, most))

    def kill_replica(self):
        replica = self._replica()
        replica.kill()
        self._hold(0, LEASE_SECONDS + 1)
        replica.start()
        return replica.name

    def failpoint(self):
        """Kills a replica at a named step, under load."""
        replica = self._replica()
        left = sorted(set(FAILPOINTS) - self.fired) or list(FAILPOINTS)
        name = self._random.choice(left)
        replica.kill()
        # It may die before it is ready.
        replica.start(f"{name}=kill*{self._random.randint(1, 20)}", wait=False)
        try:
            processes.until(10, "it dies at the failpoint", lambda: not replica.is_running)
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
        """Freezes a replica until others have taken over its transactions."""
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

    def _proxy(self):
        proxies = self.stack.proxies[self._replica().name]
        return proxies[self._random.choice(sorted(proxies))]

    def cut_connections(self):
        proxy = self._proxy()
        for _ in range(3):
            proxy.reset_all()
            self._hold(0.1, 0.5)
        return proxy.name

    def cut_message(self):
        database, pattern = self._random.choice(MESSAGES)
        action = self._random.choice(ACTIONS)
        proxy = self.stack.proxies[self._replica().name][database]
        rule = proxy.arm(pattern, action, self._random.randint(1, 5))
        fired = rule.fired.wait(5)
        proxy.disarm()
        self.messages_cut += fired
        return f"{proxy.name} {action} {pattern}{'' if fired else ' (did not come)'}"

    def stall(self):
        proxy = self._proxy()
        proxy.stall()
        self._hold(1, 3)
        proxy.heal()
        return proxy.name

    def latency(self):
        replica = self._replica()
        proxies = self.stack.proxies[replica.name].values()
        for proxy in proxies:
            proxy.delay_seconds = 0.03
        self._hold(1, 2)
        for proxy in proxies:
            proxy.heal()
        return replica.name

    def fill_slots(self):
        name = self._random.choice(PARTICIPANTS)
        taken = self._slots.fill(name)
        self._hold(0.5, 1.5)
        self.failed += self._slots.leave(name)
        return f"{name} ({taken} foreign gids)"

    def fill_disk(self):
        full = self.disk.fill()
        self._hold(1, 2)
        self.disk.free()
        cluster = self.stack.participants[self.disk.participant]
        cluster.start_again_if_ended()
        return f"{self.disk.participant} ({full >> 20} MiB)"

    def revive(self):
        """Starts superseded replicas again."""
        for replica in self.stack.replicas.values():
            if not replica.is_running:
                if replica.exit_status != 75:
                    self.failed.append(f"{replica.name} ended with {replica.exit_status}")
                replica.start()

    def repair_all(self):
        for proxies in self.stack.proxies.values():
            for proxy in proxies.values():
                proxy.heal()
        for cluster in self.stack.databases.values():
            cluster.thaw()
            cluster.start_again_if_ended()
        for replica in self.stack.replicas.values():
            replica.thaw()
        self.revive()
