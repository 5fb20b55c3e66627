"""The hub over HTTP: a stand-in server, set by HF_ENDPOINT, asked through the command as a user would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

pytest.importorskip("huggingface_hub")

README = b"### Framework versions\n\n- Transformers 4.26.1\n"
SHA = "b" * 40
TOKEN = "hf_" + "secret" * 5
# What the hub answers (huggingface_hub's errors are made from the header).
REFUSED = {
    "gated": (403, "GatedRepo"),
    "missing": (401, "RepoNotFound"),
    "revised": (404, "RevisionNotFound"),
}
ASKING = """
import sys
from card_doctor.cli import run
for reference in sys.argv[1:]:
    print("===", reference, flush=True)
    code = run(["cards", "show", reference, "--format", "json"])
    print("---", code, flush=True)
print("===", "offline", flush=True)
print("---", run(["check", "org/other", "--offline", "--format", "json"]), flush=True)
"""


class Hub(BaseHTTPRequestHandler):
    tokens: ClassVar = []
    asked: ClassVar = []

    def do_GET(self):
        self.tokens.append(self.headers.get("Authorization"))
        self.asked.append(self.path)
        name = self.path.partition("org/")[2].partition("/")[0]
        if name in REFUSED:
            code, error = REFUSED[name]
            self.answer(code, b'{"error": "no"}', {"X-Error-Code": error, "X-Error-Message": "no"})
        elif name == "renamed":
            self.answer(307, b"", {"Location": self.path.replace("renamed", "model")})
        elif name != "model":
            self.answer(500, b"", {})
        elif self.path.startswith("/api/"):
            siblings = [{"rfilename": "README.md"}, {"rfilename": "model.safetensors"}]
            info = {"_id": "0", "id": "org/model", "modelId": "org/model", "sha": SHA, "siblings": siblings}
            info.update(private=False, downloads=0, likes=0, tags=[])
            if "/tree/" in self.path:
                info = [{"type": "file", "path": one["rfilename"], "size": 1, "oid": "1" * 40} for one in siblings]
            self.answer(200, json.dumps(info).encode(), {"Content-Type": "application/json"})
        else:
            self.answer(200, README, {"X-Repo-Commit": SHA, "ETag": '"0123"'})

    do_HEAD = do_GET  # noqa: N815  http.server calls it so

    def answer(self, code, body, headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args):
        pass


def test_what_the_hub_answers_becomes_a_card_or_an_error_that_helps(tmp_path):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        env = {
            **os.environ,
            "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}",
            "HF_HOME": str(tmp_path),
            "HF_TOKEN": TOKEN,
            "HF_HUB_DISABLE_XET": "1",
            "NO_PROXY": "*",
        }
        references = [f"org/{name}" for name in ("model", "renamed", "gated", "missing", "revised")]
        ran = subprocess.run(
            [sys.executable, "-c", ASKING, *references],
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        )
    finally:
        server.shutdown()
        server.server_close()
    said = dict(part.split("\n", 1) for part in ran.stdout.split("=== ")[1:])
    answers = {name: json.loads(text.rpartition("---")[0]) for name, text in said.items()}
    codes = {name: int(text.rpartition("---")[2]) for name, text in said.items()}

    assert answers["org/model"]["versions"] == {"transformers": "4.26.1"}
    assert answers["org/renamed"]["versions"] == {"transformers": "4.26.1"}
    assert not any("safetensors" in path for path in Hub.asked), "only the small files"
    assert (codes["org/gated"], "gated" in answers["org/gated"]["message"]) == (2, True)
    assert (codes["org/missing"], "no such model" in answers["org/missing"]["message"]) == (2, True)
    assert (codes["org/revised"], "no such revision" in answers["org/revised"]["message"]) == (2, True)
    assert (codes["offline"], "--offline" in answers["offline"]["message"]) == (2, True)
    assert not any("other" in path for path in Hub.asked)

    assert f"Bearer {TOKEN}" in Hub.tokens
    assert TOKEN not in ran.stdout + ran.stderr
