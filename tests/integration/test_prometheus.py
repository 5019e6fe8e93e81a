"""A real Prometheus scrapes the daemon, and what it then knows is what the clients saw."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from harness import Daemon, Mock

CONFIG = """\
listen: ["127.0.0.1:0"]
upstreams:
  mock:
    base_url: {base_url}
    proxy: none
    keys: [{{name: scraped, env: STREAMKEEPER_TEST_KEY}}]
models: {{mock-1: {{}}}}
"""
SCRAPE = """\
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs:
  - job_name: streamkeeper
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""
LOCAL = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Prometheus:
    """Debian's server with a throw-away database, scraping one port."""

    def __init__(self, port):
        self.folder = tempfile.TemporaryDirectory()
        place = Path(self.folder.name)
        (place / "prometheus.yml").write_text(SCRAPE.format(port=port))
        self.port = free_port()
        self.log = open(place / "log", "wb")
        self.child = subprocess.Popen(
            ["prometheus", f"--config.file={place}/prometheus.yml", f"--storage.tsdb.path={place}/data",
             f"--web.listen-address=127.0.0.1:{self.port}"], stdout=self.log, stderr=self.log)

    def query(self, expression):
        """The instant vector as {labels: value}."""
        url = f"http://127.0.0.1:{self.port}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        result = json.load(LOCAL.open(url, timeout=5))["data"]["result"]
        return {tuple(sorted(entry["metric"].items())): float(entry["value"][1]) for entry in result}

    def wait_for(self, expression, expected, seconds=30):
        """Scrapes come when they come: asks until the answer is the expected one; returns the last."""
        end, seen = time.monotonic() + seconds, None
        while time.monotonic() < end:
            try:
                seen = self.query(expression)
            except (OSError, urllib.error.URLError):
                if self.child.poll() is not None:
                    raise AssertionError((Path(self.folder.name) / "log").read_text()[-2000:]) from None
            if seen == expected:
                return seen
            time.sleep(0.2)
        return seen

    def stop(self):
        self.child.terminate()
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()
        self.log.close()
        self.folder.cleanup()


class Scraped(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.mock = Mock()
        cls.addClassCleanup(cls.mock.stop)
        os.environ["STREAMKEEPER_TEST_KEY"] = cls.mock.key
        cls.daemon = Daemon(CONFIG.format(base_url=cls.mock.base_url))
        cls.addClassCleanup(cls.daemon.stop)
        cls.billed = 0
        for _ in range(3):
            cls.billed += json.loads(cls.chat(stream=False)[1])["usage"]["total_tokens"]
        for _ in range(2):
            _, body = cls.chat(stream=True, stream_options={"include_usage": True})
            events = [line[6:] for line in body.decode().split("\n") if line.startswith("data: {")]
            usages = [json.loads(event).get("usage") for event in events]
            cls.billed += [usage for usage in usages if usage][-1]["total_tokens"]
        assert cls.chat(model="no-such-model")[0] == 404

    @classmethod
    def chat(cls, model="mock-1", **more):
        body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Rivers?"}], **more}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{cls.daemon.port}/v1/chat/completions", body,
                                         {"Content-Type": "application/json"})
        try:
            with LOCAL.open(request, timeout=20) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def test_promtool_finds_nothing_to_complain_about(self):
        with LOCAL.open(f"http://127.0.0.1:{self.daemon.port}/metrics", timeout=5) as answer:
            metrics = answer.read()
            self.assertTrue(answer.headers["Content-Type"].startswith("text/plain"))
        self.assertIn(b"\nstreamkeeper_requests_total{", metrics)
        self.assertIn(b"\nprocess_resident_memory_bytes ", metrics)
        run = subprocess.run(["promtool", "check", "metrics"], input=metrics, capture_output=True)
        self.assertEqual((run.returncode, run.stdout + run.stderr), (0, b""))

    def test_a_prometheus_knows_what_the_clients_saw(self):
        prometheus = Prometheus(self.daemon.port)
        self.addCleanup(prometheus.stop)
        for expression, expected in {
            'up{job="streamkeeper"} == bool 1': {(("instance", f"127.0.0.1:{self.daemon.port}"), ("job", "streamkeeper")): 1},
            'sum by (code, outcome) (streamkeeper_requests_total{upstream="mock"})':
                {(("code", "200"), ("outcome", "ok")): 5, (("code", "404"), ("outcome", "error")): 1},
            'sum by (model) (streamkeeper_requests_total{code="200"})': {(("model", "mock-1"),): 5},
            'sum by (code) (streamkeeper_upstream_attempts_total{upstream="mock"})':
                {(("code", "200"),): 5, (("code", "404"),): 1},
            'sum(streamkeeper_tokens_total{model="mock-1"})': {(): self.billed},
            'sum by (how) (streamkeeper_stream_ends_total)': {(("how", "finish"),): 2},
            'sum(streamkeeper_request_duration_seconds_count{model="mock-1"})': {(): 5},
            'sum(streamkeeper_time_to_first_token_seconds_count{model="mock-1"}) > bool 0': {(): 1},
            'sum(streamkeeper_requests_in_flight)': {(): 0},
            'count(streamkeeper_build_info)': {(): 1},
        }.items():
            with self.subTest(expression):
                self.assertEqual(prometheus.wait_for(expression, expected), expected)


if __name__ == "__main__":
    missing = [program for program in ("prometheus", "promtool") if not shutil.which(program)]
    if missing:
        print(f"skipped: no {' and no '.join(missing)} here (Debian's package prometheus)")
        sys.exit(77)
    unittest.main(verbosity=2)
