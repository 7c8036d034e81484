"""What the options of the benchmarks have in common."""
import argparse
import sys

#: The exit code of wrong usage.
USAGE = 64


class Parser(argparse.ArgumentParser):
    """Wrong usage ends with 64 and says in one line what would be right."""

    def error(self, message):
        self.print_usage(sys.stderr)
        print(f"{self.prog}: {message}", file=sys.stderr)
        raise SystemExit(USAGE)


def above_zero(text):
    """A number from 1 on."""
    number = int(text) if text.isdecimal() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"takes a number above 0, not {text!r}")
    return number
