"""An archive by DICOMweb (DICOM PS3.18): QIDO to find, WADO to fetch, STOW to store."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import requests
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset

from petct.dicom.headers import SCAN_KEYWORDS
from petct.dicom.quiet import PYDICOM_ERRORS, quiet_pydicom
from petct.errors import ArchiveError, ParameterError
from tmtv_tf.pacs.answers import (
    OF_SERIES,
    OF_STUDY,
    is_for_later,
    objects_of,
    parts_of,
    require_all,
    require_uncut,
    series_of,
    store_text,
    studies_of,
)
from tmtv_tf.pacs.archive import (
    LOOPBACK,
    Address,
    SeriesFound,
    StoreOutcome,
    StudyFound,
    StudyQuery,
)
from tmtv_tf.pacs.credentials import Credentials
from tmtv_tf.pacs.landing import Landing, by_series, identity
from tmtv_tf.pacs.web_client import WebClient, answer_of, asking, session

CONNECT_S, ANSWER_S = 10.0, 120.0
# Objects are sent together up to so many bytes: a request for each would cost more than its content.
BATCH_BYTES = 32 * 2**20
_JSON_TAGS = frozenset(f"{tag_for_keyword(keyword):08X}" for keyword in SCAN_KEYWORDS)
_KEYS = ("StudyInstanceUID", "PatientID", "SeriesInstanceUID", "SOPInstanceUID")


class DicomWeb:
    """An `Archive` by DICOMweb."""

    def __init__(self, place: Address, credentials: Credentials) -> None:
        self.address = place.text
        if credentials.secret and not place.tls and place.host not in LOOPBACK:
            raise ParameterError(
                f"{place.text}: a password or token is never sent over http, where others can read it. Use https."
            )
        if ":" in place.host:
            raise ParameterError(f"{place.text}: DICOMweb needs the name of a host, or an IPv4 address.")
        opened = session(credentials)
        opened.hooks["response"].append(self._hear)
        self._says_more = False
        self._client = WebClient(url=place.text, session=opened, timeout=(CONNECT_S, ANSWER_S))
        self._client.set_http_retry_params(retry=False)
        # It logs every error with a traceback, and the query in it.
        logging.getLogger("retrying").setLevel(logging.CRITICAL)

    def find(self, query: StudyQuery) -> list[StudyFound]:
        found = self._studies(query)
        require_uncut(found, map(self._studies, parts_of(query, found)), self.address)
        return [replace(one, series=self._series(one)) for one in found]

    def _studies(self, query: StudyQuery) -> list[StudyFound]:
        """Those that fit, still without series."""
        filters = {key: _plain(value) for key, value in query.keys().items()}
        rows, whole = self._search(self._client.search_for_studies, search_filters=filters, fields=OF_STUDY)
        found = studies_of(query, rows, self.address)
        if not whole and not (query.study_uid and found):
            raise self._maybe_cut("studies")
        return found

    def _series(self, study: StudyFound) -> tuple[SeriesFound, ...]:
        search = self._client.search_for_series
        rows, whole = self._search(search, study_instance_uid=study.study_uid, fields=OF_SERIES)
        if not whole and study.series_count is None:
            raise self._maybe_cut(f"series of study {study.study_uid}")
        return series_of(study, rows, self.address)

    def _objects(self, study_uid: str, series_uid: str, **filters: str) -> tuple[set[str], bool]:
        """SOPInstanceUID of the objects of a series, and whether they are all for certain."""
        rows, whole = self._search(
            self._client.search_for_instances,
            study_instance_uid=study_uid,
            series_instance_uid=series_uid,
            search_filters=filters or None,
        )
        return objects_of(rows, self.address), whole

    def headers(self, study: StudyFound, series_uid: str) -> list[Dataset]:
        with asking(self.address):
            found = self._client.retrieve_series_metadata(study.study_uid, series_uid)
            return [self._dataset(one, _JSON_TAGS) for one in found]

    def fetch(
        self, study: StudyFound, series: Sequence[str], folder: Path, *, keep: bool = False
    ) -> list[Path]:
        files: list[Path] = []
        for uid in series:
            objects, whole = self._objects(study.study_uid, uid)
            if not whole and study.images_of(uid) is None:
                raise self._maybe_cut(f"objects of series {uid}")
            landing = Landing(study, uid, objects, folder, self.address)
            require_all(len(landing.expected), study.images_of(uid), f"objects of series {uid}", self.address)
            if not (keep and landing.is_there):
                with landing, asking(self.address):
                    for part in self._client.files(study.study_uid, uid):
                        landing.add(part)
                    landing.finish()
            files += landing.files()
        return files

    def read(self, study_uid: str, series_uid: str, sop_uid: str) -> bytes:
        with asking(self.address):
            for part in self._client.files(study_uid, series_uid, sop_uid):
                return part
        raise ArchiveError(f"{self.address}: object {sop_uid} did not come.", retry=True)

    def has(self, files: Sequence[Path]) -> set[str]:
        there: set[str] = set()
        for (study, series), uids in by_series(files).items():
            objects, whole = self._objects(study, series)
            there |= uids & objects
            for uid in sorted(uids - objects if not whole else ()):
                there |= {uid} & self._objects(study, series, SOPInstanceUID=uid)[0]
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
            with asking(self.address):
                try:
                    answer = self._client.send([path.read_bytes() for path in files])
                except requests.HTTPError as error:  # 409: none was stored, and the answer says why
                    answer = answer_of(error)
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

    def _hear(self, response: requests.Response, **_: Any) -> None:
        """Warning 299: there is more than was sent (DICOM PS3.18 8.3.4.4)."""
        self._says_more = response.headers.get("Warning", "").startswith("299")

    def _maybe_cut(self, what: str) -> ArchiveError:
        return ArchiveError(
            f"{self.address}: its list of {what} may be cut: it does not go on from where it is asked to (offset). "
            "Name the study (--study-uid), or raise the limit of its answers there."
        )

    def _search(self, search: Callable[..., list[dict]], **arguments: Any) -> tuple[list[Dataset], bool]:
        """Every row, page by page: an archive may send fewer than there are, or ignore which page is asked for.

        Returns
        -------
        rows : each once
        whole : whether they are all; False where it ignores the page, or says that it has more and does not send it
        """
        rows: list[Dataset] = []
        seen: set[str] = set()
        says_more = False
        while True:
            with asking(self.address):
                page = [self._dataset(one) for one in search(**arguments, offset=len(rows) or None)]
            keys = [str([str(row.get(k, "")) for k in _KEYS]) for row in page]
            if not set(keys) - seen:
                return rows, not page and not says_more
            says_more = self._says_more
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


def _plain(value: str) -> str:
    """A value of a query with * for what would be encoded: some archives do not decode it.

    What fits exactly is chosen from the rows.
    """
    plain = re.sub(r"[^A-Za-z0-9._~-]+", "*", value)
    return plain if re.search(r"[A-Za-z0-9]", plain) else value


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
