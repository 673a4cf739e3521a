"""Importing a module changes nothing outside it: no logger, no filter of warnings, no setting of a library."""

from __future__ import annotations

import subprocess
import sys

# In a process of its own: the libraries first, which may change what they like, then every module of ours.
CODE = """
import importlib, logging, os, pkgutil, signal, subprocess, sys, threading, warnings

OURS = ("petct", "postprocess", "tmtv_tf")
TENSORFLOW = ("tmtv_tf.models", "tmtv_tf.input")


def import_all():
    for root in OURS:
        for found in pkgutil.walk_packages(importlib.import_module(root).__path__, root + "."):
            if not found.name.startswith(TENSORFLOW) and not found.name.endswith("__main__"):
                try:
                    importlib.import_module(found.name)
                except ImportError as error:  # an extra that is not installed, or TensorFlow
                    assert not str(error.name).startswith(OURS), error


def is_ours(name):
    return name.partition(".")[0] in OURS


if sys.argv[1:] == ["libraries"]:
    import_all()
    print(*(name for name in sys.modules if not is_ours(name) and name != "__main__"))
    raise SystemExit
found = subprocess.run([sys.executable, "-c", CODE, "libraries"], capture_output=True, text=True, check=True)
for name in found.stdout.split():
    try:
        importlib.import_module(name)
    except ImportError:
        pass


def settings():
    import numpy, pydicom

    loggers = {name: one for name, one in logging.root.manager.loggerDict.items() if not is_ours(name)}
    return {
        "warnings": list(warnings.filters),
        "loggers": {
            name: (one.level, list(one.handlers), one.disabled, one.propagate)
            for name, one in {"": logging.root, **loggers}.items()
            if isinstance(one, logging.Logger)
        },
        "environment": dict(os.environ),
        "signals": [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)],
        "hooks": (sys.excepthook, threading.excepthook),
        "numpy": numpy.geterr(),
        "pydicom": {k: repr(v) for k, v in vars(pydicom.config).items() if k[0] != "_"}
        | {k: repr(v) for k, v in vars(pydicom.config.settings).items()},
    }


before = settings()
import_all()
after = settings()
print(*(key for key in before if before[key] != after[key]))
"""


def test_importing_changes_no_setting_of_the_process() -> None:
    code = f"CODE = {CODE!r}\n" + CODE
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
