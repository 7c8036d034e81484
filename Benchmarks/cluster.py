"""A private PostgreSQL cluster for one run: made, started, asked, stopped and removed."""
import glob
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time

SETTINGS = {
    # A durable write waits for the disk: both are PostgreSQL's defaults, written down because the figures rest on them.
    "fsync": "on",
    "synchronous_commit": "on",
    "listen_addresses": "",
    "max_connections": "300",
    "unix_socket_permissions": "0700",
    # No checkpoint and no vacuum falls into a round by itself; rounds begin with both.
    "autovacuum": "off",
    "checkpoint_timeout": "1h",
    "max_wal_size": "16GB",
    "min_wal_size": "2GB",
    "log_min_messages": "warning",
    "timezone": "UTC",
}


class Failure(Exception):
    """What stops the run, in one sentence."""


def binaries():
    """The folder of PostgreSQL's server programs, the newest first."""
    patterns = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/libexec/postgresql*",
                "/opt/homebrew/opt/postgresql@*/bin", "/usr/local/opt/postgresql@*/bin")
    found = [folder for pattern in patterns for folder in glob.glob(pattern)]
    found.sort(key=lambda folder: [int(part) for part in "".join(
        letter if letter.isdigit() else " " for letter in folder).split()], reverse=True)
    for folder in found + os.get_exec_path():
        if os.access(os.path.join(folder, "initdb"), os.X_OK) and os.access(os.path.join(folder, "postgres"), os.X_OK):
            return folder
    raise Failure("PostgreSQL's server programs are missing. Install them, with Debian: apt-get install postgresql")


def account():
    """The account the server runs as, where it cannot be ours: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Failure("PostgreSQL refuses to run as root, and there is no account postgres or nobody to run it as.")


def shared_memory():
    """The server's memory for pages: all that is read fits, where a quarter of the machine's suffices for that."""
    try:
        machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    except (OSError, ValueError):
        machine = 4096
    return f"{max(128, min(2048, machine // 4))}MB"


class Cluster:
    """Use it with `with`: leaving it stops the server and removes everything, whatever happened."""

    user, database, port = "bench", "bench", 5432

    def __init__(self, shared_buffers=None):
        self.folder = binaries()
        self.account = account()
        self.settings = {**SETTINGS, "shared_buffers": shared_buffers or shared_memory()}
        self.server = None
        self.root = None

    def __enter__(self):
        # Not below the repository, whose parents may be closed to the server's account; short, for the socket's sake.
        parent = "/var/tmp" if os.access("/var/tmp", os.W_OK) else None
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=parent))
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _start(self):
        if self.account:
            os.chown(self.root, self.account.pw_uid, self.account.pw_gid)
        data, socket = self.root / "data", self.root / "s"
        made = self._as_server([
            "initdb", "-D", data, "-U", self.user, "-E", "UTF8", "--locale=C.UTF-8" if os.name == "posix" and
            os.uname().sysname == "Linux" else "--locale=C", "--no-sync", "--auth-local=trust", "--auth-host=reject"])
        if made.returncode:
            raise Failure(f"initdb could not make a cluster in {data}: {made.stdout.strip()[-400:]}")
        socket.mkdir(mode=0o700)
        if self.account:
            os.chown(socket, self.account.pw_uid, self.account.pw_gid)
        with open(data / "postgresql.conf", "a") as file:
            for name, value in {**self.settings, "unix_socket_directories": socket, "port": self.port}.items():
                file.write(f"{name} = '{value}'\n")
        with open(self.root / "log", "wb") as log:
            # A session of its own, so that Ctrl-C reaches us alone and the server is stopped in order.
            self.server = subprocess.Popen(
                [f"{self.folder}/postgres", "-D", str(data)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, **self._identity())
        deadline = time.monotonic() + 60
        while subprocess.run([f"{self.folder}/pg_isready", "-q", "-h", socket, "-p", str(self.port)]).returncode:
            if self.server.poll() is not None or time.monotonic() > deadline:
                raise Failure(f"The private PostgreSQL server did not start: {self.log()}")
            time.sleep(0.05)
        self.ask(f"CREATE DATABASE {self.database}", database="postgres")

    def __exit__(self, *_):
        if self.server and self.server.poll() is None:
            self.server.send_signal(signal.SIGINT)
            try:
                self.server.wait(30)
            except subprocess.TimeoutExpired:
                self.server.send_signal(signal.SIGQUIT)
                self.server.wait(10)
        if self.root:
            shutil.rmtree(self.root, ignore_errors=True)

    def log(self):
        """The last lines of the server's log, on one line."""
        return " | ".join((self.root / "log").read_text(errors="replace").splitlines()[-5:])

    def _identity(self):
        if not self.account:
            return {}
        return {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": [], "cwd": "/"}

    def _as_server(self, command):
        command = [f"{self.folder}/{command[0]}"] + [str(part) for part in command[1:]]
        return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, **self._identity())

    @property
    def connection(self):
        """What every contender is given: libpq's keywords, no value with a space."""
        return f"host={self.root}/s port={self.port} user={self.user} dbname={self.database}"

    def environment(self, **more):
        """Ours without what would lead a contender to another server."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return {**kept, **more}

    def ask(self, *statements, file=None, database=None, variables=None):
        """Runs statements, or a file of them. Returns the rows of the last, tuples of text."""
        command = [f"{self.folder}/psql", "-X", "-q", "-A", "-t", "-F", "\x1f", "-v", "ON_ERROR_STOP=1", "-h",
                   f"{self.root}/s", "-p", str(self.port), "-U", self.user, "-d", database or self.database]
        for name, value in (variables or {}).items():
            command += ["-v", f"{name}={value}"]
        for statement in statements:
            command += ["-c", statement]
        if file:
            command += ["-f", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment())
        if done.returncode:
            raise Failure(f"{file or statements[-1][:60]}: {done.stderr.strip()[-400:]}")
        return [tuple(line.split("\x1f")) for line in done.stdout.splitlines()]

    def counters(self):
        """Transactions committed, and calls of each workload, as the server itself has counted them.

        A server process hands in what it counted when it ends, so this waits until the contender's are gone.
        """
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            (busy,), = self.ask("SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' "
                                "AND pid <> pg_backend_pid()")
            if busy == "0":
                break
            time.sleep(0.05)
        (row,) = self.ask(
            "SELECT d.xact_commit, c.idx_scan, c.n_tup_ins + c.n_tup_upd, e.n_tup_ins FROM pg_stat_database d, "
            "pg_stat_user_tables c, pg_stat_user_tables e WHERE d.datname = current_database() "
            "AND c.relid = 'benchmark.connection'::regclass AND e.relid = 'registry.auth_event'::regclass")
        transactions, scans, writes, events = (int(value or 0) for value in row)
        return {"transactions": transactions, "select": scans, "read": scans, "upsert": writes, "intake": events}
