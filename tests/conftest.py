"""Fixtures that every test may use."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from hypothesis import settings

# A time limit for one example fails tests on a busy computer, and says nothing of the code.
settings.register_profile("no_deadline", deadline=None)
settings.load_profile("no_deadline")

# As `tmtv_tf._backend` has it, before a test imports TensorFlow: a process that a test starts then computes bit for bit
# what this one does.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# Tests that run what a page says find `tmtv` and the like beside the Python that runs them, active or not.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
# A shell starts what runs in the background with SIGINT ignored, and every process that a test starts inherits that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real and reference images; tests that need it are skipped where it is absent."""
    folder = Path(os.environ.get("TMTV_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no reference images at {folder} (set TMTV_SHARED_DATA)")
    return folder
