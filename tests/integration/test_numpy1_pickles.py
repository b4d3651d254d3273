"""A real numpy 1.x loads what we pickle, with the plain `pickle.load` that public loaders use."""

import fcntl
import hashlib
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripts.shared.safe_pickle import dumps

REPOSITORY = Path(__file__).parents[2]

# Numpy 1.26 learned to read the names of numpy 2, so an older one is the real test; Python 3.12 has none older.
REQUIREMENT = "numpy<1.25" if sys.version_info < (3, 12) else "numpy<2"

LOADER = """
import hashlib, pickle, sys
import numpy as np
assert np.__version__.startswith("1."), np.__version__
with open(sys.argv[1], "rb") as file:
    frames = pickle.load(file)
with open(sys.argv[2], "rb") as file:
    text = pickle.load(file)
assert type(frames) is np.ndarray and type(text) is dict and list(text) == ["tokens"]
for array in (frames, text["tokens"]):
    array[...] = array  # writable
    print(array.dtype.str, array.shape, hashlib.sha256(array.tobytes()).hexdigest())
"""


@pytest.fixture(scope="module")
def numpy1_python() -> str:
    """Interpreter of an environment with numpy 1.x, made once a checkout."""
    if sys.version_info >= (3, 13):
        pytest.skip("numpy 1.x has no wheel for Python 3.13 and newer")
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    folder = REPOSITORY / "work" / "test-venvs" / f"{REQUIREMENT.replace('<', '-below-')}-py{version}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    python, done = folder / "bin" / "python", folder / "done"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests that run side by side make it once
        if not done.is_file():
            subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
            install = ["-m", "pip", "install", "--quiet", "--only-binary=:all:", REQUIREMENT]
            subprocess.run([python, *install], check=True)
            done.touch()
    return str(python)


def test_numpy_1_loads_frames_and_tokens(numpy1_python: str, tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (16, 160, 256, 3), dtype=np.uint8)
    tokens = np.arange(77, dtype=np.int64)
    (tmp_path / "video_input.pkl").write_bytes(dumps(frames))
    (tmp_path / "text_input.pkl").write_bytes(dumps({"tokens": tokens}))
    files = [str(tmp_path / name) for name in ("video_input.pkl", "text_input.pkl")]
    command = [numpy1_python, "-W", "error", "-c", LOADER, *files]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert loaded == [described(frames), described(tokens)]


def test_an_ordinary_pickle_of_numpy_2_does_not_load_there(numpy1_python: str, tmp_path: Path) -> None:
    # The reason for `dumps`.
    path = tmp_path / "plain.pkl"
    path.write_bytes(pickle.dumps(np.zeros(3), protocol=4))
    program = "import pickle, sys; pickle.load(open(sys.argv[1], 'rb'))"
    loading = subprocess.run([numpy1_python, "-c", program, str(path)], capture_output=True, text=True)
    assert (loading.returncode == 0) == (REQUIREMENT == "numpy<2")
    assert ("No module named 'numpy._core'" in loading.stderr) == (REQUIREMENT != "numpy<2")


def described(array: np.ndarray[Any, Any]) -> str:
    return f"{array.dtype.str} {array.shape} {hashlib.sha256(array.tobytes()).hexdigest()}"
