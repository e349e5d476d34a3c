"""What a test of the action begins with: the action as a release has it, a repository with an app
and two models, and the compiler of tests/data/compiler."""

import functools
import hashlib
import http.server
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import threading
import unittest

from runner import Job

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = ROOT / "tests/data"
PROGRAM = pathlib.Path(os.environ["MLC_PACKAGE_TEST_PROGRAM"])
CROSS = os.environ.get("MLC_PACKAGE_TEST_CROSS", ROOT / "target/cross/bin")
VERSION = "1.2.3"
EVENTS = pathlib.Path(__file__).parent / "events"
TARGET = f"{platform.machine().replace('arm64', 'aarch64')}-" + (
    "apple-darwin" if sys.platform == "darwin" else "unknown-linux-musl"
)


def run(*command, **variables):
    environment = {**os.environ, **variables}
    return subprocess.run(
        command, env=environment, check=True, text=True, stdout=subprocess.PIPE
    ).stdout


def make_kit(root, device, file):
    """Builds a kit from the tree of tests/data/mlc-llm by `kit build`, as a release does; the system's
    clang stands for the NDK's. CMake and Ninja are those of scripts/setup-cross.sh."""
    tools = root / "tools"
    tools.mkdir(parents=True)
    says = {
        "rustup": "case \"$*\" in --version) echo 'rustup 1.28.2';; esac",
        "rustc": "echo 'rustc 1.95.0 (test)'",
        "javac": "echo 'javac 17.0.15'",
        "xcodebuild": "echo 'Xcode 16.2'; echo 'Build version 16C5032a'",
        "xcrun": 'if [ "$1" = metal ]; then exit 1; fi; echo 18.2',
    }
    for name, script in says.items():
        (tools / name).write_text(f"#!/bin/sh\n{script}\n")
        (tools / name).chmod(0o755)
    (root / "include").mkdir()
    (root / "include/jni.h").write_text("")
    for name in ("mlc-llm", "ndk"):
        shutil.copytree(DATA / name, root / name)
    run(
        PROGRAM, "kit", "build", "--device", device, "--output", file, "--cache-dir", root / "cache",
        PATH=f"{tools}:{CROSS}:{os.environ['PATH']}", HOME=str(root), PYTHONPATH=str(DATA / "compiler"),
        MLC_LLM_SOURCE_DIR=str(root / "mlc-llm"), ANDROID_NDK=str(root / "ndk"),
        MLC_PACKAGE_PYTHON=sys.executable, JAVA_HOME=str(root),
    )


def model(name):
    return {
        "model": f"models/{name}",
        "model_id": f"{name}-q0f16",
        "estimated_vram_bytes": 104857600,
        "bundle_weight": True,
        "model_lib": f"{name}_layer",
    }


class Scene(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """The action at the commit of a release, and what was released."""
        released = tempfile.TemporaryDirectory()
        cls.addClassCleanup(released.cleanup)
        cls.released = pathlib.Path(released.name).resolve()
        archives = cls.released / f"releases/v{VERSION}"
        program = cls.released / "mlc-package"
        # A debug build is large, and every run of the action unpacks it.
        run("strip", "-o", program, PROGRAM)
        run(ROOT / "scripts/package-release.sh", VERSION, TARGET, program, archives)
        cls.action_source = cls.released / "action-repository"
        shutil.copytree(ROOT / "action", cls.action_source / "action")
        shutil.copy(ROOT / "action.yml", cls.action_source)
        action = str(cls.action_source / "action")
        run(ROOT / "scripts/record-release.sh", VERSION, archives, ACTION_DIR=action)

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name).resolve()
        (self.root / "home").mkdir()
        self.action = self.root / "action"
        shutil.copytree(self.action_source, self.action)
        self.variables = {
            "MLC_PACKAGE_RELEASES_URL": f"file://{self.released}/releases",
            "MLC_PACKAGE_PYTHON": sys.executable,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": str(DATA / "compiler"),
            "STAND_IN_CALLS": str(self.root / "calls"),
            "STAND_IN_LIBRARIES": str(DATA / "libraries"),
            "STAND_IN_WAITING": str(self.root / "waiting"),
        }
        self.job = self.new_job()
        self.app = self.job.workspace
        self.config = {"device": "android", "model_list": [model("one"), model("other")]}
        for name in ("one", "other"):
            shutil.copytree(DATA / "layer", self.app / "models" / name)
        self.configure()

    def new_job(self, event=None, **more):
        """A job in the same repository, begun by an event of tests/action/events."""
        payload = json.loads((EVENTS / f"{event}.json").read_text()) if event else None
        name = payload.pop("event_name") if payload else "push"
        return Job(self.root, self.action, name, payload, env=self.variables, **more)

    def configure(self, path="mlc-package-config.json"):
        file = self.app / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(self.config, indent=2) + "\n")

    def release_image(self):
        """The release has an image, whose compiler is recorded. The `docker` that is on PATH from
        here on notes that it was called, and fails; no Python has the compiler."""
        image = f"example.invalid/image@sha256:{'0' * 64}"
        (self.action / "action/images.txt").write_text(f"{VERSION} {image}\n")
        packages = {
            "mlc_llm": ("mlc-llm-nightly-cpu", "0.20.0"),
            "tvm": ("mlc-ai-nightly-cpu", "0.26.0"),
            "tvm_ffi": ("apache-tvm-ffi", "0.1.13"),
        }
        compiler = {
            name: {"distribution": distribution, "version": version}
            for name, (distribution, version) in packages.items()
        }
        compiler["python"] = "/opt/venv/bin/python3"
        (self.action / "action/compilers.json").write_text(json.dumps({image: compiler}))
        tools = self.root / "engine"
        tools.mkdir()
        (tools / "docker").write_text(f"#!/bin/sh\necho called >>{self.root}/docker-calls\nexit 1\n")
        (tools / "docker").chmod(0o755)
        self.variables["PATH"] = f"{tools}:{os.environ['PATH']}"
        self.variables["MLC_PACKAGE_PYTHON"] = str(self.root / "no-python")
        self.variables["PYTHONPATH"] = ""

    def release_kit(self, device="android"):
        """The release has a kit, and a server has the release's files. Gives the list of what the server
        is asked for."""
        # The program is the one that is tested, whatever release it is installed as.
        version = run(PROGRAM, "--version").split()[1]
        file = self.released / f"releases/v{version}/kit-{device}.tar.zst"
        if not file.exists():
            file.parent.mkdir(exist_ok=True)
            make_kit(self.released / f"sources-{device}", device, file)
        digest, size = hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_size
        kits = {version: {device: {"file": file.name, "sha256": digest, "bytes": size}}}
        (self.action / "action/kits.json").write_text(json.dumps(kits))
        asked = []

        class Files(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                asked.append(self.path.rsplit("/", 1)[1])

        handler = functools.partial(Files, directory=self.released / "releases")
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.variables["MLC_PACKAGE_RELEASES_URL"] = f"http://127.0.0.1:{server.server_address[1]}"
        return asked

    def docker_calls(self):
        calls = self.root / "docker-calls"
        return calls.read_text().splitlines() if calls.exists() else []

    def change_model(self, name):
        """The model's own config changes, so that its library must be compiled anew."""
        path = self.app / "models" / name / "mlc-chat-config.json"
        config = json.loads(path.read_text())
        config["active_vocab_size"] += 1
        path.write_text(json.dumps(config))

    def use(self, _job=None, **inputs):
        """Runs the action; `_` in an input's name stands for `-`. No binding: the stand-in
        compiler comes without a source tree."""
        given = {"binding": "false"}
        given.update({name.replace("_", "-"): value for name, value in inputs.items()})
        return (_job or self.job).run(given)

    def good(self, _job=None, **inputs):
        run = self.use(_job, **inputs)
        self.assertFalse(run.failed, run.log)
        return run

    def refused(self, expected, _job=None, **inputs):
        """The run fails, and says this in an annotation."""
        run = self.use(_job, **inputs)
        self.assertTrue(run.failed, run.log)
        self.assertTrue(any(expected in error for error in run.errors()), (run.said, run.log))
        return run

    def compilations(self):
        calls = self.root / "calls"
        lines = calls.read_text().splitlines() if calls.exists() else []
        return [json.loads(line)["arguments"][-1].removesuffix("_") for line in lines]
