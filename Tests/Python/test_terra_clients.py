"""Terra's own Python clients, 1.1.0 and 0.0.17, against the sandbox: what a real client sends must be understood,
and what the sandbox answers and signs must be accepted.

Run: REGISTRY_EXECUTABLE=… TERRA_PYTHON_1=… TERRA_PYTHON_0=… $TERRA_PYTHON_1/bin/python -m unittest discover -s Tests/Python
"""
import json
import unittest
import uuid

from processes import Client0, Inbox, Sandbox, call

SECRET = "a signing secret – with UTF-8"


class SandboxCase(unittest.TestCase):
    """A sandbox with an environment of its own for each test, and an inbox for its webhooks."""

    @classmethod
    def setUpClass(cls):
        cls.sandbox = Sandbox()
        cls.addClassCleanup(cls.sandbox.stop)
        cls.inbox = Inbox()
        cls.addClassCleanup(cls.inbox.stop)

    def setUp(self):
        self.slug = "t" + uuid.uuid4().hex
        self.dev_id, self.api_key = f"{self.slug}-dev-id", f"{self.slug}-api-key"
        self.sandbox.environment(self.slug, webhook_url=self.inbox.url, signing_secret=SECRET)


class Client1Tests(SandboxCase):
    """terra-python 1.1.0."""

    def client(self, path="/v2", **changes):
        """The client as in Terra's documentation, with another base URL."""
        import httpx
        from terra import Terra
        connections = httpx.Client(timeout=30)
        self.addCleanup(connections.close)
        options = {"dev_id": self.dev_id, "api_key": self.api_key, **changes}
        return Terra(base_url=self.sandbox.base + path, httpx_client=connections, **options)

    def test_widget_session(self):
        """generatewidgetsession with everything, with nothing, and with options that the client does not know."""
        client = self.client()
        session = client.authentication.generatewidgetsession(
            providers="GARMIN,FITBIT", language="en", reference_id="your-user-123",
            auth_success_redirect_url="https://app.example/cb/ok?sid=1",
            auth_failure_redirect_url="https://app.example/cb/fail?sid=1")
        self.assertEqual((session.status, session.expires_in), ("success", 900))
        self.assertNotIn(session.session_id, session.url)
        self.assertEqual(client.authentication.generatewidgetsession().status, "success")
        extras = {"additional_body_parameters": {"show_disconnect": True, "use_terra_avengers_app": False}}
        self.assertTrue(client.authentication.generatewidgetsession(reference_id="r", request_options=extras).url)
        location = self.sandbox.decide(session.url, decision="approve", resource="FITBIT")
        self.assertTrue(location.startswith("https://app.example/cb/ok?sid=1&"), location)
        [(_, body)] = self.inbox.take(1)
        self.assertEqual(json.loads(body)["widget_session_id"], session.session_id)

    def test_direct_authentication(self):
        """authenticateuser gives a user_id that the event names; the client's own types read the answers."""
        for path in ("/v2", "/api/v2"):
            client = self.client(path)
            started = client.authentication.authenticateuser(
                resource="FITBIT", language="en", reference_id="your-user-123" + path,
                auth_success_redirect_url="https://app.example/cb/ok",
                auth_failure_redirect_url="https://app.example/cb/fail")
            before = client.user.getinfoforuserid(user_id=started.user_id)
            self.assertFalse(before.is_authenticated)
            self.sandbox.decide(started.auth_url, decision="approve")
            after = client.user.getinfoforuserid(user_id=started.user_id)
            self.assertTrue(after.is_authenticated)
            self.assertEqual(after.user.reference_id, "your-user-123" + path)
            [(_, body)] = self.inbox.take(1)
            self.assertEqual(json.loads(body)["user"]["user_id"], started.user_id)
        self.assertTrue(self.client().authentication.authenticateuser(resource="oura").auth_url)

    def test_lists(self):
        """subscriptions whole and by page, several user_ids at once, and the list of an app user."""
        ids = {self.sandbox.connect(self.slug, resource="OURA", reference_id=f"r{number}") for number in range(5)}
        self.inbox.take(5)
        client = self.client()
        self.assertEqual({user.user_id for user in client.user.getalluserids().users}, ids)
        seen, page = set(), 0
        while page is not None:
            # The client reads the paged shape as if it had no users; they stand in what it does not know.
            data = client.user.getalluserids(page=page, per_page=2).dict()["data"]
            seen |= {user["user_id"] for user in data["results"]}
            page = data["next"]
        self.assertEqual(seen, ids)
        some = sorted(ids)[:2]
        self.assertEqual({user.user_id for user in client.user.getinfoformultipleuserids(request=some)}, set(some))
        self.sandbox.environment(self.slug, user_list_shape="array")
        [user] = client.user.getinfoforuserid(reference_id="r3")
        self.assertIn(user.user_id, ids)

    def test_deauthentication(self):
        """deauthenticateuser ends the connection and sends the event; a second time it is unknown."""
        from terra.errors.not_found_error import NotFoundError
        user_id = self.sandbox.connect(self.slug, resource="GARMIN", reference_id="r")
        client = self.client()
        self.assertEqual(client.authentication.deauthenticateuser(user_id=user_id).status, "success")
        types = {json.loads(body)["type"] for _, body in self.inbox.take(2)}
        self.assertEqual(types, {"auth", "deauth"})
        with self.assertRaises(NotFoundError):
            client.authentication.deauthenticateuser(user_id=user_id)
        self.assertEqual(client.user.getalluserids().users, [])

    def test_the_rest(self):
        """Tokens for phones, the lists of providers, and a change of the reference_id."""
        client = self.client()
        self.assertEqual(client.authentication.generateauthtoken().expires_in, 180)
        self.assertIn("FITBIT", client.integrations.fetch().providers)
        self.assertTrue(client.integrations.detailedfetch().providers)
        user_id = self.sandbox.connect(self.slug, resource="OURA", reference_id="old")
        self.inbox.take(1)
        changed = client.user.modifyuser(user_id=user_id, reference_id="new", active=True)
        self.assertEqual(changed.user.reference_id, "new")

    def test_errors(self):
        """The client raises what it documents for each error."""
        from terra.core.api_error import ApiError
        from terra.errors.bad_request_error import BadRequestError
        from terra.errors.not_found_error import NotFoundError
        with self.assertRaises(NotFoundError):
            self.client().authentication.authenticateuser(resource="NOPE")
        with self.assertRaises(BadRequestError):
            self.client("/api/v2").authentication.authenticateuser(resource="NOPE")
        for client in (self.client(api_key="wrong"), self.client(dev_id="nobody")):
            with self.assertRaises(ApiError) as raised:
                client.user.getalluserids()
            self.assertEqual(raised.exception.status_code, 401)
        self.sandbox.environment(self.slug, answers_server_error=True)
        with self.assertRaises(ApiError) as raised:
            self.client().authentication.generatewidgetsession()
        self.assertEqual(raised.exception.status_code, 500)
        self.assertIn("<html>", raised.exception.body)
        self.sandbox.environment(self.slug, answers_server_error=False, retires_legacy_widget=True)
        with self.assertRaises(ApiError) as raised:
            self.client().authentication.generatewidgetsession()
        self.assertEqual(raised.exception.status_code, 410)


class Client0Tests(SandboxCase):
    """terra-python 0.0.17."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = Client0()
        cls.addClassCleanup(cls.client.stop)

    def ask(self, name, **arguments):
        """Calls the client."""
        return self.client.ask(call=name, base_url=self.sandbox.base + "/v2", dev_id=self.dev_id, api_key=self.api_key,
                               arguments=arguments)

    def test_widget_session(self):
        """generate_widget_session as in Terra's documentation."""
        reply = self.ask("generate_widget_session", providers=["GARMIN", "FITBIT"], reference_id="your-user-123",
                         auth_success_redirect_url="https://app.example/ok",
                         auth_failure_redirect_url="https://app.example/fail", language="en")
        self.assertEqual((reply["status"], reply["class"]), (200, "WidgetSession"))
        location = self.sandbox.decide(reply["json"]["url"], decision="deny")
        self.assertTrue(location.startswith("https://app.example/fail?"), location)
        [(_, body)] = self.inbox.take(1)
        self.assertEqual(json.loads(body)["type"], "auth_cancelled")

    def test_direct_authentication(self):
        """generate_authentication_url, with the resource in the body and with explicit nulls; then the connection."""
        for arguments in ({"reference_id": "your-user-123", "auth_success_redirect_url": "https://app.example/ok"}, {}):
            reply = self.ask("generate_authentication_url", resource="FITBIT", **arguments)
            self.assertEqual((reply["status"], reply["class"]), (200, "UserAuthUrl"))
            user_id = reply["json"]["user_id"]
            self.assertFalse(self.ask("get_user_info", user_id=user_id)["json"]["is_authenticated"])
            self.sandbox.decide(reply["json"]["auth_url"], decision="approve")
            self.assertTrue(self.ask("get_user_info", user_id=user_id)["json"]["is_authenticated"])
            users = self.ask("list_users")
            self.assertEqual(users["class"], "SubscribedUsers")
            self.assertIn(user_id, [user["user_id"] for user in users["json"]["users"]])
            self.assertEqual(self.ask("deauthenticate_user", user_id=user_id)["status"], 200)
            self.assertEqual({json.loads(body)["type"] for _, body in self.inbox.take(2)}, {"auth", "deauth"})


class VerifierTests(SandboxCase):
    """Terra's own verifiers accept every webhook that the sandbox signs, and none that it signs wrongly."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = Client0()
        cls.addClassCleanup(cls.client.stop)

    def everything(self):
        """Lets every kind of event happen and returns the webhooks."""
        sandbox, slug = self.sandbox, self.slug
        first = sandbox.connect(slug, resource="OURA", reference_id="zoë-東京")
        second = sandbox.connect(slug, resource="OURA", reference_id="zoë-東京")
        self.assertNotEqual(first, second)
        nobody = sandbox.connect(slug, resource="FITBIT")
        sandbox.act(slug, second, act="reject_token")
        sandbox.act(slug, second, act="change_permissions", scopes_added=["BODY_EXPORT"])
        sandbox.act(slug, second, act="send_data", type="daily", size=200_000)
        sandbox.act(slug, second, act="send_data", type="activity", size=10, names_last=True)
        sandbox.act(slug, second, act="revoke")
        sandbox.act(slug, nobody, act="deauthenticate")
        status, _, body = call(
            "POST", f"{sandbox.base}/v2/auth/authenticateUser?resource=OURA", {},
            {"dev-id": self.dev_id, "x-api-key": self.api_key})
        self.assertEqual(status, 200)
        sandbox.decide(json.loads(body)["auth_url"], decision="deny")
        webhooks = self.inbox.take(11)
        kinds = {json.loads(body)["type"] for _, body in webhooks}
        self.assertTrue({"user_reauth", "connection_error", "permission_change", "daily", "activity", "access_revoked",
                         "deauth"} < kinds, kinds)
        return webhooks

    def test_every_webhook_is_accepted(self):
        from terra.utils.verify_signature import verify_terra_webhook_signature
        for generation in ("access", "legacy"):
            self.sandbox.environment(self.slug, generation=generation)
            for headers, body in self.everything():
                for name in ("terra-signature", "x-terra-signature"):
                    if name not in headers:
                        self.assertEqual((name, generation), ("x-terra-signature", "legacy"))
                        continue
                    self.assertTrue(verify_terra_webhook_signature(body.decode(), headers[name], SECRET))
                    verdict = self.client.ask(
                        call="verify", secret=SECRET, arguments={"body": body.decode(), "header": headers[name]})
                    self.assertIs(verdict, True)

    def test_a_wrong_secret_is_noticed(self):
        from terra.utils.verify_signature import WebhookVerificationError, verify_terra_webhook_signature
        self.sandbox.environment(self.slug, signs_with_wrong_secret=True)
        self.sandbox.connect(self.slug, resource="OURA", reference_id="r")
        [(headers, body)] = self.inbox.take(1)
        with self.assertRaises(WebhookVerificationError):
            verify_terra_webhook_signature(body.decode(), headers["terra-signature"], SECRET)
        arguments = {"body": body.decode(), "header": headers["terra-signature"]}
        self.assertIs(self.client.ask(call="verify", secret=SECRET, arguments=arguments), False)


if __name__ == "__main__":
    unittest.main()
