"""Runs under terra-python 0.0.17: reads one JSON object a line, calls the client or the verifier, answers in JSON."""
import json
import sys

import terra.constants
from terra.base_client import Terra


def parsed(response):
    """A reply as the client understood it: its status, its body, and the name of the class it chose."""
    return {"status": response.response_code, "json": response.json, "class": type(response.parsed_response).__name__}


def answer(request):
    """Does what a request asks for."""
    client = Terra(request.get("api_key", "key"), request.get("dev_id", "dev"), request.get("secret", "secret"))
    if "base_url" in request:
        terra.constants.BASE_URL = request["base_url"]
    arguments = request.get("arguments", {})
    call = request["call"]
    if call in ("generate_widget_session", "generate_authentication_url"):
        return parsed(getattr(client, call)(**arguments))
    if call == "documentation":
        # As it stands in Terra's documentation.
        answer = client.generate_authentication_url(**arguments).get_parsed_response()
        return {"class": type(answer).__name__, "auth_url": answer.auth_url, "user_id": answer.user_id}
    if call in ("get_user_info", "deauthenticate_user"):
        return parsed(getattr(client, call)(client.from_user_id(arguments["user_id"])))
    if call == "list_users":
        return parsed(client.list_users())
    if call == "verify":
        try:
            return client.check_terra_signature(arguments["body"], arguments["header"])
        except Exception as error:
            return {"error": type(error).__name__}
    raise ValueError(f"unknown call {call}")


for line in sys.stdin:
    try:
        print(json.dumps({"answer": answer(json.loads(line))}), flush=True)
    except Exception as error:
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}), flush=True)
