"""Pseudonyms by keyed hash, and messages without the words that identify a patient."""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import re
import secrets
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from pydicom import dcmread
from pydicom.multival import MultiValue

from petct.dicom.quiet import PYDICOM_ERRORS, quiet_pydicom
from petct.errors import CaseError
from petct.files import sync, write_private_text

log = logging.getLogger(__name__)

KEY_BYTES = 32
# 16 drawn bytes hold about 15 different ones; zeros or a pattern hold few and are no secret.
DISTINCT_BYTES = 8
# Hexadecimal digits of a pseudonym: 64 bits, so two of a million patients meet once in 30 million cohorts.
DIGITS = 16

# Attributes whose values name a patient, the people around, or the place (after DICOM PS3.15 table E.1-1).
IDENTIFYING = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientBirthName",
    "PatientMotherBirthName",
    "PatientAddress",
    "PatientTelephoneNumbers",
    "OtherPatientIDs",
    "OtherPatientNames",
    "AccessionNumber",
    "StudyID",
    "InstitutionName",
    "InstitutionAddress",
    "InstitutionalDepartmentName",
    "ReferringPhysicianName",
    "PerformingPhysicianName",
    "OperatorsName",
    "StationName",
)
REMOVED = "***"
# A shorter number that is not a whole patient ID (a StudyID of 298, a name such as PHANTOM^0002) names nobody, and
# the same number may stand in a message or a file name for something else.
IDENTIFYING_DIGITS = 5
RUN = re.compile(r"[^\W_]+")  # letters and digits
PATH = re.compile(r"\S*[/\\.]\S+")
# The name of a file, its suffix apart; and how long a word is that names a patient within it (RTHansMueller.dcm).
FILE_NAME = re.compile(r"([^\s/\\:;,'\"()*]+?)(\.[A-Za-z]\w{1,5}(?:\.gz)?)(?![\w.]*\w)")
GLUED_LETTERS = 4
UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})


def load_key(path: str | os.PathLike[str] | None = None) -> bytes:
    """The secret of the pseudonyms, 32 bytes; made on first use, readable by its owner only.

    Keep it: with another key the same patient gets another pseudonym, and could land in two splits.

    Parameters
    ----------
    path : a key file; default `$XDG_CONFIG_HOME/tmtv/key` (`~/.config/tmtv/key`). The file holds hexadecimal
        digits, at least 32 of them.
    """
    if path is None:
        config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
        path = Path(config) / "tmtv" / "key"
    path = Path(path)
    if not path.exists():
        _make_key(path)
    try:
        key = bytes.fromhex(path.read_text(encoding="ascii").strip())
    except (OSError, ValueError) as error:
        raise CaseError(f"{path}: not a readable key file (hexadecimal digits are expected).") from error
    if len(key) < KEY_BYTES // 2:
        raise CaseError(f"{path}: the key is too short ({len(key)} bytes; at least {KEY_BYTES // 2}).")
    if len(set(key)) < DISTINCT_BYTES:
        raise CaseError(
            f"{path}: the key is no secret ({len(set(key))} different bytes), so pseudonyms could be traced. Remove "
            "the file (a new key is drawn), or name the right one by --key-file."
        )
    if path.stat().st_mode & 0o077:
        log.warning("%s: other users can read this key, and trace pseudonyms with it: chmod 600 it.", path)
    return key


def _make_key(path: Path) -> None:
    """Draw a key and put it at `path`, whole; where another run was first, its key stays."""
    new = path.with_name(f".{secrets.token_hex(8)}.key")
    write_private_text(new, secrets.token_hex(KEY_BYTES) + "\n", durable=True)
    try:
        os.link(new, path)
        sync(path.parent)
    except FileExistsError:
        pass
    except OSError as error:
        raise CaseError(f"{path}: cannot be written ({error.strerror}).") from error
    finally:
        new.unlink()


def pseudonym(key: bytes, purpose: str, *values: str) -> str:
    """HMAC-SHA256 of the purpose and the values, as 16 hexadecimal digits. Without the key it cannot be traced."""
    message = "\0".join([purpose, *values]).encode()
    return hmac.new(key, message, hashlib.sha256).hexdigest()[:DIGITS]


def patient_key(key: bytes, patient_id: str, study_uid: str) -> str:
    """Pseudonym of a patient, the unit of every split; a study without PatientID stands for a patient of its own."""
    return pseudonym(key, "patient", patient_id) if patient_id else pseudonym(key, "study", study_uid)


def case_pseudonym(key: bytes, patient_id: str, study_uid: str) -> str:
    """Pseudonym of one study of one patient. It does not change when more studies arrive."""
    return pseudonym(key, "case", patient_id, study_uid)


def identifying_words(path: Path) -> set[str]:
    """The values of `IDENTIFYING` in a DICOM file, whole and (names) word by word; empty if it cannot be read.

    Numbers of fewer than `IDENTIFYING_DIGITS` digits are left, unless they are a whole patient ID.
    """
    words: set[str] = set()
    try:
        with quiet_pydicom():  # an odd value is scrubbed like any other
            header = dcmread(path, stop_before_pixels=True, force=True, specific_tags=list(IDENTIFYING))
            values = {keyword: header.get(keyword) for keyword in IDENTIFYING}
    except PYDICOM_ERRORS:
        return words
    for keyword, value in values.items():
        for item in value if isinstance(value, MultiValue) else [value]:
            text = str(item or "").strip()
            found = {text}
            if keyword.endswith(("Name", "Names", "ID", "IDs")):
                found.update(re.split(r"[\^=\s,;]+", text))
            whole_id = text if keyword in ("PatientID", "OtherPatientIDs") else None
            words |= {word for word in found if word == whole_id or not _is_short_number(word)}
    return {word for word in words if word}


def _is_short_number(word: str) -> bool:
    return word.isdigit() and len(word) < IDENTIFYING_DIGITS


class Scrubber:
    """Takes identifying words, and the folders that the user named, out of messages.

    A word counts only where no letter or digit touches it; one-letter words are left. In paths upper and lower case
    are not told apart; elsewhere a word counts as written, in capitals, or capitalised, so that a patient called
    Dose does not blot out our own sentences. One pass over the text, however many words there are. The name of a file
    goes whole, but for its suffix, where a word of four letters is anywhere in it, umlauts written out or not.

    `numbered`: the words get numbers in the order of their appearance (***1, ***2), so that two files whose paths
    differ by nothing else stay two.
    """

    def __init__(
        self,
        words: Iterable[str],
        roots: Iterable[str | os.PathLike[str]] = (),
        *,
        numbered: bool = False,
    ) -> None:
        self.numbers: dict[str, int] | None = {} if numbered else None
        self.roots = sorted((str(root).rstrip(os.sep) for root in roots), key=len, reverse=True)
        self.words: dict[str, set[str]] = defaultdict(set)  # by their first run of letters and digits
        for word in words:
            stripped = re.sub(r"^[\W_]+|[\W_]+$", "", word)
            if len(stripped) > 1:
                self.words[RUN.match(stripped)[0].lower()].add(stripped)  # type: ignore[index]
        every = {spelt for found in self.words.values() for word in found for spelt in _spellings(word)}
        self.glued = {word for word in every if len(word) >= GLUED_LETTERS and not _is_short_number(word)}

    def __call__(self, text: str) -> str:
        for root in self.roots:
            if root and root != ".":
                text = text.replace(root + os.sep, "")
        paths = [match.span() for match in PATH.finditer(text)]
        pieces, at = [], 0
        for run in RUN.finditer(text):
            start = run.start()
            if start < at or run[0].lower() not in self.words:
                continue
            in_path = any(first <= start < last for first, last in paths)
            for word in sorted(self.words[run[0].lower()], key=len, reverse=True):
                found, end = text[start : start + len(word)], start + len(word)
                same = (
                    found.lower() == word.lower()
                    if in_path
                    else found in (word, word.upper(), word.capitalize())
                )
                if same and not RUN.match(text, end):
                    pieces += [text[at:start], self._instead_of(found)]
                    at = end
                    break
        return FILE_NAME.sub(self._file_name, "".join([*pieces, text[at:]]))

    def _file_name(self, match: re.Match[str]) -> str:
        spellings = _spellings(match[1])
        if not any(word in spelt for word in self.glued for spelt in spellings):
            return match[0]
        return f"{self._instead_of(match[1])}{match[2]}"

    def _instead_of(self, word: str) -> str:
        if self.numbers is None:
            return REMOVED
        return f"{REMOVED}{self.numbers.setdefault(word, len(self.numbers) + 1)}"


def _spellings(text: str) -> set[str]:
    """Letters and digits of a text in lower case: umlauts written out, and without their dots."""
    plain = text.lower().translate(UMLAUTS), text
    folded = (unicodedata.normalize("NFKD", one).casefold() for one in plain)
    return {"".join(c for c in one if c.isalnum()) for one in folded}


def without_identifiers(text: str, words: Iterable[str], roots: Iterable[str | os.PathLike[str]] = ()) -> str:
    """One text scrubbed (see `Scrubber`)."""
    return Scrubber(words, roots)(text)
