"""A release on this machine: archives as scripts/package-release.sh makes them, and a server that has them."""

import functools
import hashlib
import http.server
import os
import pathlib
import platform
import subprocess
import tempfile
import threading
import tomllib
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(os.environ["MLC_PACKAGE_TEST_PROGRAM"]).resolve()
PACKING = ROOT / "target/packing/bin"
TARGETS = [
    "aarch64-apple-darwin", "aarch64-unknown-linux-musl", "x86_64-apple-darwin", "x86_64-unknown-linux-musl",
]
MACHINE = {"arm64": "aarch64"}.get(platform.machine(), platform.machine())
SYSTEM = {"Linux": "unknown-linux-musl", "Darwin": "apple-darwin"}[platform.system()]
# The released program for the machine that this runs on.
HERE = f"{MACHINE}-{SYSTEM}"
VERSION = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["version"]


def run(*command, good=True, **options):
    """What a program says, both streams in one."""
    done = subprocess.run(
        [str(word) for word in command], check=False, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options,
    )
    if good is not None and (done.returncode == 0) != good:
        raise AssertionError(f"{command} ended with {done.returncode}: {done.stdout}")
    return done.stdout


def program(version):
    """A small program that is called like ours."""
    return f"#!/bin/sh\necho mlc-package {version}\n"


class Scene(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name).resolve()
        self.releases = self.root / "releases"

    def archive(self, target, source, version, directory):
        """Packs a program as it is released."""
        return pathlib.Path(
            run(ROOT / "scripts/package-release.sh", version, target, source, directory).strip()
        )

    def release(self, version, targets=TARGETS, text=None):
        """A release of small programs; its directory."""
        directory = self.releases / f"v{version}"
        source = self.root / "program"
        source.write_text(text or program(version))
        source.chmod(0o755)
        for target in targets:
            self.archive(target, source, version, directory)
        self.sums(directory)
        return directory

    def sums(self, directory):
        """SHA256SUMS, as `mlc-package publish` writes it."""
        files = sorted(path for path in directory.iterdir() if path.name != "SHA256SUMS")
        lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
        (directory / "SHA256SUMS").write_text("".join(lines))

    def serve(self, directory):
        """Serves a directory until the test ends; its address."""
        class Handler(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                pass

        handler = functools.partial(Handler, directory=directory)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}"
