"""The stack: a state database, three participants, replicas, and a proxy for each connection."""

import shutil
import tempfile
from pathlib import Path

from . import processes
from .cluster import Cluster
from .proxy import Proxy, start_loop
from .replica import Replica

ROOT = Path(__file__).resolve().parents[2]
PARTICIPANTS = ("users", "orders", "ledger")
LEASE_SECONDS = 3
GRACE_SECONDS = 1

CONFIGURATION = f"""
state: {{{{ conninfo: "{{state}}", timeoutMilliseconds: 1000, allowFsyncOff: true, allowPrivilegedRole: true }}}}
replica: {{{{ name: {{name}}, heartbeatSeconds: 1, leaseSeconds: {LEASE_SECONDS} }}}}
listen: {{{{ port: {{port}} }}}}
transactions:
  recoveryIntervalMilliseconds: 200
  scanIntervalMilliseconds: {{scan}}
  orphanGraceSeconds: {GRACE_SECONDS}
  finishWaitMilliseconds: 2000
  defaultTimeoutMilliseconds: 5000
shutdown: {{{{ graceSeconds: 5 }}}}
participants:
"""
PARTICIPANT = '  - {{ name: {name}, conninfo: "{conninfo}", finishers: 2, connectTimeoutMilliseconds: 1000, allowPrivilegedRole: true }}\n'


class Stack:
    """A context in which the databases run; replicas are added later."""

    def __init__(self, binary=None, tables=(), settings=None, folders=None):
        self.binary = binary or ROOT / ".build/debug/tandem"
        self._tables = tables
        self._settings = settings or {}
        self._folders = folders or {}
        self.replicas = {}
        self.proxies = {}

    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="tandem-reliability-"))
        self.folder.chmod(0o755)
        self._loop = start_loop()
        self.state = self._cluster("state")
        self.participants = {name: self._cluster(name) for name in PARTICIPANTS}
        self.databases = {"state": self.state, **self.participants}
        try:
            for cluster in self.databases.values():
                cluster.create()
            for cluster in self.databases.values():
                cluster.start(wait=False)
            for cluster in self.databases.values():
                cluster.becomes_ready()
            for cluster in self.participants.values():
                with cluster.session() as session:
                    for table in self._tables:
                        session.query(table)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for replica in self.replicas.values():
            replica.stop()
        for cluster in self.databases.values():
            cluster.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _cluster(self, name):
        folder = self._folders.get(name, self.folder)
        return Cluster(name, folder, self._settings.get(name))

    def add_replica(self, name, scan_milliseconds=200, more=""):
        """Adds a replica with its own proxy to each database."""
        proxies = {database: Proxy(f"{name}-{database}", cluster.port, self._loop)
                for database, cluster in self.databases.items()}
        self.proxies[name] = proxies
        port = processes.free_port()
        text = CONFIGURATION.format(
            state=conninfo(proxies["state"].port), name=name, port=port, scan=scan_milliseconds)
        text += "".join(PARTICIPANT.format(name=participant,
                                           conninfo=conninfo(proxies[participant].port))
                        for participant in PARTICIPANTS) + more
        file = self.folder / f"{name}.yaml"
        file.write_text(text)
        self.replicas[name] = Replica(name, self.binary, file, self.folder, port)
        return self.replicas[name]

    def prepared(self, name):
        """The prepared gids in a participant."""
        with self.participants[name].session() as session:
            return [row[0] for row in session.query("SELECT gid FROM pg_prepared_xacts")]

    def is_quiet(self):
        """Whether no gid is left and every row has finished."""
        if any(self.prepared(name) for name in PARTICIPANTS):
            return False
        with self.state.session() as session:
            return session.value("SELECT count(*) FROM tandem.transactions "
                                 "WHERE finished_at IS NULL") == "0"


def conninfo(port):
    return (f"host=127.0.0.1 port={port} user=postgres dbname=postgres sslmode=disable "
            "gssencmode=disable")
