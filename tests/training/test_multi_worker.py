"""Two worker processes on one machine train what one process does: same log, same weights."""

from __future__ import annotations

import csv
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from little_cohort import write_little_cohort
from test_strategy import CONFIG

from tmtv_tf.models.file import load_model
from training.config import read_config
from training.train_vnet import Config, run


def free_ports(number: int) -> list[int]:
    sockets = [socket.socket() for _ in range(number)]
    for s in sockets:
        s.bind(("127.0.0.1", 0))
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def command(config: Path, cases: Path, out: Path) -> list:
    return [sys.executable, "-m", "training.train_vnet", "--config", config, "--data", cases, "--out", out]


@pytest.mark.slow
def test_two_workers_give_the_weights_of_one(tmp_path):
    """12 cases: 9 train, 3 validate in batches of 2, so the last batch leaves worker 1 without a case."""
    cases = write_little_cohort(tmp_path / "cases", 12)
    (tmp_path / "c.yaml").write_text(CONFIG)
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0"}
    run(read_config(tmp_path / "c.yaml", Config), cases, tmp_path / "one")
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    workers = [
        subprocess.Popen(
            command(tmp_path / "c.yaml", cases, tmp_path / "two"),
            env={
                **environment,
                "TF_CONFIG": json.dumps(
                    {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
                ),
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for index in range(2)
    ]
    try:
        outputs = [worker.communicate(timeout=240)[0] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [0, 0], outputs
    assert "2 replica(s)" in outputs[0]
    assert "Best val_loss" not in outputs[1]  # worker 0 alone speaks and writes

    one, two = (load_model(tmp_path / n / "last.keras")[0].get_weights() for n in ("one", "two"))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)
    logs = [list(csv.DictReader((tmp_path / n / "log.csv").read_text().splitlines())) for n in ("one", "two")]
    for a, b in zip(*logs, strict=True):
        assert [float(v) for v in a.values()] == pytest.approx([float(v) for v in b.values()], abs=1e-5)
