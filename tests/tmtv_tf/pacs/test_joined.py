"""`tmtv run` between two archives, and what the audit log says of it: against a real Orthanc."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from archive_calls import stored, tmtv
from dicom_files import uid
from orthanc import Orthanc
from study_files import BOXES, SHAPE

from tmtv_tf.pacs.audit import events

pytestmark = pytest.mark.usefixtures("own_home")


@pytest.mark.parametrize("kind", ["web", "dicom"])
def test_run_from_and_to_an_archive(
    orthanc: Orthanc, study: Path, tmp_path: Path, mask: Path, kind: str
) -> None:
    orthanc.upload(study)
    address, out = getattr(orthanc, kind), tmp_path / "results"
    ask = (
        "run",
        "--from-pacs",
        address,
        "--patient",
        "P1",
        "--to-pacs",
        address,
        "--out",
        out,
        "--mask",
        mask,
    )
    said = tmtv(*ask).stdout
    assert "4 sent" in said
    series = [one["MainDicomTags"]["Modality"] for one in orthanc.rest("/series?expand")]
    assert sorted(series) == ["CT", "DOC", "PT", "RTSTRUCT", "SEG", "SR"]
    (case,) = [path.parent for path in out.glob("*/tmtv.json")]
    assert json.loads((case / "source.json").read_text())["dicom_folder"].startswith(f"{address}/")
    assert json.loads((case / "tmtv.json").read_text())["methods"]["4.0"]["tmtv_ml"] == pytest.approx(
        sum(np.prod([s.stop - s.start for s in box]) for box in BOXES.values()) * 3 * 2 * 2.5 / 1000
    )
    before = stored(orthanc)
    said = tmtv(*ask).stdout
    assert "(kept)" in said
    assert "0 sent, 4 there already" in said
    assert stored(orthanc) == before


def test_run_keeps_what_was_fetched_on_request(
    orthanc: Orthanc, study: Path, tmp_path: Path, mask: Path
) -> None:
    orthanc.upload(study)
    tmtv("run", "--from-pacs", orthanc.web, "--patient", "P1", "--out", tmp_path / "results", "--mask", mask,
         "--keep-dicom", tmp_path / "kept")  # fmt: skip
    assert len(list((tmp_path / "kept").rglob("*.dcm"))) == 2 * SHAPE[0]


def test_wrong_calls_of_run(orthanc: Orthanc, study: Path, tmp_path: Path) -> None:
    out = ("--out", tmp_path / "results")
    for arguments in (
        (),
        ("--patient", "P1"),
        (study, "--patient", "P1"),
        (study, "--from-pacs", orthanc.web, "--patient", "P1"),
        ("--from-pacs", orthanc.web),
        (study, "--to-pacs", "pacs.example"),
    ):
        tmtv("run", *arguments, *out, status=2)
    assert not (tmp_path / "results").exists()


def test_a_result_that_cannot_be_sent_fails_its_case(
    orthanc: Orthanc, study: Path, tmp_path: Path, mask: Path
) -> None:
    address = orthanc.web.replace(str(orthanc.http_port), "1")
    said = tmtv("run", study, "--out", tmp_path / "results", "--mask", mask, "--to-pacs", address, status=2)
    assert "not sent" in said.stderr
    assert "tmtv push" in said.stderr
    assert list((tmp_path / "results").glob("*/sr.dcm"))


def test_everything_is_in_the_audit_log_without_names(
    orthanc: Orthanc, study: Path, mask: Path, tmp_path: Path
) -> None:
    orthanc.upload(study)
    tmtv("run", "--from-pacs", orthanc.web, "--patient", "P1", "--to-pacs", orthanc.dicom, "--mask", mask,
         "--out", tmp_path / "results")  # fmt: skip
    log = tmp_path / "state" / "tmtv" / "audit.jsonl"
    found = events(log)
    assert [one["event"] for one in found] == ["asked", "fetched", "sent", "sent", "sent", "sent"]
    assert found[0]["archive"] == orthanc.web
    assert found[1]["count"] == 2 * SHAPE[0]
    assert {one["state"] for one in found[2:]} == {"stored"}
    assert {one["study_uid"] for one in found[1:]} == {uid("P1", "S1")}
    text = log.read_text()
    assert "Hidden" not in text
    assert '"P1"' not in text
