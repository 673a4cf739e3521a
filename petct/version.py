"""Name and version of this software, as every result states them."""

from __future__ import annotations


def software() -> dict[str, str]:
    """`{"name": "tmtv-tf", "version": ...}`; "unknown" in a source tree that was never installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return {"name": "tmtv-tf", "version": version("tmtv-tf")}
    except PackageNotFoundError:
        return {"name": "tmtv-tf", "version": "unknown"}
