"""Our deliveries, verified by the library of the Standard Webhooks themselves (standardwebhooks, PyPI), as a receiver
would do it, and forgeries of them.

Run: REGISTRY_EXECUTABLE=… TERRA_PYTHON_1=… $TERRA_PYTHON_1/bin/python -m unittest discover -s Tests/Python -k deliveries
"""
import hashlib
import hmac
import json
import time
import unittest

from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from processes import Inbox, Service, call

SIGNING_SECRET = "the signing secret of the deliveries' tests"
NAMES = ("webhook-id", "webhook-timestamp", "webhook-signature")


class DeliveryTests(unittest.TestCase):
    """A service whose tenant acme has an endpoint at a server of the test's."""

    @classmethod
    def setUpClass(cls):
        cls.service = Service("acme", SIGNING_SECRET, "--environment", "testing", REGISTRY_DELIVERY_ALLOW="127.0.0.1")
        cls.addClassCleanup(cls.service.stop)

    def setUp(self):
        self.inbox = Inbox()
        self.addCleanup(self.inbox.stop)
        self.endpoint = self.command("add", self.inbox.url, "--tenant", "acme")
        self.id = self.endpoint["endpoint"]["endpoint_id"]
        self.addCleanup(self.command, "disable", self.id, "--tenant", "acme")

    def command(self, *arguments):
        return self.service.command("endpoint", *arguments)

    def connect(self, user_id, reference_id="zoë-東京"):
        """A webhook as Terra sends it; it makes one change."""
        body = json.dumps({
            "type": "auth", "status": "success", "message": "ok", "widget_session_id": None,
            "user": {"user_id": user_id, "provider": "GARMIN", "last_webhook_update": None, "scopes": "A,B",
                     "reference_id": reference_id, "active": True}}, ensure_ascii=False).encode()
        t = int(time.time())
        signature = hmac.new(SIGNING_SECRET.encode(), b"%d." % t + body, hashlib.sha256).hexdigest()
        status, _, answer = call("POST", f"{self.service.base}/webhooks/terra/acme", body,
                                 {"terra-signature": f"t={t},v1={signature}"})
        self.assertEqual(status, 200, answer)

    def take(self):
        """The next delivery: the headers that count and the body."""
        [(headers, body)] = self.inbox.take(1)
        return {name: headers[name] for name in NAMES}, body

    def test_a_delivery_is_verified_and_says_what_happened(self):
        self.connect("u-verified")
        headers, body = self.take()
        told = Webhook(self.endpoint["secret"]).verify(body.decode(), headers)
        self.assertEqual(told["type"], "connection.active")
        self.assertEqual(told["data"]["connection"]["reference_id"], "zoë-東京")
        self.assertEqual(told["data"]["change"]["sequence"], 1)

    def test_what_was_changed_on_the_way_is_refused(self):
        self.connect("u-forged")
        headers, body = self.take()
        receiver = Webhook(self.endpoint["secret"])
        later = str(int(headers["webhook-timestamp"]) + 1)
        for name, forged, text in [
                ("body", headers, body.replace(b"active", b"revoked")),
                ("id", {**headers, "webhook-id": "other"}, body),
                ("time", {**headers, "webhook-timestamp": later}, body),
                ("signature", {**headers, "webhook-signature": "v1," + "A" * 43 + "="}, body)]:
            with self.subTest(name), self.assertRaises(WebhookVerificationError):
                receiver.verify(text.decode(), forged)
        with self.assertRaises(WebhookVerificationError):
            Webhook("whsec_" + "A" * 43 + "=").verify(body.decode(), headers)

    def test_both_secrets_verify_while_one_is_being_replaced(self):
        new = self.command("rotate-secret", self.id, "--tenant", "acme")
        self.assertNotEqual(new["secret"], self.endpoint["secret"])
        self.connect("u-rotated")
        headers, body = self.take()
        for secret in (self.endpoint["secret"], new["secret"]):
            self.assertEqual(
                Webhook(secret).verify(body.decode(), headers)["data"]["connection"]["user_id"], "u-rotated")

    def test_a_ping_is_signed_too(self):
        self.command("ping", self.id, "--tenant", "acme")
        headers, body = self.take()
        self.assertEqual(Webhook(self.endpoint["secret"]).verify(body.decode(), headers)["type"], "ping")


if __name__ == "__main__":
    unittest.main()
