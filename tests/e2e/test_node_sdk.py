"""openai-node through the daemon: starts both and hands over to node's own test runner (node/openai.test.mjs)."""

import os
import shutil
import subprocess
import sys

import stack


def main():
    modules = stack.SDKS / "node"
    if not shutil.which("node"):
        stack.skip("no node on the PATH (scripts/install-dependencies test)")
    if not (modules / "node_modules" / "openai").exists():
        stack.skip("no JavaScript SDK in build/e2e (tests/e2e/prepare fetches it)")
    # Modules are looked up from where a script lies, so it goes where they are.
    script = modules / "openai.test.mjs"
    shutil.copy(stack.TOP / "tests/e2e/node/openai.test.mjs", script)
    with stack.Stack() as running:
        environment = dict(os.environ, STREAMKEEPER_URL=running.url)
        return subprocess.run(["node", "--test", str(script)], env=environment, cwd=modules, timeout=120).returncode


if __name__ == "__main__":
    sys.exit(main())
