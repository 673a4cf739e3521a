"""Lists that an archive cuts: all pages are asked for, and what may be cut is refused."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from dicom_files import write_series
from orthanc import running_orthanc
from pydicom import dcmread

from petct.errors import ArchiveError
from tmtv_tf.pacs.archive import Archive, SeriesFound, StudyFound, StudyQuery, open_archive
from tmtv_tf.pacs.credentials import Credentials

TAGS = {"StudyInstanceUID": "0020000D", "SeriesInstanceUID": "0020000E", "SOPInstanceUID": "00080018",
        "PatientID": "00100020", "NumberOfStudyRelatedSeries": "00201206"}  # fmt: skip
ONE = StudyQuery(patient_id="P1")
MAY_BE_CUT = "may be cut"


@dataclass
class Lists:
    """What a DICOMweb server has, and how it answers.

    most : rows in one answer. pages : it begins at `offset`. warns : it says that there are more
    last : it sends nothing from this offset on, whatever it has
    """

    studies: int = 5
    most: int = 2
    pages: bool = True
    warns: bool = False
    last: int = 10**9
    counted: bool = True
    asked: list[str] = field(default_factory=list)

    def answer(self, path: str) -> tuple[list[dict[str, Any]], bool]:
        self.asked.append(path)
        parts, query = urlsplit(path).path.strip("/").split("/")[1:], parse_qs(urlsplit(path).query)
        if parts[-1] == "studies":
            rows = [{"StudyInstanceUID": f"1.2.{n}", "PatientID": "P1"} for n in range(self.studies)]
            for row in rows if self.counted else ():
                row["NumberOfStudyRelatedSeries"] = 3  # type: ignore[assignment]
        elif parts[-1] == "series":
            rows = [{"SeriesInstanceUID": f"1.3.{n}", "PatientID": "P1"} for n in range(3)]
        else:
            rows = [{"SOPInstanceUID": f"1.4.{n}"} for n in range(3)]
        wanted = {key: query[name][0] for name in query for key in TAGS if name in (key, TAGS[key])}
        rows = [row for row in rows if all(row.get(k, v) == v for k, v in wanted.items() if k != "PatientID")]
        start = int(query.get("offset", ["0"])[0]) if self.pages else 0
        page = [] if start >= self.last else rows[start : start + self.most]
        return page, self.warns and start + len(page) < len(rows)


@contextmanager
def answering(lists: Lists) -> Iterator[Archive]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            rows, more = lists.answer(self.path)
            coded = [
                {TAGS[k]: {"vr": "IS" if isinstance(v, int) else "UI", "Value": [v]} for k, v in row.items()}
                for row in rows
            ]
            body = json.dumps(coded).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/dicom+json")
            self.send_header("Content-Length", str(len(body)))
            if more:
                self.send_header("Warning", '299 here: "There are more results that can be requested"')
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield open_archive(f"http://localhost:{server.server_port}/web", credentials=Credentials())
    finally:
        server.shutdown()
        server.server_close()


def test_every_page_is_asked_for() -> None:
    with answering(Lists(warns=True)) as archive:
        found = archive.find(ONE)
    assert [one.study_uid for one in found] == [f"1.2.{n}" for n in range(5)]
    assert all(len(one.series) == 3 for one in found)


def test_an_archive_that_ignores_the_page_is_refused() -> None:
    with answering(Lists(pages=False)) as archive, pytest.raises(ArchiveError, match=MAY_BE_CUT) as caught:
        archive.find(ONE)
    assert "--study-uid" in str(caught.value)
    assert not caught.value.retry


def test_an_archive_that_has_more_than_it_sends_is_refused() -> None:
    with answering(Lists(last=4, warns=True)) as archive, pytest.raises(ArchiveError, match=MAY_BE_CUT):
        archive.find(ONE)


def test_one_study_by_its_uid_is_found_also_without_pages() -> None:
    one = StudyQuery(study_uid="1.2.4")
    with answering(Lists(pages=False, most=3)) as archive:
        (found,) = archive.find(one)
        assert len(found.series) == 3  # as many as the study says that it has
    with (
        answering(Lists(pages=False, most=2)) as archive,
        pytest.raises(ArchiveError, match="lists 2 of the 3"),
    ):
        archive.find(one)
    uncounted = Lists(pages=False, most=3, counted=False)
    with answering(uncounted) as archive, pytest.raises(ArchiveError, match=MAY_BE_CUT):
        archive.find(one)


def test_objects_that_may_be_cut_are_not_fetched(tmp_path: Path) -> None:
    study = StudyFound("1.2.0", "P1", "", "", (SeriesFound("1.3.0", "PT"),))
    with answering(Lists(pages=False)) as archive, pytest.raises(ArchiveError, match=MAY_BE_CUT):
        archive.fetch(study, ["1.3.0"], tmp_path)


def test_what_a_list_may_leave_out_is_asked_for_by_its_uid(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it would be sent again."""
    uids = {"1.4.0", "1.4.2", "1.4.9"}
    monkeypatch.setattr("tmtv_tf.pacs.dicomweb.by_series", lambda files: {("1.2.0", "1.3.0"): uids})
    lists = Lists(pages=False)
    with answering(lists) as archive:
        assert archive.has([]) == {"1.4.0", "1.4.2"}
    assert any("1.4.9" in path for path in lists.asked)


@pytest.mark.parametrize("kind", ["web", "dicom"])
@pytest.mark.parametrize("days", [1, 6], ids=["of one day", "of six days"])
def test_orthanc_cuts_a_list_and_is_refused(network: None, tmp_path: Path, kind: str, days: int) -> None:
    """By DICOMweb it does so without a word."""
    with running_orthanc(tmp_path / "o", LimitFindResults=3) as orthanc:
        for n in range(6):
            path = next(write_series(tmp_path / str(n), n=1, patient="P1", study=f"S{n}").iterdir())
            ds = dcmread(path)
            ds.StudyDate, ds.StudyTime = f"202401{1 + n % days:02d}", f"{8 + 2 * n:02d}0000"
            ds.save_as(path)
            orthanc.upload(path)
        archive = open_archive(getattr(orthanc, kind), credentials=Credentials())
        with pytest.raises(ArchiveError, match="has more studies|lists only part"):
            archive.find(ONE)
        for query in (
            StudyQuery("P1", study_uid=str(ds.StudyInstanceUID)),
            StudyQuery("P1", dates=("20240101",) * 2),
        ):
            if days == 6:
                assert len(archive.find(query)) == 1
