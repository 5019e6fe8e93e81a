"""The systemd units: valid, and hardened as far as the contract promises (section 10)."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

UNITS = Path(__file__).resolve().parents[2] / "systemd"
MOST_EXPOSURE = 1.5
DRAIN = 30  # seconds: the default of `drain`


def settings(text):
    found = {}
    for line in text.splitlines():
        name, separator, value = line.partition("=")
        if separator and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


class Units(unittest.TestCase):
    def verify(self, folder, names, *flags):
        with tempfile.TemporaryDirectory() as place:
            # The program need not be installed to judge the unit: any that exists takes its place.
            program = os.environ.get("STREAMKEEPER") or "/bin/true"
            for name in names:
                text = (folder / name).read_text().replace("/usr/bin/streamkeeper", program)
                (Path(place) / name).write_text(text)
            files = [str(Path(place) / name) for name in names]
            environment = dict(os.environ, XDG_RUNTIME_DIR=place)
            run = subprocess.run(["systemd-analyze", "verify", *flags, *files], env=environment, capture_output=True, text=True)
            self.assertEqual((run.returncode, run.stderr.strip()), (0, ""))

    def test_the_system_units_are_valid(self):
        self.verify(UNITS, ["streamkeeper.service", "streamkeeper.socket"])

    def test_the_user_unit_is_valid(self):
        self.verify(UNITS / "user", ["streamkeeper.service"], "--user")

    def test_the_service_is_hardened(self):
        run = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager",
                              str(UNITS / "streamkeeper.service")], capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stderr)
        score = float(re.search(r"Overall exposure level[^:]*: ([\d.]+)", run.stdout)[1])
        print(f"systemd-analyze security: {score} (at most {MOST_EXPOSURE})")
        self.assertLessEqual(score, MOST_EXPOSURE)

    def test_stopping_waits_longer_than_the_drain(self):
        for path in (UNITS / "streamkeeper.service", UNITS / "user/streamkeeper.service"):
            service = settings(path.read_text())
            self.assertGreater(int(service["TimeoutStopSec"][0].removesuffix("s")), DRAIN, path)
            self.assertEqual((service["Type"], service["NotifyAccess"]), (["notify"], ["main"]), path)
            self.assertEqual(service["WatchdogSec"], ["30s"], path)

    def test_the_service_says_what_the_contract_says(self):
        service = settings((UNITS / "streamkeeper.service").read_text())
        self.assertEqual(service["LoadCredential"], ["keys:/etc/streamkeeper/keys"])
        self.assertEqual(service["DynamicUser"], ["yes"])
        self.assertEqual(service["ExecReload"], ["/bin/kill -HUP $MAINPID"])
        sockets = settings((UNITS / "streamkeeper.socket").read_text())
        self.assertEqual(sockets["ListenStream"], ["127.0.0.1:8817", "[::1]:8817"])


if __name__ == "__main__":
    if not shutil.which("systemd-analyze"):
        print("skipped: no systemd-analyze here (Debian's package systemd)")
        sys.exit(77)
    unittest.main(verbosity=2)
