"""Runs crash cases one after the other on one stack, and prints their results."""

import random
import time

from crash import deadlock
from crash.case import TABLES, FailpointCase, MessageCase, NotHit
from crash.faults import FAULTS
from crash.judge import still_holds
from crash.messages import ACTIONS, MESSAGES
from crash.points import points
from stack import processes
from stack.stack import GRACE_SECONDS, Stack

# A fixed seed, so that continuous integration always runs the same sample.
SAMPLE_SEED = 2


def cases(sample=None, only=None):
    """All cases as (class, point, fault), or a sample that covers every fault and step."""
    whole = [(FailpointCase, point, fault) for point in points() for fault in FAULTS]
    whole += [(MessageCase, message, action) for message in MESSAGES for action in ACTIONS]
    whole += [(deadlock.DeadlockCase, point, fault) for point, fault in deadlock.cases()]
    if only:
        whole = [case for case in whole if only in f"{case[1]} {case[2]}"]
    return whole if sample is None else chosen(whole, sample)


def chosen(whole, count):
    """Cases that add a step or a fault first, then the others."""
    shuffled = random.Random(SAMPLE_SEED).sample(whole, len(whole))
    seen, new, rest = set(), [], []
    for case in shuffled:
        marks = {case[1].step, case[2]}
        (rest if marks <= seen else new).append(case)
        seen |= marks
    return (new + rest)[:count]


def run(binary=None, sample=None, only=None, shard=(1, 1)):
    """Runs the cases; returns the results and the number of invalid cases.

    `shard` is (number, count) and selects every count-th case.
    """
    results, judged, invalid = [], [], 0
    wanted = cases(sample, only)[shard[0] - 1::shard[1]]
    with Stack(binary, TABLES + deadlock.TABLES) as stack:
        victim = stack.add_replica("victim")
        # The other replica takes over rows, but does not scan: orphans are left to the victim.
        other = stack.add_replica("other", scan_milliseconds=3_600_000)
        other.start()
        print(HEAD, flush=True)
        for number, (kind, point, fault) in enumerate(wanted, 1):
            case = kind(stack, victim, other, point, fault, number)
            try:
                result = case.run()
            except (NotHit, TimeoutError, RuntimeError, OSError) as error:
                invalid += 1
                print(f"| {point} | {fault} | INVALID: {error} | | |", flush=True)
                if victim.is_running:
                    victim.kill()
                continue
            finally:
                other.thaw()
                for proxy in stack.proxies["victim"].values():
                    proxy.heal()
            results.append(result)
            judged.append((case, result))
            print(line(result), flush=True)
        judge_again(stack, victim, judged)
    return results, invalid


def judge_again(stack, victim, judged):
    """Judges all cases again, after the grace period and some scans, with both replicas alive."""
    if not judged:
        return
    if not victim.is_running:
        victim.start()
    time.sleep(2 * GRACE_SECONDS)
    try:
        processes.until(60, "every transaction has finished in the end", stack.is_quiet)
    except TimeoutError as error:
        judged[-1][1].violations.append(str(error))
        print(line(judged[-1][1]))
    for case, result in judged:
        before = len(result.violations)
        still_holds(case, result)
        if len(result.violations) > before:
            print(line(result))


HEAD = "| point | fault | outcome | answer | seconds to heal |\n|---|---|---|---|---|"


def line(result):
    verdict = result.outcome
    if result.violations:
        verdict = "VIOLATION: " + "; ".join(result.violations)
    return (f"| {result.point} | {result.fault} | {verdict} | {result.answer} "
            f"| {result.seconds:.2f} |")


def summary(results, invalid):
    """The figures of a run."""
    violations = sum(bool(result.violations) for result in results)
    lines = ["", f"{len(results)} cases, {violations} with violations, {invalid} invalid."]
    for fault in dict.fromkeys(FAULTS + ACTIONS + deadlock.OTHERS):
        seconds = sorted(result.seconds for result in results if result.fault == fault)
        if seconds:
            lines.append(f"{fault}: {len(seconds)} cases, healed in "
                         f"{seconds[len(seconds) // 2]:.2f} s (median), "
                         f"{seconds[-1]:.2f} s (maximum).")
    return "\n".join(lines)
