"""Workflows run by act, a client of GitHub Actions that is not ours: on this machine, or in the
image that MLC_PACKAGE_TEST_ACT_IMAGE names. There RUNNER_TEMP is the same in each run, so that
caches are found again. scripts/setup-act.sh installs it."""

import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import unittest

from github import GitHub
from scene import DATA, PROGRAM, ROOT, TARGET, VERSION, model, run

IMAGE = os.environ.get("MLC_PACKAGE_TEST_ACT_IMAGE", "")
HOME = ROOT / "target/act"
# A commit of the action, as a workflow pins it.
PINNED = "0123456789abcdef0123456789abcdef01234567"
USES = re.compile(r"uses: *(actions/[a-z-]+)(?:/[a-z-]+)?@(\w[\w.-]*)")
BLOCK = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def documented(path, *marks):
    """The workflow of a document that has all these words."""
    found = [
        block for block in BLOCK.findall((ROOT / path).read_text()) if all(m in block for m in marks)
    ]
    if len(found) != 1:
        raise AssertionError(f"{path} has {len(found)} workflows with {marks}")
    return found[0]


class Run:
    """What a person sees of a run."""

    def __init__(self, log, code):
        self.log = log
        self.failed = code != 0
        self.records = []
        for line in log.splitlines():
            try:
                self.records.append(json.loads(line))
            except json.JSONDecodeError:
                self.records.append({"msg": line})

    def commands(self, command):
        """Annotations, in the order in which they came, each once: `job: text`."""
        found = [
            f"{record.get('jobID')}: {record['arg']}"
            for record in self.records if record.get("command") == command
        ]
        return list(dict.fromkeys(found))

    def summary(self, job=None):
        found = [
            record["content"] for record in self.records
            if record.get("command") == "summary" and job in (None, record["jobID"])
        ]
        return "\n".join(dict.fromkeys(found))

    def outputs(self, step):
        """Those of a step of the workflow itself, by its id."""
        return {
            record["name"]: record["arg"] for record in self.records
            if record.get("command") == "set-output" and record.get("stepID") == [step]
        }

    def jobs(self):
        return {
            record["job"].split("/")[-1].strip(): record["jobResult"]
            for record in self.records if "jobResult" in record
        }

    def said(self):
        return "".join(record.get("msg", "") for record in self.records if record.get("raw_output"))


class Act(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """The action as a release has it, and the actions that its workflows and documents use."""
        released = tempfile.TemporaryDirectory()
        cls.addClassCleanup(released.cleanup)
        cls.released = pathlib.Path(released.name).resolve()
        program = cls.released / "mlc-package"
        run("strip", "-o", program, PROGRAM)
        archives = cls.released / f"releases/v{VERSION}"
        run(ROOT / "scripts/package-release.sh", VERSION, TARGET, program, archives)
        cls.action = cls.released / "action"
        cls.action.mkdir()
        shutil.copytree(ROOT / "action", cls.action / "action")
        shutil.copytree(ROOT / ".github", cls.action / ".github")
        # The stand-in compiler has no sources that a binding could be built from.
        text = (ROOT / "action.yml").read_text()
        without = re.sub(r'(\n  binding:\n(?:    .*\n)*?    default: )"true"', r'\1"false"', text)
        assert without != text
        (cls.action / "action.yml").write_text(without)
        shutil.copy(ROOT / "scripts/record-release.sh", cls.released)
        run(
            ROOT / "scripts/record-release.sh", VERSION, archives, ACTION_DIR=str(cls.action / "action")
        )
        texts = [path.read_text() for path in (ROOT / ".github/workflows").glob("*.yml")]
        texts += [path.read_text() for path in [ROOT / "README.md", *ROOT.glob("docs/**/*.md")]]
        texts.append(text)
        cls.repositories = [
            f"{name}@{ref}={HOME / 'actions' / name.removeprefix('actions/')}"
            for name, ref in sorted(set(USES.findall("\n".join(texts))))
            if (HOME / "actions" / name.removeprefix("actions/")).is_dir()
        ]
        for ref in ("v1", f"v{VERSION}", PINNED):
            cls.repositories.append(f"mlc-package/mlc-package@{ref}={cls.action}")

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.root = pathlib.Path(directory.name).resolve()
        self.shared = self.root / "shared"
        self.shared.mkdir()
        self.app = self.root / "app"
        self.app.mkdir()
        self.github = self.new_github()
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("remote", "add", "origin", "https://github.com/owner/app")

    def new_github(self, may_write=True):
        github = GitHub(may_write)
        self.addCleanup(github.close)
        return github

    def git(self, *arguments):
        names = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_CONFIG_GLOBAL": "/dev/null"}
        names |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
        command = ["git", *map(str, arguments)]
        return subprocess.run(
            command, cwd=self.app, env={**os.environ, **names}, check=True, text=True,
            stdout=subprocess.PIPE,
        ).stdout.strip()

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "--quiet", "--allow-empty", "-m", "a change")
        return self.git("rev-parse", "HEAD")

    def package(self, path, *names):
        """A package config, with its models beside it."""
        file = self.app / path
        file.parent.mkdir(parents=True, exist_ok=True)
        for name in names:
            shutil.copytree(DATA / "layer", file.parent / "models" / name)
        config = {"device": "android", "model_list": [model(name) for name in names]}
        file.write_text(json.dumps(config, indent=2) + "\n")

    def change(self, directory, name):
        """The model's own config changes, so that its library must be compiled."""
        path = self.app / directory / "models" / name / "mlc-chat-config.json"
        config = json.loads(path.read_text())
        config["active_vocab_size"] += 1
        path.write_text(json.dumps(config))

    def workflow(self, text, name="models"):
        path = self.app / f".github/workflows/{name}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if re.search(r"^on:", text, re.M) else f"on: [push, pull_request]\n{text}")

    def compilations(self):
        """The libraries that were compiled since the last question."""
        calls = self.shared / "calls"
        lines = calls.read_text().splitlines() if calls.exists() else []
        calls.unlink(missing_ok=True)
        return sorted(json.loads(line)["arguments"][-1].removesuffix("_") for line in lines)

    def act(self, event, payload=None, workflow="models", cache=True, **variables):
        """Runs a workflow as the repository is now. `cache`: whether act serves one."""
        file = self.root / "event.json"
        file.write_text(json.dumps(payload or {}))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        python = "/usr/bin/python3" if IMAGE else sys.executable
        environment = {
            "GITHUB_API_URL": self.github.url,
            "MLC_PACKAGE_RELEASES_URL": f"file://{self.released}/releases",
            "MLC_PACKAGE_PYTHON": python,
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONPATH": DATA / "compiler",
            "STAND_IN_CALLS": self.shared / "calls",
            "STAND_IN_LIBRARIES": DATA / "libraries",
            "STAND_IN_WAITING": self.shared / "waiting",
            **variables,
        }
        command = [
            HOME / "venv/bin/act", event, "--json", "--eventpath", file, "--rm", "--pull=false",
            "--workflows", self.app / f".github/workflows/{workflow}.yml",
            "--action-cache-path", self.root / "actions",
            "--cache-server-path", self.root / "cache", "--cache-server-addr", "127.0.0.1",
            "--artifact-server-path", self.root / "artifacts", "--artifact-server-addr", "127.0.0.1",
            "--artifact-server-port", port, "--secret", "GITHUB_TOKEN=token",
        ]
        for name in ("ubuntu-latest", "ubuntu-24.04"):
            command += ["--platform", f"{name}={IMAGE or '-self-hosted'}"]
        for repository in self.repositories:
            command += ["--local-repository", repository]
        for name, value in environment.items():
            command += ["--env", f"{name}={value}"]
        if not cache:
            command.append("--no-cache-server")
        mounts = f"-v {self.released}:{self.released}:ro -v {DATA}:{DATA}:ro -v {self.shared}:{self.shared}"
        command += ["--container-options", mounts]
        done = subprocess.run(
            [str(word) for word in command], cwd=self.app, check=False, text=True,
            env={**os.environ, "XDG_CONFIG_HOME": str(self.root), "XDG_CACHE_HOME": str(self.root)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )
        keep = os.environ.get("MLC_PACKAGE_TEST_ACT_LOGS")
        if keep:
            with open(keep, "a") as log:
                log.write(f"==== {self.id()} {event}\n{done.stdout}")
        return Run(done.stdout, done.returncode)

    def good(self, event, payload=None, **more):
        done = self.act(event, payload, **more)
        self.assertFalse(done.failed, done.log)
        return done

    def bad(self, event, payload=None, **more):
        done = self.act(event, payload, **more)
        self.assertTrue(done.failed, done.log)
        return done

    def push(self, head, before="0" * 40, ref="refs/heads/main"):
        repository = {"full_name": "owner/app", "default_branch": "main", "name": "app"}
        return {"ref": ref, "before": before, "after": head, "repository": repository}

    def pull(self, head, base, fork=False):
        owner = "stranger" if fork else "owner"
        there = {"id": 9 if fork else 1, "full_name": f"{owner}/app", "owner": {"login": owner}}
        return {
            "action": "synchronize",
            "number": 7,
            "pull_request": {
                "number": 7, "state": "open", "labels": [],
                "head": {"ref": "a-model", "sha": head, "repo": there},
                "base": {"ref": "main", "sha": base, "repo": {"id": 1, "full_name": "owner/app"}},
            },
            "repository": {"full_name": "owner/app", "default_branch": "main", "name": "app"},
        }

    def artifact(self, name):
        """What an artifact holds, as the server has it."""
        import zipfile

        [path] = list((self.root / "artifacts").rglob(f"{name}.zip"))
        with zipfile.ZipFile(path) as archive:
            return {entry: archive.read(entry) for entry in archive.namelist()}
