"""HTTP under DICOMweb: files as bytes, credentials, certificates, and every error as one sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from email.message import Message
from pathlib import Path
from typing import Any

import requests
from dicomweb_client.web import DICOMwebClient, _Transaction
from pydicom.dataset import Dataset
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth

from petct.errors import ArchiveError, TmtvError
from tmtv_tf.pacs.credentials import PASSWORD, TOKEN, USER, Credentials

LATER = (408, 425, 429, 500, 502, 503, 504, 507)
# As the archive has them: never transcoded.
_AS_STORED = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}


class WebClient(DICOMwebClient):
    """The client with files as bytes: what the archive holds is neither parsed nor written again on the way."""

    def files(self, study_uid: str, series_uid: str, sop_uid: str | None = None) -> Iterator[bytes]:
        """The objects of a series as files, one at a time."""
        if sop_uid is None:
            url = self._get_series_url(_Transaction.RETRIEVE, study_uid, series_uid)
        else:
            url = self._get_instances_url(_Transaction.RETRIEVE, study_uid, series_uid, sop_uid)
        response = self._http_get(url, headers=dict(_AS_STORED), stream=True)
        end = _end_of(response)
        tail, chunks = bytearray(), response.iter_content

        def watched(*arguments: Any, **options: Any) -> Iterator[bytes]:
            for chunk in chunks(*arguments, **options):
                tail[:] = (tail + chunk)[-2 * len(end) - 64 :]
                yield chunk

        response.iter_content = watched  # type: ignore[method-assign]
        held = None  # the library takes what came before a cut for an object
        for part in self._decode_multipart_message(response, stream=True):
            if held is not None:
                yield held
            held = bytes(part)
        if end not in tail:
            raise requests.exceptions.ChunkedEncodingError("the closing boundary did not come")
        if held is not None:
            yield held

    def send(self, files: Sequence[bytes]) -> Dataset:
        """Store files; what the archive says of each."""
        return self._http_post_multipart_application_dicom(
            self._get_studies_url(_Transaction.STORE, None), files
        )


class _Adapter(HTTPAdapter):
    """The certificates that the user named count, whatever REQUESTS_CA_BUNDLE says; * stands in a query as it is."""

    def __init__(self, ca_file: Path | None) -> None:
        self._ca_file = ca_file
        super().__init__()

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        if self._ca_file is not None:
            options["verify"] = str(self._ca_file)
        request.url = (request.url or "").replace(
            "%2A", "*"
        )  # Orthanc's plugin 1.7 decodes no value of a query
        return super().send(request, *arguments, **options)


class _Bearer(AuthBase):
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _nobody(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """No credentials; else requests would look for its own."""
    return request


def _require_kind(response: requests.Response, **options: Any) -> None:
    """Refuse an answer that was cut in its head: it would pass for an empty list."""
    if (
        response.request.method == "GET"
        and response.status_code == 200
        and not response.headers.get("Content-Type")
    ):
        raise requests.exceptions.InvalidHeader("no Content-Type")


@contextmanager
def asking(address: str) -> Iterator[None]:
    """Errors of the network and of the server as one sentence. None of them shows a header or a query."""
    try:
        yield
    except requests.HTTPError as error:
        code = _code(error)
        raise ArchiveError(f"{address}: {_status_text(code)}.", retry=code in LATER) from error
    except requests.exceptions.SSLError as error:
        raise ArchiveError(
            f"{address}: its TLS certificate is not accepted ({_innermost(error)}). --ca-file names the "
            "certificate of a hospital's own authority."
        ) from error
    except requests.Timeout as error:
        raise ArchiveError(f"{address}: it does not answer in time.", retry=True) from error
    except requests.exceptions.ChunkedEncodingError as error:
        raise ArchiveError(f"{address}: the connection was cut.", retry=True) from error
    except requests.ConnectionError as error:
        raise ArchiveError(f"{address}: it cannot be reached ({_innermost(error)}).", retry=True) from error
    except requests.RequestException as error:
        raise ArchiveError(f"{address}: it does not speak DICOMweb ({type(error).__name__}).") from error
    except TmtvError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        # of the library, on an answer that is not what it should be
        raise ArchiveError(f"{address}: its answer is not DICOMweb.") from error


def session(credentials: Credentials) -> requests.Session:
    """A session that proves who we are, and checks who the archive is."""
    made = requests.Session()
    for scheme in ("http://", "https://"):
        made.mount(scheme, _Adapter(credentials.ca_file))
    made.cert = None if credentials.client_cert is None else str(credentials.client_cert)
    made.hooks["response"] = [_require_kind]
    made.auth = _nobody
    if credentials.token is not None:
        made.auth = _Bearer(credentials.token)
    elif credentials.user is not None and credentials.password is not None:
        made.auth = HTTPBasicAuth(credentials.user.encode(), credentials.password.encode())
    return made


def _end_of(response: requests.Response) -> bytes:
    """The line that closes a multipart answer."""
    header = Message()
    header["Content-Type"] = response.headers.get("Content-Type", "")
    return f"--{header.get_boundary('')}--".encode()


def answer_of(error: requests.HTTPError) -> Dataset:
    """What an archive says of the objects where it stored none (HTTP 409); any other error again."""
    if error.response is None or error.response.status_code != 409:
        raise error
    try:
        return Dataset.from_json(error.response.json())
    except (ValueError, TypeError, KeyError, AttributeError):
        raise error from None


def _code(error: requests.HTTPError) -> int:
    return 0 if error.response is None else error.response.status_code


def _status_text(code: int) -> str:
    if code == 401:
        return f"it asks who we are, or does not know us (HTTP 401): see {TOKEN}, {USER} and {PASSWORD}"
    if code == 403:
        return "it does not allow us to do this (HTTP 403)"
    if code == 404:
        return "there is nothing of this name (HTTP 404): is the path of DICOMweb right?"
    if code in (413, 507):
        return f"it has no room for what was sent (HTTP {code})"
    if code in (429, 503):
        return f"it is busy or full (HTTP {code})"
    return f"it failed (HTTP {code})" if code >= 500 else f"it rejects the request (HTTP {code})"


def _innermost(error: BaseException) -> str:
    """What the system said, without the address and the query around it."""
    seen: list[BaseException] = [error]
    while (inner := _inside(seen[-1])) is not None and inner not in seen:
        seen.append(inner)
    for one in reversed(seen):
        if isinstance(one, OSError) and one.strerror:
            return one.strerror
    return type(seen[-1]).__name__


def _inside(error: BaseException) -> BaseException | None:
    candidates = [getattr(error, "reason", None), *error.args, error.__cause__, error.__context__]
    return next((one for one in candidates if isinstance(one, BaseException)), None)
