from __future__ import annotations

import hashlib
import importlib.util
import io
import json
import os
import tarfile
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from card_doctor.model import Build, Release

pytest.importorskip("tomllib", reason="the tool is for Python 3.11 and newer")
pytest.importorskip("pypi_simple", reason="the tool's own requirements are not installed")
pytest.importorskip("remotezip", reason="the tool's own requirements are not installed")

spec = importlib.util.spec_from_file_location(
    "refresh_releases", Path(__file__).parents[2] / "tools/refresh_releases.py"
)
tool = importlib.util.module_from_spec(spec)
spec.loader.exec_module(tool)


class Done(NamedTuple):
    returncode: int
    stderr: str


class Index:
    """A package index on this machine: PEP 691 pages, files by range, PEP 658 metadata where a page offers it."""

    def __init__(self):
        self.pages = {}
        self.files = {}
        self.asked = []
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                index.asked.append(self.path)
                kind, _, name = self.path.strip("/").partition("/")
                if kind == "simple" and name in index.pages:
                    page = {"meta": {"api-version": "1.1"}, "name": name, "versions": [], "files": index.pages[name]}
                    self.answer(200, json.dumps(page).encode(), {"Content-Type": "application/vnd.pypi.simple.v1+json"})
                elif kind == "files" and name in index.files:
                    content = index.files[name]
                    if "Range" not in self.headers:
                        return self.answer(200, content, {})
                    first, _, last = self.headers["Range"][len("bytes=") :].partition("-")
                    start = int(first) if first else max(0, len(content) - int(last))
                    part = content[start : int(last) + 1 if first and last else None]
                    where = f"bytes {start}-{start + len(part) - 1}/{len(content)}"
                    self.answer(206, part, {"Content-Range": where})
                else:
                    self.answer(404, b"", {})
                return None

            def answer(self, status, content, headers):
                self.send_response(status)
                for name, value in {**headers, "Content-Length": len(content)}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/simple/"

    def add(self, project, name, content, day, **more):
        self.files[name] = content
        upload = {"filename": name, "url": f"/files/{name}", "hashes": {}, "upload-time": f"{day}T12:00:00Z", **more}
        self.pages.setdefault(project, []).append(upload)


@pytest.fixture
def index(monkeypatch, capsys):
    index = Index()
    for name in [name for name in os.environ if name.startswith(("UV_", "PIP_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")

    def refresh(*distributions, to, variable="PIP_INDEX_URL", url=None):
        monkeypatch.setenv(variable, url or index.url)
        monkeypatch.setattr("sys.argv", ["refresh_releases.py", "--to", str(to), *distributions])
        return Done(tool.main(), capsys.readouterr().err)

    index.refresh = refresh
    yield index
    index.server.shutdown()
    index.server.server_close()


def metadata(name, version, *lines):
    return "\n".join(
        ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines, "", "About it."]
    ).encode()


def wheel(name, version, *lines, **members):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, text in members.items():
            archive.writestr(member.replace("__", "/").replace("--", "."), text)
        archive.writestr("large.bin", os.urandom(200_000))  # the end alone does not hold it all
        archive.writestr(f"{name}-{version}.dist-info/METADATA", metadata(name, version, *lines))
    return content.getvalue()


def sdist(name, version, **members):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for member, text in members.items():
            info = tarfile.TarInfo(f"{name}-{version}/{member.replace('__', '/').replace('--', '.')}")
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text))
    return content.getvalue()


def releases(folder, name):
    return msgspec.json.Decoder(Release).decode_lines((folder / f"{name}.jsonl").read_bytes())


def test_a_release_is_what_its_files_say(index, tmp_path):
    lines = [
        "Requires-Python: >=3.6",
        "Provides-Extra: torch",
        "Provides-Extra: dev-torch",
        "Requires-Dist: numpy (>=1.17)",
        "Requires-Dist: torch (>=1.0) ; extra == 'torch'",
        "Requires-Dist: torch (>=1.0) ; extra == 'dev-torch'",
        "Requires-Dist: sacremoses",
        "Requires-Dist: pytz (>dev)",
    ]
    content = wheel("transformers", "4.18.0", *lines)
    index.add("transformers", "transformers-4.18.0-py3-none-any.whl", content, "2022-04-06", yanked="broken")
    index.add("transformers", "transformers-4.18.0.tar.gz", b"", "2022-04-05", yanked="broken")
    index.add("transformers", "transformers-4.19.0rc1-py3-none-any.whl", content, "2022-05-01")
    index.add("transformers", "transformers-3.0.0-py3-none-any.whl", wheel("transformers", "3.0.0"), "2019-01-01")
    done = index.refresh("transformers", to=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "transformers: 2 releases, 2 new" in done.stderr
    assert releases(tmp_path, "transformers") == [
        Release("3.0.0", "2019-01-01", ("py3-none-any",)),
        Release(
            "4.18.0",
            "2022-04-05",
            ("py3-none-any",),
            sdist=True,
            yanked=True,
            requires_python=">=3.6",
            requires=("numpy (>=1.17)", "torch (>=1.0) ; extra == 'torch'"),
            extras=("torch",),
        ),
    ]


def test_metadata_is_asked_for_alone_where_the_index_offers_it(index, tmp_path):
    text = metadata("tqdm", "4.0", "Requires-Dist: numpy")
    digest = hashlib.sha256(text).hexdigest()
    index.add("tqdm", "tqdm-4.0-py3-none-any.whl", b"", "2021-01-01", **{"core-metadata": {"sha256": digest}})
    index.files["tqdm-4.0-py3-none-any.whl.metadata"] = text
    assert index.refresh("tqdm", to=tmp_path).returncode == 0
    assert releases(tmp_path, "tqdm")[0].requires == ("numpy",)
    assert "/files/tqdm-4.0-py3-none-any.whl" not in index.asked


def test_what_only_has_an_sdist_is_read_from_it(index, tmp_path):
    index.add(
        "deepspeed",
        "deepspeed-0.5.0.tar.gz",
        sdist(
            "deepspeed",
            "0.5.0",
            **{
                "setup--py": b"raise SystemExit",
                "PKG-INFO": metadata("deepspeed", "0.5.0", "Requires-Python: >=3.6"),
                "deepspeed--egg-info__requires--txt": b"torch\ntqdm\n\n[sd]\ntriton==2.0\n",
            },
        ),
        "2021-01-01",
    )
    assert index.refresh("deepspeed", to=tmp_path).returncode == 0
    (release,) = releases(tmp_path, "deepspeed")
    assert (release.wheels, release.sdist, release.requires_python) == ((), True, ">=3.6")
    assert release.requires == ("torch", "tqdm", 'triton==2.0; extra == "sd"')
    assert release.extras == ("sd",)


def test_torch_says_what_its_linux_wheel_was_built_with(index, tmp_path):
    parts = {
        "torch__version--py": b"__version__ = '2.8.0+cu128'\ncuda: Optional[str] = '12.8'\n",
        # the compiler puts other text right before the list, and names single architectures elsewhere
        "torch__lib__libtorch_python--so": b"\0sm_75\0ipc_hsm_70 sm_75 compute_90\0\0" + os.urandom(1000),
    }
    lines = [
        'Requires-Dist: nvidia-cudnn-cu12==9.10.2.21; platform_system == "Linux"',
        'Requires-Dist: triton==3.4.0; platform_system == "Linux"',
    ]
    index.add(
        "torch",
        "torch-2.8.0-cp39-cp39-manylinux_2_28_x86_64.whl",
        wheel("torch", "2.8.0", *lines, **parts),
        "2025-08-06",
    )
    index.add("torch", "torch-2.8.0-cp39-none-macosx_11_0_arm64.whl", wheel("torch", "2.8.0"), "2025-08-06")
    index.add("torch", "torch-2.9.0-cp39-none-macosx_11_0_arm64.whl", wheel("torch", "2.9.0"), "2025-10-06")
    assert index.refresh("torch", to=tmp_path).returncode == 0
    first, second = releases(tmp_path, "torch")
    assert first.build == Build("12.8", "9.10.2.21", "3.4.0", ("sm_70", "sm_75", "compute_90"))
    assert first.requires == ('triton==3.4.0; platform_system == "Linux"',)
    assert first.wheels == ("cp39-cp39-manylinux_2_28_x86_64", "cp39-none-macosx_11_0_arm64")
    assert second.build is None


def test_what_torch_links_in_is_added_from_what_was_checked_by_hand(index, tmp_path):
    parts = {"torch__version--py": b"cuda = '10.2'\n", "torch__lib__libtorch_python--so": b"\0sm_37 sm_50\0"}
    for version in ("1.5.1", "1.9.1"):
        content = wheel("torch", version, **parts)
        index.add("torch", f"torch-{version}-cp38-cp38-manylinux1_x86_64.whl", content, "2021-01-01")
    assert index.refresh("torch", to=tmp_path).returncode == 0
    assert [one.build.cudnn for one in releases(tmp_path, "torch")] == [None, "7.6.5"]


def test_what_is_known_is_not_asked_again_and_what_failed_is(index, tmp_path):
    index.add("dill", "dill-0.3.4-py3-none-any.whl", wheel("dill", "0.3.4", "Requires-Dist: numpy"), "2021-07-01")
    index.add("dill", "dill-0.3.5-py3-none-any.whl", b"no archive", "2022-05-01")
    done = index.refresh("dill", to=tmp_path)
    assert done.returncode == 1
    assert "dill 0.3.5: " in done.stderr
    assert [one.version for one in releases(tmp_path, "dill")] == ["0.3.4"]

    index.asked.clear()
    index.files["dill-0.3.5-py3-none-any.whl"] = wheel("dill", "0.3.5")
    index.add("dill", "dill-0.3.4.zip", b"", "2021-06-30")
    assert index.refresh("dill", to=tmp_path).returncode == 0
    first, second = releases(tmp_path, "dill")
    assert (first.date, first.sdist, first.requires) == ("2021-06-30", True, ("numpy",))
    assert second.version == "0.3.5"
    assert {path for path in index.asked if path.startswith("/files/")} == {"/files/dill-0.3.5-py3-none-any.whl"}

    before = (tmp_path / "dill.jsonl").read_bytes()
    assert "0 new" in index.refresh("dill", to=tmp_path).stderr
    assert (tmp_path / "dill.jsonl").read_bytes() == before


def test_what_is_known_outlives_an_interruption(index, tmp_path, monkeypatch):
    index.add("dill", "dill-0.3.4-py3-none-any.whl", wheel("dill", "0.3.4"), "2021-07-01")
    index.refresh("dill", to=tmp_path)

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(tool, "release", interrupted)
    with pytest.raises(KeyboardInterrupt):
        index.refresh("dill", to=tmp_path)
    assert [one.version for one in releases(tmp_path, "dill")] == ["0.3.4"]


def test_only_old_releases_of_what_every_card_names_are_kept(index, tmp_path):
    for name in ("numpy", "datasets"):
        index.add(name, f"{name}-0.1-py3-none-any.whl", wheel(name, "0.1"), "2019-12-31")
        index.add(name, f"{name}-0.2-py3-none-any.whl", wheel(name, "0.2"), "2020-01-01")
    assert index.refresh("numpy", "datasets", to=tmp_path).returncode == 0
    assert [one.version for one in releases(tmp_path, "numpy")] == ["0.2"]
    assert [one.version for one in releases(tmp_path, "datasets")] == ["0.1", "0.2"]


@pytest.mark.parametrize("variable", ["PIP_INDEX_URL", "UV_INDEX_URL", "UV_DEFAULT_INDEX"])
def test_the_index_is_the_one_that_pip_or_uv_is_told(index, tmp_path, variable):
    index.add("dill", "dill-0.3.4-py3-none-any.whl", wheel("dill", "0.3.4"), "2021-07-01")
    assert index.refresh("dill", to=tmp_path, variable=variable).returncode == 0


def test_pips_own_settings_count(index, tmp_path):
    index.add("dill", "dill-0.3.4-py3-none-any.whl", wheel("dill", "0.3.4"), "2021-07-01")
    settings = tmp_path / "pip.conf"
    settings.write_text(f"[global]\nindex-url = {index.url}\n")
    done = index.refresh("dill", to=tmp_path, variable="PIP_CONFIG_FILE", url=str(settings))
    assert done.returncode == 0, done.stderr


def test_a_failing_index_loses_nothing_and_tells_no_password(index, tmp_path):
    index.add("dill", "dill-0.3.4-py3-none-any.whl", wheel("dill", "0.3.4"), "2021-07-01")
    index.refresh("dill", to=tmp_path)
    index.pages["dill"][0].pop("upload-time")
    done = index.refresh("dill", "no-such-project", to=tmp_path, url=index.url.replace("//", "//user:secret@"))
    assert done.returncode == 1
    assert "dill: ValueError: the index tells no upload times" in done.stderr
    assert "no-such-project: " in done.stderr
    assert "secret" not in done.stderr
    assert len(releases(tmp_path, "dill")) == 1
