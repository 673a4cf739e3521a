"""The study of Liu et al. 2022: python -m training.cross_validate --config C.yaml --data CASES --out STUDY."""

from __future__ import annotations

from training.commands import cross_validate, script

app = script(cross_validate)

if __name__ == "__main__":
    from petct.console import run_app

    run_app(app)
