"""Requests like those of a day: webhooks as Terra signs them, questions of a backend, arrivals of browsers."""
import asyncio
import hashlib
import hmac
import json
import random
import time


async def once(port, method, path, headers=(), body=b""):
    """One request on a connection of its own. Returns the status; 0 where nobody answers."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return 0
    try:
        return await exchange(reader, writer, method, path, headers, body)
    except (OSError, asyncio.IncompleteReadError):
        return 0
    finally:
        writer.close()


async def exchange(reader, writer, method, path, headers, body):
    """One request on an open connection. Returns the status, having read the whole answer."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers]
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    if fields.get("transfer-encoding") == "chunked":
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            await reader.readexactly(size + 2)
        await reader.readuntil(b"\r\n")
    else:
        await reader.readexactly(int(fields.get("content-length", 0)))
    return int(first.split()[1])


class Requests:
    """What is asked, drawn by a seed."""

    def __init__(self, tenant, secret, key, seed):
        self.tenant, self.secret = tenant, secret.encode()
        self.bearer = ("Authorization", f"Bearer {key}")
        self.random = random.Random(seed)
        self.written = 0

    def next(self):
        """Method, path, headers, body, and the statuses that are right."""
        kind = self.random.random()
        if self.written == 0 or kind < 0.5:
            return self.webhook()
        person = self.random.randrange(self.written)
        if kind < 0.7:
            return "GET", f"/v1/app-users/person-{person}", [self.bearer], b"", {200, 404}
        if kind < 0.85:
            return "GET", f"/v1/connections/user-{person}", [self.bearer], b"", {200, 404}
        if kind < 0.95:
            return "GET", "/v1/connections?limit=50", [self.bearer], b"", {200}
        token = f"{self.random.getrandbits(128):032x}"
        return "GET", f"/callbacks/terra/{self.tenant}/{token}/success?user_id=x", [], b"", {404}

    def webhook(self):
        number, self.written = self.written, self.written + 1
        body = json.dumps({
            "type": "auth", "status": "success", "widget_session_id": None,
            "user": {"user_id": f"user-{number}", "provider": "GARMIN", "scopes": "ACTIVITY_EXPORT",
                     "reference_id": f"person-{number}", "active": True}}).encode()
        now = int(time.time())
        signature = hmac.new(self.secret, f"{now}.".encode() + body, hashlib.sha256).hexdigest()
        headers = [("Content-Type", "application/json"), ("X-Terra-Signature", f"t={now},v1={signature}")]
        return "POST", f"/webhooks/terra/{self.tenant}", headers, body, {200}


async def run(port, tenant, secret, key, concurrency, seconds, seed):
    """As many requests at a time as said, each connection kept open. Returns the figures of the load."""
    requests = Requests(tenant, secret, key, seed)
    latencies, failed, end = [], 0, time.monotonic() + seconds

    async def caller():
        nonlocal failed
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while time.monotonic() < end:
            *request, right = requests.next()
            began = time.monotonic()
            status = await exchange(reader, writer, *request)
            latencies.append(time.monotonic() - began)
            failed += status not in right
        writer.close()

    await asyncio.gather(*(caller() for _ in range(concurrency)))
    latencies.sort()
    return {"requests": len(latencies), "failed": failed, "requests_per_second": len(latencies) / seconds,
            "p50_ms": latencies[len(latencies) // 2] * 1000, "p99_ms": latencies[len(latencies) * 99 // 100] * 1000,
            "webhooks": requests.written}
