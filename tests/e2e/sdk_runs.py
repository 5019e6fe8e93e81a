"""Makes the calls of many cases with their SDKs, before one address: Python's here on threads, JavaScript's in a node."""

import concurrent.futures
import json
import shutil
import subprocess
import threading

import stack
from broken_streams import CLIENTS, SHAPES, TOOL, TOOL_SHAPES
from python_clients import Clients

WIDTH = 6  # calls at a time, in each language


def node_clients_missing():
    """Why there is no JavaScript, or None."""
    if not shutil.which("node"):
        return "no node on the PATH (scripts/install-dependencies test)"
    if not (stack.SDKS / "node" / "node_modules" / "ai").exists():
        return "no JavaScript SDKs in build/e2e (tests/e2e/prepare fetches them)"
    return None


class Node:
    """One node that is given calls and answers each with a line."""

    def __init__(self):
        # Modules are looked up from where a script lies, so it goes where they are.
        script = stack.SDKS / "node" / "streams.mjs"
        shutil.copy(stack.TOP / "tests/e2e/node/streams.mjs", script)
        self.process = subprocess.Popen(["node", str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        self.waiting, self.lock = {}, threading.Lock()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            said = json.loads(line)
            self.waiting.pop(said.pop("number")).set_result(said)
        for future in list(self.waiting.values()):
            future.set_exception(AssertionError("node ended"))

    def call(self, **call):
        future = concurrent.futures.Future()
        with self.lock:
            call["number"] = id(future)
            self.waiting[call["number"]] = future
            self.process.stdin.write(json.dumps(call) + "\n")
            self.process.stdin.flush()
        return future.result(180)

    def stop(self):
        self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:  # a call that hangs
            self.process.kill()
            self.process.wait(5)
        self.reader.join(5)
        self.process.stdout.close()


class Runs:
    """All clients before one address; `limit`: seconds after which a silent call counts as hung."""

    def __init__(self, node, url, key, limit):
        self.node, self.url, self.key, self.limit = node, url, key, limit
        self.python = Clients(url, key, 60)

    def one(self, client, model, shape, headers):
        """{"final": …}, {"threw": …} or {"hung": true}"""
        if not CLIENTS[client][1]:
            return self.python.run(client, model, shape, headers, self.limit)
        return self.node.call(client=client, url=self.url, key=self.key, model=model, prompt=SHAPES[shape][2], headers=headers,
                              tool=TOOL if shape in TOOL_SHAPES else None, limit_ms=self.limit * 1000)

    def all(self, cases, where=""):
        """The outcomes in the order of the cases."""
        with concurrent.futures.ThreadPoolExecutor(WIDTH) as python, concurrent.futures.ThreadPoolExecutor(WIDTH) as node:
            futures = [(node if CLIENTS[case.client][1] else python).submit(
                self.one, case.client, case.model(where), case.shape, case.headers) for case in cases]
            return [future.result() for future in futures]
