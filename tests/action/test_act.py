"""README's workflow, run by act on this machine: a program that nobody here wrote loads the action
and runs its steps. scripts/test-container.sh runs every documented workflow in containers."""

import unittest

from act import IMAGE, Act, documented


@unittest.skipIf(IMAGE, "act_test.py runs more of it in containers")
class Smoke(Act):
    def setUp(self):
        super().setUp()
        self.package("android/mlc-package-config.json", "one", "other")
        self.workflow(documented("README.md", "name: models", "comment: on-change"))

    def test_the_workflow_of_the_readme_makes_a_package(self):
        done = self.good("push", self.push(self.commit()))
        self.assertEqual(self.compilations(), ["one_layer", "other_layer"])
        outputs = done.outputs("package")
        self.assertEqual(outputs["libs-compiled"], "2")
        self.assertEqual(outputs["over-budget"], "false")
        self.assertEqual(done.commands("error"), [])
        summary = done.summary()
        self.assertIn("### Model package size", summary)
        for name in ("one-q0f16", "other-q0f16"):
            self.assertIn(name, summary)
        files = self.artifact("dist")
        self.assertIn("mlc-package-manifest.json", files)
        self.assertIn("lib/libmodel_android.a", files)


if __name__ == "__main__":
    unittest.main()
