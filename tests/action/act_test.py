"""The documented workflows, run by act in containers: what a person sees of pushes, pull requests,
forks, releases, budgets and failures. Run by scripts/test-container.sh. Bytes move through act's own
cache and artifact servers by GitHub's clients."""

import json
import unittest

from act import Act, documented

CALL = """
jobs:
  package:
    uses: mlc-package/mlc-package/.github/workflows/package.yml@v1
    permissions: {}
    with:
      android: android/mlc-package-config.json
      binding: false
      fan-out: true
"""


class OnePackage(Act):
    def setUp(self):
        super().setUp()
        self.package("android/mlc-package-config.json", "one", "other")

    def readme(self):
        self.workflow(documented("README.md", "name: models", "comment: on-change"))

    def test_a_pull_request_compiles_only_what_it_changes(self):
        self.readme()
        base = self.commit()
        first = self.good("push", self.push(base))
        self.assertEqual(self.compilations(), ["one_layer", "other_layer"])
        self.assertIn("no baseline", first.summary())
        self.assertIn("mlc-package-manifest.json", self.artifact("dist"))

        # Nothing changed: nothing is compiled, and every size is compared.
        head = self.commit()
        second = self.good("pull_request", self.pull(head, base))
        self.assertEqual(self.compilations(), [])
        self.assertEqual(second.outputs("package")["cache-hit"], "true")
        self.assertIn("### Model package size: unchanged", second.summary())
        self.assertIn(f"base `{base[:7]}` · head `{head[:7]}`", second.summary())
        self.assertEqual(self.github.comments, [])

        self.change("android", "one")
        head = self.commit()
        third = self.good("pull_request", self.pull(head, base))
        self.assertEqual(self.compilations(), ["one_layer"])
        self.assertEqual(third.outputs("package")["libs-compiled"], "1")
        self.assertIn(f"base `{base[:7]}` · head `{head[:7]}`", third.summary())
        self.assertEqual(third.commands("error"), [])

    def test_a_merge_queue_is_compared_with_its_base(self):
        text = documented("README.md", "name: models", "comment: on-change")
        self.workflow(text.replace("on:\n", "on:\n  merge_group:\n", 1))
        base = self.commit()
        self.good("push", self.push(base))
        head = self.commit()
        group = {
            "action": "checks_requested",
            "merge_group": {
                "head_sha": head, "base_sha": base, "base_ref": "refs/heads/main",
                "head_ref": "refs/heads/gh-readonly-queue/main/pr-7-" + head,
            },
            "repository": {"full_name": "owner/app", "default_branch": "main", "name": "app"},
        }
        done = self.good("merge_group", group)
        self.assertEqual(done.outputs("package")["cache-hit"], "true")
        self.assertIn(f"base `{base[:7]}`", done.summary())

    def test_over_budget_fails_at_the_models_line(self):
        (self.app / "mlc-package.yml").write_text(
            "packages:\n  - name: chat\n    config: android/mlc-package-config.json\n"
            "budgets:\n  model:\n    shipped: { fail: { max: 10KiB } }\n"
        )
        self.readme()
        done = self.bad("push", self.push(self.commit()))
        self.assertEqual(done.outputs("package")["over-budget"], "true")
        self.assertIn("over budget", done.summary())
        errors = done.commands("error")
        for name in ("one-q0f16", "other-q0f16"):
            self.assertTrue([error for error in errors if name in error], errors)
        # What was compiled is there for the next run.
        self.compilations()
        self.bad("push", self.push(self.commit()))
        self.assertEqual(self.compilations(), [])

    def test_a_library_that_does_not_compile_costs_only_itself(self):
        self.readme()
        head = self.commit()
        done = self.bad("push", self.push(head), STAND_IN="exit-1", STAND_IN_ONLY="other_layer")
        errors = done.commands("error")
        self.assertTrue([error for error in errors if "other" in error], errors)
        self.assertFalse([error for error in errors if "one-q0f16" in error], errors)
        self.assertEqual(self.compilations(), ["one_layer", "other_layer"])
        # What compiled was saved.
        self.good("push", self.push(self.commit()))
        self.assertEqual(self.compilations(), ["other_layer"])

    def test_a_fork_is_commented_on_by_a_workflow_of_the_repository(self):
        texts = documented("docs/action/forks.md", "name: models\n")
        self.workflow(texts.replace("on: pull_request\n", "on: [pull_request, push]\n"))
        self.workflow(documented("docs/action/forks.md", "name: models-comment"), name="comment")
        base = self.commit()
        self.good("push", self.push(base))
        self.change("android", "one")
        head = self.commit()
        self.github = self.new_github(may_write=False)
        done = self.good("pull_request", self.pull(head, base, fork=True))
        self.assertIn("### Model package size", done.summary())
        self.assertEqual(done.commands("error"), [])
        self.assertEqual(self.github.comments, [])

        self.github = self.new_github()
        self.github.pulls.append({"number": 7, "head": head})
        owner = {"login": "stranger", "id": 9, "type": "User"}
        event = {
            "action": "completed",
            "workflow_run": {
                "id": 1, "event": "pull_request", "head_sha": head, "head_branch": "a-model",
                "conclusion": "success", "pull_requests": [],
                "head_repository": {"id": 9, "full_name": "stranger/app", "owner": owner},
            },
            "workflow": {"name": "models"},
            "repository": {"full_name": "owner/app", "default_branch": "main", "name": "app"},
        }
        self.good("workflow_run", event, workflow="comment")
        [comment] = self.github.comments
        self.assertIn("Model package size", comment["body"])
        self.assertNotIn("untrusted", comment["body"])

    def test_a_tag_publishes_a_release(self):
        text = documented("docs/action/releases.md", "name: release\n", "tag-name")
        self.workflow(text.replace("locked: true", "locked: false"), name="release")
        head = self.commit()
        self.git("tag", "v1.0.0")
        done = self.good("push", self.push(head, ref="refs/tags/v1.0.0"), workflow="release")
        [release] = self.github.releases
        self.assertEqual((release["tag_name"], release["draft"]), ("v1.0.0", False))
        self.assertIn("app-android-assets.json", self.github.assets)
        self.assertEqual(done.outputs("package")["release-url"], release["html_url"])
        listed = json.loads(self.github.assets["app-android-assets.json"][1])
        names = {asset["name"] for asset in listed["assets"]} if "assets" in listed else set()
        self.assertLessEqual(names, set(self.github.assets))

    def test_the_reusable_workflow_compiles_each_library_in_its_own_job(self):
        self.workflow(f"on: push\n{CALL}")
        done = self.good("push", self.push(self.commit()))
        self.assertEqual(self.compilations(), ["one_layer", "other_layer"])
        self.assertEqual(set(done.jobs().values()), {"success"}, done.jobs())
        self.assert_each_artifact_has_its_own_library()
        self.assertIn("one-q0f16", done.summary())
        self.assertIn("mlc-package-manifest.json", self.artifact("mlc-dist-android"))

    def test_the_reusable_workflows_publish_what_they_made(self):
        """Android's package and the iPhone's, both on Linux."""
        text = documented("docs/action/releases.md", "package.yml@v1", "publish.yml@v1")
        apple = "      iphone: ios/mlc-package-config.json\n"
        self.assertIn(apple, text)
        self.package("ios/mlc-package-config.json", "one")
        config = self.app / "ios/mlc-package-config.json"
        config.write_text(config.read_text().replace('"android"', '"iphone"'))
        text = text.replace(apple, f"{apple}      binding: false\n")
        self.workflow(f"on:\n  push:\n    tags: [\"v*\"]\n{text}", name="release")
        head = self.commit()
        self.git("tag", "v1.0.0")
        done = self.good("push", self.push(head, ref="refs/tags/v1.0.0"), workflow="release")
        self.assertEqual(set(done.jobs().values()), {"success"}, done.jobs())
        [release] = self.github.releases
        self.assertEqual((release["tag_name"], release["draft"]), ("v1.0.0", False))
        self.assertIn("app-android-assets.json", self.github.assets)
        self.assertIn("app-iphone-assets.json", self.github.assets)
        # A second run replaces what says when it was made, and leaves the rest.
        before = {name: asset["id"] for name, (asset, _) in self.github.assets.items()}
        self.good("push", self.push(head, ref="refs/tags/v1.0.0"), workflow="release")
        after = {name: asset["id"] for name, (asset, _) in self.github.assets.items()}
        self.assertEqual(before.keys(), after.keys())
        self.assertTrue([name for name in before if before[name] == after[name]])
        self.assertEqual(len(self.github.releases), 1)

    def test_what_compiled_is_passed_on_where_another_library_failed(self):
        """One job for both, and the last one compiles only what failed."""
        call = CALL.replace("      fan-out: true\n", "      fan-out: true\n      matrix-jobs: 1\n")
        self.workflow(f"on: push\n{call}")
        self.bad("push", self.push(self.commit()), STAND_IN="exit-1", STAND_IN_ONLY="other_layer")
        self.assertEqual(self.compilations(), ["one_layer", "other_layer", "other_layer"])

    def test_over_budget_publishes_what_the_workflows_made_and_then_fails(self):
        (self.app / "mlc-package.yml").write_text(
            "packages:\n  - name: chat\n    config: android/mlc-package-config.json\n"
            "budgets:\n  model:\n    shipped: { fail: { max: 10KiB } }\n"
        )
        text = documented("docs/action/releases.md", "package.yml@v1", "publish.yml@v1")
        text = text.replace("      iphone: ios/mlc-package-config.json\n", "      binding: false\n")
        self.workflow(f"on:\n  push:\n    tags: [\"v*\"]\n{text}", name="release")
        head = self.commit()
        self.git("tag", "v1.0.0")
        done = self.bad("push", self.push(head, ref="refs/tags/v1.0.0"), workflow="release")
        [release] = self.github.releases
        self.assertEqual((release["tag_name"], release["draft"]), ("v1.0.0", False))
        self.assertEqual([name for name, result in done.jobs().items() if result != "success"], ["publish"])
        self.assertTrue([e for e in done.commands("error") if "The release was made all the same" in e])

    def assert_each_artifact_has_its_own_library(self):
        found = []
        for path in sorted((self.root / "artifacts").rglob("mlc-libs-*.zip")):
            names = self.artifact(path.stem)
            libraries = [name for name in names if name.endswith("lib.tar")]
            self.assertEqual(len(libraries), 1, names.keys())
            found += libraries
        self.assertEqual(len(set(found)), 2, found)


class TwoPackages(Act):
    def setUp(self):
        super().setUp()
        self.package("apps/chat/mlc-package-config.json", "one", "other")
        self.package("apps/notes/mlc-package-config.json", "other")
        (self.app / "mlc-package.yml").write_text(documented("docs/action/monorepo.md", "packages:"))

    def test_one_call_makes_all_packages(self):
        self.workflow(documented("docs/action/monorepo.md", "id: models", "path: \"${{ steps.models"))
        base = self.commit()
        done = self.good("push", self.push(base))
        outputs = done.outputs("models")
        self.assertEqual(outputs["packages"].split(), ["chat", "notes"])
        self.assertEqual(outputs["dist"].split(), ["apps/chat/dist", "build/notes"])
        # What both packages need is compiled once.
        self.assertEqual(self.compilations(), ["one_layer", "other_layer"])
        for name in ("chat", "notes", "one-q0f16", "other-q0f16"):
            self.assertIn(name, done.summary())
        files = self.artifact("dist")
        for path in ("apps/chat/dist", "build/notes"):
            self.assertIn(f"{path}/mlc-package-manifest.json", files)
        self.change("apps/notes", "other")
        done = self.good("pull_request", self.pull(self.commit(), base))
        self.assertEqual(self.compilations(), ["other_layer"])
        self.assertIn(f"base `{base[:7]}`", done.summary())

    def test_jobs_by_hand_compile_what_the_plan_says(self):
        self.workflow(documented("docs/action/monorepo.md", "mode: plan", "mode: libraries"))
        done = self.good("push", self.push(self.commit()))
        # What both packages need is compiled once.
        self.assertEqual(self.compilations(), ["one_layer", "other_layer"])
        self.assertEqual(set(done.jobs().values()), {"success"}, done.jobs())
        matrix = json.loads(done.outputs("plan")["matrix"])
        self.assertEqual(len(matrix["include"]), 2)
        self.assertIn("other-q0f16", done.summary("package"))
        # A second run: nothing to compile, and no job for it.
        again = self.good("push", self.push(self.commit()))
        self.assertEqual(self.compilations(), [])
        self.assertEqual(again.outputs("plan")["libs-to-compile"], "0")


if __name__ == "__main__":
    unittest.main()
