"""The server of `tmtv review`: routes, one open case at a time per reader, and the loop that serves them."""

from __future__ import annotations

import logging
import socket
import sys
import webbrowser
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from threading import Lock, Timer
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from petct.errors import CaseError, TmtvError
from tmtv_tf.review.security import Guard, error, new_token
from tmtv_tf.review.session import Session
from tmtv_tf.review.volumes import label_nifti, scaled_nifti
from tmtv_tf.review.worklist import Folders, find_cases, read_case

STATIC = Path(__file__).parent / "static"
OPEN_CASES = 2  # each holds its PET and CT: half a gigabyte for a large one
NIFTI = "application/octet-stream"

_log = logging.getLogger(__name__)


class Review:
    """What the routes share: the folders, the reader, the open cases."""

    def __init__(self, folders: Folders, reader: str) -> None:
        self.folders, self.reader = folders, reader
        self.case_ids = find_cases(folders)
        self._open: OrderedDict[str, Session] = OrderedDict()
        self._lock = Lock()

    def session(self, case_id: str) -> Session | None:
        """The open case; None where there is no such case."""
        if case_id not in self.case_ids:
            return None
        with self._lock:
            if case_id not in self._open:
                while len(self._open) >= OPEN_CASES:
                    self._open.popitem(last=False)
                self._open[case_id] = Session(read_case(self.folders, case_id), self.folders)
            self._open.move_to_end(case_id)
            return self._open[case_id]


def application(review: Review, token: str, port: int) -> Guard:
    """The ASGI application."""

    def of_case(answer: Callable[[Request, Session], Response]) -> Callable[[Request], Response]:
        def endpoint(request: Request) -> Response:
            session = review.session(request.path_params["case_id"])
            if session is None:
                return error(404, "There is no such case in the work list.")
            return answer(request, session)

        return endpoint

    def cases(_: Request) -> Response:
        rows = [read_case(review.folders, case_id).as_json() for case_id in review.case_ids]
        why = (
            None if review.folders.series else "Give --series with the DICOM folder to export from the page."
        )
        return JSONResponse(
            {"reader": review.reader, "can_export": why is None, "why_no_export": why, "cases": rows}
        )

    def state(request: Request, session: Session) -> Response:
        return JSONResponse(session.state(request.query_params.get("method")))

    def pet(_: Request, session: Session) -> Response:
        return Response(scaled_nifti(session.pet), media_type=NIFTI)

    def ct(_: Request, session: Session) -> Response:
        if session.ct is None:
            return error(404, "This case has no CT.")
        return Response(scaled_nifti(session.ct), media_type=NIFTI)

    def labels(request: Request, session: Session) -> Response:
        found = session.lesions(request.path_params["method"])
        return Response(label_nifti(found.paint(), session.pet.geometry), media_type=NIFTI)

    def mip(request: Request, session: Session) -> Response:
        high = float(request.query_params.get("window_high", "10"))
        return Response(session.projections.png(request.path_params["angle"], high), media_type="image/png")

    def mip_labels(request: Request, session: Session) -> Response:
        method = request.query_params.get("method") or session.state()["method"]
        found = session.projections.label_png(
            request.path_params["angle"], session.lesions(method), session.pet.array
        )
        return Response(found, media_type="image/png")

    one = "/api/cases/{case_id}"
    routes: list[Any] = [
        Route("/api/cases", cases),
        Route(one, of_case(state)),
        Route(f"{one}/pet", of_case(pet)),
        Route(f"{one}/ct", of_case(ct)),
        Route(f"{one}/labels/{{method}}", of_case(labels)),
        Route(f"{one}/mip/{{angle:int}}", of_case(mip)),
        Route(f"{one}/mip/{{angle:int}}/labels", of_case(mip_labels)),
        Mount("/", StaticFiles(directory=STATIC, html=True, check_dir=False)),
    ]

    def refused(_: Request, problem: Exception) -> Response:
        return error(400, review.folders.short(str(problem)))

    def failed(_: Request, problem: Exception) -> Response:
        _log.error("review: %s", problem, exc_info=problem)
        return error(500, "The server failed; its terminal says why.")

    app = Starlette(routes=routes, exception_handlers={TmtvError: refused, Exception: failed})
    return Guard(app, token, port)


def serve(folders: Folders, reader: str, *, port: int = 0, browser: bool = True) -> None:
    """Serve until Ctrl-C, on this computer only; print the address."""
    import uvicorn

    if not (STATIC / "app.js").is_file():
        raise CaseError(
            f"{STATIC}: the page is not built; run make page in the source folder (it needs npm or pip)."
        )
    review = Review(folders, reader)
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        port, token = listener.getsockname()[1], new_token()
        address = f"http://127.0.0.1:{port}/?token={token}"
        print(f"Review of {len(review.case_ids)} cases: {address}", flush=True)
        print("Only programs of this computer reach it. Ctrl-C ends it.", file=sys.stderr, flush=True)
        if browser:
            Timer(0.5, webbrowser.open, [address]).start()
        config = uvicorn.Config(
            application(review, token, port), log_level="warning", access_log=False, server_header=False
        )
        try:
            uvicorn.Server(config).run(sockets=[listener])
        except KeyboardInterrupt:
            print("Review ended.", file=sys.stderr)
