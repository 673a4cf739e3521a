"""What `tmtv serve` holds: a summary for a terminal, as JSON, and as a page on loopback. No names, no UIDs."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from petct.errors import TmtvError
from petct.files import locked
from petct.version import software
from tmtv_tf.pacs.audit import record
from tmtv_tf.pacs.queue import SETTLED, STATES, Queue, Row

SHOWN, LINES = 200, 20  # studies on the page, on a terminal
QUEUE_FILE = "queue.sqlite"
AUDIT_FILE = "audit.jsonl"
IMAGES_FOLDER = "received"
MEANING = {
    "receiving": "images arrive",
    "waiting": "complete, not run yet",
    "running": "is being run",
    "sending": "run; its results are being stored in the archive",
    "done": "finished",
    "refused": "cannot be run or stored; the reason says why",
}


def summary(queue: Queue) -> dict[str, Any]:
    """Counts by state, and the studies: those that are not done first, newest first."""
    return {
        "software": " ".join(software().values()),
        "counts": queue.counts(),
        "studies": [_study(row) for row in queue.latest(SHOWN)],
    }


def _study(row: Row) -> dict[str, Any]:
    return {
        "case_id": row.case_id,
        "state": row.state,
        "reason": row.reason,
        "images": row.images,
        "megabytes": round(row.bytes / 1e6, 1),
        "failed_tries": row.attempts,
        "since": row.changed_at,
    }


def status(folder: Path) -> dict[str, Any]:
    """The summary as another process sees it, and whether the service runs.

    Parameters
    ----------
    folder : `OUT/serve`

    Raises
    ------
    TmtvError
        There is no queue, or it cannot be read.
    """
    with closing(Queue(folder / QUEUE_FILE, make=False)) as queue:
        return {"running": _is_running(folder), **summary(queue)}


def ask_again(folder: Path, cases: Sequence[str]) -> None:
    """Have settled studies run, and their results sent, once more as they are."""
    with closing(Queue(folder / QUEUE_FILE, make=False)) as queue:
        for case_id in cases:
            _require_settled(case_id, queue.again(case_id))


def forget(folder: Path, cases: Sequence[str]) -> None:
    """Take settled studies off the queue and remove their images; the results stay."""
    with closing(Queue(folder / QUEUE_FILE, make=False)) as queue:
        for case_id in cases:
            _require_settled(case_id, queue.forget(case_id, *SETTLED))
            shutil.rmtree(folder / IMAGES_FOLDER / case_id, ignore_errors=True)
            record(folder / AUDIT_FILE, "removed", case_id=case_id)


def _require_settled(case_id: str, found: bool) -> None:
    if not found:
        raise TmtvError(f"{case_id}: no study that is done or refused.")


def _is_running(folder: Path) -> bool:
    try:
        with locked(folder):
            return False
    except TmtvError:
        return True


def as_text(found: dict[str, Any]) -> str:
    """For a terminal: the counts, then the studies that are not done, then the last that are."""
    text = [f"tmtv serve is {'running' if found['running'] else 'not running'}."]
    text += [f"{found['counts'][state]:6d} {state:10s} {MEANING[state]}" for state in STATES]
    studies = found["studies"]
    for study in studies[:LINES]:
        tries = f" ({study['failed_tries']} failed tries)" if study["failed_tries"] else ""
        reason = f": {study['reason']}" if study["reason"] else ""
        text.append(f"{study['case_id']}  {study['state']:10s}{study['images']:6d} images{tries}{reason}")
    more = sum(found["counts"].values()) - min(len(studies), LINES)
    return "\n".join(text + ([f"... and {more} more; --json shows up to {SHOWN}."] if more > 0 else []))


class Page:
    """The summary as a page and as `/status.json`, on the loopback only.

    Parameters
    ----------
    port : 0 takes any free one

    Raises
    ------
    TmtvError
        The port is taken.
    """

    def __init__(self, queue: Queue, port: int) -> None:
        handler = type("Handler", (_Handler,), {"found": staticmethod(lambda: summary(queue))})
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        except OSError as error:
            raise TmtvError(f"127.0.0.1:{port}: no page there ({error.strerror or error}).") from error
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}/"
        threading.Thread(target=self._server.serve_forever, args=(0.1,), name="page", daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Answers GET of two paths; a Host that is not this computer is a page of elsewhere that asks (DNS rebinding)."""

    found: Callable[[], dict[str, Any]]
    timeout = 10  # of a client that says nothing
    server_version = "tmtv"
    sys_version = ""

    def do_GET(self) -> None:
        port = self.server.server_address[1]  # type: ignore[index, misc]
        if self.headers.get("Host") not in {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}:
            self._answer(403, "text/plain", "This page is for this computer only.")
            return
        try:
            if self.path == "/":
                self._answer(200, "text/html", _html(self.found()))
            elif self.path == "/status.json":
                self._answer(200, "application/json", json.dumps(self.found(), indent=2))
            else:
                self._answer(404, "text/plain", "There is / and /status.json.")
        except TmtvError as error:
            self._answer(503, "text/plain", str(error))

    def _answer(self, status: int, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Length": str(len(body)),
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Nothing on stderr for every look at the page."""


def _html(found: dict[str, Any]) -> str:
    import jinja2

    loader = jinja2.PackageLoader("tmtv_tf.pacs")
    page = jinja2.Environment(loader=loader, autoescape=True).get_template("status.html")
    return page.render(states=STATES, meaning=MEANING, **found)
