"""What the OpenAPI document cannot say, for Schemathesis: values that stand for something in the tenant, and rules between
values. Only requests that are meant to be valid are touched, and outside of stateful tests, whose ids come from answers, but
for those that would end what the tests need.

REGISTRY_TEST_POOLS is JSON: by the name of a path parameter the ids that there are; `own_key_id` is the id of the key
with which the tests ask, and `witness` that of a connection, which they must not end; `endpoint` a URL that takes
deliveries; `undoable` are findings whose repair can be undone, each once. REGISTRY_TEST_LINKS is a file to which a line is
added for each stateful call whose path holds what an earlier stateful answer gave out: the operation's id.
"""
import json
import os
import random
import urllib.parse

import schemathesis

POOLS = json.loads(os.environ["REGISTRY_TEST_POOLS"])
CHOICE = random.Random(POOLS["seed"])
FUTURE = "2099-01-01T00:00:00Z"
RETURN = "https://app.example/devices"
LINES = "application/x-ndjson"
NOBODY = "00000000-0000-7000-8000-000000000000"
#: What stateful answers gave out.
GIVEN = set()


@schemathesis.serializer(LINES)
def lines(context, value):
    """Lines as they are. What is no text cannot be lines: see `before_call`."""
    text = value if isinstance(value, (str, bytes)) else json.dumps(value)
    return text.encode(errors="surrogatepass") if isinstance(text, str) else text


@schemathesis.hook
def before_call(context, case, kwargs):
    """Makes a valid request one that means something."""
    if case.media_type == LINES and not isinstance(case.body, (str, bytes)):
        # Any text is lines, so what is none is sent as what it is.
        case.headers["Content-Type"] = "application/json"
    if case.path_parameters and case.path_parameters.get("key_id") == POOLS["own_key_id"]:
        if case.method != "GET":
            case.path_parameters["key_id"] = NOBODY
    if case.operation.definition.raw["operationId"] == "deauthenticateConnection":
        if case.path_parameters.get("user_id") == POOLS["witness"]:
            case.path_parameters["user_id"] = CHOICE.choice(POOLS["user_id"])
    if case.operation.definition.raw["operationId"] == "eraseAppUser":
        # The others are still asked about.
        case.path_parameters["reference_id"] = POOLS["erasable"]
        return
    meta = case.meta
    if is_stateful(case) and GIVEN & {str(value) for value in (case.path_parameters or {}).values()}:
        with open(os.environ["REGISTRY_TEST_LINKS"], "a", encoding="utf-8") as links:
            links.write(case.operation.definition.raw["operationId"] + "\n")
    if meta is None or not meta.generation.mode.is_positive:
        return
    if not is_stateful(case):
        for name in case.path_parameters or {}:
            if CHOICE.random() < 0.8:
                case.path_parameters[name] = urllib.parse.quote(CHOICE.choice(POOLS[name]), safe="")
    for container in (case.query, case.headers):
        # A cursor is what an answer gave out.
        for name in ("cursor", "after", "Last-Event-ID"):
            if container and name in container and not str(container[name]).startswith("AQ"):
                del container[name]
    if case.headers and "If-Match" in case.headers:
        case.headers["If-Match"] = "*"
    if isinstance(case.body, dict):
        RULES.get(case.operation.definition.raw["operationId"], lambda case, body: None)(case, case.body)


@schemathesis.hook
def after_call(context, case, response):
    """Remembers the ids in an answer; what is short could be made up as well."""
    if is_stateful(case) and 200 <= response.status_code < 300:
        try:
            GIVEN.update(text for text in texts(response.json()) if len(text) > 7)
        except ValueError:
            pass


def is_stateful(case):
    return case.meta is not None and case.meta.phase.name.value == "stateful"


def texts(value):
    """Every text in a JSON value that is no name of a member."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from texts(part)


def ends_later(case, body):
    for name in ("expires_at", "until"):
        if body.get(name) is not None:
            body[name] = FUTURE


def opens(case, body):
    """The tenant's allow-list, a provider that Terra knows, a connection that there is."""
    there = {"success": RETURN, "failure": RETURN, "resource": "FITBIT", "replaces": CHOICE.choice(POOLS["user_id"])}
    body.update({name: there[name] for name in there if body.get(name) is not None})


def merges(case, body):
    """Somebody into somebody else, who are there."""
    case.path_parameters["reference_id"], body["into"] = POOLS["mergeable"]


def receives(case, body):
    if "url" in body or case.method == "POST":
        body["url"] = POOLS["endpoint"]
    if body.get("description"):
        body["description"] = "Backend"


def ranges(case, body):
    """From before to, and numbers of one connection."""
    for name in ("until", "to_sequence", "from_sequence"):
        body.pop(name, None)


def undoes(case, body):
    if POOLS["undoable"]:
        case.path_parameters["finding_id"] = POOLS["undoable"].pop()


RULES = {"undoRepair": undoes, "createAPIKey": ends_later, "rotateAPIKey": ends_later, "acknowledgeFinding": ends_later,
         "openSession": opens, "mergeAppUser": merges, "addEndpoint": receives, "updateEndpoint": receives,
         "replayDeliveries": ranges}
