"""What reaches a container image: `.dockerignore` leaves out all that it does not name."""

from __future__ import annotations

import configparser
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_package_reaches_the_images() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    packages = [name.rstrip("*") for name in setup["options.packages.find"]["include"].split()]
    named = (ROOT / ".dockerignore").read_text().split()
    assert packages
    assert [name for name in packages if f"!{name}" not in named] == []
