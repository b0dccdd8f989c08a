"""ONNX Runtime keeps to itself."""

import os
import subprocess
import sys

OPENS = """
from pathlib import Path
from engines.bundle import bundle_from_directory
from engines.opening import open_engine
from tests.bundles import write_tiny_bundle
bundle = bundle_from_directory(write_tiny_bundle(Path("bundle").absolute()))
open_engine(bundle, "onnxruntime", "fp32", max_batch=1, slots=1).close()
"""


def test_an_engine_leaves_nothing_in_the_home_directory(tmp_path, request):
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    environment = {name: value for name, value in os.environ.items() if "ORT_" not in name}
    environment |= {"HOME": str(home), "PYTHONPATH": str(request.config.rootpath)}
    environment.pop("XDG_CACHE_HOME", None)
    subprocess.run([sys.executable, "-c", OPENS], env=environment, cwd=work, check=True)
    assert list(home.rglob("*")) == []
