"""The image holds what the benchmarks measure, and can be built."""
import pathlib
import re
import sys
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.append(str(REPOSITORY / "Benchmarks"))
import release


class ReleaseBuildTests(unittest.TestCase):
    def test_the_image_is_built_with_the_options_that_are_measured(self):
        lines = (REPOSITORY / "Dockerfile").read_text().replace("\\\n", " ")
        self.assertIn("swift build " + " ".join(release.OPTIONS) + " ", " ".join(lines.split()) + " ")

    def test_the_image_gets_every_folder_that_the_manifest_names(self):
        """The package manager reads no manifest that names a folder which is not there."""
        manifest = (REPOSITORY / "Package.swift").read_text()
        folders = {"Plugins", "Sources", "Tests"} | {
            path.split("/")[0] for path in re.findall(r'path: "([^"]+)"', manifest)}
        self.assertIn("Examples", folders)
        copied = set(re.findall(r"^COPY (\w+) \1$", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE))
        allowed = set(re.findall(r"^!(\w+)$", (REPOSITORY / ".dockerignore").read_text(), re.MULTILINE))
        self.assertEqual((folders - copied, folders - allowed), (set(), set()))


if __name__ == "__main__":
    unittest.main()
