from __future__ import annotations

import os
import sys
import venv
from pathlib import Path

import pytest

# The first seed's pins as they are resolved today: known to fail (../shared/truth of the design says how).
TODAY = {
    "torch": "1.9.1",
    "transformers": "4.18.0",
    "datasets": "2.1.0",
    "tokenizers": "0.11.6",
    "numpy": "2.0.2",
    "pyarrow": "21.0.0",
    "pandas": "2.3.3",
}


@pytest.fixture(scope="session")
def environment(tmp_path_factory):
    """Makes an environment of this Python with those distributions: what an installer leaves of them is read, so
    their metadata is all there is. Gives its folder.
    """

    def make(packages, name="env") -> Path:
        folder = tmp_path_factory.mktemp(name) / "env"
        venv.create(folder, symlinks=os.name == "posix")
        (site,) = (*folder.glob("lib/python*/site-packages"), *folder.glob("Lib/site-packages"))
        for package, version in packages.items():
            info = site / f"{package}-{version}.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n\n")
        return folder

    return make


@pytest.fixture(scope="session")
def broken(environment):
    return str(environment(TODAY, "broken"))


@pytest.fixture(scope="session")
def console_script():
    script = Path(sys.executable).with_name("card-doctor" + (".exe" if os.name == "nt" else ""))
    if not script.exists():
        pytest.skip("card-doctor is not installed beside this Python")
    return str(script)
