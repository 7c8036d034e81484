"""Makes each contender's program ready, or says why it is left out."""
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
REPOSITORY = HERE.parent.parent
PYTHON = ("asyncpg==0.32.0", "uvloop==0.23.0", "psycopg[binary]==3.3.9", "psycopg-pool==3.3.3")
CRATES = pathlib.Path("/usr/share/cargo/registry")
GO = pathlib.Path("/usr/share/gocode")


class LeftOut(Exception):
    """Why a contender does not take part."""


def say(text):
    print(text, file=sys.stderr, flush=True)


def run(command, log, environment=None, cwd=None):
    """Runs a step of a build, its output to a file. Raises with the last lines."""
    with open(log, "wb") as file:
        done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=file, stderr=file,
                              env={**os.environ, **(environment or {})}, cwd=cwd)
    if done.returncode:
        lines = pathlib.Path(log).read_text(errors="replace").strip().splitlines()
        said = [line.strip() for line in lines if re.search(r"(?i)^(?!.*warning).*\berror\b", line)] or lines[-3:]
        # Relative, because the reason stands in a report that is read elsewhere.
        place = os.path.relpath(log, REPOSITORY)
        raise LeftOut(f"{pathlib.Path(command[0]).name} failed: {' | '.join(said[:3])[:400]} (all of it: {place})")


def fingerprint(sources, *texts):
    """What tells whether a program made of these files and texts is still the same."""
    digest = hashlib.sha256("\0".join(texts).encode())
    for path in sorted(path for path in sources.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(sources)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def copied(name, folder):
    """A copy of a peer's sources, so that its build leaves nothing beside them."""
    target = folder / name
    shutil.copytree(HERE / "Peers" / name, target, dirs_exist_ok=True)
    return target


def registry(folder):
    """The Swift runner, by a release build of this package."""
    say("Building the registry's driver for release (the first time takes some minutes) …")
    # The runtime is linked in, as the Dockerfile does it and as the peers' languages do it.
    command = ["swift", "build", "-c", "release", "--product", "DriverBenchmark", "--static-swift-stdlib", "-Xswiftc",
               "-use-ld=lld", "--package-path", str(REPOSITORY)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    if done.returncode:
        raise LeftOut("swift build failed; the reason stands above")
    found = subprocess.run(command + ["--show-bin-path"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    return [os.path.join(found, "DriverBenchmark")]


def pgbench(folder):
    import cluster

    program = os.path.join(cluster.binaries(), "pgbench")
    if not os.access(program, os.X_OK):
        raise LeftOut(f"{program} is missing")
    return [program]


def tokio(folder):
    if not (CRATES / "tokio-postgres-0.7.7").exists() and not list(CRATES.glob("tokio-postgres-[0-9]*")):
        raise LeftOut("Debian's librust-tokio-postgres-dev is not installed")
    if not shutil.which("cargo"):
        raise LeftOut("cargo is not installed")
    source = copied("tokio", folder)
    (source / ".cargo").mkdir(exist_ok=True)
    (source / ".cargo" / "config.toml").write_text(
        f'[source.crates-io]\nreplace-with = "debian"\n[source.debian]\ndirectory = "{CRATES}"\n')
    target = folder / "tokio-target"
    run(["cargo", "build", "--release", "--offline", "--target-dir", target], folder / "tokio.log", cwd=source)
    return [str(target / "release" / "tokio-peer")]


def pgx(folder):
    if not (GO / "src/github.com/jackc/pgx").exists():
        raise LeftOut("Debian's golang-github-jackc-pgx-v4-dev is not installed")
    if not shutil.which("go"):
        raise LeftOut("go is not installed")
    program = folder / "pgx-peer"
    run(["go", "build", "-o", program, HERE / "Peers/pgx/main.go"], folder / "pgx.log",
        {"GO111MODULE": "off", "GOPATH": str(GO), "GOFLAGS": "", "GOCACHE": str(folder / "go-cache")})
    return [str(program)]


def python(folder):
    """An environment with the Python packages, made once."""
    made, wanted = folder / "python", "\n".join(PYTHON) + "\n"
    mark = made / "requirements"
    if not mark.exists() or mark.read_text() != wanted:
        shutil.rmtree(made, ignore_errors=True)
        run([sys.executable, "-m", "venv", made], folder / "python.log")
        run([made / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PYTHON],
            folder / "python.log")
        mark.write_text(wanted)
    return str(made / "bin/python")


def asyncpg(folder):
    return [python(folder), str(HERE / "Peers/python/asyncpg_peer.py")]


def psycopg(folder):
    return [python(folder), str(HERE / "Peers/python/psycopg_peer.py")]


def postgresnio(folder):
    checkout = os.environ.get("POSTGRES_NIO_PATH")
    if checkout and not (pathlib.Path(checkout) / "Package.swift").exists():
        raise LeftOut(f"POSTGRES_NIO_PATH is {checkout}, where no Package.swift stands")
    program, mark = folder / "postgresnio-peer", folder / "postgresnio-peer.made-of"
    made_of = fingerprint(HERE / "Peers/postgresnio", str(checkout), version(["swift", "--version"]) or "")
    # The build takes minutes, and even to find that nothing is to be done takes long.
    if not (program.exists() and mark.exists() and mark.read_text() == made_of):
        say("Building PostgresNIO for release (the first time takes some minutes) …")
        source, scratch = copied("postgresnio", folder), folder / "postgresnio-build"
        environment = {"POSTGRES_NIO_PATH": str(pathlib.Path(checkout).resolve())} if checkout else {}
        run(["swift", "build", "-c", "release", "--package-path", source, "--scratch-path", scratch, "--product",
             "PostgresNIOPeer"], folder / "postgresnio.log", environment)
        shutil.copy2(scratch / "release" / "PostgresNIOPeer", program)
        mark.write_text(made_of)
    return [str(program)]


MAKERS = {"registry": registry, "pgbench": pgbench, "tokio": tokio, "pgx": pgx, "asyncpg": asyncpg,
          "psycopg": psycopg, "postgresnio": postgresnio}
NAMES = {"tokio": "tokio-postgres", "postgresnio": "PostgresNIO", "psycopg": "psycopg 3"}


def make(folder, wanted):
    """The commands of the peers that can take part, and the reason of each that cannot."""
    folder.mkdir(parents=True, exist_ok=True)
    commands, left_out = {}, {}
    for name, maker in MAKERS.items():
        if name not in wanted:
            continue
        try:
            commands[name] = maker(folder)
        except (LeftOut, OSError, subprocess.SubprocessError) as error:
            left_out[NAMES.get(name, name)] = str(error)
            say(f"Left out: {NAMES.get(name, name)}. {error}")
    return commands, left_out


def version(command):
    """The first line that a program prints of itself, or nothing."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
        return (done.stdout or done.stderr).strip().splitlines()[0]
    except (OSError, IndexError, subprocess.SubprocessError):
        return None


def versions(folder, commands):
    """What was measured, by name."""
    found = {"postgresql": version([os.path.join(os.path.dirname(commands["pgbench"][0]), "postgres"), "--version"])
             if "pgbench" in commands else None,
             "swift": version(["swift", "--version"]), "python": sys.version.split()[0]}
    if "tokio" in commands:
        found["cargo"] = version(["cargo", "--version"])
        found["tokio-postgres"] = max(
            (path.name.removeprefix("tokio-postgres-") for path in CRATES.glob("tokio-postgres-[0-9]*")), default=None)
    if "pgx" in commands:
        found["go"] = version(["go", "version"])
        found["pgx"] = version(["dpkg-query", "-W", "-f", "${Version}", "golang-github-jackc-pgx-v4-dev"])
    for requirement in PYTHON:
        name, number = requirement.split("==")
        if name.split("[")[0].split("-")[0] in commands or (name == "uvloop" and "asyncpg" in commands):
            found[name.split("[")[0]] = number
    if "postgresnio" in commands:
        found["postgres-nio"] = os.environ.get("POSTGRES_NIO_VERSION") or resolved(folder, "postgres-nio")
    return {name: text for name, text in found.items() if text}


def resolved(folder, package):
    """The version that SwiftPM took of a package."""
    import json

    try:
        pins = json.loads((folder / "postgresnio" / "Package.resolved").read_text())["pins"]
        return next((pin["state"].get("version") for pin in pins if pin["identity"] == package), "a local checkout")
    except (OSError, ValueError, KeyError):
        return "a local checkout"
