"""TensorFlow's start: fast kernels, its chatter kept off a user's terminal, a library that it does not find by itself.

Call `quiet_tensorflow` before TensorFlow or Keras is first imported.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from petct.errors import TmtvError

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
# TensorFlow takes oneDNN's kernels by itself only on CPUs with certain instructions; without them its own 3-D
# convolutions train five times slower (measured: a Zen 3 core with AVX2).
ONEDNN = "TF_ENABLE_ONEDNN_OPTS"


def quiet_tensorflow() -> None:
    """Import TensorFlow with oneDNN and without its notes on CPU features; errors are still shown later on.

    A user who wants to see everything sets TF_CPP_MIN_LOG_LEVEL=0; who wants no oneDNN, TF_ENABLE_ONEDNN_OPTS=0.

    Raises
    ------
    TmtvError
        TensorFlow is not installed (it is an extra, which most commands do without), or cannot be loaded.
    """
    load_cusolver()
    os.environ.setdefault(ONEDNN, "1")
    wanted = os.environ.setdefault(LEVEL, "2") in ("0", "1") or "tensorflow" in sys.modules
    try:
        with nullcontext() if wanted else _silent_stderr():  # written before TensorFlow reads its log level
            import tensorflow  # noqa: F401
    except ImportError as error:
        raise TmtvError(
            "This command needs TensorFlow: pip install '.[cpu]', or '.[gpu]', in your clone of tmtv-tf "
            f"({error})."
        ) from error


def load_cusolver() -> None:
    """Load the cuSOLVER of the PyPI wheels, where there is one.

    TensorFlow 2.21.0 does not look for it there, and then takes no GPU (tensorflow pull request 112973).
    """
    if importlib.util.find_spec("nvidia") is None:
        return
    wheel = importlib.util.find_spec("nvidia.cusolver")
    for folder in (wheel and wheel.submodule_search_locations) or []:
        for library in sorted(Path(folder, "lib").glob("libcusolver.so.*")):
            ctypes.CDLL(str(library))


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """File descriptor 2 on /dev/null: native code writes there, not to sys.stderr."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
