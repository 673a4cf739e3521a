"""The routes of the review page: each reads its request, asks the session, and answers with JSON or bytes."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from petct.errors import ParameterError, TmtvError
from tmtv_tf.review.cases import Review
from tmtv_tf.review.corrections import Point
from tmtv_tf.review.export import export_case
from tmtv_tf.review.security import Guard, error
from tmtv_tf.review.session import Conflict, Session
from tmtv_tf.review.shown import checked_method, sphere, state_of, value_at
from tmtv_tf.review.volumes import label_nifti, scaled_nifti

STATIC = Path(__file__).parent / "static"
NIFTI = "application/octet-stream"
CHANGED = (
    "This case was changed elsewhere (another window, or tmtv-postprocess); the page shows its state of now."
)

_log = logging.getLogger(__name__)
Answer = Callable[[Request, Session], Response]
Change = Callable[[Session, dict[str, Any]], dict[str, Any]]


class _Sphere(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    center_mm: Point
    radius_mm: Annotated[float, Field(gt=0, le=200)]


class _WorkList:
    """The answers that need more of the work list than one case."""

    def __init__(self, review: Review) -> None:
        self.review = review

    def cases(self, _: Request) -> Response:
        return JSONResponse(self.review.as_json())

    def cohort(self, _: Request) -> Response:
        disposition = {"content-disposition": 'attachment; filename="tmtv_review.csv"'}
        return PlainTextResponse(self.review.cohort_csv(), media_type="text/csv", headers=disposition)

    def export(self, session: Session, body: dict[str, Any]) -> dict[str, Any]:
        return export_case(session, self.review.tree, checked_method(session, body.get("method")))

    def close(self, session: Session, _: dict[str, Any]) -> dict[str, Any]:
        return self.review.close(session.case.case_id)

    def adopt(self, session: Session, body: dict[str, Any]) -> dict[str, Any]:
        method = checked_method(session, body.get("method"))
        other = self.review.other(session.case.case_id, str(body.get("of")))
        with session.lock:
            made = session.adopt(body.get("revision"), method, other)
            return {**state_of(session, method), **made}

    def adjudication(self, request: Request, session: Session) -> Response:
        method = request.query_params.get("method")
        others = self.review.others(session.case.case_id)
        return JSONResponse({"readers": {name: state_of(one, method) for name, one in others.items()}})

    def labels(self, request: Request, session: Session) -> Response:
        one = self._reader(request, session)
        method = checked_method(one, request.path_params["method"])
        with one.lock:
            if (conflict := _other_revision(request, one, method)) is not None:
                return conflict
            automatic = request.query_params.get("state") == "automatic"
            shown = one.automatic_snapshot() if automatic else one.snapshot()
            lesions = shown.methods[method].lesions
        return Response(label_nifti(lesions.paint(), one.images.pet.geometry), media_type=NIFTI)

    def mip_labels(self, request: Request, session: Session) -> Response:
        one = self._reader(request, session)
        method = checked_method(one, request.query_params.get("method"))
        with one.lock:
            if (conflict := _other_revision(request, one, method)) is not None:
                return conflict
            lesions = one.snapshot().methods[method].lesions
        angle = request.path_params["angle"]
        png = one.images.projections.label_png(angle, lesions, one.images.pet.array)
        return Response(png, media_type="image/png")

    def _reader(self, request: Request, session: Session) -> Session:
        """The session whose lesions are asked for: `of` another reader, or this one."""
        of = request.query_params.get("of")
        return self.review.other(session.case.case_id, of) if of else session


def application(review: Review, token: str, port: int) -> Guard:
    """The ASGI application."""
    whole, one = _WorkList(review), "/api/cases/{case_id}"
    reads: dict[str, Answer] = {
        "": _state,
        "/pet": _pet,
        "/ct": _ct,
        "/labels/{method}": whole.labels,
        "/mip/{angle:int}": _mip,
        "/mip/{angle:int}/labels": whole.mip_labels,
        "/value": _value,
        "/adjudication": whole.adjudication,
    }
    changes: dict[str, Change] = {
        "/edits": _edit,
        "/preview": _preview,
        "/adopt": whole.adopt,
        "/measure": _measure,
        "/sign": _sign,
        "/export": whole.export,
        "/close": whole.close,
    }
    routes: list[Any] = [Route("/api/cases", whole.cases), Route("/api/cohort.csv", whole.cohort)]
    routes += [Route(one + path, _of_case(review, answer)) for path, answer in reads.items()]
    routes += [
        Route(one + path, _changing(review, change), methods=["POST"]) for path, change in changes.items()
    ]
    routes.append(Mount("/", StaticFiles(directory=STATIC, html=True, check_dir=False)))

    def refused(_: Request, problem: Exception) -> Response:
        return error(400, review.folders.short(str(problem)))

    def failed(_: Request, problem: Exception) -> Response:
        _log.error("review: %s", problem, exc_info=problem)
        return error(500, "The server failed; its terminal says why.")

    handlers: dict[Any, Any] = {TmtvError: refused, Exception: failed}
    return Guard(Starlette(routes=routes, exception_handlers=handlers), token, port)


def _of_case(review: Review, answer: Answer) -> Callable[[Request], Response]:
    def endpoint(request: Request) -> Response:
        session = review.session(request.path_params["case_id"])
        return _no_case() if session is None else answer(request, session)

    return endpoint


def _changing(review: Review, change: Change) -> Callable[[Request], Awaitable[Response]]:
    def run(case_id: str, body: dict[str, Any]) -> Response:
        session = review.session(case_id)
        if session is None:
            return _no_case()
        try:
            return JSONResponse(change(session, body))
        except Conflict:
            fresh = review.session(case_id) or session
            method = body.get("method")
            shown = method if isinstance(method, str) and method in fresh.methods else None
            return error(409, CHANGED, state=state_of(fresh, shown))

    async def endpoint(request: Request) -> Response:
        try:
            body = json.loads(await request.body() or b"{}")
        except (ValueError, RecursionError):
            return error(400, "The request is no JSON.")
        if not isinstance(body, dict):
            return error(400, "The request is no JSON object.")
        return await run_in_threadpool(run, request.path_params["case_id"], body)

    return endpoint


def _no_case() -> Response:
    return error(404, "There is no such case in the work list.")


def _state(request: Request, session: Session) -> Response:
    return JSONResponse(state_of(session, request.query_params.get("method")))


def _pet(_: Request, session: Session) -> Response:
    return Response(scaled_nifti(session.images.pet), media_type=NIFTI)


def _ct(_: Request, session: Session) -> Response:
    ct = session.images.ct
    return error(404, "This case has no CT.") if ct is None else Response(scaled_nifti(ct), media_type=NIFTI)


def _mip(request: Request, session: Session) -> Response:
    high = _number(request, "window_high", 10.0)
    return Response(
        session.images.projections.png(request.path_params["angle"], high), media_type="image/png"
    )


def _value(request: Request, session: Session) -> Response:
    x, y, z = (_number(request, name) for name in "xyz")
    return JSONResponse(value_at(session, request.query_params.get("method"), (x, y, z)))


def _edit(session: Session, body: dict[str, Any]) -> dict[str, Any]:
    with session.lock:
        method = checked_method(session, body.get("method"))
        made = session.edit(body.get("revision"), method, body.get("edit"))
        return {**state_of(session, method), **made}


def _preview(session: Session, body: dict[str, Any]) -> dict[str, Any]:
    method = checked_method(session, body.get("method"))
    return session.preview(body.get("revision"), method, body.get("edit"))


def _sign(session: Session, body: dict[str, Any]) -> dict[str, Any]:
    with session.lock:
        method = checked_method(session, body.get("method"))
        session.sign(body.get("revision"))
        return state_of(session, method)


def _measure(session: Session, body: dict[str, Any]) -> dict[str, Any]:
    try:
        asked = _Sphere.model_validate(body.get("sphere"))
    except ValidationError as problem:
        raise ParameterError(
            f"A sphere has center_mm and radius_mm: {problem.errors()[0]['msg']}."
        ) from problem
    return sphere(session, asked.center_mm, asked.radius_mm)


def _number(request: Request, name: str, default: float | None = None) -> float:
    text = request.query_params.get(name)
    try:
        value = default if text is None else float(text)
    except ValueError:
        value = None
    if value is None or not abs(value) <= 1e5:
        raise ParameterError(f"`{name}` must be a number of at most 100,000. Received: {str(text)[:40]}.")
    return value


def _other_revision(request: Request, session: Session, method: str) -> Response | None:
    """An answer where the page asks for lesions of an older state."""
    asked = request.query_params.get("revision")
    if asked is None or asked == str(len(session.log.entries)):
        return None
    return error(409, CHANGED, state=state_of(session, method))
