"""A PostgreSQL server of the harness's own, which can be killed, frozen and started again."""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from . import processes
from .wire import ServerError, Session

SETTINGS = {
    "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": "200",
    "max_prepared_transactions": "100", "shared_buffers": "16MB", "logging_collector": "off",
    # Processes are killed here, machines are not: what the kernel was given survives.
    "fsync": "off", "autovacuum": "off", "log_min_messages": "warning",
}


def programs():
    """The folder of the server's programs."""
    given = os.environ.get("TANDEM_POSTGRES_BIN")
    if given:
        return Path(given)
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"),
                   key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    on_path = shutil.which("initdb")
    if not on_path:
        raise FileNotFoundError("there is no initdb: run `make setup`")
    return Path(on_path).resolve().parent


def as_server_user():
    """What goes before a server's command: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return processes.DYING
    return ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups",
            *processes.DYING[1:]]


def give_to_server_user(path):
    """Makes the server's user the owner of an empty folder."""
    if os.geteuid() == 0:
        user = pwd.getpwnam("postgres")
        os.chown(path, user.pw_uid, user.pw_gid)
    path.chmod(0o700)


class Cluster:
    """One server on a port that it keeps over its restarts."""

    def __init__(self, name, folder, settings=None):
        self.name = name
        self.port = processes.free_port()
        self.folder = folder / name
        self.data = self.folder / "data"
        self.log = self.folder / "server.log"
        self._settings = SETTINGS | (settings or {})
        self._process = None

    def create(self):
        """Makes the data. It is no copy: that would have the same system identifier."""
        self.folder.mkdir(exist_ok=True)
        give_to_server_user(self.folder)
        command = [str(programs() / "initdb"), "--no-sync", "--auth", "trust", "--username",
                   "postgres", "--pgdata", str(self.data)]
        subprocess.run(as_server_user() + command, check=True, stdout=subprocess.DEVNULL)

    def start(self, wait=True):
        options = [part for key, value in self._settings.items()
                   for part in ("-c", f"{key}={value}")]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                as_server_user() + [str(programs() / "postgres"), "-D", str(self.data),
                                    "-p", str(self.port), *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        if wait:
            self.becomes_ready()

    def becomes_ready(self):
        processes.until(60, f"{self.name} accepts connections", self._is_ready)

    def _is_ready(self):
        if self._process.poll() is not None:
            raise RuntimeError(f"{self.name} ended: {self.log.read_text()[-2000:]}")
        try:
            with Session(self.port, timeout=2):
                return True
        except (OSError, ServerError):
            return False

    def session(self):
        return Session(self.port)

    def kill(self):
        """kill -9 of the postmaster and every backend."""
        processes.kill_tree(self._process)

    def freeze(self):
        """SIGSTOP of the postmaster and every backend; they stay connected and say nothing."""
        self._to_all(signal.SIGSTOP)

    def thaw(self):
        self._to_all(signal.SIGCONT)

    def _to_all(self, number):
        for pid in [self._process.pid, *processes.children(self._process.pid)]:
            processes.send(pid, number)

    def start_again_if_ended(self):
        """After a fault that made it end by itself, such as a full disk."""
        if self._process.poll() is not None:
            self.start()
        self.becomes_ready()

    def stop(self):
        if self._process and self._process.poll() is None:
            self._to_all(signal.SIGCONT)
            self._process.send_signal(signal.SIGQUIT)
            try:
                self._process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
