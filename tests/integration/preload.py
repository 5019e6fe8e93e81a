"""A daemon whose steady clock a test can put forward, so that a minute of silence costs no minute.

`preload.c` is compiled once and put before libc. The clock goes on by itself; `jump` adds to it. Sockets, `epoll` and the
wall clock stay as they are. Names that end in `.never.test` are looked up for ever.
"""
import atexit
import functools
import mmap
import os
import shutil
import subprocess
import tempfile
import unittest

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "preload.c")


@functools.cache
def library():
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        raise unittest.SkipTest("no C compiler for preload.c")
    folder = tempfile.mkdtemp(prefix="preload-")
    atexit.register(shutil.rmtree, folder, True)
    built = os.path.join(folder, "preload.so")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", built, SOURCE, "-ldl"], check=True)
    return built


class Clock:
    """`Daemon(..., env=clock.env)`, then `clock.jump(60)`."""

    def __init__(self, case):
        handle, path = tempfile.mkstemp(prefix="clock-ahead-")
        case.addCleanup(os.unlink, path)
        os.write(handle, bytes(8))
        self._ahead = mmap.mmap(handle, 8)
        os.close(handle)
        self._seconds = 0.0
        # A sanitizer wants to be the first library; being the second does it no harm.
        sanitizer = os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"
        self.env = {"LD_PRELOAD": library(), "CLOCK_AHEAD": path, "ASAN_OPTIONS": sanitizer.lstrip(":")}

    def jump(self, seconds):
        self._seconds += seconds
        self._ahead[:] = int(self._seconds * 1e9).to_bytes(8, "little")
