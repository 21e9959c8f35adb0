"""What happens in a pod, in the image's own root; started by test_image.py.

Ray is started as KubeRay starts it, and the gateway is deployed as the operator deploys it. Prints
what was seen, as JSON.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

ADDRESS = "10.244.0.7"
# No code of ours is imported here.
KEY = Path(os.environ["TERCET_API_KEY_FILE"]).read_text(encoding="ascii")  # noqa: TID251
TOKEN = os.environ["RAY_AUTH_TOKEN"]  # noqa: TID251
# As `pod.go` of KubeRay 1.7 writes it for base/rayservice.yaml with components/sqlite.
START = (
    "ray start --head --block --dashboard-host=0.0.0.0 --metrics-export-port=8080 "
    "--dashboard-agent-listen-port=52365 "
    "--num-cpus=2 --labels=node=vps_2 "
    "--memory=4000000000 --object-store-memory=536870912"
)
PORTS = (8000, 8001, 8404, 9101)
DOORS = (f"http://{ADDRESS}:8000", "http://127.0.0.1:8001")


def ask(method: str, url: str, key: str, body: object = None, within_s: float = 60) -> str | None:
    """Return the answer's text; `None` for anything but a 200."""
    headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, method=method, data=data, headers=headers)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=within_s) as reply:  # noqa: S310
            return reply.read().decode()
    except (urllib.error.URLError, OSError):
        return None


def status(url: str) -> int:
    """Return the status that a redirect leads to."""
    try:
        with urllib.request.urlopen(url, timeout=60) as reply:  # noqa: S310
            return reply.status
    except urllib.error.HTTPError as error:
        return error.code


def until(holds: Callable[[], bool], within_s: float, what: str) -> None:
    give_up_at = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > give_up_at:
            sys.exit(f"never seen: {what}")
        time.sleep(1)
    print(what, file=sys.stderr, flush=True)


def is_running() -> bool:
    text = ask("GET", f"http://{ADDRESS}:8265/api/serve/applications/", TOKEN)
    applications = json.loads(text or "{}").get("applications", {})
    return applications.get("tercet", {}).get("status") == "RUNNING"


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex((ADDRESS, port)) == 0


def chat(model: str, text: str, **more: object) -> str | None:
    body = {"model": model, "messages": [{"role": "user", "content": text}], **more}
    url = f"http://{ADDRESS}:8000/v1/chat/completions"
    return ask("POST", url, KEY, body, 240)


def drained_while_streaming() -> dict[str, Any]:
    """Say what a pod's end makes of a stream of about half a minute."""
    seen: dict[str, Any] = {}

    def stream() -> None:
        text = chat("claude-haiku-5-5", "sim:words=150 sim:delay=200", stream=True)
        seen["whole"] = text is not None and "[DONE]" in text
        seen["ended_at"] = time.monotonic()

    caller = threading.Thread(target=stream)
    caller.start()
    time.sleep(5)
    done = subprocess.run([sys.executable, "/opt/tercet/bin/drain.py"], check=False)
    drained_at = time.monotonic()
    caller.join()
    return {"whole": seen["whole"], "waited": seen["ended_at"] < drained_at, "rc": done.returncode}


def main() -> None:
    serve = Path(sys.argv[1]).read_text(encoding="utf-8")
    simulated = [sys.executable, "-m", "deployments.simulated", "--port", "9400"]
    logs = {"stdout": sys.stderr, "stderr": sys.stderr}
    subprocess.Popen([*simulated, "--bill", "/tmp/bill.jsonl"], **logs)  # noqa: S108
    subprocess.Popen(["/bin/bash", "-c", "--", START], **logs)
    agent, dashboard = f"http://{ADDRESS}:52365", f"http://{ADDRESS}:8265"
    until(lambda: ask("GET", f"{agent}/api/healthz", "", within_s=5) is not None, 240, "healthy")
    put = f"{dashboard}/api/serve/applications/"
    until(lambda: ask("PUT", put, TOKEN, json.loads(serve)) is not None, 120, "deployed")
    until(is_running, 600, "running")
    door = DOORS[0]
    until(lambda: ask("GET", f"{door}/readyz", KEY) is not None, 120, "ready")
    until(lambda: status(f"{DOORS[1]}/console") == 200, 120, "a console")
    answer = chat("tier3", "What is 2 + 3? sim:agree")
    seen = {
        "proxy": ask("GET", f"{door}/-/healthz", ""),
        "without_token": ask("GET", put, "") is not None,
        "answer": None if answer is None else json.loads(answer)["choices"][0]["finish_reason"],
        "open": [port for port in PORTS if is_open(port)],
        "console": {door: status(f"{door}/console") for door in DOORS},
        "drain": drained_while_streaming(),
    }
    print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main()
