"""Sizes and releases: what a pull request is compared with, budgets, and who is told."""

import functools
import http.server
import json
import pathlib
import shutil
import threading
import unittest

from github import GitHub
from scene import Scene


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Report(Scene):
    def github(self, **more):
        github = GitHub(**more)
        self.addCleanup(github.close)
        self.variables["GITHUB_API_URL"] = github.url
        return github

    def serve(self, directory):
        """The files of a directory, by HTTP; gives the address."""
        handler = functools.partial(Quiet, directory=directory)
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_port}"

    def grow(self):
        """The model's bundled files are larger than before."""
        path = self.app / "models/one/tokenizer.json"
        path.write_text(path.read_text() + " " * 300_000)

    def test_a_pull_request_is_compared_with_the_branch(self):
        pushed = self.good(self.new_job("push"))
        self.assertIn("no baseline", pushed.summary)
        self.assertEqual(pushed.outputs["over-budget"], "false")
        self.grow()
        job = self.new_job("pull_request")
        run = self.good(job)
        self.assertNotIn("no baseline", run.summary)
        self.assertIn("+293.0 KiB", run.summary)
        self.assertIn("fffffff", run.summary, "the commit of the baseline")
        self.assertEqual(pathlib.Path(run.outputs["report"]).read_text().strip(), run.summary.strip())
        self.assertIn("<html", pathlib.Path(run.outputs["report-html"]).read_text())
        # A second workflow that comments for forks finds it by this name.
        self.assertEqual(pathlib.Path(run.outputs["baseline"]).name, "baseline.json")
        manifests = [key for key in job.cache.keys() if "-manifest-" in key]
        self.assertEqual(len(manifests), 1, "a pull request is nobody's baseline")

    def test_a_manifest_of_the_repository_is_a_baseline_too(self):
        self.good(cache="false")
        manifest = self.app / "dist/mlc-package-manifest.json"
        (self.app / "released.json").write_text(manifest.read_text())
        self.grow()
        run = self.good(baseline="released.json", cache="false")
        self.assertIn("+293.0 KiB", run.summary)
        # It may be of one package, or at an address.
        run = self.good(baseline="android=released.json", cache="false")
        self.assertIn("+293.0 KiB", run.summary)
        address = self.serve(self.app) + "/released.json"
        run = self.good(baseline=address, cache="false")
        self.assertIn("+293.0 KiB", run.summary)
        self.refused("names no file of the repository", baseline="app=absent.json")
        self.refused("cannot have a colon", baseline="file://" + str(manifest))

    def test_a_broken_budget_fails_the_job_after_everything_else(self):
        (self.app / "mlc-package.yml").write_text(
            "packages:\n- name: app\n  config: mlc-package-config.json\n"
            "  budgets:\n    shipped: { fail: { max: 10KiB } }\n"
        )
        run = self.use()
        self.assertTrue(run.failed)
        self.assertEqual(run.steps["report"]["outcome"], "success", run.log)
        self.assertEqual([r["exit"] for r in run.steps.values() if r["outcome"] == "failure"], [20])
        self.assertEqual(run.outputs["over-budget"], "true")
        self.assertEqual(run.outputs["dist"], "dist")
        self.assertTrue(any("-libs-" in key for key in self.job.cache.keys()))
        self.assertTrue(run.errors())

    def test_over_budget_publishes_and_then_fails(self):
        github = self.github()
        (self.app / "mlc-package.yml").write_text(
            "packages:\n- name: app\n  config: mlc-package-config.json\n"
            "budgets:\n  package:\n    shipped: { fail: { max: 10KiB } }\n"
        )
        run = self.use(self.new_job("push"), tag_name="v1.0.0", token="the-token")
        self.assertTrue(run.failed)
        self.assertEqual(len(github.releases), 1, run.log)
        self.assertIn("over a budget", run.errors()[-1])
        lenient = self.good(self.new_job("push"), fail_over_budget="false", token="the-token")
        self.assertEqual(lenient.outputs["over-budget"], "true")

    def test_packages_that_another_job_made_are_published(self):
        """As publish.yml calls it: no repository, only what artifacts hold."""
        self.good()
        for entry in list(self.app.iterdir()):
            if entry.name != "dist":
                shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        (self.app / "packages").mkdir()
        shutil.move(self.app / "dist", self.app / "packages/mlc-dist-android")
        github = self.github()
        given = {
            "mode": "report", "manifest": "packages/mlc-dist-android/mlc-package-manifest.json\n",
            "tag_name": "v1.0.0", "draft": "false", "prerelease": "false", "token": "the-token",
        }
        run = self.good(self.new_job("push"), **given)
        [release] = github.releases
        self.assertFalse(release["draft"])
        self.assertIn("app-android-assets.json", github.assets)
        self.assertTrue(run.outputs["release-url"].endswith("/v1.0.0"))
        # A manifest alone is no package.
        shutil.copy(self.app / "packages/mlc-dist-android/mlc-package-manifest.json", self.app / "one.json")
        self.refused(
            "`one.json` is not an mlc-package-manifest.json", self.new_job("push"),
            **{**given, "manifest": "one.json"},
        )

    def test_sizes_for_another_workflow_have_the_baseline_and_its_commit(self):
        self.good(self.new_job("push"))
        run = self.good(self.new_job("fork"))
        sizes = pathlib.Path(run.outputs["sizes"])
        files = {str(path.relative_to(sizes)) for path in sizes.rglob("*") if path.is_file()}
        self.assertEqual(files, {"android/manifest.json", "android/baseline.json", "android/base"})
        self.assertEqual((sizes / "android/base").read_text(), "f" * 40 + "\n")

    def test_a_self_hosted_runner_keeps_manifests_in_its_directory(self):
        kept = self.root / "kept"
        self.good(self.new_job("push"), cache_dir=str(kept))
        self.assertEqual(self.job.cache.keys(), [])
        self.grow()
        run = self.good(self.new_job("pull_request"), cache_dir=str(kept))
        self.assertIn("+293.0 KiB", run.summary)
        self.assertIn("fffffff", run.summary, "the commit of the baseline")
        self.assertEqual(len(list((kept / "manifests").iterdir())), 1)

    def test_a_mistake_in_the_project_is_told_before_anything_slow(self):
        (self.app / "mlc-package.yml").write_text("packages:\n- name: app\n  konfig: a.json\n")
        run = self.use()
        self.assertTrue(run.failed)
        self.assertEqual(run.steps["plan"]["outcome"], "skipped")
        places = [properties for kind, properties, _ in run.said if kind == "error"]
        self.assertTrue(any("file=mlc-package.yml,line=3" in place for place in places), places)

    def test_a_comment_is_made_and_kept_up_to_date(self):
        github = self.github()
        self.good(self.new_job("push"))
        self.grow()
        run = self.good(self.new_job("pull_request"), comment="on-change", token="the-token")
        self.assertEqual(len(github.comments), 1, run.log)
        self.assertIn("+293.0 KiB", github.comments[0]["body"])
        # The first job had its own token, and asked for a release to be compared with.
        asked = [token for _, path, token in github.requests if "/releases" not in path]
        self.assertTrue(asked and all("the-token" in token for token in asked))
        self.assertNotIn("the-token", run.log)
        self.good(self.new_job("pull_request"), comment="on-change", token="the-token")
        self.assertEqual(len(github.comments), 1)

    def test_a_second_workflow_comments_for_a_fork(self):
        """It has no repository, and one file that a stranger's job left."""
        built = self.good(self.new_job("fork"))
        manifest = (self.app / built.outputs["manifest"]).read_text()
        github = self.github()
        github.pulls = [{"number": 7, "head": "a" * 40}]
        for entry in list(self.app.iterdir()):
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
        (self.app / "untrusted").mkdir()
        (self.app / "untrusted/mlc-package-manifest.json").write_text(manifest)
        given = {"mode": "report", "manifest": "untrusted/mlc-package-manifest.json"}
        run = self.good(self.new_job("workflow_run"), comment="always", **given)
        self.assertEqual(len(github.comments), 1, run.log)
        self.assertIn("Model package size", github.comments[0]["body"])
        for step in ("plan", "build", "restore-libs"):
            self.assertEqual(run.steps[step]["outcome"], "skipped")

        hostile = "</details>\n::error::mine\n@everyone <img src=x>"
        damaged = manifest.replace("one-q0f16", json.dumps(hostile)[1:-1])
        (self.app / "untrusted/mlc-package-manifest.json").write_text(damaged)
        run = self.use(self.new_job("workflow_run"), comment="always", **given)
        self.assertTrue(run.failed)
        self.assertNotIn("mine", run.errors())
        self.assertNotIn("@everyone", github.comments[0]["body"])

    def test_several_packages_are_one_report(self):
        self.good()
        names = []
        for name in ("android", "notes"):
            (self.app / f"{name}.json").write_text(
                (self.app / "dist/mlc-package-manifest.json").read_text()
            )
            names.append(f"{name}.json")
        listed = "\n".join(names) + "\n"
        run = self.good(mode="report", manifest=listed, baseline="android.json")
        self.assertEqual(run.summary.count("### Model package size"), 1)
        self.refused("names no file", mode="report", manifest="android.json\nnowhere.json")
        self.refused("takes the input `manifest`", mode="report")
        self.refused("is for `mode: report` only", manifest="android.json")

    def test_a_fork_has_its_summary_and_no_comment(self):
        """Its token may only read: said once, and no failure."""
        github = self.github(may_write=False)
        run = self.good(self.new_job("fork"), comment="always")
        self.assertEqual(github.comments, [])
        self.assertIn("Model package size", run.summary)
        self.assertIn("warning", run.log)

    def test_without_a_token_nothing_is_asked(self):
        github = self.github()
        run = self.good(self.new_job("pull_request"), comment="always", token="")
        self.assertEqual(github.requests, [])
        self.assertIn("no token", run.log)

    def test_without_the_event_nobody_is_told(self):
        github = self.github()
        self.good(self.new_job(), comment="always")
        self.assertEqual(github.comments, [])

    def test_a_package_becomes_a_release(self):
        github = self.github()
        (self.app / "NOTES.txt").write_text("what is new")
        run = self.good(
            self.new_job("release"), tag_name="v1.0.0", name="models", prerelease="true",
            files="NOTES.txt\n", token="the-token",
        )
        self.assertEqual(
            run.outputs["release-url"], "https://github.invalid/owner/app/releases/tag/v1.0.0"
        )
        self.assertEqual(len(github.releases), 1)
        release = github.releases[0]
        self.assertFalse(release["draft"])
        self.assertTrue(release["prerelease"])
        names = sorted(github.assets)
        self.assertIn("NOTES.txt", names)
        self.assertIn("SHA256SUMS", names)
        self.assertTrue(any(name.startswith("models-android-lib.tar") for name in names), names)
        self.assertTrue(all("the-token" in token for _, _, token in github.requests))

        # Where no commit's manifest is kept, the release is what sizes are compared with.
        self.grow()
        run = self.good(self.new_job("push"), cache="false", token="the-token")
        self.assertIn("+293.0 KiB", run.summary)

    def test_a_release_that_may_not_be_made_names_the_permission(self):
        self.github(may_write=False)
        run = self.use(self.new_job("push"), tag_name="v1.0.0")
        self.assertTrue(run.failed)
        self.assertIn("contents: write", run.log)
        self.assertEqual(run.outputs["release-url"], "")

    def test_a_report_of_a_thousand_models_fits_where_it_goes(self):
        self.good()
        manifest = json.loads((self.app / "dist/mlc-package-manifest.json").read_text())
        one = manifest["models"][0]
        manifest["models"] = [
            {**one, "model_id": f"{'long-' * 20}model-{number}"} for number in range(1000)
        ]
        text = json.dumps(manifest)
        (self.app / "large.json").write_text(text)
        github = self.github()
        job = self.new_job("pull_request")
        run = self.good(job, mode="report", manifest="large.json", comment="always")
        self.assertIn("others", run.summary)
        self.assertLess(len(run.summary), 65_536)
        self.assertLess(len(github.comments[0]["body"]), 65_536)
        self.assertEqual(run.errors(), [])

    def test_reports_can_be_left_out(self):
        run = self.good(report="false")
        self.assertEqual(run.summary, "")
        self.assertEqual(run.outputs["over-budget"], "")


if __name__ == "__main__":
    unittest.main()
