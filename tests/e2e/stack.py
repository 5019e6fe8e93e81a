"""A daemon in front of the mock upstream for real clients, and where their SDKs are."""

import os
import sys
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]
SDKS = TOP / "build" / "e2e"
SKIPPED = 77  # tests/CMakeLists.txt: SKIP_RETURN_CODE

sys.path.insert(0, str(TOP / "tests" / "integration"))

CONFIG = """\
listen: ["127.0.0.1:0"]
upstreams:
  mock:
    base_url: {base_url}
    proxy: none
    keys: [{{name: e2e, env: STREAMKEEPER_E2E_KEY}}]
aliases: {{gpt-4o-mini: mock-1}}
"""


def skip(reason):
    """Ends the process; ctest then counts it as skipped and shows the reason."""
    print(f"skipped: {reason}")
    sys.exit(SKIPPED)


class Stack:
    """`with Stack() as stack:` stack.url is what a user writes into a tool, without /v1."""

    def __enter__(self):
        from harness import Daemon, Mock
        self.mock = Mock()
        os.environ["STREAMKEEPER_E2E_KEY"] = self.mock.key
        try:
            self.daemon = Daemon(CONFIG.format(base_url=self.mock.base_url))
        except BaseException:
            self.mock.stop()
            raise
        self.url = f"http://127.0.0.1:{self.daemon.port}"
        return self

    def __exit__(self, *_):
        self.daemon.stop()
        self.mock.stop()
