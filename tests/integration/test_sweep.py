"""A seeded sample of scripts/sweep: faults at any byte of an answer, models of every kind. Nothing may be wrong."""
import io
import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir, "resumption"))
import sweep  # noqa: E402


class Options:
    quick, every, seconds, seed, only, all_breaches = True, 1, 75, 1, None, False
    jobs = 2 * (os.cpu_count() or 2)


class Sweep(unittest.TestCase):
    def test_a_sample_of_all_faults_leaves_each_client_with_one_whole_answer_or_a_loud_error(self):
        out = io.StringIO()
        wrong = sweep.sweep(sweep.units(), Options, out)
        self.assertEqual(wrong, 0, out.getvalue())
        self.assertGreater(sweep.played, 400, out.getvalue())


if __name__ == "__main__":
    unittest.main()
