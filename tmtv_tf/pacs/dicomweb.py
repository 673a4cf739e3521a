"""An archive by DICOMweb (DICOM PS3.18): QIDO to find, WADO to fetch, STOW to store."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from email.message import Message
from pathlib import Path
from typing import Any

import requests
from dicomweb_client.web import DICOMwebClient, _Transaction
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth

from petct.dicom.headers import SCAN_KEYWORDS
from petct.dicom.quiet import PYDICOM_ERRORS, quiet_pydicom
from petct.errors import ArchiveError, ParameterError, TmtvError
from tmtv_tf.pacs.answers import is_for_later, objects_of, require_all, series_of, store_text, studies_of
from tmtv_tf.pacs.archive import (
    LOOPBACK,
    Address,
    SeriesFound,
    StoreOutcome,
    StudyFound,
    StudyQuery,
)
from tmtv_tf.pacs.credentials import PASSWORD, TOKEN, USER, Credentials
from tmtv_tf.pacs.landing import Landing, by_series, identity

CONNECT_S, ANSWER_S = 10.0, 120.0
# Objects are sent together up to so many bytes: a request for each would cost more than its content.
BATCH_BYTES = 32 * 2**20
LATER = (408, 425, 429, 500, 502, 503, 504, 507)
_JSON_TAGS = frozenset(f"{tag_for_keyword(keyword):08X}" for keyword in SCAN_KEYWORDS)
# As the archive has them: never transcoded.
_AS_STORED = {"Accept": 'multipart/related; type="application/dicom"; transfer-syntax=*'}


class DicomWeb:
    """An `Archive` by DICOMweb."""

    def __init__(self, place: Address, credentials: Credentials) -> None:
        self.address = place.text
        if credentials.secret and not place.tls and place.host not in LOOPBACK:
            raise ParameterError(
                f"{place.text}: a password or token is never sent over http, where others can read it. Use https."
            )
        self._client = _Client(url=place.text, session=_session(credentials), timeout=(CONNECT_S, ANSWER_S))
        self._client.set_http_retry_params(retry=False)
        # It logs every error with a traceback, and the query in it.
        logging.getLogger("retrying").setLevel(logging.CRITICAL)

    def find(self, query: StudyQuery) -> list[StudyFound]:
        fields = [
            "PatientID",
            "AccessionNumber",
            "StudyDate",
            "StudyInstanceUID",
            "NumberOfStudyRelatedSeries",
        ]
        rows = self._search(self._client.search_for_studies, search_filters=query.keys(), fields=fields)
        return [replace(one, series=self._series(one)) for one in studies_of(query, rows, self.address)]

    def _series(self, study: StudyFound) -> tuple[SeriesFound, ...]:
        fields = ["Modality", "SeriesNumber", "NumberOfSeriesRelatedInstances", "PatientID", "Manufacturer"]
        rows = self._search(self._client.search_for_series, study_instance_uid=study.study_uid, fields=fields)
        return series_of(study, rows, self.address)

    def _objects(self, study_uid: str, series_uid: str) -> set[str]:
        rows = self._search(
            self._client.search_for_instances, study_instance_uid=study_uid, series_instance_uid=series_uid
        )
        return objects_of(rows, self.address)

    def headers(self, study: StudyFound, series_uid: str) -> list[Dataset]:
        with self._asking():
            found = self._client.retrieve_series_metadata(study.study_uid, series_uid)
            return [self._dataset(one, _JSON_TAGS) for one in found]

    def fetch(
        self, study: StudyFound, series: Sequence[str], folder: Path, *, keep: bool = False
    ) -> list[Path]:
        files: list[Path] = []
        for uid in series:
            landing = Landing(study, uid, self._objects(study.study_uid, uid), folder, self.address)
            require_all(len(landing.expected), study.images_of(uid), f"objects of series {uid}", self.address)
            if not (keep and landing.is_there):
                with landing, self._asking():
                    for part in self._client.files(study.study_uid, uid):
                        landing.add(part)
                    landing.finish()
            files += landing.files()
        return files

    def read(self, study_uid: str, series_uid: str, sop_uid: str) -> bytes:
        with self._asking():
            for part in self._client.files(study_uid, series_uid, sop_uid):
                return part
        raise ArchiveError(f"{self.address}: object {sop_uid} did not come.", retry=True)

    def has(self, files: Sequence[Path]) -> set[str]:
        there: set[str] = set()
        for (study, series), uids in by_series(files).items():
            there |= uids & self._objects(study, series)
        return there

    def store(self, files: Sequence[Path]) -> list[StoreOutcome]:
        outcomes = []
        for batch in _batches(files):
            outcomes += self._store(batch)
        return outcomes

    def _store(self, files: Sequence[Path]) -> list[StoreOutcome]:
        uids = {path: str(identity(path).SOPInstanceUID) for path in files}
        answer = Dataset()
        try:
            with self._asking():
                try:
                    answer = self._client.send([path.read_bytes() for path in files])
                except requests.HTTPError as error:  # 409: none was stored, and the answer says why
                    answer = _answer(error)
        except ArchiveError as error:
            return [StoreOutcome(path, uid, False, str(error), error.retry) for path, uid in uids.items()]
        stored = {str(one.ReferencedSOPInstanceUID): one for one in answer.get("ReferencedSOPSequence") or []}
        failed = {str(one.ReferencedSOPInstanceUID): one for one in answer.get("FailedSOPSequence") or []}
        outcomes = []
        for path, uid in uids.items():
            if uid in stored and uid not in failed:
                remark = stored[uid].get("WarningReason")
                outcomes.append(StoreOutcome(path, uid, True, store_text(remark) if remark else ""))
                continue
            code = failed[uid].get("FailureReason") if uid in failed else None
            text = store_text(code) if code is not None else "it does not say that it stored the object"
            outcomes.append(
                StoreOutcome(path, uid, False, f"{path.name}: {self.address}: {text}.", is_for_later(code))
            )
        return outcomes

    def _search(self, search: Callable[..., list[dict]], **arguments: Any) -> list[Dataset]:
        """Every row, page by page: an archive may send fewer than there are, or ignore which page is asked for."""
        rows: list[Dataset] = []
        seen: set[str] = set()
        while True:
            with self._asking():
                page = [self._dataset(one) for one in search(**arguments, offset=len(rows) or None)]
            keys = [str([str(row.get(k, "")) for k in _KEYS]) for row in page]
            if not set(keys) - seen:
                return rows
            rows += [row for key, row in zip(keys, page, strict=True) if key not in seen]
            seen.update(keys)

    def _dataset(self, json: Any, wanted: frozenset[str] | None = None) -> Dataset:
        """A data set of DICOM JSON; wanted : only these tags."""
        with quiet_pydicom(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                chosen = {tag: one for tag, one in json.items() if wanted is None or tag in wanted}
                found = Dataset.from_json(chosen, bulk_data_uri_handler=lambda *_: None)
                list(found)  # every element is made
            except PYDICOM_ERRORS as error:
                raise ArchiveError(f"{self.address}: its answer is not DICOM JSON.") from error
        return found

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Errors of the network and of the server as one sentence. None of them shows a header or a query."""
        try:
            yield
        except requests.HTTPError as error:
            code = _code(error)
            raise ArchiveError(f"{self.address}: {_status_text(code)}.", retry=code in LATER) from error
        except requests.exceptions.SSLError as error:
            raise ArchiveError(
                f"{self.address}: its TLS certificate is not accepted ({_innermost(error)}). --ca-file names the "
                "certificate of a hospital's own authority."
            ) from error
        except requests.Timeout as error:
            raise ArchiveError(f"{self.address}: it does not answer in time.", retry=True) from error
        except requests.exceptions.ChunkedEncodingError as error:
            raise ArchiveError(f"{self.address}: the connection was cut.", retry=True) from error
        except requests.ConnectionError as error:
            raise ArchiveError(
                f"{self.address}: it cannot be reached ({_innermost(error)}).", retry=True
            ) from error
        except requests.RequestException as error:
            raise ArchiveError(
                f"{self.address}: it does not speak DICOMweb ({type(error).__name__})."
            ) from error
        except TmtvError:
            raise
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            # of the library, on an answer that is not what it should be
            raise ArchiveError(f"{self.address}: its answer is not DICOMweb.") from error


class _Client(DICOMwebClient):
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


_KEYS = ("StudyInstanceUID", "PatientID", "SeriesInstanceUID", "SOPInstanceUID")


class _Adapter(HTTPAdapter):
    """The certificates that the user named count, whatever REQUESTS_CA_BUNDLE says."""

    def __init__(self, ca_file: Path | None) -> None:
        self._ca_file = ca_file
        super().__init__()

    def send(self, *arguments: Any, **options: Any) -> requests.Response:
        if self._ca_file is not None:
            options["verify"] = str(self._ca_file)
        return super().send(*arguments, **options)


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


def _session(credentials: Credentials) -> requests.Session:
    session = requests.Session()
    session.mount("https://", _Adapter(credentials.ca_file))
    session.cert = None if credentials.client_cert is None else str(credentials.client_cert)
    session.hooks["response"] = [_require_kind]
    session.auth = _nobody
    if credentials.token is not None:
        session.auth = _Bearer(credentials.token)
    elif credentials.user is not None and credentials.password is not None:
        session.auth = HTTPBasicAuth(credentials.user.encode(), credentials.password.encode())
    return session


def _end_of(response: requests.Response) -> bytes:
    """The line that closes a multipart answer."""
    header = Message()
    header["Content-Type"] = response.headers.get("Content-Type", "")
    return f"--{header.get_boundary('')}--".encode()


def _batches(files: Sequence[Path]) -> Iterator[list[Path]]:
    batch: list[Path] = []
    size = 0
    for path in files:
        length = path.stat().st_size
        if batch and size + length > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(path)
        size += length
    if batch:
        yield batch


def _answer(error: requests.HTTPError) -> Dataset:
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
