"""Terra's own Python clients, 1.1.0 and 0.0.17, against the gateway of a real service, with the sandbox as Terra: what
works with Terra works with the base URL and the key changed, and the registry knows of it.

Run: REGISTRY_EXECUTABLE=… TERRA_PYTHON_1=… TERRA_PYTHON_0=… $TERRA_PYTHON_1/bin/python -m unittest discover -s Tests/Python
"""
import json
import pathlib
import re
import subprocess
import unittest
import urllib.parse

from processes import Client0, Inbox, Sandbox, Service, call, interpreter

SECRET = "the signing secret of the gateway's tests"
TERRA_KEY = "terra-key"
SUCCESS = "https://app.example/devices/done?keep=1"
FAILURE = "https://app.example/devices/error"


class GatewayCase(unittest.TestCase):
    """A sandbox, a service whose tenant acme is at home there, and a key to the registry."""

    @classmethod
    def setUpClass(cls):
        cls.sandbox = Sandbox()
        cls.addClassCleanup(cls.sandbox.stop)
        cls.service = Service(
            "acme", SECRET, "--terra-base-url", cls.sandbox.base + "/v2", "--terra-widget-url",
            cls.sandbox.base + "/api/widget/session", "--environment", "testing", REGISTRY_TERRA_DEADLINE="4s")
        cls.addClassCleanup(cls.service.stop)
        cls.sandbox.environment("acme", api_key=TERRA_KEY, signing_secret=SECRET,
                                webhook_url=f"{cls.service.base}/webhooks/terra/acme")
        cls.key = cls.service.key("acme", "sessions:write", "connections:read", "connections:write")
        cls.gateway = cls.service.base + "/terra/v2"

    def follow(self, login, **form):
        """Decides on Terra's page and follows the browser. Returns where it ends, and the parameters of that URL."""
        callback = self.sandbox.decide(login, **form)
        self.assertTrue(callback.startswith(f"{self.service.base}/callbacks/terra/acme/"), callback)
        status, headers, _ = call("GET", callback)
        self.assertEqual(status, 303)
        target = headers["Location"]
        return target, dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(target).query))

    def connection(self, user_id):
        """The connection in the registry, once every webhook is delivered."""
        self.sandbox.idle()
        status, detail = self.service.api("GET", f"/v1/connections/{user_id}", self.key)
        self.assertEqual(status, 200, detail)
        return detail

    def expect_connected(self, user_id, reference_id, target, parameters):
        """The browser is on the client's own URL with Terra's parameters, and the connection is in the registry."""
        self.assertTrue(target.startswith(SUCCESS + "&"), target)
        self.assertEqual(
            {name: parameters[name] for name in ("keep", "user_id", "reference_id", "resource")},
            {"keep": "1", "user_id": user_id, "reference_id": reference_id, "resource": "FITBIT"})
        detail = self.connection(user_id)
        self.assertEqual(
            {name: detail["connection"][name] for name in ("status", "reference_id", "resource", "needs_reauth")},
            {"status": "active", "reference_id": reference_id, "resource": "FITBIT", "needs_reauth": False})
        [session] = detail["sessions"]
        self.assertEqual((session["channel"], session["status"]), ("gateway", "completed"))

    def raw(self, method, path, body=None, key=None, dev_id="acme-dev-id", **headers):
        """A call with credentials as Terra's clients send them."""
        return call(method, self.service.base + path, body,
                    {"x-api-key": key or self.key, "dev-id": dev_id, **headers})


class Client1Tests(GatewayCase):
    """terra-python 1.1.0."""

    def client(self, **changes):
        import httpx
        from terra import Terra
        connections = httpx.Client(timeout=30)
        self.addCleanup(connections.close)
        options = {"base_url": self.gateway, "dev_id": "acme-dev-id", "api_key": self.key, **changes}
        return Terra(httpx_client=connections, **options)

    def test_the_snippet_of_the_documentation(self):
        """authenticateuser, the browser back on the client's own URL, the connection in the registry."""
        for number, base in enumerate((self.gateway, self.gateway + "/")):
            reference_id = f"zoë+{number}@example.com"
            started = self.client(base_url=base).authentication.authenticateuser(
                resource="FITBIT", reference_id=reference_id, auth_success_redirect_url=SUCCESS,
                auth_failure_redirect_url=FAILURE)
            target, parameters = self.follow(started.auth_url, decision="approve")
            self.expect_connected(started.user_id, reference_id, target, parameters)

    def test_widget_session(self):
        """generatewidgetsession with options that the client does not know; the denial ends on the failure URL."""
        extras = {"additional_body_parameters": {"show_disconnect": True, "bypass_feedback": True}}
        session = self.client().authentication.generatewidgetsession(
            providers="GARMIN,FITBIT", language="en", reference_id="widget-1", auth_success_redirect_url=SUCCESS,
            auth_failure_redirect_url=FAILURE, request_options=extras)
        self.assertEqual((session.status, session.expires_in), ("success", 900))
        target, parameters = self.follow(session.url, decision="approve", resource="FITBIT")
        self.expect_connected(parameters["user_id"], "widget-1", target, parameters)
        denied = self.client().authentication.generatewidgetsession(
            reference_id="widget-2", auth_success_redirect_url=SUCCESS, auth_failure_redirect_url=FAILURE)
        target, parameters = self.follow(denied.url, decision="deny")
        self.assertTrue(target.startswith(FAILURE + "?"), target)
        _, sessions = self.service.api("GET", "/v1/sessions?reference_id=widget-2", self.key)
        self.assertEqual([session["status"] for session in sessions["items"]], ["failed"])

    def test_without_redirects_nothing_is_wrapped(self):
        """No URL given: Terra is sent none, the browser stays at Terra, and the session waits for no browser."""
        session = self.client().authentication.generatewidgetsession(reference_id="stays")
        location = self.sandbox.decide(session.url, decision="approve", resource="OURA")
        self.assertIn("/session/demo/success", location)
        self.assertTrue(self.client().authentication.authenticateuser(resource="oura").auth_url)
        magic = self.client().authentication.generatewidgetsession(
            reference_id="many", auth_success_redirect_url="multi-auth")
        self.assertTrue(magic.url)
        _, sessions = self.service.api("GET", "/v1/sessions?reference_id=many", self.key)
        self.assertTrue(sessions["items"][0]["multi_auth"])
        self.assertNotIn("return_success", sessions["items"][0])

    def test_connections(self):
        """Looking, listing and ending: answers are the client's own types, and the registry knows."""
        from terra.errors.not_found_error import NotFoundError
        client = self.client()
        # The registry has not heard of this one: its event goes elsewhere.
        elsewhere = Inbox()
        self.addCleanup(elsewhere.stop)
        self.sandbox.environment("acme", webhook_url=elsewhere.url)
        lost = self.sandbox.connect("acme", resource="GARMIN", reference_id="lost")
        listed = self.sandbox.connect("acme", resource="POLAR", reference_id="listed")
        elsewhere.take(2)
        self.sandbox.environment("acme", webhook_url=f"{self.service.base}/webhooks/terra/acme")
        self.assertEqual(client.user.getinfoforuserid(user_id=lost).user.reference_id, "lost")
        _, detail = self.service.api("GET", f"/v1/connections/{lost}", self.key)
        self.assertEqual((detail["connection"]["status"], detail["connection"]["reference_id"]), ("active", "lost"))
        self.assertEqual([entry["source"] for entry in detail["corrections"]], ["gateway"])
        self.assertEqual(self.service.api("GET", f"/v1/connections/{listed}", self.key)[0], 404)
        self.assertIn(listed, [user.user_id for user in client.user.getalluserids().users])
        _, detail = self.service.api("GET", f"/v1/connections/{listed}", self.key)
        self.assertEqual(detail["connection"]["status"], "active")
        some = client.user.getinfoformultipleuserids(request=[lost, listed])
        self.assertEqual({user.user_id for user in some}, {lost, listed})
        self.assertEqual(client.authentication.deauthenticateuser(user_id=lost).status, "success")
        _, detail = self.service.api("GET", f"/v1/connections/{lost}", self.key)
        self.assertEqual(detail["connection"]["status"], "deauthenticated")
        with self.assertRaises(NotFoundError):
            client.authentication.deauthenticateuser(user_id=lost)
        self.assertEqual(client.authentication.generateauthtoken().expires_in, 180)
        self.assertIn("FITBIT", client.integrations.fetch().providers)
        self.assertTrue(client.integrations.detailedfetch().providers)

    def test_errors_are_those_of_the_client(self):
        """The registry's refusals and Terra's errors are raised as the client documents them."""
        from terra.core.api_error import ApiError
        from terra.errors.bad_request_error import BadRequestError
        from terra.errors.not_found_error import NotFoundError
        with self.assertRaises(NotFoundError):
            self.client().authentication.authenticateuser(resource="NOPE")
        with self.assertRaises(BadRequestError) as raised:
            self.client().authentication.authenticateuser(
                resource="FITBIT", auth_success_redirect_url="https://evil.example/?secret=1")
        self.assertIn("auth_success_redirect_url", str(raised.exception.body))
        self.assertIn("https://evil.example/", str(raised.exception.body))
        self.assertIn("tenant update acme --return-url", str(raised.exception.body))
        self.assertNotIn("secret=1", str(raised.exception.body))
        for client in (self.client(api_key=TERRA_KEY), self.client(api_key="wrong"), self.client(dev_id="other")):
            with self.assertRaises(ApiError) as raised:
                client.user.getalluserids()
            self.assertEqual(raised.exception.status_code, 401)
        with self.assertRaises(ApiError) as raised:
            self.client().activity.fetch(user_id="u", start_date="2026-01-01")
        self.assertEqual(raised.exception.status_code, 404)
        self.sandbox.answers("acme", {"status": 500, "content_type": "text/html", "body": "<html>oops</html>"})
        with self.assertRaises(ApiError) as raised:
            self.client().authentication.generatewidgetsession()
        self.assertEqual((raised.exception.status_code, raised.exception.body), (500, "<html>oops</html>"))


class Client0Tests(GatewayCase):
    """terra-python 0.0.17."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = Client0()
        cls.addClassCleanup(cls.client.stop)

    def ask(self, name, **arguments):
        """Calls the client."""
        return self.client.ask(call=name, base_url=self.gateway, dev_id="acme-dev-id", api_key=self.key,
                               arguments=arguments)

    def test_the_snippet_of_the_documentation(self):
        """generate_authentication_url(…).get_parsed_response(), unchanged but for the base URL."""
        answer = self.ask("documentation", reference_id="your-user-123", resource="FITBIT",
                          auth_success_redirect_url=SUCCESS, auth_failure_redirect_url=FAILURE)
        self.assertEqual(answer["class"], "UserAuthUrl")
        target, parameters = self.follow(answer["auth_url"], decision="approve")
        self.expect_connected(answer["user_id"], "your-user-123", target, parameters)

    def test_widget_session_and_the_connection_after_it(self):
        """generate_widget_session, then the connection seen, listed and ended."""
        reply = self.ask("generate_widget_session", providers=["GARMIN", "FITBIT"], reference_id="w-0",
                         auth_success_redirect_url=SUCCESS, auth_failure_redirect_url=FAILURE, language="en")
        self.assertEqual((reply["status"], reply["class"]), (200, "WidgetSession"))
        target, parameters = self.follow(reply["json"]["url"], decision="approve", resource="FITBIT")
        user_id = parameters["user_id"]
        self.expect_connected(user_id, "w-0", target, parameters)
        self.assertTrue(self.ask("get_user_info", user_id=user_id)["json"]["is_authenticated"])
        self.assertIn(user_id, [user["user_id"] for user in self.ask("list_users")["json"]["users"]])
        self.assertEqual(self.ask("deauthenticate_user", user_id=user_id)["status"], 200)
        self.assertEqual(self.connection(user_id)["connection"]["status"], "deauthenticated")


class DocumentTests(GatewayCase):
    """What docs/gateway.md shows."""

    def test_the_snippets_work_with_the_clients_that_they_name(self):
        """Each runs under its client with nothing but its values changed, and the connection is in the registry."""
        text = (pathlib.Path(__file__).parents[2] / "docs" / "gateway.md").read_text()
        snippets = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
        self.assertEqual(len(snippets), 2)
        for variable, snippet in zip(("TERRA_PYTHON_1", "TERRA_PYTHON_0"), snippets):
            with self.subTest(client=variable):
                answer = self.run_snippet(variable, snippet)
                target, parameters = self.follow(answer["auth_url"], decision="approve")
                self.expect_connected(answer["user_id"], variable, target, parameters)

    def run_snippet(self, variable, snippet):
        """Runs a snippet with this test's values. Returns what its `answer` holds."""
        for shown, value in (("https://registry.acme.io/terra/v2", self.gateway), ("crk_…", self.key),
                             ("your-user-123", variable), ('"https://app.acme.io/devices"', json.dumps(SUCCESS)),
                             ('"https://app.acme.io/devices/error"', json.dumps(FAILURE))):
            self.assertEqual(snippet.count(shown), 1, shown)
            snippet = snippet.replace(shown, value)
        told = 'import json\nprint(json.dumps({"auth_url": answer.auth_url, "user_id": answer.user_id}))\n'
        done = subprocess.run([interpreter(variable), "-c", snippet + told], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr.replace(self.key, "[key]"))
        return json.loads(done.stdout)


class BytesTests(GatewayCase):
    """What goes through, byte for byte."""

    def test_requests_pass_as_they_are(self):
        """Unknown fields, spaces, order, escapes and the query stay; only the redirect URLs and the key change."""
        body = (b'{ "z" : [1.50, {"a":null}], "auth_success_redirect_url":"https:\\/\\/app.example\\/devices",\n'
                b'"reference_id":"p\\u00e9", "auth_failure_redirect_url" : null, "language":"en"}')
        status, headers, answer = self.raw("POST", "/terra/v2/auth/authenticateUser?resource=fitbit&x=%2F+1", body)
        self.assertEqual(status, 200, answer)
        self.assertEqual(headers["Content-Type"], "application/json")
        made = self.sandbox.calls("acme")[-1]
        self.assertEqual((made["method"], made["path"], made["query"]),
                         ("POST", "/v2/auth/authenticateUser", "resource=fitbit&x=%2F+1"))
        before, after = body.split(b'"https:\\/\\/app.example\\/devices"')
        sent = made["body"].encode()
        self.assertTrue(sent.startswith(before) and sent.endswith(after), sent)
        url = json.loads(sent[len(before):len(sent) - len(after)])
        self.assertRegex(url, f"^{self.service.base}/callbacks/terra/acme/[-_A-Za-z0-9]{{22}}/success$")
        self.assertEqual(made["headers"]["x-api-key"], TERRA_KEY)
        self.assertNotIn(self.key, json.dumps(made))

    def test_the_java_client_sends_everything_in_the_query(self):
        query = urllib.parse.urlencode({"resource": "GARMIN", "reference_id": "java", "auth_success_redirect_url": SUCCESS})
        status, _, answer = self.raw("POST", "/terra/v2/auth/authenticateUser?" + query, b"")
        self.assertEqual(status, 200, answer)
        sent = dict(urllib.parse.parse_qsl(self.sandbox.calls("acme")[-1]["query"]))
        self.assertIn("/callbacks/terra/acme/", sent["auth_success_redirect_url"])
        self.assertEqual((sent["resource"], sent["reference_id"]), ("GARMIN", "java"))

    def test_answers_pass_as_they_are(self):
        """Status, type and bytes of whatever Terra answers; its key is struck out even where Terra repeats it."""
        for answer in (
            {"status": 200, "content_type": "application/json; charset=utf-8", "body": '{"users" : [ ], "new":1.0}'},
            {"status": 403, "content_type": "application/json", "body": '{"status":"error","message":"no"}'},
            {"status": 410, "content_type": "application/problem+json", "body": '{"title":"gone"}'},
            {"status": 418, "content_type": "text/plain", "body": "short and stout"},
            {"status": 200, "content_type": "application/json", "body": ""},
        ):
            self.sandbox.answers("acme", answer)
            status, headers, body = self.raw("GET", "/terra/v2/subscriptions")
            self.assertEqual((status, headers["Content-Type"], body.decode()),
                             (answer["status"], answer["content_type"], answer["body"]))
        self.sandbox.answers("acme", {"status": 429, "headers": {"Retry-After": "3600"}, "body": "{}"})
        status, headers, _ = self.raw("GET", "/terra/v2/userInfo?user_id=u")
        self.assertEqual((status, headers["Retry-After"]), (429, "3600"))
        self.sandbox.answers("acme", {"status": 401, "body": json.dumps({"message": f"bad {TERRA_KEY}"})})
        _, _, body = self.raw("GET", "/terra/v2/subscriptions")
        self.assertEqual(json.loads(body), {"message": "bad [key]"})

    def test_the_newer_widget_session(self):
        """POST /terra/widget/session goes to the tenant's widget URL and answers 201."""
        wanted = {"reference_id": "new", "auth_success_redirect_url": SUCCESS, "auth_failure_redirect_url": FAILURE}
        status, _, body = self.raw("POST", "/terra/widget/session", wanted)
        self.assertEqual(status, 201, body)
        self.assertEqual(self.sandbox.calls("acme")[-1]["path"], "/api/widget/session")
        target, parameters = self.follow(json.loads(body)["url"], decision="approve", resource="FITBIT")
        self.expect_connected(parameters["user_id"], "new", target, parameters)

    def test_terra_away_is_a_problem_that_clients_read(self):
        """A redirect and a silence of Terra's are 502 and 504 in Terra's shape."""
        self.sandbox.answers("acme", {"status": 302, "headers": {"Location": "https://evil.example/"}, "body": ""})
        status, headers, body = self.raw("GET", "/terra/v2/subscriptions")
        self.assertEqual((status, json.loads(body)["status"]), (502, "error"))
        self.assertNotIn("Location", headers)
        self.sandbox.answers("acme", {"status": 200, "body": "{}", "delay_seconds": 7})
        status, _, body = self.raw("POST", "/terra/v2/auth/authenticateUser?resource=FITBIT", {"reference_id": "slow"})
        self.assertEqual((status, json.loads(body)["code"]), (504, "terra_timed_out"))
        _, sessions = self.service.api("GET", "/v1/sessions?reference_id=slow", self.key)
        self.assertEqual([(item["status"], item["refused_code"]) for item in sessions["items"]],
                         [("failed", "terra_timed_out")])


if __name__ == "__main__":
    unittest.main()
