"""An archive by DIMSE (DICOM PS3.7): C-FIND, C-GET or C-MOVE, C-STORE."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pynetdicom import build_context

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
    text_of,
)
from tmtv_tf.pacs.archive import Address, SeriesFound, StoreOutcome, StudyFound, StudyQuery
from tmtv_tf.pacs.association import Link, associated, receiving
from tmtv_tf.pacs.contexts import FIND, GET, MOST_CONTEXTS, MOVE, get_contexts, store_contexts
from tmtv_tf.pacs.credentials import Credentials, tls_context
from tmtv_tf.pacs.landing import Landing, by_series, identity
from tmtv_tf.pacs.tls import ServerTls

# Sequences cannot be asked for by an empty key.
_IMAGE = tuple(keyword for keyword in SCAN_KEYWORDS if not keyword.endswith("Sequence"))


class Dimse:
    """An `Archive` by DIMSE."""

    def __init__(
        self, place: Address, ae_title: str, credentials: Credentials, receive_port: int | None
    ) -> None:
        self.address, self.ae_title, self._place, self._receive_port = (
            place.text,
            ae_title,
            place,
            receive_port,
        )
        self._tls = tls_context(credentials.ca_file, credentials.client_cert) if place.tls else None
        if receive_port is not None and not 0 < receive_port < 65536:
            raise ParameterError(f"`receive_port` is 1 to 65535. Received: {receive_port}.")
        self._server_tls = _server_tls(credentials) if place.tls and receive_port is not None else None

    def find(self, query: StudyQuery) -> list[StudyFound]:
        with associated(self._place, self.ae_title, [build_context(FIND)], self._tls) as link:
            found = self._studies(link, query)
            parts = (self._studies(link, part) for part in parts_of(query, found))
            require_uncut(found, parts, self.address)
            return [replace(one, series=self._series(link, one)) for one in found]

    def _studies(self, link: Link, query: StudyQuery) -> list[StudyFound]:
        """Those that fit, still without series."""
        return studies_of(query, link.find("STUDY", query.keys(), OF_STUDY), self.address)

    def _series(self, link: Link, study: StudyFound) -> tuple[SeriesFound, ...]:
        rows = link.find("SERIES", {"StudyInstanceUID": study.study_uid}, OF_SERIES)
        return series_of(study, rows, self.address)

    def headers(self, study: StudyFound, series_uid: str) -> list[Dataset]:
        """The rows of the query; the first of them whole, from the object itself: archives keep few attributes."""
        rows = self._images(study.study_uid, series_uid, _IMAGE)
        if not rows:
            return []
        first = self.read(study.study_uid, series_uid, text_of(rows[0], "SOPInstanceUID"))
        with quiet_pydicom():
            try:
                header = pydicom.dcmread(DicomBytesIO(first), stop_before_pixels=True)
            except PYDICOM_ERRORS as error:
                raise ArchiveError(
                    f"{self.address}: it sent an object that is not readable as DICOM."
                ) from error
        for row in rows:
            for keyword in ("SOPClassUID", "PatientID", "StudyInstanceUID", "SeriesInstanceUID", "Modality"):
                if not row.get(keyword):
                    setattr(row, keyword, header.get(keyword, ""))
        return [header, *rows[1:]]

    def read(self, study_uid: str, series_uid: str, sop_uid: str) -> bytes:
        came: list[bytes] = []
        keys = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": series_uid, "SOPInstanceUID": sop_uid}
        self._retrieve("IMAGE", keys, self._images(study_uid, series_uid, ("SOPClassUID",)), came.append)
        if not came:
            raise ArchiveError(f"{self.address}: object {sop_uid} did not come.", retry=True)
        return came[0]

    def fetch(
        self, study: StudyFound, series: Sequence[str], folder: Path, *, keep: bool = False
    ) -> list[Path]:
        files: list[Path] = []
        for uid in series:
            rows = self._images(study.study_uid, uid, ("SOPClassUID",))
            landing = Landing(study, uid, objects_of(rows, self.address), folder, self.address)
            require_all(len(landing.expected), study.images_of(uid), f"objects of series {uid}", self.address)
            if not (keep and landing.is_there):
                keys = {"StudyInstanceUID": study.study_uid, "SeriesInstanceUID": uid}
                with landing:
                    self._retrieve("SERIES", keys, rows, landing.add)
                    landing.finish()
            files += landing.files()
        return files

    def has(self, files: Sequence[Path]) -> set[str]:
        there: set[str] = set()
        for (study, series), uids in by_series(files).items():
            there |= uids & objects_of(self._images(study, series, ()), self.address)
        return there

    def store(self, files: Sequence[Path]) -> list[StoreOutcome]:
        found = [(path, identity(path)) for path in files]
        outcomes: list[StoreOutcome] = []
        for part in _that_fit(found):
            contexts = store_contexts(_kind(one) for _, one in part)
            with associated(self._place, self.ae_title, contexts, self._tls) as link:
                outcomes += [self._store(link, path, one) for path, one in part]
        return outcomes

    def _store(self, link: Link, path: Path, found: Dataset) -> StoreOutcome:
        uid = str(found.SOPInstanceUID)
        try:
            code = link.store(path, found)
        except ArchiveError as error:
            return StoreOutcome(path, uid, False, f"{path.name}: {error}", error.retry)
        if code == 0 or 0xB000 <= code <= 0xBFFF:
            return StoreOutcome(path, uid, True, store_text(code) if code else "")
        reason = f"{path.name}: {self.address}: {store_text(code)}."
        return StoreOutcome(path, uid, False, reason, is_for_later(code))

    def _images(self, study_uid: str, series_uid: str, wanted: Sequence[str]) -> list[Dataset]:
        keys = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": series_uid}
        with associated(self._place, self.ae_title, [build_context(FIND)], self._tls) as link:
            return link.find("IMAGE", keys, ["SOPInstanceUID", *wanted])

    def _retrieve(
        self, level: str, keys: Mapping[str, str], rows: Sequence[Dataset], receive: Callable[[bytes], object]
    ) -> None:
        """Everything that fits the keys: by C-GET, or by C-MOVE where a port of ours was named."""
        if self._receive_port is not None:
            with (
                receiving(self._place, self.ae_title, self._receive_port, self._server_tls, receive),
                associated(self._place, self.ae_title, [build_context(MOVE)], self._tls) as link,
            ):
                link.retrieve(level, keys, self.ae_title)
            return
        contexts = get_contexts(text_of(row, "SOPClassUID") for row in rows)
        with associated(self._place, self.ae_title, contexts, self._tls, receive) as link:
            if GET not in link.offered:
                raise ArchiveError(
                    f"{self.address}: it does not offer C-GET. With --receive-port it is asked to send (C-MOVE) to our "
                    "AE title, which must be entered there with this host and port."
                )
            link.retrieve(level, keys, None)


def _server_tls(credentials: Credentials) -> ssl.SSLContext:
    """What the archive meets when it sends to us (C-MOVE): it must show who it is there too."""
    if credentials.client_cert is None:
        raise ParameterError(
            "`receive_port` with dicoms:// needs --client-cert: the archive asks who we are."
        )
    context = ServerTls(credentials.client_cert, callers_ca=credentials.ca_file).context()
    if credentials.ca_file is None:
        context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def _kind(found: Dataset) -> tuple[str, str]:
    return str(found.SOPClassUID), str(found.file_meta.TransferSyntaxUID)


def _that_fit(found: list[tuple[Path, Dataset]]) -> list[list[tuple[Path, Dataset]]]:
    """Parts of no more kinds than one association can agree on."""
    parts: list[list[tuple[Path, Dataset]]] = [[]]
    kinds: set[tuple[str, str]] = set()
    for path, one in found:
        if len(kinds | {_kind(one)}) > MOST_CONTEXTS:
            parts.append([])
            kinds = set()
        parts[-1].append((path, one))
        kinds.add(_kind(one))
    return [part for part in parts if part]
