"""How long the action's own steps take for a pull request that changes no model, with a comment; for a
package with its platform binding, linked from the kit of the release, and without:
MLC_PACKAGE_TEST_PROGRAM=PROGRAM target/linters/bin/python -B tests/action/measure.py"""

import statistics
import unittest

from github import GitHub
from scene import Scene

RUNS = 5


class Measure(Scene):
    def test_a_pull_request_that_changes_no_model(self):
        self.measure("without a binding", binding="false")

    def test_the_same_with_a_binding(self):
        self.release_kit()
        self.measure("with a binding", binding="true")

    def measure(self, what, **inputs):
        github = GitHub()
        self.addCleanup(github.close)
        self.variables["GITHUB_API_URL"] = github.url
        self.good(self.new_job("push"), container="never", **inputs)
        # From here on the compiler is in an image, and whoever starts its engine fails.
        self.release_image()
        steps = {}
        for _ in range(RUNS):
            run = self.good(self.new_job("pull_request"), comment="always", **inputs)
            self.assertEqual(run.outputs["libs-compiled"], "0")
            for name, record in run.steps.items():
                if "seconds" in record:
                    steps.setdefault(name, []).append(record["seconds"])
        self.assertEqual(self.docker_calls(), [])
        self.assertEqual(len(github.comments), 1)
        medians = {name: statistics.median(seconds) for name, seconds in steps.items()}
        print(f"\n{what}\n{'step':16}seconds, median of {RUNS}")
        for name, seconds in [*medians.items(), ("all", sum(medians.values()))]:
            print(f"{name.lstrip('_'):16}{seconds:.3f}")


if __name__ == "__main__":
    unittest.main()
