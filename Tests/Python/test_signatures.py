"""One table of signature headers, good and bad, read by three verifiers: terra-python 1.1.0, 0.0.17, and the service.

The service is asked over HTTP: 200 says that the webhook is authentic, 401 that it is not. Where it differs from the
newer client, the table says why; any other difference is a mistake.
"""
import hashlib
import hmac
import http.client
import json
import time
import unittest
import urllib.parse

from processes import Client0, Service

SECRET = "a signing secret – with UTF-8"
BODY = '{"type":"auth_cancelled","status":"error","reason":null,"reference_id":"zoë-東京"}'
OK, REJECTED, CRASHED = "accepted", "rejected", "crashed"

# Why the service differs from terra-python 1.1.0, on purpose.
AGE = "an authentic event is accepted however late it comes: Terra retries for hours, and a replay changes nothing"
FUTURE = "a clock that runs ahead leads to quarantine, not to a loss"
UPPER = "Terra's JavaScript client decodes the digits, so it takes them in any case"
EMPTY = "an empty body is signed like any other, and kept as unreadable"
DIGITS = "what Python's int() takes for a number is no unix time"
# 0.0.17 reads the two elements by their position and looks neither at the names nor at the time.


def sign(t, body=BODY, secret=SECRET):
    """The hexadecimal HMAC of a body at a time."""
    return hmac.new(secret.encode(), f"{t}.{body}".encode(), hashlib.sha256).hexdigest()


def table(now):
    """The cases: name, header, body that is sent, verdicts of 1.1.0, 0.0.17 and the service, reason of a difference."""
    good, wrong = sign(now), "0" * 64
    plain = f"t={now},v1={good}"

    def at(t):
        return f"t={t},v1={sign(t)}"

    return [
        ("as Terra writes it", plain, BODY, OK, OK, OK, None),
        ("a space after the comma", f"t={now}, v1={good}", BODY, OK, OK, OK, None),
        ("spaces around names and values", f"t = {now} , v1 = {good}", BODY, OK, REJECTED, OK, None),
        ("the signature first", f"v1={good},t={now}", BODY, OK, REJECTED, OK, None),
        ("two signatures, the first right", f"t={now},v1={good},v1={wrong}", BODY, OK, CRASHED, OK, None),
        ("two signatures, the second right", f"t={now},v1={wrong},v1={good}", BODY, OK, CRASHED, OK, None),
        ("two signatures, both wrong", f"t={now},v1={wrong},v1={wrong}", BODY, REJECTED, CRASHED, REJECTED, None),
        ("another scheme beside", f"t={now},v1={good},v0={wrong}", BODY, OK, CRASHED, OK, None),
        ("only another scheme", f"t={now},v0={good}", BODY, REJECTED, OK, REJECTED, None),
        ("a comma too many", plain + ",", BODY, OK, CRASHED, OK, None),
        ("an element without a value", f"t={now},x,v1={good}", BODY, OK, CRASHED, OK, None),
        ("two times, the last right", f"t={now - 1},t={now},v1={good}", BODY, OK, CRASHED, OK, None),
        ("two times, the first right", f"t={now},t={now - 1},v1={good}", BODY, REJECTED, CRASHED, REJECTED, None),
        ("digits in upper case", f"t={now},v1={good.upper()}", BODY, REJECTED, REJECTED, OK, UPPER),
        ("290 seconds old", at(now - 290), BODY, OK, OK, OK, None),
        ("310 seconds old", at(now - 310), BODY, REJECTED, OK, OK, AGE),
        ("eight hours old", at(now - 28_800), BODY, REJECTED, OK, OK, AGE),
        ("past the horizon", at(now - 864_000), BODY, REJECTED, OK, OK, AGE),
        ("from the year 1970", at(0), BODY, REJECTED, OK, OK, AGE),
        ("290 seconds ahead", at(now + 290), BODY, OK, OK, OK, None),
        ("ten minutes ahead", at(now + 600), BODY, REJECTED, OK, OK, FUTURE),
        ("in milliseconds", at(now * 1000), BODY, REJECTED, OK, OK, FUTURE),
        ("a time that is no number", at("soon"), BODY, REJECTED, OK, REJECTED, None),
        ("a time with a sign", at(f"+{now}"), BODY, OK, OK, REJECTED, DIGITS),
        ("a time with an underscore", at(f"{now}"[:4] + "_" + f"{now}"[4:]), BODY, OK, OK, REJECTED, DIGITS),
        ("a time too large for a number", at("9" * 30), BODY, REJECTED, OK, REJECTED, None),
        ("no time", f"v1={good}", BODY, REJECTED, CRASHED, REJECTED, None),
        ("no signature", f"t={now}", BODY, REJECTED, CRASHED, REJECTED, None),
        ("an empty signature", f"t={now},v1=", BODY, REJECTED, REJECTED, REJECTED, None),
        ("a digit missing", f"t={now},v1={good[:-1]}", BODY, REJECTED, REJECTED, REJECTED, None),
        ("a digit too many", f"t={now},v1={good}0", BODY, REJECTED, REJECTED, REJECTED, None),
        ("a digit changed", f"t={now},v1={good[:-1]}{'0' if good[-1] != '0' else '1'}", BODY, REJECTED, REJECTED,
         REJECTED, None),
        ("a time changed", f"t={now + 1},v1={good}", BODY, REJECTED, REJECTED, REJECTED, None),
        ("an empty header", "", BODY, REJECTED, CRASHED, REJECTED, None),
        ("garbage", "garbage", BODY, REJECTED, CRASHED, REJECTED, None),
        ("another secret", f"t={now},v1={sign(now, secret='another')}", BODY, REJECTED, REJECTED, REJECTED, None),
        ("a body that was written anew", plain, json.dumps(json.loads(BODY)), REJECTED, REJECTED, REJECTED, None),
        ("a body with a space behind it", plain, BODY + " ", REJECTED, REJECTED, REJECTED, None),
        ("a body with a line break that was signed", f"t={now},v1={sign(now, BODY + chr(10))}", BODY + "\n", OK, OK, OK,
         None),
        ("an empty body", f"t={now},v1={sign(now, '')}", "", REJECTED, OK, OK, EMPTY),
        ("an empty body with another one's signature", plain, "", REJECTED, REJECTED, REJECTED, None),
    ]


class SignatureTests(unittest.TestCase):
    """The table, and what only the service can show."""

    @classmethod
    def setUpClass(cls):
        cls.service = Service("acme", SECRET)
        cls.addClassCleanup(cls.service.stop)
        cls.client = Client0()
        cls.addClassCleanup(cls.client.stop)

    def ours(self, headers, body, slug="acme"):
        """What the service answers: 200 or 401, as a verdict."""
        address = urllib.parse.urlsplit(self.service.base)
        connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
        try:
            connection.putrequest("POST", f"/webhooks/terra/{slug}")
            for name, value in [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *headers]:
                connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            response.read()
        finally:
            connection.close()
        self.assertIn(response.status, (200, 401))
        return OK if response.status == 200 else REJECTED

    def newer(self, header, body):
        """What terra-python 1.1.0 says."""
        from terra.utils.verify_signature import WebhookVerificationError, verify_terra_webhook_signature
        try:
            return OK if verify_terra_webhook_signature(body, header, SECRET) else REJECTED
        except WebhookVerificationError:
            return REJECTED
        except Exception:
            return CRASHED

    def older(self, header, body):
        """What terra-python 0.0.17 says."""
        verdict = self.client.ask(call="verify", secret=SECRET, arguments={"body": body, "header": header})
        return CRASHED if isinstance(verdict, dict) else OK if verdict else REJECTED

    def test_table(self):
        """Every verifier says what the table says, and the service differs only where the table says why."""
        for name, header, body, newer, older, ours, reason in table(int(time.time())):
            with self.subTest(name):
                self.assertEqual(self.newer(header, body), newer, "terra-python 1.1.0")
                self.assertEqual(self.older(header, body), older, "terra-python 0.0.17")
                headers = [("X-Terra-Signature", header)]
                self.assertEqual(self.ours(headers, body.encode()), ours, "the service")
                self.assertEqual(newer != ours, reason is not None, "a difference needs a reason")

    def test_header_names(self):
        """Either name will do, in any case; without one, and for an unknown tenant, the answer is the same."""
        now = int(time.time())
        for number, name in enumerate(("X-Terra-Signature", "Terra-Signature", "terra-signature", "X-TERRA-SIGNATURE")):
            body = BODY + " " * number
            header = f"t={now},v1={sign(now, body)}"
            self.assertEqual(self.ours([(name, header)], body.encode()), OK, name)
            self.assertEqual(self.ours([(name, header)], body.encode(), slug="nobody"), REJECTED, name)
        self.assertEqual(self.ours([], BODY.encode()), REJECTED)
        self.assertEqual(self.ours([("X-Signature", f"t={now},v1={sign(now)}")], BODY.encode()), REJECTED)

    def test_bytes(self):
        """The bytes are what is signed, whatever they stand for."""
        now = int(time.time())
        for body in (b"\xff\xfe\x00", b"[1,2]", b"{", b"null"):
            code = hmac.new(SECRET.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
            self.assertEqual(self.ours([("Terra-Signature", f"t={now},v1={code}")], body), OK, body)
            self.assertEqual(self.ours([("Terra-Signature", f"t={now},v1={code}")], body + b"!"), REJECTED, body)


if __name__ == "__main__":
    unittest.main()
