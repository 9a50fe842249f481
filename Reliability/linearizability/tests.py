"""The checker judges right: `python3 -m unittest linearizability.tests` in Reliability/."""

import itertools
import random
import unittest

from linearizability.checker import is_linearizable
from linearizability.history import Exchange, broken_promises, operations
from linearizability.model import ABSENT, OPEN, Operation, step

KINDS = ("accept", "commit", "abort", "reads absent", "reads present", "reads undecided",
         "reads committed", "reads aborted", *OPEN)


def history(*parts):
    """Operations of (kind, call, returned)."""
    return [Operation(*part) for part in parts]


def is_linearizable_by_trial(operations):
    """The definition itself: tries every order of every choice of what never returned."""
    finished = [operation for operation in operations if operation.returned is not None]
    open_ones = [operation for operation in operations if operation.returned is None]
    return any(explains(order)
               for size in range(len(open_ones) + 1)
               for chosen in itertools.combinations(open_ones, size)
               for order in itertools.permutations([*finished, *chosen]))


def explains(order):
    for index, later in enumerate(order):
        if any(earlier.returned is not None and earlier.returned < later.call
               for earlier in order[index + 1:]):
            return False
    state = ABSENT
    for operation in order:
        state = step(state, operation.kind)
        if state is None:
            return False
    return True


def post(status, call, returned, **more):
    """An answer to a POST of key k by transaction 1."""
    values = {"key": "k", "request": "post", "client": "c", "replica": "r", "call": call,
              "returned": returned, "status": status, "problem": "", "outcome": None,
              "transaction": "1", "state": None}
    return Exchange(**values | more)


class CheckerTests(unittest.TestCase):
    def test_accepts_rollback_during_post(self):
        self.assertTrue(is_linearizable(history(
            ("accept", 1, 9), ("abort", 1, 9), ("reads undecided", 2, 3), ("abort", 4, 6),
            ("reads aborted", 7, 8))))

    def test_refuses_decision_that_changes(self):
        self.assertFalse(is_linearizable(history(
            ("accept", 1, 4), ("commit", 1, 4), ("reads committed", 5, 6), ("reads aborted", 7, 8))))

    def test_refuses_decision_that_is_undone(self):
        self.assertFalse(is_linearizable(history(
            ("accept", 1, 9), ("commit", 1, 9), ("reads committed", 2, 3), ("reads undecided", 4, 5))))

    def test_accepts_reads_that_cross(self):
        self.assertTrue(is_linearizable(history(
            ("accept", 1, 9), ("commit", 1, 9), ("reads committed", 2, 5), ("reads undecided", 4, 6))))

    def test_lets_unknown_outcome_take_effect_at_any_time(self):
        unknown = [("may accept", 1, None), ("may commit", 1, None), ("may abort", 1, None)]
        for decision in ("committed", "aborted"):
            self.assertTrue(is_linearizable(history(
                *unknown, ("reads undecided", 5, 6), (f"reads {decision}", 7, 8))))
        self.assertFalse(is_linearizable(history(
            *unknown, ("reads committed", 5, 6), ("reads aborted", 7, 8))))

    def test_refuses_decision_before_any_request(self):
        self.assertFalse(is_linearizable(history(
            ("reads committed", 1, 2), ("accept", 3, 4), ("commit", 3, 4))))

    def test_agrees_with_definition(self):
        rng = random.Random(1)
        verdicts = set()
        for _ in range(3000):
            case = []
            for _ in range(rng.randint(1, 6)):
                kind, call = rng.choice(KINDS), rng.randint(0, 12)
                returned = None if kind in OPEN else call + rng.randint(0, 5)
                case.append(Operation(kind, call, returned))
            verdict = is_linearizable(case)
            verdicts.add(verdict)
            self.assertEqual(verdict, is_linearizable_by_trial(case), case)
        self.assertEqual(verdicts, {True, False})


class HistoryTests(unittest.TestCase):
    def test_refused_request_does_nothing(self):
        refused = post(503, 1, 2, outcome="notAccepted", problem="overloaded")
        self.assertEqual(operations([refused]), [])
        found = post(200, 3, 4, request="get", state="committed")
        self.assertFalse(is_linearizable(operations([refused, found])))

    def test_lost_answer_explains_later_commit(self):
        lost = post(None, 1, 2, transaction=None)
        found = post(200, 3, 4, request="get", state="committed")
        self.assertTrue(is_linearizable(operations([lost, found])))

    def test_undecided_in_list_is_no_claim(self):
        committed = post(201, 1, 2, state="committed")
        for request, is_right in (("find", True), ("get", False)):
            later = post(200, 3, 4, request=request, state="preparing")
            self.assertEqual(is_linearizable(operations([committed, later])), is_right)

    def test_conflict_of_rollback_is_commit(self):
        answers = [post(201, 1, 2, state="committed"),
                   post(409, 3, 4, request="rollback", problem="conflict")]
        self.assertTrue(is_linearizable(operations(answers)))
        answers[0] = post(409, 1, 2, outcome="aborted")
        self.assertFalse(is_linearizable(operations(answers)))

    def test_names_second_transaction_of_key(self):
        answers = [post(201, 1, 2, state="committed"),
                   post(201, 3, 4, state="committed", transaction="2")]
        self.assertEqual(len(broken_promises(answers)), 1)

    def test_unrecorded_abort_never_commits(self):
        never = post(503, 1, 2, outcome="aborted")
        again = post(201, 3, 4, state="committed", transaction="2")
        self.assertTrue(is_linearizable(operations([never, again])))
        self.assertEqual(broken_promises([never, again]), [])
        self.assertEqual(len(broken_promises([never, post(200, 3, 4, request="get",
                                                          state="committed")])), 1)


if __name__ == "__main__":
    unittest.main()
