"""A replica of the coordinator as a process: start, kill, freeze, and read its log."""

import collections
import http.client
import json
import os
import signal
import subprocess
import threading
import time

from . import processes

ANSWER_SECONDS_MAX = 30


class Answer:
    """An answer to a caller; `status` is None if the connection was lost."""

    def __init__(self, status, body):
        self.status = status
        self.body = body

    @property
    def type(self):
        return self.body.get("type", "").rsplit("/", 1)[-1]

    def __str__(self):
        return "lost" if self.status is None else f"{self.status} {self.type}".strip()


LOST = Answer(None, {})


def request(port, method, path, body=None, headers=None, timeout=ANSWER_SECONDS_MAX):
    """One exchange; `LOST` if no answer came."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        payload = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json"} | (headers or {}) if body else headers or {}
        connection.request(method, path, payload, headers)
        response = connection.getresponse()
        return Answer(response.status, json.loads(response.read() or b"{}"))
    except (OSError, http.client.HTTPException, ValueError):
        return LOST
    finally:
        connection.close()


class Replica:
    """A replica's name and port, over several processes."""

    def __init__(self, name, binary, configuration, folder, port):
        self.name = name
        self.port = port
        self._binary = binary
        self._configuration = configuration
        self._log = folder / f"{name}.log"
        self._process = None
        # Environment of every process of this replica.
        self.environment = {}
        # The number of its process, so that hits of an earlier one do not count.
        self.incarnation = 0
        self._hits = []
        self._news = threading.Condition()
        self.last_lines = collections.deque(maxlen=60)

    def start(self, failpoints=None, wait=True, more=None):
        """Starts a process; with `wait`, until it serves."""
        environment = {key: value for key, value in os.environ.items()
                       if not key.startswith("TANDEM_")} | self.environment | (more or {})
        if failpoints:
            environment["TANDEM_FAILPOINTS"] = failpoints
        with self._news:
            self._hits = []
        self.incarnation += 1
        self._process = subprocess.Popen(
            [*processes.DYING, str(self._binary), "serve", "--config", str(self._configuration)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            env=environment, start_new_session=True)
        threading.Thread(target=self._listen, args=(self._process,), daemon=True).start()
        if wait:
            self.becomes_ready()

    def _listen(self, process):
        with self._log.open("ab") as log:
            for line in process.stderr:
                log.write(line)
                log.flush()
                text = line.decode(errors="replace").rstrip()
                self.last_lines.append(text)
                if text.startswith("failpoint ") and process is self._process:
                    with self._news:
                        self._hits.append(text.split()[1])
                        self._news.notify_all()

    def becomes_ready(self):
        processes.until(60, f"{self.name} serves", self._is_ready)

    def _is_ready(self):
        if self._process.poll() is not None:
            lines = "\n".join(list(self.last_lines)[-5:])
            raise RuntimeError(f"{self.name} ended with {self._process.returncode}: {lines}")
        answer = request(self.port, "GET", "/v1/participants", timeout=2)
        return answer.status == 200 and '"connecting"' not in json.dumps(answer.body)

    def stops_at(self, failpoint, seconds):
        """Whether it stops at the failpoint within the time."""
        with self._news:
            if not self._news.wait_for(lambda: failpoint in self._hits, seconds):
                return False
        # It logs the hit before it stops; a SIGCONT sent in between would be lost.
        processes.until(seconds, "it is stopped", lambda: processes.state(self.pid) == "T")
        return True

    @property
    def pid(self):
        return self._process.pid

    @property
    def exit_status(self):
        return self._process.poll()

    @property
    def is_running(self):
        return self._process is not None and self._process.poll() is None

    def kill(self):
        processes.send(self.pid, signal.SIGKILL)
        self._process.wait()

    def freeze(self):
        processes.send(self.pid, signal.SIGSTOP)

    def thaw(self):
        processes.send(self.pid, signal.SIGCONT)

    def stop(self):
        """Sends SIGTERM, and SIGKILL if that is not enough."""
        if not self.is_running:
            return
        self.thaw()
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()

    def post(self, body, key=None, timeout=ANSWER_SECONDS_MAX, early=False):
        """Sends a transaction; `early` asks for the reply at the decision."""
        headers = {"Idempotency-Key": f'"{key}"'} if key else {}
        if early:
            headers["Prefer"] = "return-at=decision"
        return request(self.port, "POST", "/v1/transactions", body, headers, timeout)

    def post_when_connected(self, body, key=None, early=False):
        """Repeats the request while participants are still connecting, as on a slow machine."""
        for _ in range(40):
            answer = self.post(body, key, early=early)
            if answer.type != "participant-unavailable":
                break
            time.sleep(0.25)
        return answer

    def get(self, path, timeout=ANSWER_SECONDS_MAX):
        return request(self.port, "GET", path, timeout=timeout)

    def roll_back(self, transaction, timeout=ANSWER_SECONDS_MAX):
        return request(self.port, "POST", f"/v1/transactions/{transaction}/rollback",
                       timeout=timeout)
