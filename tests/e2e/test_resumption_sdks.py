"""Real SDKs before a daemon whose vendor breaks its streams in every way: each call ends with the object of the unbroken
call, or it throws. A call that ends silently with anything else is the failure that streamkeeper exists to prevent."""

import collections
import json
import os
import subprocess
import sys
import unittest

import stack
import broken_streams
from broken_streams import CLIENTS, SHAPES, differences
from sdk_runs import Node, Runs, node_clients_missing

PYTHON = stack.SDKS / "venv" / "bin" / "python"
COUNT = int(os.environ.get("STREAMS", "300"))
SEED = int(os.environ.get("SEED", "1"))
ONLY = os.environ.get("ONLY", "")  # part of a case's name, to run these alone


class Bench:
    """Mock, daemon, SDKs, and what every client makes of every shape when nothing breaks."""

    def __init__(self):
        from harness import Daemon, Mock
        self.mock = Mock()
        self.node, self.daemon = None, None
        try:
            self.daemon = Daemon(broken_streams.CONFIG.format(base_url=self.mock.base_url))
            self.node = Node()
            self.through = Runs(self.node, f"http://127.0.0.1:{self.daemon.port}", "unused", 60)
            self.uncut, self.measured = self.measure()
        except BaseException:
            self.stop()
            raise

    def directly(self, limit):
        return Runs(self.node, f"http://127.0.0.1:{self.mock.port}", self.mock.key, limit)

    def measure(self):
        """By (client, shape): the final object without a fault, and the answer's bytes. What an SDK can't read even
        then is left out."""
        cases = [broken_streams.Case(number, client, shape, "exact", "", False, False)
                 for number, (client, shape) in enumerate((c, s) for c in CLIENTS for s in SHAPES if broken_streams.fits(c, s))]
        outcomes = self.directly(60).all(cases, "uncut")
        requests = {json.loads(line["body"])["model"]: line for line in self.mock.requests()}
        uncut, measured = {}, {}
        for case, outcome in zip(cases, outcomes):
            if "final" in outcome:
                at = case.client, case.shape
                uncut[at] = outcome["final"]
                measured[at] = broken_streams.measure(self.mock.port, self.mock.key, requests[case.model("uncut")], case.dialect)
            else:
                print(f"without a fault: {case}: {outcome}", file=sys.stderr)
        return uncut, measured

    def plan(self, count, seed):
        return broken_streams.plan(count, seed, self.measured, list(CLIENTS))

    def judge(self, case, outcome):
        """`same`, `threw`, `hung`, or `wrong`, and how."""
        if "final" not in outcome:
            return ("hung", "") if "hung" in outcome else ("threw", outcome["threw"])
        wrong = differences(case, outcome["final"], self.uncut[case.client, case.shape])
        return ("wrong", "; ".join(wrong)) if wrong else ("same", "")

    def stop(self):
        for server in (self.node, self.daemon, self.mock):
            if server:
                server.stop()


class ResumptionSdks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.bench = Bench()
        cls.addClassCleanup(cls.bench.stop)
        cls.cases = [case for case in cls.bench.plan(COUNT, SEED) if ONLY in str(case)]
        cls.verdicts = [(case, *cls.bench.judge(case, outcome))
                        for case, outcome in zip(cls.cases, cls.bench.through.all(cls.cases))]
        cls.counts = collections.Counter(verdict for _, verdict, _ in cls.verdicts)
        print(f"{len(cls.cases)} faulted calls, seed {SEED}: {dict(cls.counts)}", file=sys.stderr)

    def check_none(self, wrong):
        told = [f"{case}\n    {verdict}: {how}" for case, verdict, how in self.verdicts if wrong(case, verdict)]
        if told:
            self.fail(f"{len(told)} of {len(self.cases)}:\n" + "\n".join(told))

    def test_every_sdk_reads_every_shape_when_nothing_breaks(self):
        missing = [(client, shape) for client in CLIENTS for shape in SHAPES
                   if broken_streams.fits(client, shape) and (client, shape) not in self.bench.uncut]
        self.assertEqual(missing, [])

    def test_no_call_ends_silently_with_anything_but_the_whole_answer(self):
        self.check_none(lambda case, verdict: verdict == "wrong")

    def test_no_call_is_left_hanging(self):
        self.check_none(lambda case, verdict: verdict == "hung")

    def test_a_call_throws_only_where_nothing_could_be_done(self):
        self.check_none(lambda case, verdict: verdict == "threw" and not case.may_throw)

    @unittest.skipIf(ONLY, "a part of the calls")
    def test_the_faults_were_real(self):
        again = collections.Counter(json.loads(line["body"])["model"] for line in self.bench.mock.requests())
        broke = [case for case, verdict, _ in self.verdicts if again[case.model()] > 1 or verdict == "threw"]
        self.assertGreater(len(broke), len(self.cases) * 0.9)
        closed = [verdict for case, verdict, _ in self.verdicts if case.mode == "closed"]
        self.assertIn("threw", closed, "a vendor that can't go on must be heard of")


if __name__ == "__main__":
    if not PYTHON.exists():
        stack.skip("no Python SDKs in build/e2e (tests/e2e/prepare fetches them)")
    if node_clients_missing():
        stack.skip(node_clients_missing())
    if os.path.abspath(sys.executable) != str(PYTHON):
        sys.exit(subprocess.run([str(PYTHON), "-B", *sys.argv]).returncode)
    unittest.main(verbosity=2)
