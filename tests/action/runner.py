"""Plays GitHub's runner for a composite action: its steps in order, with the files, variables
and contexts that they get there, and directories for GitHub's cache.

What is modelled is what the runner does to steps (actions/runner, `ActionRunner`,
`ActionCommandManager`, `FileCommandManager`): a step's environment has no inputs but those that
the step names; outputs come from files, and from `::set-output::` in the log; commands are not
obeyed between `::stop-commands::WORD` and `::WORD::`.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import time

from ruamel.yaml import YAML

import github
from expressions import evaluate, interpolate, text

COMMAND = re.compile(r"^\s*::([a-z-]+)(?:\s+([^:]*(?:%3A[^:]*)*))?::(.*)$")


class Job:
    """A job of a repository: a workspace, a temporary directory, an event."""

    def __init__(self, root, action, event_name="push", event=None, runner_os="Linux", env=None):
        self.root, self.action = pathlib.Path(root), pathlib.Path(action)
        self.workspace = self.root / "work/app/app"
        self.temp = self.root / "work/_temp"
        # Below RUNNER_TEMP on GitHub; elsewhere with other runners.
        self.file_commands = self.temp / "_runner_file_commands"
        self.cache = Cache(self.root / "github-cache", self.workspace)
        self.event_name, self.event, self.runner_os = event_name, event, runner_os
        self.env = env or {}
        self.begin()

    def begin(self):
        """A new machine: only the repository is there, and what GitHub keeps."""
        shutil.rmtree(self.temp, ignore_errors=True)
        self.temp.mkdir(parents=True)
        self.file_commands.mkdir(parents=True, exist_ok=True)
        self.workspace.mkdir(parents=True, exist_ok=True)
        self.event_path = self.temp / "_github_workflow/event.json"
        if self.event is not None:
            self.event_path.parent.mkdir()
            self.event_path.write_text(json.dumps(self.event))

    def run(self, inputs=None):
        """Runs the action as `uses:` does."""
        return Run(self, {name: str(value) for name, value in (inputs or {}).items()})

    def variables(self):
        """What every step of the job sees."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.root / "home"),
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_ACTION_PATH": str(self.action),
            "GITHUB_API_URL": github.of_nothing(),
            "GITHUB_EVENT_NAME": self.event_name,
            "GITHUB_EVENT_PATH": str(self.event_path),
            "GITHUB_REF": "refs/heads/main",
            "GITHUB_REPOSITORY": "owner/app",
            "GITHUB_RUN_ATTEMPT": "1",
            "GITHUB_RUN_ID": "1",
            "GITHUB_SERVER_URL": "https://github.invalid",
            "GITHUB_SHA": "f" * 40,
            "GITHUB_WORKSPACE": str(self.workspace),
            "RUNNER_ARCH": "X64",
            "RUNNER_OS": self.runner_os,
            "RUNNER_TEMP": str(self.temp),
            **self.env,
        }


class Run:
    """What one run of the action did."""

    def __init__(self, job, inputs):
        self.job = job
        definition = YAML(typ="safe").load((job.action / "action.yml").read_text())
        unknown = set(inputs) - set(definition["inputs"])
        assert not unknown, f"the action has no inputs {unknown}"
        self.failed = False
        self.log, self.summary = "", ""
        self.steps, self.said, self.masks, self.set_env = {}, [], [], {}
        self.functions = {
            "success": lambda: not self.failed,
            "failure": lambda: self.failed,
            "always": lambda: True,
            "cancelled": lambda: False,
        }
        github = {
            "event": job.event or {},
            "event_name": job.event_name,
            "ref": "refs/heads/main",
            "repository": "owner/app",
            "sha": "f" * 40,
            "token": job.env.get("JOB_TOKEN", "job-token"),
            "workspace": str(job.workspace),
        }
        self.contexts = {
            "github": github,
            "runner": {"os": job.runner_os, "temp": str(job.temp), "arch": "X64"},
            "steps": self.steps,
            "env": {},
        }
        defaults = {name: spec.get("default", "") for name, spec in definition["inputs"].items()}
        self.contexts["inputs"] = {
            name: inputs[name] if name in inputs else text(self.fill(default))
            for name, default in defaults.items()
        }
        for number, step in enumerate(definition["runs"]["steps"]):
            self.step(step, number)
        self.outputs = {
            name: text(self.fill(spec["value"])) for name, spec in definition["outputs"].items()
        }

    def fill(self, template):
        return interpolate(template, self.contexts, self.functions)

    def step(self, step, number):
        condition = str(step.get("if", "success()")).strip()
        condition = re.sub(r"^\$\{\{(.*)\}\}$", r"\1", condition, flags=re.DOTALL)
        if not re.search(r"\b(always|failure|cancelled|success)\(", condition):
            condition = f"success() && ({condition})"
        record = {"outputs": {}, "outcome": "skipped", "conclusion": "skipped"}
        self.steps[step.get("id", f"_{number}")] = record
        if not evaluate(condition, self.contexts, self.functions):
            return
        self.log += f"== {step.get('name')}\n"
        good = self.script(step, record) if "run" in step else self.uses(step, record)
        record["outcome"] = "success" if good else "failure"
        forgiven = str(self.fill(step.get("continue-on-error", False))).lower() == "true"
        record["conclusion"] = "success" if good or forgiven else "failure"
        self.failed |= record["conclusion"] == "failure"

    def script(self, step, record):
        assert step["shell"] == "bash"
        assert "${{" not in step["run"], "values reach scripts through env only"
        files = {}
        for name in ("OUTPUT", "ENV", "PATH", "STEP_SUMMARY"):
            files[name] = self.job.file_commands / f"{name.lower()}_{len(self.steps)}"
            files[name].write_text("")
        variables = {**self.job.variables(), **self.set_env}
        variables.update({f"GITHUB_{name}": str(path) for name, path in files.items()})
        variables.update({name: text(self.fill(value)) for name, value in step.get("env", {}).items()})
        directory = text(self.fill(step.get("working-directory", self.job.workspace)))
        begun = time.monotonic()
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
            env=variables, cwd=directory, text=True, stdin=subprocess.DEVNULL, timeout=120,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        )
        record["seconds"] = time.monotonic() - begun
        self.log += done.stdout
        self.obey(done.stdout, record)
        record["exit"] = done.returncode
        record["outputs"].update(assignments(files["OUTPUT"].read_text()))
        self.set_env.update(assignments(files["ENV"].read_text()))
        summary = files["STEP_SUMMARY"].read_text()
        if len(summary.encode()) > 1024 * 1024:
            self.said.append(("error", "", "the summary of a step is too long"))
        else:
            self.summary += summary
        return done.returncode == 0

    def obey(self, log, record):
        stopped = None
        for line in log.splitlines():
            if stopped is not None:
                stopped = None if line.strip() == f"::{stopped}::" else stopped
                continue
            match = COMMAND.match(line)
            if not match:
                continue
            name, properties, data = match.groups()
            if name == "stop-commands":
                stopped = data
            elif name == "add-mask":
                self.masks.append(data)
            elif name == "set-output":
                record["outputs"][(properties or "").removeprefix("name=")] = data
            elif name in ("error", "warning", "notice"):
                self.said.append((name, properties or "", unescape(data)))
            else:
                assert name in ("group", "endgroup", "debug"), line

    def uses(self, step, record):
        name, _, version = step["uses"].partition("@")
        assert re.fullmatch("[0-9a-f]{40}", version), f"{name} is not pinned"
        given = {key: text(self.fill(value)) for key, value in step["with"].items()}
        actions = {"actions/cache/restore": self.job.cache.restore, "actions/cache/save": self.job.cache.save}
        outputs, complaint = actions[name](given)
        if complaint:
            self.said.append(("warning", "", complaint))
        record["outputs"].update(outputs or {})
        return outputs is not None

    def errors(self):
        return [message for kind, _, message in self.said if kind == "error"]


class Cache:
    """`actions/cache`: an entry has a key and paths, and is never changed."""

    def __init__(self, directory, workspace):
        self.directory, self.workspace = directory, workspace
        self.broken = False

    def entries(self):
        found = [path for path in self.directory.glob("*/key")]
        return sorted((path.stat().st_mtime_ns, path.read_text(), path.parent) for path in found)

    def keys(self):
        return [key for _, key, _ in self.entries()]

    @staticmethod
    def check(key):
        assert key and len(key) <= 512 and "," not in key, key

    def restore(self, given):
        keys = [given["key"], *given.get("restore-keys", "").splitlines()]
        assert len(keys) <= 10, "the real one refuses more"
        for key in keys:
            self.check(key)
        if self.broken:
            return None, "getCacheEntry failed: Cache service responded with 503"
        same = [entry for entry in self.entries() if (entry[2] / "paths").read_text() == given["path"]]
        matching = [entry for entry in same if entry[1] == given["key"]]
        for prefix in keys:
            matching = matching or [entry for entry in same if entry[1].startswith(prefix)][::-1]
        if not matching:
            return {"cache-hit": ""}, None
        _, key, entry = matching[0]
        for number, path in enumerate(given["path"].splitlines()):
            if (entry / str(number)).exists():
                shutil.copytree(entry / str(number), self.workspace / path, dirs_exist_ok=True)
        return {"cache-hit": text(key == given["key"]), "cache-matched-key": key}, None

    def save(self, given):
        self.check(given["key"])
        if self.broken:
            return None, "Failed to save: Cache service responded with 503"
        if given["key"] in self.keys():
            return {}, "Unable to reserve cache with key, another job may be creating this cache"
        entry = self.directory / str(len(self.keys()))
        entry.mkdir(parents=True)
        for number, path in enumerate(given["path"].splitlines()):
            if (self.workspace / path).exists():
                shutil.copytree(self.workspace / path, entry / str(number), symlinks=True)
        (entry / "paths").write_text(given["path"])
        (entry / "key").write_text(given["key"])
        return {}, None


def assignments(source):
    """The values of a file as GITHUB_OUTPUT names one."""
    values, lines = {}, iter(source.splitlines())
    for line in lines:
        if not line:
            continue
        equals, heredoc = line.find("="), line.find("<<")
        if equals >= 0 and (heredoc < 0 or equals < heredoc):
            name, value = line.split("=", 1)
        else:
            assert heredoc >= 0, f"not an assignment: {line!r}"
            name, word = line.split("<<", 1)
            value = []
            for line in lines:
                if line == word:
                    break
                value.append(line)
            else:
                raise AssertionError(f"{name} does not end")
            value = "\n".join(value)
        values[name] = value
    return values


def unescape(data):
    return data.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
