"""The server: who may ask it, what it answers, two windows at once, and what a kill leaves."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from review_files import GRID, METHODS, MISSED, contents, images, job_of, review_of, world

from petct.errors import TmtvError
from postprocess.case import run_case
from postprocess.edits import read_log
from postprocess.review import final_folder

pytest.importorskip("starlette")
from starlette.testclient import TestClient

from tmtv_tf.review.cases import Review
from tmtv_tf.review.routes import application
from tmtv_tf.review.server import listening
from tmtv_tf.review.shown import state_of
from tmtv_tf.review.worklist import Folders, reader_folders

PORT, TOKEN = 8123, "a-token"
HOST = f"127.0.0.1:{PORT}"
ONE = "/api/cases/p"


@pytest.fixture(autouse=True)
def static(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page, so that these tests need no npm."""
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "index.html").write_text("the page")
    (tmp_path / "cli.py").write_text("import nothing")
    monkeypatch.setattr("tmtv_tf.review.routes.STATIC", tmp_path / "static")


def client_of(review: Review, **headers: str) -> TestClient:
    app = application(review, TOKEN, PORT)
    return TestClient(
        app,
        base_url=f"http://{HOST}",
        headers={"authorization": f"Bearer {TOKEN}", **headers},
        raise_server_exceptions=False,
        follow_redirects=False,
    )


@pytest.fixture
def review(tmp_path: Path) -> Review:
    return review_of(tmp_path, "p", "q")


@pytest.fixture
def client(review: Review) -> TestClient:
    return client_of(review)


def post(client: TestClient, path: str, **body: Any) -> Any:
    return client.post(f"{ONE}/{path}", json=body)


def exclude(client: TestClient, label: int, revision: int) -> Any:
    edit = {"kind": "exclude_lesion", "label": label}
    return post(client, "edits", revision=revision, method="41", edit=edit)


# Who may ask


def test_the_printed_address_sets_a_cookie_that_scripts_cannot_read(review: Review) -> None:
    client = client_of(review, authorization="")
    assert client.get("/api/cases").status_code == 401
    found = client.get(f"/?token={TOKEN}")
    assert (found.status_code, found.headers["location"]) == (303, "/")
    cookie = found.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert client.get("/api/cases").status_code == 200  # the cookie alone


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": ""}, 401),
        ({"authorization": "Bearer wrong"}, 401),
        ({"authorization": "Basic a-token"}, 401),
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1:9"}, 421),
        ({"host": f"127.0.0.1.evil.example:{PORT}"}, 421),
        ({"host": f"localhost:{PORT}"}, 200),
        ({"host": f"[::1]:{PORT}"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": f"https://{HOST}"}, 403),
        ({"origin": f"http://{HOST}"}, 200),
        ({"cookie": f"tmtv_review_{PORT}=wrong", "authorization": ""}, 401),
        ({"cookie": f"tmtv_review_{PORT}={TOKEN}", "authorization": ""}, 200),
        ({"cookie": f"tmtv_review_9={TOKEN}", "authorization": ""}, 401),
    ],
)
@pytest.mark.parametrize("path", ["/api/cases", f"{ONE}/mip/0", "/api/cohort.csv"])
def test_host_origin_and_token(review: Review, path: str, headers: dict[str, str], status: int) -> None:
    found = client_of(review, **headers).get(path)
    assert found.status_code == status
    assert "content-security-policy" in found.headers
    if status != 200:
        assert list(found.json()) == ["error"]
        assert "p" not in found.json().get("cases", [])


@pytest.mark.parametrize("token", ["", "wrong", TOKEN + "x", "é"])
def test_a_wrong_token_in_the_address(review: Review, token: str) -> None:
    found = client_of(review).get("/", params={"token": token})
    assert found.status_code == 403
    assert "set-cookie" not in found.headers


def test_a_form_of_another_page_cannot_post(client: TestClient) -> None:
    body = json.dumps({"revision": 0, "method": "41", "edit": {"kind": "exclude_lesion", "label": 1}})
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        assert client.post(f"{ONE}/edits", content=body, headers={"content-type": kind}).status_code == 415
    foreign = {"content-type": "application/json", "origin": "http://evil.example"}
    assert client.post(f"{ONE}/edits", content=body, headers=foreign).status_code == 403
    assert client.get(ONE).json()["revision"] == 0


@pytest.mark.parametrize("body", [b"{", b"[]", b"[" * 100_000, b"\xff", b"null"])
def test_a_body_that_is_none(client: TestClient, body: bytes) -> None:
    found = client.post(f"{ONE}/edits", content=body, headers={"content-type": "application/json"})
    assert found.status_code == 400
    assert "JSON" in found.json()["error"]


@pytest.mark.parametrize("method", [5, 1.5, True, {"a": 1}, ["41"], "50q"])
@pytest.mark.parametrize("path", ["edits", "preview", "sign", "adopt", "export"])
def test_a_method_that_is_none_is_refused(
    client: TestClient, path: str, method: object, tmp_path: Path
) -> None:
    answer = post(client, path, method=method, revision=0, edit={"kind": "clear"})
    assert (answer.status_code, "No result of the method" in answer.text) == (400, True)
    assert not (tmp_path / "results" / "p" / "edits.json").exists()  # nor was anything signed


def test_a_body_of_gigabytes_is_not_read(client: TestClient) -> None:
    found = client.post(
        f"{ONE}/edits", content=b" " * (9 << 20), headers={"content-type": "application/json"}
    )
    assert found.status_code == 413


@pytest.mark.parametrize(
    "path",
    ["/../cli.py", "/%2e%2e/cli.py", "/..%2fcli.py", "//etc/passwd", "/api/cases/..", "/api/cases/%2e%2e/pet"]
    + [f"/api/cases/{name}/pet" for name in ("nope", "..%2fcases%2fp", "p%00", ".lock", "P")],
)
def test_a_path_that_leads_out_is_not_there(client: TestClient, path: str) -> None:
    found = client.get(path)
    assert found.status_code in (404, 307, 400)
    assert b"import" not in found.content
    assert b"root:" not in found.content


def test_a_link_out_of_the_folders_is_not_read(tmp_path: Path) -> None:
    """A link to the PET of somebody else, and a case folder that is a link: named, not followed, not shown."""
    elsewhere = tmp_path / "elsewhere"
    run_case(job_of(elsewhere, "secret"))
    review = review_of(tmp_path / "mine", "p")
    results, cases = tmp_path / "mine" / "results", tmp_path / "mine" / "cases"
    (results / "linked").symlink_to(elsewhere / "results" / "secret")
    (cases / "p" / "pet.nii.gz").unlink()
    (cases / "p" / "pet.nii.gz").symlink_to(elsewhere / "cases" / "secret" / "pet.nii.gz")
    client = client_of(Review(review.folders, "anna"))
    rows = {row["case_id"]: row for row in client.get("/api/cases").json()["cases"]}
    assert rows["linked"]["status"] == "failed"
    assert "leads out" in rows["linked"]["reason"]
    assert rows["linked"]["tmtv_ml"] == {}
    for path in ("/api/cases/linked", "/api/cases/p/pet"):
        found = client.get(path)
        assert found.status_code == 400
        assert "leads out" in found.json()["error"]
        assert str(tmp_path) not in found.text


# What it answers


def test_volumes_are_those_of_the_case(client: TestClient, tmp_path: Path) -> None:
    state = client.get(ONE).json()
    suv = images()[1]
    for path, expected, tolerance in (
        ("pet", suv, suv.max() / 65000),
        ("labels/41", nib.load(tmp_path / "results" / "p" / "lesions_41.nii.gz").get_fdata().T, 0),
    ):
        found = nib.Nifti1Image.from_bytes(client.get(f"{ONE}/{path}").content)
        np.testing.assert_allclose(found.get_fdata().T, expected, rtol=0, atol=tolerance)
        np.testing.assert_allclose(found.affine, state["affine_ras"])
        np.testing.assert_allclose(
            found.affine @ [3, 4, 5, 1], [*(np.array(world((5, 4, 3))) * [-1, -1, 1]), 1], atol=1e-4
        )
    assert client.get(f"{ONE}/ct").status_code == 404
    assert client.get(f"{ONE}/labels/9").status_code == 400


def test_the_page_of_a_case_that_failed(tmp_path: Path) -> None:
    review = review_of(tmp_path, "p", "q")
    (tmp_path / "results" / "q" / "tmtv.json").write_text("{")
    (tmp_path / "results" / "p" / "edits.json").write_text('{"version": 9}')
    rows = client_of(review).get("/api/cases").json()["cases"]
    assert [row["status"] for row in rows] == ["failed", "failed"]
    assert "not a log of edits" in rows[0]["reason"]
    assert "not a whole result" in rows[1]["reason"]
    assert str(tmp_path) not in json.dumps(rows)
    assert client_of(review).get(ONE).status_code == 400


def test_two_windows_on_one_case(review: Review) -> None:
    """The second is told, gets the state of now, and nothing of the first is lost."""
    one, two = client_of(review), client_of(review)
    revision = two.get(ONE).json()["revision"]
    assert exclude(one, 1, revision).status_code == 200
    found = exclude(two, 2, revision)
    assert found.status_code == 409
    state = found.json()["state"]
    assert (state["revision"], [lesion["label"] for lesion in state["excluded"]]) == (1, [1])
    assert two.get(f"{ONE}/labels/41?revision=0").status_code == 409
    assert exclude(two, 2, state["revision"]).status_code == 200
    assert [lesion["label"] for lesion in one.get(ONE).json()["excluded"]] == [1, 2]


def test_two_windows_at_the_same_moment(review: Review) -> None:
    """Twenty edits of one revision: one is done."""
    client_of(review).get(ONE)
    answers: list[int] = []

    def run() -> None:
        answers.append(exclude(client_of(review), 1, 0).status_code)

    threads = [threading.Thread(target=run) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] + [409] * 19
    assert client_of(review).get(ONE).json()["revision"] == 1


def test_a_case_that_is_left_is_in_the_tables(client: TestClient, review: Review, tmp_path: Path) -> None:
    before = exclude(client, 1, 0).json()["totals"]["41"]
    row = client.get("/api/cases").json()["cases"][0]
    assert row["status"] == "in_progress"
    assert row["tmtv_final_ml"]["41"] == before["final"]["tmtv_ml"]  # before any version is written
    assert post(client, "close").json() == {"version": "1"}
    table = (tmp_path / "results" / "tmtv.csv").read_text().splitlines()
    column = table[0].split(",").index("tmtv_final_ml_41")
    assert float(table[1].split(",")[column]) == pytest.approx(before["final"]["tmtv_ml"], rel=1e-5)
    lines = client.get("/api/cohort.csv").text.splitlines()
    names = lines[0].split(",")
    values = dict(zip(names, lines[1].split(",")))
    assert float(values["tmtv_final_ml_41"]) == pytest.approx(before["final"]["tmtv_ml"], rel=1e-5)
    assert float(values["tmtv_ml_41"]) == pytest.approx(before["automatic"]["tmtv_ml"], rel=1e-5)
    assert {f"{name}_{method}" for name in ("tmtv_ml", "tlg_final") for method in METHODS} <= set(names)
    review.shutdown()
    assert final_folder(tmp_path / "results" / "p").name == "1"


def test_opening_a_third_case_saves_the_first(tmp_path: Path) -> None:
    review = review_of(tmp_path, "p", "q", "r")
    client = client_of(review)
    exclude(client, 1, 0)
    for case_id in ("q", "r"):
        assert client.get(f"/api/cases/{case_id}").status_code == 200
    assert final_folder(tmp_path / "results" / "p").name == "1"
    assert client.get(ONE).json()["revision"] == 1


def test_without_dicom_nothing_is_exported_and_why_is_said(client: TestClient) -> None:
    listed = client.get("/api/cases").json()
    assert listed["can_export"] is False
    assert "--series" in listed["why_no_export"]
    assert "Nothing was changed" in post(client, "export", method="41").json()["error"]
    exclude(client, 1, 0)
    assert "--series" in post(client, "export", method="41").json()["error"]


# Two readers


def test_blind_readers_and_their_adjudication(tmp_path: Path) -> None:
    review_of(tmp_path, "p")
    results, cases = tmp_path / "results", tmp_path / "cases"
    automatic = contents(results / "p")
    final = {}
    for name, label in (("anna", 1), ("ben", 2)):
        folders = reader_folders(results, cases, None, name, ())
        review = Review(folders, name)
        client = client_of(review)
        state = client.get(ONE).json()
        assert (state["revision"], state["excluded"]) == (0, [])  # nothing of the other
        final[name] = exclude(client, label, 0).json()["totals"]["41"]["final"]["tmtv_ml"]
        assert post(client, "sign", revision=1).json()["status"] == "signed"
        assert client.get(f"{ONE}/adjudication").status_code == 400
        assert client.get(f"{ONE}/labels/41?of=anna").status_code == 400
        review.shutdown()
    assert contents(results / "p") == automatic
    both = Review(reader_folders(results, cases, None, None, ("anna", "ben")), "carl", ("anna", "ben"))
    client = client_of(both)
    shown = client.get(f"{ONE}/adjudication").json()["readers"]
    assert {name: state["totals"]["41"]["final"]["tmtv_ml"] for name, state in shown.items()} == final
    labels = {
        name: nib.Nifti1Image.from_bytes(client.get(f"{ONE}/labels/41?of={name}").content).get_fdata()
        for name in final
    }
    assert {name: sorted(set(np.unique(found)) - {0}) for name, found in labels.items()} == {
        "anna": [2, 3],
        "ben": [1, 3],
    }
    assert exclude(client, 1, 0).status_code == 200  # the adjudicator's own, in the common folder
    assert (results / "p" / "edits.json").is_file()
    for name in final:  # every command takes a reader's folder for a folder of results
        assert final_folder(results / "readers" / name / "p").name == "1"


def test_an_adjudicator_takes_over_a_reader_in_one_step(tmp_path: Path) -> None:
    """Anna's lesions, voxels drawn by hand too, replace the adjudicator's; the log says whose edits they are."""
    review_of(tmp_path, "p")
    results, cases = tmp_path / "results", tmp_path / "cases"
    anna = Review(reader_folders(results, cases, None, "anna", ()), "anna")
    brush = {"kind": "brush", "add": True, "radius_mm": 6.0, "points_mm": [world(MISSED)]}
    exclude(client_of(anna), 1, 0)
    theirs = post(client_of(anna), "edits", revision=1, edit=brush, method="41").json()
    Review(reader_folders(results, cases, None, "ben", ()), "ben").session("p")
    anna.shutdown()
    both = Review(reader_folders(results, cases, None, None, ("anna", "ben")), "carl", ("anna", "ben"))
    client = client_of(both)
    exclude(client, 2, 0)
    assert post(client, "adopt", revision=0, method="41", of="anna").status_code == 409
    assert post(client, "adopt", revision=1, method="41", of="dora").status_code == 400
    taken = post(client, "adopt", revision=1, method="41", of="anna").json()
    assert taken["totals"] == theirs["totals"]
    assert taken["lesions"] == theirs["lesions"]
    log = read_log(results / "p").entries
    assert [(entry.kind, entry.by) for entry in log] == [
        ("exclude_lesion", "carl"),
        ("clear", "carl"),
        ("exclude_lesion", "anna"),
        ("brush", "anna"),
    ]
    refused = post(client, "adopt", revision=4, method="41", of="anna")
    assert (refused.status_code, "changes nothing" in refused.json()["error"]) == (400, True)
    page = contents(results / "p" / "edits")
    both.shutdown()
    again = Review(Folders(results, cases), "carl").session("p")
    assert again is not None
    assert state_of(again, "41")["lesions"] == theirs["lesions"]  # from the files alone
    assert page == contents(results / "readers" / "anna" / "p" / "edits")


def test_two_readers_agreement_is_what_evaluate_says(tmp_path: Path) -> None:
    """Dice of the two readers' 41 % lesions, by hand and by `tmtv evaluate` with one of them as the reference."""
    from tmtv_tf.evaluation.command import evaluate_folders

    masks = {}
    for case_id in ("p", "q"):
        run_case(job_of(tmp_path, case_id))
    for name, label in (("anna", 1), ("ben", 2)):
        review = Review(reader_folders(tmp_path / "results", tmp_path / "cases", None, name, ()), name)
        for case_id in ("p", "q"):
            edit = {"kind": "exclude_lesion", "label": label}
            body = {"revision": 0, "method": "41", "edit": edit}
            assert client_of(review).post(f"/api/cases/{case_id}/edits", json=body).status_code == 200
        review.shutdown()
        final = final_folder(tmp_path / "results" / "readers" / name / "p")
        masks[name] = nib.load(final / "lesions_41.nii.gz").get_fdata() > 0
    readers = tmp_path / "results" / "readers"
    outcomes = evaluate_folders([readers / "anna"], readers / "ben", tmp_path / "report", final=True)
    assert all(outcome.error is None for outcome in outcomes)
    dice = 2 * (masks["anna"] & masks["ben"]).sum() / (masks["anna"].sum() + masks["ben"].sum())
    found = json.loads((tmp_path / "report" / "evaluation.json").read_text())
    text = json.dumps(found)
    assert any(abs(value - dice) < 1e-3 for value in _numbers(found)), (dice, text[:2000])
    assert "another reader" in text


def _numbers(value: Any) -> list[float]:
    if isinstance(value, dict):
        return [number for item in value.values() for number in _numbers(item)]
    if isinstance(value, list):
        return [number for item in value for number in _numbers(item)]
    return [float(value)] if isinstance(value, int | float) else []


# A real process

SERVE = """
import sys
from pathlib import Path
import tmtv_tf.review.server as server
from tmtv_tf.review.worklist import Folders
server.STATIC = Path(sys.argv[1])
server.serve(Folders(Path(sys.argv[1]) / "results", Path(sys.argv[1]) / "cases"), "anna", browser=False)
"""


class Running:
    """A server in a process of its own, and how to ask it."""

    def __init__(self, root: Path) -> None:
        import httpx

        (root / "app.js").touch()
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(root)], stdout=subprocess.PIPE, text=True, env=os.environ
        )
        assert self.process.stdout is not None
        address = re.search(r"http://\S+", self.process.stdout.readline())
        assert address is not None
        base, token = address[0].split("/?token=")
        self.http = httpx.Client(base_url=base, headers={"authorization": f"Bearer {token}"}, timeout=60)

    def exclude(self, label: int, revision: int) -> Any:
        edit = {"kind": "exclude_lesion", "label": label}
        body = {"revision": revision, "method": "41", "edit": edit}
        return self.http.post(f"{ONE}/edits", json=body).json()

    def end(self, how: int) -> None:
        self.http.close()
        self.process.send_signal(how)
        self.process.wait(60)
        if self.process.stdout:
            self.process.stdout.close()


def test_a_killed_server_loses_nothing_that_it_answered(tmp_path: Path) -> None:
    review_of(tmp_path)
    server = Running(tmp_path)
    first = server.exclude(1, 0)
    second = server.exclude(2, first["revision"])
    server.end(signal.SIGKILL)
    server = Running(tmp_path)
    state = server.http.get(ONE).json()
    assert state["lesions"] == second["lesions"]
    assert state["totals"] == second["totals"]
    assert state["can_undo"]
    listed = server.http.get("/api/cases").json()["cases"][0]
    assert listed["tmtv_final_ml"]["41"] == second["totals"]["41"]["final"]["tmtv_ml"]
    server.end(signal.SIGINT)
    assert final_folder(tmp_path / "results" / "p").name == "1"  # written at the end


def test_an_answer_does_not_wait_for_the_acknowledgement_of_its_header() -> None:
    """With Nagle's algorithm, 40 ms in each click of a quick reader."""

    async def nodelay() -> int:
        accepted = asyncio.get_running_loop().create_future()

        class Accepted(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                own = transport.get_extra_info("socket")
                accepted.set_result(own.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

        listener = listening(0)
        server = await asyncio.get_running_loop().create_server(Accepted, sock=listener)
        async with server:
            with socket.create_connection(listener.getsockname()):
                return await accepted

    assert asyncio.run(nodelay())


def test_what_a_killed_server_was_writing_is_removed(tmp_path: Path) -> None:
    review_of(tmp_path)
    case = tmp_path / "results" / "p"
    (case / "edits").mkdir()
    left = [case / ".1b0f2143.edits.json", case / "edits" / ".1b0f2143.ab.nii.gz"]
    for path in left:
        path.touch()
    Running(tmp_path).end(signal.SIGTERM)
    assert not any(path.exists() for path in left)
    assert case.is_dir()


@pytest.mark.slow
def test_a_server_killed_at_any_moment_leaves_a_log_that_is_whole(tmp_path: Path) -> None:
    """Strokes one after the other, killed in the middle: the log is one of those that were answered, or one more."""
    review_of(tmp_path)
    done = 0
    for delay_s in (0.05, 0.2, 0.45):
        server = Running(tmp_path)
        state = server.http.get(ONE).json()
        assert state["revision"] in (done, done + 1)
        done = state["revision"]
        threading.Timer(delay_s, server.process.kill).start()
        try:
            for n in range(done, done + 200):
                edit = {
                    "kind": "brush",
                    "add": True,
                    "radius_mm": 1.0,
                    "points_mm": [world((n // 60 % 20, 0, n % 60))],
                }
                answer = server.http.post(f"{ONE}/edits", json={"revision": n, "method": "41", "edit": edit})
                done = answer.json()["revision"]
        except Exception:
            pass
        server.end(signal.SIGKILL)
    state = Running(tmp_path)
    found = state.http.get(ONE).json()
    assert found["revision"] in (done, done + 1)
    state.end(signal.SIGTERM)
    assert not list((tmp_path / "results" / "p").glob(".*.json"))


def test_a_connection_lost_in_a_stroke_changes_nothing(tmp_path: Path) -> None:
    """Half of a request, then silence."""
    import socket

    review_of(tmp_path)
    server = Running(tmp_path)
    before = server.http.get(ONE).json()
    host, port = server.http.base_url.host, server.http.base_url.port
    with socket.create_connection((host, port)) as line:
        line.sendall(
            (
                f"POST {ONE}/edits HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\n"
                f"Authorization: {server.http.headers['authorization']}\r\nContent-Length: 500\r\n\r\n"
                '{"revision": 0, "edit": {"kind": "brush", '
            ).encode()
        )
        time.sleep(0.2)
    time.sleep(0.2)
    assert server.http.get(ONE).json() == before
    server.end(signal.SIGTERM)


def test_the_server_listens_to_this_computer_only(tmp_path: Path) -> None:
    review_of(tmp_path)
    server = Running(tmp_path)
    port = server.http.base_url.port
    listening = [
        line.split()[1]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and line.split()[1].endswith(f":{port:04X}")
    ]
    assert listening == [f"0100007F:{port:04X}"]
    server.end(signal.SIGTERM)


def test_a_folder_without_results(tmp_path: Path) -> None:
    with pytest.raises(TmtvError, match="no result in it"):
        Review(Folders(tmp_path), "anna")
    with pytest.raises(TmtvError, match="no such folder"):
        reader_folders(tmp_path / "nope", None, None, None, ())
    assert GRID.shape
