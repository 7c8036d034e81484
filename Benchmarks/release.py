"""The executable that is measured: built as the Dockerfile builds it."""
import pathlib
import subprocess
import sys

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent
#: The Dockerfile's own; a test holds them together.
OPTIONS = ("--configuration", "release", "--product", "registry", "--static-swift-stdlib", "-Xswiftc", "-Osize",
           "-Xswiftc", "-use-ld=lld", "-Xlinker", "-z", "-Xlinker", "pack-relative-relocs")


def executable():
    """Builds `registry` for release. Returns its path; None where it cannot be built."""
    for options in ((), ("--show-bin-path",)):
        done = subprocess.run(["swift", "build", *OPTIONS, *options], cwd=REPOSITORY,
                              stdout=subprocess.PIPE if options else sys.stderr, text=True)
        if done.returncode:
            return None
    return pathlib.Path(done.stdout.strip()) / "registry"
