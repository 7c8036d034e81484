"""What the benchmarks measure is what the image holds."""
import pathlib
import sys
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.append(str(REPOSITORY / "Benchmarks"))
import release


class ReleaseBuildTests(unittest.TestCase):
    def test_the_image_is_built_with_the_options_that_are_measured(self):
        lines = (REPOSITORY / "Dockerfile").read_text().replace("\\\n", " ")
        self.assertIn("swift build " + " ".join(release.OPTIONS) + " ", " ".join(lines.split()) + " ")


if __name__ == "__main__":
    unittest.main()
