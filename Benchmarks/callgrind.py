"""Reads a profile of callgrind, and sorts its instructions and calls.

Every function belongs to one category, by its name or its library. The program's own functions are
also sorted by module, once alone and once with what runs on their behalf: the instructions of a
function of the runtime or of a library are shared out over its callers, each in proportion to what
its calls of that function cost. That is exact where each call costs the same, else an estimate.
"""

import re
from collections import defaultdict
from typing import NamedTuple

OWN = "own code"
ALLOCATION, COUNTING = "allocation", "retain, release"
EXCLUSIVITY, HASHING = "exclusive access", "hashing"
NO_CALLER = "(no caller)"

# The first that fits decides; the library's name is given without its version.
BY_NAME = [
    (ALLOCATION, re.compile(
        r"^_*(malloc|calloc|realloc|free|posix_memalign|memalign|aligned_alloc|int_malloc|int_free"
        r"|int_realloc|int_memalign|unlink_chunk|malloc_\w+|sysmalloc|systrim|tcache_\w+"
        r"|arena_get\w*"
        r"|swift_(slowAlloc|slowDealloc|allocObject|deallocObject|deallocClassInstance"
        r"|deallocPartialClassInstance|allocBox|deallocBox|bufferAllocate|initStackObject"
        r"|initStaticObject|allocObject_|slowDeallocImpl))[\w.]*$|swift_slowAlloc|swift_slowDealloc"
        r"|slowAlloc|slowDealloc|MallocTypeId")),
    (COUNTING, re.compile(
        r"^_*swift_\w*([rR]etain|[rR]elease|[uU]niquelyReferenced|unowned|weak)|RefCount"
        r"|swift_arrayDestroy|swift_arrayInit")),
    (EXCLUSIVITY, re.compile(
        r"swift_(beginAccess|endAccess)|AccessSet|SwiftTLSContext|exclusivity")),
    (HASHING, re.compile(r"^\$ss6Hasher|^\$ss7SipHash|SipHash")),
]
BY_LIBRARY = [
    ("Swift concurrency", re.compile(r"^lib(swift_Concurrency|dispatch|swiftDispatch)")),
    ("libswiftCore, the rest", re.compile(r"^libswift")),
    ("Foundation", re.compile(r"^lib_?Foundation")),
    ("libpq", re.compile(r"^libpq")),
    ("libmicrohttpd", re.compile(r"^libmicrohttpd")),
]
LIBC = re.compile(r"^(libc|libpthread|libm|ld-linux.*)\b")
LIBC_TEXT = re.compile(r"^_*(mem|str|wmem|wcs|stp|bcmp|bcopy|rawmem)")
MODULE = re.compile(r"^\$s(\d+)")

# What is counted, by the names of its functions.
COUNTED = {
    "malloc, calloc, realloc": r"malloc|calloc|realloc|posix_memalign|aligned_alloc",
    "swift_allocObject": r"swift_allocObject",
    "retain": r"swift_(bridgeObject|unknownObject)?[rR]etain(_n)?",
    "release": r"swift_(bridgeObject|unknownObject)?[rR]elease(_n)?",
    "swift_beginAccess": r"swift_beginAccess",
    "hashes": r"\$ss6HasherV9_finalizeSiyF|\$ss6HasherV5_hash.*",
    "tasks created": r"swift_task_create_common",
    "continuations awaited": r"swift_continuation_await",
    "task switches": r"swift_task_switch",
    "jobs enqueued": r"swift_task_enqueue",
    "PQgetResult": r"PQgetResult",
    "clock_gettime": r"clock_gettime",
    "pthread_mutex_lock": r"pthread_mutex_lock(@.*)?",
    "memcpy, memmove": r"_*mem(cpy|move)\w*",
    "send": r"send|sendmsg|sendto|writev|sendfile",
    "recv": r"recv|recvfrom|recvmsg",
    "epoll_wait": r"epoll_wait",
    "epoll_ctl": r"epoll_ctl",
    "read, write": r"read|write",
    "getrandom": r"getrandom|arc4random_buf|getentropy|swift_stdlib_random",
}
SHARING_ROUNDS = 60


class Profile(NamedTuple):
    """Instructions and calls, all threads together."""

    categories: dict
    # By module of the program: instructions of its own functions, and with all that they call for.
    modules: dict
    modules_with_callees: dict
    calls: dict
    functions: dict
    libraries: set


class Tables:
    """The functions of a profile: their own instructions, and who called whom at what cost.

    A function is a library and a name.
    """

    def __init__(self):
        self.instructions = defaultdict(int)
        self.calls = defaultdict(int)
        # By callee and caller.
        self.callers = defaultdict(lambda: defaultdict(int))

    @property
    def total(self):
        return sum(self.instructions.values())


def read(path, without):
    """Reads a file that was written with names and positions uncompressed.

    The instructions of the library `without` do not count.
    """
    tables = Tables()
    function, library, callee, callee_library = None, "", None, ""
    calls = None
    with path.open(errors="replace") as lines:
        for line in lines:
            if line[0].isdigit():
                cost = int(line.split()[1])
                if calls is not None:
                    # A call that has not returned yet counts as none.
                    tables.calls[callee] += calls
                    tables.callers[callee][function] += cost
                    calls, callee_library = None, library
                elif library != without:
                    tables.instructions[function] += cost
            elif line.startswith("calls="):
                calls = int(line[6:].split()[0])
            elif line.startswith("cfn="):
                callee = callee_library, function_name(line[4:])
            elif line.startswith("cob="):
                callee_library = library_name(line[4:])
            elif line.startswith("fn="):
                function = library, function_name(line[3:])
            elif line.startswith("ob="):
                library = callee_library = library_name(line[3:])
    return tables


def profile(tables, program):
    """Sorts them by what they do."""
    categories, modules, functions = defaultdict(int), defaultdict(int), defaultdict(int)
    for (library, name), instructions in tables.instructions.items():
        categories[category(library, name, program)] += instructions
        functions[f"{name} ({library})"] += instructions
        if module(library, name, program):
            modules[module(library, name, program)] += instructions
    return Profile(
        dict(categories), dict(modules), share_out(tables, program), count(tables),
        dict(functions), {library for library, _ in tables.instructions})


def library_name(path):
    return path.rstrip().rsplit("/", 1)[-1]


def function_name(text):
    """A function's name; callgrind gives one that calls itself a number for the depth."""
    return text.rstrip().split("'", 1)[0]


def category(library, name, program):
    for found, pattern in BY_NAME:
        if pattern.search(name):
            return found
    if library == program:
        return OWN if module(library, name, program) else "standard library, compiled into it"
    for found, pattern in BY_LIBRARY:
        if pattern.search(library):
            return found
    if LIBC.search(library):
        return "libc, memory and text" if LIBC_TEXT.search(name) else "libc, the rest"
    return library


def module(library, name, program):
    """The module of a function of the program; None for one of the runtime or the standard library.

    A function of the standard library that is compiled for a type of ours is the library's.
    """
    if library != program or any(pattern.search(name) for _, pattern in BY_NAME):
        return None
    found = MODULE.match(name)
    if found:
        begin = found.end()
        return name[begin:begin + int(found[1])]
    return None if name.startswith("$s") else "C, compiled into it"


def share_out(tables, program):
    """Instructions by module, with those of all that is no module's shared out over its callers."""
    def is_own(function):
        return module(*function, program) is not None

    foreign = {function: callers for function, callers in tables.callers.items()
               if not is_own(function)}
    shares = {function: {module(*function, program): 1.0}
              for function in set(tables.instructions) | set(tables.callers) if is_own(function)}
    for _ in range(SHARING_ROUNDS):
        for function, callers in foreign.items():
            whole = sum(cost for caller, cost in callers.items() if caller != function)
            share = defaultdict(float)
            for caller, cost in callers.items():
                if caller != function and whole:
                    for name, part in shares.get(caller, {}).items():
                        share[name] += part * cost / whole
            shares[function] = share
    result = defaultdict(float)
    for function, own in tables.instructions.items():
        share = shares.get(function, {})
        for name, part in share.items():
            result[name] += part * own
        result[NO_CALLER] += (1 - sum(share.values())) * own
    return dict(result)


def count(tables):
    patterns = {name: re.compile(f"^({text})$") for name, text in COUNTED.items()}
    counts = dict.fromkeys(COUNTED, 0)
    for (_, function), calls in tables.calls.items():
        for name, pattern in patterns.items():
            if pattern.match(function):
                counts[name] += calls
    return counts
