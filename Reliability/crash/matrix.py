"""Runs crash cases one after the other on one stack, and prints what came of them."""

import random
import time

from crash.case import TABLES, FailpointCase, MessageCase, NotHit
from crash.faults import FAULTS
from crash.judge import still_holds
from crash.messages import ACTIONS, MESSAGES
from crash.points import points
from stack import processes
from stack.stack import GRACE_SECONDS, Stack

# A fixed seed: the sample of continuous integration is the same for everyone.
SAMPLE_SEED = 2


def cases(sample=None, only=None):
    """(class, point, fault), all of them, or a sample that has every fault and step in it."""
    whole = [(FailpointCase, point, fault) for point in points() for fault in FAULTS]
    whole += [(MessageCase, message, action) for message in MESSAGES for action in ACTIONS]
    if only:
        whole = [case for case in whole if only in f"{case[1]} {case[2]}"]
    return whole if sample is None else chosen(whole, sample)


def chosen(whole, count):
    """First what brings a step or a fault that was not there yet, then whatever comes."""
    shuffled = random.Random(SAMPLE_SEED).sample(whole, len(whole))
    seen, news, rest = set(), [], []
    for case in shuffled:
        marks = {case[1].step, case[2]}
        (rest if marks <= seen else news).append(case)
        seen |= marks
    return (news + rest)[:count]


def run(binary=None, sample=None, only=None, shard=(1, 1)):
    """Runs them; answers the results and how many cases never reached their point.

    `shard` is (number, count): every so manieth case only.
    """
    results, judged, invalid = [], [], 0
    wanted = cases(sample, only)[shard[0] - 1::shard[1]]
    with Stack(binary, TABLES) as stack:
        victim = stack.add_replica("victim")
        # The witness takes over from the dead, and leaves orphans to the victim.
        witness = stack.add_replica("witness", scan_milliseconds=3_600_000)
        witness.start()
        print(HEAD, flush=True)
        for number, (kind, point, fault) in enumerate(wanted, 1):
            case = kind(stack, victim, witness, point, fault, number)
            try:
                result = case.run()
            except (NotHit, TimeoutError, RuntimeError, OSError) as error:
                invalid += 1
                print(f"| {point} | {fault} | INVALID: {error} | | |", flush=True)
                if victim.is_running:
                    victim.kill()
                continue
            finally:
                witness.thaw()
                for way in stack.proxies["victim"].values():
                    way.heal()
            results.append(result)
            judged.append((case, result))
            print(line(result), flush=True)
        look_again(stack, victim, judged)
    return results, invalid


def look_again(stack, victim, judged):
    """After the grace period and some scans, with both replicas alive: is it still so?"""
    if not judged:
        return
    if not victim.is_running:
        victim.start()
    time.sleep(2 * GRACE_SECONDS)
    try:
        processes.until(60, "all is finished in the end", stack.is_quiet)
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
    """Lines of figures."""
    violations = sum(bool(result.violations) for result in results)
    lines = ["", f"{len(results)} cases, {violations} with violations, {invalid} invalid."]
    for fault in dict.fromkeys(FAULTS + ACTIONS):
        seconds = sorted(result.seconds for result in results if result.fault == fault)
        if seconds:
            lines.append(f"{fault}: {len(seconds)} cases, healed in "
                         f"{seconds[len(seconds) // 2]:.2f} s in the middle, "
                         f"{seconds[-1]:.2f} s at most.")
    return "\n".join(lines)
