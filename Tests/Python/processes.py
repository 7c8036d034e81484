"""The processes that the tests in Python talk to: the sandbox, the service, and a place where webhooks arrive.

REGISTRY_EXECUTABLE is the executable `registry`; TERRA_PYTHON_1 and TERRA_PYTHON_0 are the Python environments (or
their interpreters) with terra-python 1.1.0 and 0.0.17.
"""
import http.server
import json
import os
import pathlib
import queue
import shutil
import subprocess
import tempfile
import threading
import urllib.error
import urllib.parse
import urllib.request
import uuid


def interpreter(variable):
    """The interpreter that an environment variable names, or that of the Python environment that it names."""
    path = pathlib.Path(os.environ[variable])
    return str(path / "bin" / "python") if path.is_dir() else str(path)


def call(method, url, body=None, headers=None, timeout=10):
    """An HTTP request without redirects. Returns the status, the headers and the body, whatever the status."""
    data = body if isinstance(body, (bytes, type(None))) else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    if data is not None and not request.has_header("Content-type"):
        request.add_header("Content-Type", "application/json")
    try:
        with OPENER.open(request, timeout=timeout) as response:
            return response.status, response.headers, response.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


# The settings of whoever runs the tests must not reach the processes.
ENVIRONMENT = {name: value for name, value in os.environ.items()
               if not name.startswith("PG") and (not name.startswith("REGISTRY_") or name == "REGISTRY_EXECUTABLE")}


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Hands a redirect back instead of following it."""

    def redirect_request(self, *arguments):
        return None


OPENER = urllib.request.build_opener(NoRedirect)


class Process:
    """A command of the executable that prints a line of JSON when it listens."""

    def __init__(self, *arguments, environment=None):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [os.environ["REGISTRY_EXECUTABLE"], *arguments], stdout=subprocess.PIPE, stderr=self.log,
            env={**ENVIRONMENT, **(environment or {})})
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.log.seek(0)
            reason = self.log.read().decode(errors="replace")
            self.process.stdout.close()
            self.log.close()
            raise AssertionError(f"registry {arguments[0]} did not start: {reason}")
        self.base = f"http://127.0.0.1:{json.loads(line)['port']}"

    def stop(self):
        """Ends the process and waits for it."""
        self.process.terminate()
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()


class Sandbox(Process):
    """The stand-in for Terra, with its controls."""

    def __init__(self):
        super().__init__("sandbox", "--port", "0")

    def environment(self, slug, **settings):
        """Makes or changes an environment."""
        status, _, body = call("PUT", f"{self.base}/sandbox/environments/{slug}", settings)
        assert status == 200, body

    def connect(self, slug, **connection):
        """Connects an account as an app on a phone does. Returns the user_id."""
        status, _, body = call("POST", f"{self.base}/sandbox/environments/{slug}/connections", connection)
        assert status == 201, body
        return json.loads(body)["user_id"]

    def act(self, slug, user_id, **act):
        """Lets something happen to a connection."""
        status, _, body = call("POST", f"{self.base}/sandbox/environments/{slug}/connections/{user_id}", act)
        assert status == 202, body

    def answers(self, slug, *answers):
        """Makes the environment's next calls of Terra's API answer so."""
        status, _, body = call("PUT", f"{self.base}/sandbox/environments/{slug}/answers", list(answers))
        assert status == 204, body

    def calls(self, slug):
        """The calls of Terra's API that the environment got: method, path, query, headers and body."""
        return json.loads(call("GET", f"{self.base}/sandbox/environments/{slug}/calls")[2])

    def idle(self):
        """Waits until every webhook is delivered."""
        for _ in range(2000):
            if json.loads(call("GET", f"{self.base}/sandbox/pending")[2])["pending"] == 0:
                return
            threading.Event().wait(0.01)
        raise AssertionError("the sandbox still has something to do")

    def decide(self, url, **form):
        """Clicks on a login page. Returns where it sends the browser."""
        status, _, page = call("GET", url)
        assert status == 200 and b"<form method=\"post\">" in page, page
        body = urllib.parse.urlencode(form).encode()
        status, headers, _ = call("POST", url, body, {"Content-Type": "application/x-www-form-urlencoded"})
        assert status == 302, status
        return headers["Location"]


class Service(Process):
    """The service on a private cluster, with one tenant."""

    def __init__(self, slug, secret, *options, **settings):
        # A socket's path has little room, and the server's own account must be able to enter the directory above.
        self.state = f"/tmp/registry-{uuid.uuid4().hex[:12]}"
        environment = self.settings = {"REGISTRY_STATE_DIR": self.state, **settings}
        try:
            super().__init__("serve", "--port", "0", "--format", "json", environment=environment)
        except BaseException:
            shutil.rmtree(self.state, ignore_errors=True)
            raise
        secrets = {"REGISTRY_TENANT_TERRA_API_KEY": "terra-key", "REGISTRY_TENANT_SIGNING_SECRET": secret}
        try:
            self.tenant(slug, *options, secrets=secrets)
        except BaseException:
            self.stop()
            raise

    def tenant(self, slug, *options, secrets):
        """Makes a tenant."""
        return self.command("tenant", "create", slug, "--dev-id", f"{slug}-dev-id", "--return-url",
                            "https://app.example/", *options, environment=secrets)

    def command(self, *arguments, environment=None):
        """Runs a command on the service's cluster. Returns its JSON."""
        done = subprocess.run(
            [os.environ["REGISTRY_EXECUTABLE"], *arguments, "--format", "json"],
            env={**ENVIRONMENT, **self.settings, **(environment or {})}, capture_output=True, text=True, timeout=120)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return json.loads(done.stdout)

    def key(self, slug, *scopes):
        """Makes an API key."""
        made = self.command("key", "create", "--tenant", slug, "--name", "tests",
                            *(part for scope in scopes for part in ("--scope", scope)))
        return made["secret"]

    def api(self, method, path, key, body=None):
        """A request to /v1. Returns the status and the JSON."""
        status, _, answer = call(method, self.base + path, body, {"Authorization": f"Bearer {key}"})
        return status, json.loads(answer)

    def stop(self):
        """Ends the service, and with it its cluster."""
        super().stop()
        shutil.rmtree(self.state, ignore_errors=True)


class Inbox:
    """A server that takes webhooks and answers 200."""

    def __init__(self):
        arrived = queue.Queue()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])) if "Content-Length" in self.headers else b""
                arrived.put((dict((name.lower(), value) for name, value in self.headers.items()), body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.send_header("Connection", "close")
                self.end_headers()

            def log_message(self, *arguments):
                pass

        self.arrived = arrived
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/webhooks"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def take(self, number):
        """The next webhooks: headers with lower-case names, and the body's bytes."""
        return [self.arrived.get(timeout=20) for _ in range(number)]

    def stop(self):
        """Ends the server."""
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class Client0:
    """terra-python 0.0.17, in an interpreter of its own."""

    def __init__(self):
        script = pathlib.Path(__file__).with_name("terra_client_0.py")
        self.process = subprocess.Popen(
            [interpreter("TERRA_PYTHON_0"), str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **request):
        """Sends a request and returns the answer."""
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        reply = json.loads(self.process.stdout.readline())
        if "error" in reply:
            raise AssertionError(reply["error"])
        return reply["answer"]

    def stop(self):
        """Ends the interpreter."""
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.process.stdout.close()
