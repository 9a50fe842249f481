"""Has REDbot examine every GET of the contract, and the operators' pages, at a server of its own.

REDbot sends each request several times: as it is, with conditions, with ranges, with other codings; and says what a
response gets right or wrong by RFC 9110 and RFC 9111. Any warning fails the run.
"""

import json
import subprocess
import sys
import urllib.request
from configparser import ConfigParser

import thor
from httplint.note import levels
from redbot.resource import HttpResource

PAGES = ["/", "/transactions", "/participants", "/transactions/{id}", "/participants/{name}"]
SECONDS_MAX = 300


def get_json(url, body=None):
    """The answer to a GET, or to a POST if there is a body."""
    request = urllib.request.Request(
        url, data=body and json.dumps(body).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=SECONDS_MAX) as response:
        return json.load(response)


def paths(server):
    """Every path that has a GET, with an id and names that exist."""
    work = {"participant": "users", "statements": [{"sql": "SELECT 1"}]}
    transaction = get_json(f"{server}/v1/transactions", {"branches": [work]})["id"]
    contract = get_json(f"{server}/openapi.json")["paths"]
    templates = [path for path, methods in contract.items() if "get" in methods] + PAGES
    values = {"{id}": transaction, "{name}": "users"}
    found = []
    for path in dict.fromkeys(templates):
        for name, value in values.items():
            path = path.replace(name, value)
        if "{" in path:
            raise SystemExit(f"redbot: expected a value for each parameter, got {path}")
        found.append(path)
    return found


def examine(server, found):
    """What REDbot notes about each path."""
    settings = ConfigParser()
    settings.read_dict({"redbot": {"enable_local_access": "True"}})
    resources = {}
    waiting = set(found)
    for path in found:
        resource = HttpResource(settings["redbot"])
        resource.set_request(server + path)
        resources[path] = resource

        def done(path=path):
            waiting.discard(path)
            if not waiting:
                thor.stop()

        resource.on("check_done", done)
        resource.check()
    thor.schedule(SECONDS_MAX, thor.stop)
    thor.run()
    if waiting:
        raise SystemExit(f"redbot: no answer within {SECONDS_MAX} s: {sorted(waiting)}")
    return {path: list(resource.response.notes) for path, resource in resources.items()}


def main():
    command = [".build/debug/tandem", "dev", "--port", "0", "--no-control-points", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            url = json.loads(server.stdout.readline())["url"]
            notes = examine(url, paths(url))
        finally:
            server.terminate()
    faults = 0
    for path, found in notes.items():
        bad = [note for note in found if note.level in (levels.WARN, levels.BAD)]
        print(f"{path}: {len(found) - len(bad)} notes, {len(bad)} warnings")
        for note in bad:
            print(f"  {note.summary}")
        faults += len(bad)
    print(f"redbot: {len(notes)} resources, {faults} warnings")
    return 1 if faults or not notes else 0


if __name__ == "__main__":
    sys.exit(main())
