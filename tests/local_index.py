"""A package index made for a test: a few wheels with nothing but a module and their requirements, served on localhost.

Dated, it speaks the JSON of PEP 691 and tells when a file was uploaded (PEP 700); else plain HTML, without.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import io
import json
import tarfile
import threading
import zipfile
from contextlib import contextmanager
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence


class File(NamedTuple):
    project: str
    name: str
    content: bytes
    uploaded: str


def wheel(
    project: str,
    version: str,
    requires: Sequence[str] = (),
    uploaded: str = "2022-01-01",
    tag: str = "py3-none-any",
    script: bool = False,
) -> File:
    """`script`: it comes with a command of its name, which prints the version."""
    module, info = project.replace("-", "_"), f"{project.replace('-', '_')}-{version}.dist-info"
    files = {
        f"{module}.py": f"__version__ = {version!r}\ndef main():\n    print(__version__)\n",
        f"{info}/METADATA": "\n".join(
            ["Metadata-Version: 2.1", f"Name: {project}", f"Version: {version}"]
            + [f"Requires-Dist: {one}" for one in requires]
            + ["", ""]
        ),
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    if script:
        files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{module} = {module}:main\n"
    files[f"{info}/RECORD"] = "".join(f"{name},,\n" for name in [*files, f"{info}/RECORD"])
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return File(project, f"{module}-{version}-{tag}.whl", written.getvalue(), uploaded)


def sdist(project: str, version: str, requires: Sequence[str] = (), uploaded: str = "2022-01-01") -> File:
    """It builds itself, without anything else."""
    built = wheel(project, version, requires)
    backend = (
        "import base64, pathlib\n"
        f"NAME, DATA = {built.name!r}, {base64.b64encode(built.content).decode()!r}\n"
        "def build_wheel(folder, settings=None, metadata=None):\n"
        "    pathlib.Path(folder, NAME).write_bytes(base64.b64decode(DATA))\n"
        "    return NAME\n"
    )
    files = {
        "pyproject.toml": '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n',
        "backend.py": backend,
        "PKG-INFO": f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\n",
    }
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        for name, content in files.items():
            data = content.encode()
            member = tarfile.TarInfo(f"{project}-{version}/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return File(project, f"{project}-{version}.tar.gz", written.getvalue(), uploaded)


class Index(NamedTuple):
    url: str
    asked: List[str]  # every path that was asked for


@contextmanager
def serve(*files: File, dated: bool = True, password: Optional[str] = None, ranges: bool = False) -> Iterator[Index]:
    """With a password, it lets in the user `somebody` alone; with `ranges`, it gives parts of files too."""
    by_project: Dict[str, List[File]] = {}
    for file in files:
        by_project.setdefault(file.project, []).append(file)
    by_name = {file.name: file.content for file in files}
    asked: List[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            asked.append(self.path)
            parts = self.path.strip("/").split("/")
            told = base64.b64encode(f"somebody:{password}".encode()).decode()
            if password and self.headers.get("Authorization") != f"Basic {told}":
                self.answer(401, b"", "text/plain")
            elif parts[0] == "simple" and parts[-1] in by_project:
                self.answer(200, *self.page(parts[-1]))
            elif parts[0] == "files" and parts[-1] in by_name and ranges and "Range" in self.headers:
                content = by_name[parts[-1]]
                first, _, last = self.headers["Range"][len("bytes=") :].partition("-")
                start = int(first) if first else max(0, len(content) - int(last))
                part = content[start : int(last) + 1 if first and last else None]
                where = {"Content-Range": f"bytes {start}-{start + len(part) - 1}/{len(content)}"}
                self.answer(206, part, "application/octet-stream", where)
            elif parts[0] == "files" and parts[-1] in by_name:
                self.answer(200, by_name[parts[-1]], "application/octet-stream")
            else:
                self.answer(404, b"", "text/plain")

        def page(self, project: str) -> tuple[bytes, str]:
            listed = by_project[project]
            if not dated:
                links = "".join(f'<a href="/files/{file.name}">{file.name}</a>\n' for file in listed)
                return f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), "text/html"
            described = [
                {
                    "filename": file.name,
                    "url": f"/files/{file.name}",
                    "hashes": {"sha256": hashlib.sha256(file.content).hexdigest()},
                    "size": len(file.content),
                    "upload-time": f"{file.uploaded}T12:00:00Z",
                }
                for file in listed
            ]
            page = {"meta": {"api-version": "1.1"}, "name": project, "files": described}
            return json.dumps(page).encode(), "application/vnd.pypi.simple.v1+json"

        def answer(self, status: int, body: bytes, kind: str, headers: Optional[Dict[str, str]] = None) -> None:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            if status == 401:
                self.send_header("WWW-Authenticate", "Basic")
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    user = f"somebody:{password}@" if password else ""
    try:
        yield Index(f"http://{user}127.0.0.1:{server.server_port}/simple", asked)
    finally:
        server.shutdown()
        server.server_close()
