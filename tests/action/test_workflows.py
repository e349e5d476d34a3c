"""GitHub's own parser reads the action, every workflow, and every workflow of the documentation:
scripts/setup-workflow-parser.sh installs it."""

import json
import pathlib
import re
import subprocess
import unittest

from ruamel.yaml import YAML

ROOT = pathlib.Path(__file__).resolve().parents[2]
PARSER = ROOT / "target/workflow-parser/bundle.cjs"
REPOSITORY = "mlc-package/mlc-package"
BLOCK = re.compile(r"^```ya?ml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
# What makes a whole workflow of a piece of one.
STEPS = "on: push\njobs:\n  piece:\n    runs-on: ubuntu-latest\n    steps:\n"


def workflow_files():
    return sorted((ROOT / ".github/workflows").glob("*.yml"))


def own():
    """What `uses: mlc-package/mlc-package…` may name."""
    files = [ROOT / "action.yml", *workflow_files()]
    return {str(path.relative_to(ROOT)): path.read_text() for path in files}


def parse(files):
    """What the parser finds wrong: a list of `name:line: message`."""
    given = {
        "files": [{"name": name, "text": text} for name, text in files.items()],
        "repository": REPOSITORY,
        "own": own(),
    }
    done = subprocess.run(
        ["node", PARSER], input=json.dumps(given), text=True, stdout=subprocess.PIPE, check=True
    )
    return [f"{found['file']}:{found['line']}: {found['message']}" for found in json.loads(done.stdout)]


def documents():
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(path):
    """The YAML of a document: names with line numbers, the text, and what it says."""
    text = path.read_text()
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start()) + 2
        where = str(path.relative_to(ROOT)).replace("/", "-")
        yield f"{where}-{line}", match[1], YAML(typ="safe").load(match[1])


def as_workflow(text, value):
    """A block as a workflow; nothing for a mlc-package.yml."""
    if isinstance(value, list) and all("uses" in step or "run" in step for step in value):
        return STEPS + re.sub("^", "      ", text, flags=re.MULTILINE)
    if "jobs" in value:
        return text if "on" in value else f"on: push\n{text}"
    if "packages" in value:
        return None
    raise AssertionError(f"neither a workflow, nor steps, nor a mlc-package.yml:\n{text}")


def documented():
    found = {}
    for path in documents():
        for name, text, value in blocks(path):
            workflow = as_workflow(text, value)
            if workflow is not None:
                found[f".github/workflows/{name}.yml"] = workflow
    return found


class Workflows(unittest.TestCase):
    maxDiff = None

    def test_the_action_and_the_workflows(self):
        self.assertEqual(parse(own()), [])

    def test_workflows_of_the_documentation(self):
        found = documented()
        self.assertGreater(len(found), 8)
        self.assertEqual(parse(found), [])

    def test_documented_steps_use_outputs_that_there_are(self):
        outputs = YAML(typ="safe").load(own()["action.yml"])["outputs"]
        for name, text in {**own(), **documented()}.items():
            jobs = (YAML(typ="safe").load(text).get("jobs") or {}).values()
            steps = [step for job in jobs for step in job.get("steps", [])]
            ours = [s["id"] for s in steps if "id" in s and s.get("uses", "").startswith(f"{REPOSITORY}@")]
            for step, output in re.findall(r"\bsteps\.([\w-]+)\.outputs\.([\w-]+)", text):
                if step in ours:
                    self.assertIn(output, outputs, f"{name}: steps.{step}")

    def test_what_compiled_is_uploaded_where_another_library_failed(self):
        uploads = 0
        for name, text in {**own(), **documented()}.items():
            for job in (YAML(typ="safe").load(text).get("jobs") or {}).values():
                for step in job.get("steps", []):
                    path = str(step.get("with", {}).get("path", ""))
                    kept = re.search(r"steps\.([\w-]+)\.outputs\.(libs-path|sizes)", path)
                    if "upload-artifact" not in step.get("uses", "") or not kept:
                        continue
                    uploads += 1
                    self.assertIn("!cancelled()", step.get("if", ""), f"{name}: {path}")
                    self.assertIn(f"{kept[0]} != ''", step["if"], f"{name}: {path}")
        self.assertGreaterEqual(uploads, 5)

    def test_workflows_for_others_say_what_github_enterprise_server_lacks(self):
        """In each first job: what comes after it is then skipped."""
        first = 0
        for path in workflow_files():
            workflow = YAML(typ="safe").load(path.read_text())
            if "workflow_call" not in (workflow.get("on") or workflow.get(True)):
                continue
            for name, job in workflow["jobs"].items():
                needs = job.get("needs", [])
                # A job that also runs where those before it are skipped is a first one.
                if needs and "!cancelled()" not in job.get("if", "") or name == "report":
                    continue
                first += 1
                step = job["steps"][0]
                self.assertIn("github.server_url != 'https://github.com'", step.get("if", ""), f"{path}: {name}")
                self.assertIn("::error title=mlc-package::", step["run"])
        self.assertEqual(first, 5)

    def test_the_action_refers_to_what_it_has(self):
        """The parser does not look at names of inputs and steps in an action."""
        action = YAML(typ="safe").load(own()["action.yml"])
        outputs = {step["id"] for step in action["runs"]["steps"] if "id" in step}
        text = own()["action.yml"]
        for name in re.findall(r"(?<![./])\binputs\.([a-z-]+)", text):
            self.assertIn(name, action["inputs"])
        for step in re.findall(r"\bsteps\.([a-z-]+)\.", text):
            self.assertIn(step, outputs)
        seen = set()
        for step in action["runs"]["steps"]:
            for name in re.findall(r"\bsteps\.([a-z-]+)\.", json.dumps(step)):
                self.assertIn(name, seen, f"{step['name']} comes before the step it asks")
            seen.add(step.get("id"))


ACTION = """\
name: A name
description: What it does.
author: Somebody
inputs:
  one:
    description: An input.
    default: some text
outputs:
  two:
    description: An output.
    value: ${{ inputs.one }}
runs:
  using: composite
  steps:
    - name: A step
      shell: bash
      run: "true"
"""
WORKFLOW = """\
name: A name
on:
  workflow_call:
    inputs:
      one:
        description: An input.
        type: string
        default: some text
    outputs:
      two:
        description: An output.
        value: ${{ jobs.first.outputs.three }}
permissions:
  contents: read
jobs:
  first:
    name: A job
    runs-on: ubuntu-latest
    outputs:
      three: ${{ steps.package.outputs.dist }}
    steps:
      - uses: actions/checkout@v7
      - id: package
        uses: mlc-package/mlc-package@v1
        with:
          config: a.json
      - run: echo done
  second:
    needs: first
    uses: mlc-package/mlc-package/.github/workflows/comment.yml@v1
    with:
      comment: always
"""
# What stands in the file, what is put in its place, and what the parser must say.
BROKEN_ACTIONS = [
    ("A name", "A ${{ github.ref }}", "Unrecognized named-value: 'github'"),
    ("A name", "A ${{ 'name' }}", "not allowed in this context"),
    ("What it does.", "${{ inputs.one }}", "Unrecognized named-value: 'inputs'"),
    ("Somebody", "${{ github.actor }}", "Unrecognized named-value: 'github'"),
    ("An input.", "As in `${{ github.ref == 'refs/heads/main' }}`.", "Unrecognized named-value: 'github'"),
    ("An input.", "${{ true }}", "not allowed in this context"),
    ("some text", "${{ steps.a.outputs.b }}", "Unrecognized named-value: 'steps'"),
    ("some text", "${{ secrets.A }}", "Unrecognized named-value: 'secrets'"),
    ("An output.", "Of ${{ github.job }}.", "Unrecognized named-value: 'github'"),
    ("${{ inputs.one }}", "${{ jobs.a.outputs.b }}", "Unrecognized named-value: 'jobs'"),
    ("${{ inputs.one }}", "${{ inputs.one", "not closed"),
    ("${{ inputs.one }}", '${{ inputs.one == "a" }}', "Unexpected symbol"),
    ("shell: bash", "timeout-minutes: 5", "Unexpected value 'timeout-minutes'"),
    ("      shell: bash\n", "", "missing: shell"),
    ("composite", "compost", "compost"),
    ("name: A name", "name: A: name", "Nested mappings"),
]
BROKEN_WORKFLOWS = [
    ("name: A name", "name: ${{ github.ref }}", "Unrecognized named-value: 'github'"),
    ("name: A name", "name: ${{ 'a' }}", "expressions are not allowed here"),
    ("An input.", "${{ github.ref }}", "Unrecognized named-value: 'github'"),
    ("An input.", "${{ 'a' }}", "expressions are not allowed here"),
    ("some text", "${{ secrets.A }}", "Unrecognized named-value: 'secrets'"),
    ("An output.", "${{ jobs.first.result }}", "Unrecognized named-value: 'jobs'"),
    ("jobs.first.outputs.three", "jobs.third.outputs.three", "Context access might be invalid: third"),
    ("contents: read", "contents: ${{ 'read' }}", "expressions are not allowed here"),
    ("contents: read", "contents: reed", "Unexpected value 'reed'"),
    ("A job", "${{ secrets.A }}", "Unrecognized named-value: 'secrets'"),
    ("checkout@v7", "checkout@${{ github.sha }}", "Unrecognized named-value: 'github'"),
    ("steps.package.outputs.dist", "steps.packages.outputs.dist", "invalid: packages"),
    ("needs: first", "needs: third", "job 'third'"),
    ("config: a.json", "konfig: a.json", "Invalid action input 'konfig'"),
    ("comment: always", "commend: always", "commend"),
    ("run: echo done", "run: ${{ inputs.one == }}", "Unexpected end of expression"),
    ("runs-on: ubuntu-latest\n", "\n", "runs-on"),
    ("workflows/comment.yml", "workflows/commend.yml", "Unable to find reusable workflow"),
]


class Broken(unittest.TestCase):
    """The parser says what is wrong, wherever it is."""

    def test_what_is_whole_is_not_complained_of(self):
        self.assertEqual(parse({"action.yml": ACTION, ".github/workflows/a.yml": WORKFLOW}), [])

    def broken(self, name, whole, cases):
        for before, _, _ in cases:
            self.assertEqual(whole.count(before), 1, before)
        found = parse(
            {f"{n}/{name}": whole.replace(before, after) for n, (before, after, _) in enumerate(cases)}
        )
        for number, (before, after, message) in enumerate(cases):
            with self.subTest(before, after=after):
                mine = [line for line in found if line.startswith(f"{number}/")]
                self.assertTrue(any(message in line for line in mine), mine)

    def test_actions(self):
        self.broken("action.yml", ACTION, BROKEN_ACTIONS)

    def test_workflows(self):
        self.broken(".github/workflows/a.yml", WORKFLOW, BROKEN_WORKFLOWS)

    def test_a_block_that_is_nothing_known_is_refused(self):
        with self.assertRaises(AssertionError):
            as_workflow("a: 1\n", {"a": 1})


if __name__ == "__main__":
    unittest.main()
