"""What is known of a network: from its file, its run, an evaluation of its results, and the cases."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from petct.errors import CaseError
from petct.files import read_json, sha256
from tmtv_tf.cases.case import INFO_NAME, is_phantom, read_info
from tmtv_tf.cases.cohort import COHORT_NAME, SPLITS, CohortRow, patient_of, read_cohort
from tmtv_tf.evaluation.training_hours import HOURS
from tmtv_tf.input.multitask_input import MultitaskGrid
from tmtv_tf.models.file import ModelDescription, read_description


class Known(NamedTuple):
    """One line of a check list: what is known, and what the author must still say. Either may be empty."""

    known: str = ""
    missing: str = ""

    @property
    def status(self) -> str:
        """known, partly, or not known."""
        return "not known" if not self.known else "partly" if self.missing else "known"


@dataclass(frozen=True)
class Facts:
    """Everything a card is made of; a source that was not given is empty.

    Attributes
    ----------
    name, link : of the network; the link may be empty.
    file, digest : name of the model file and its SHA-256.
    description : what the file says of itself.
    run : run.json. report : evaluation.json of results of this very file. rows : of cohort.csv.
    reported : ids of the cases that the tables of the report are about.
    vendors : cases by scanner vendor. phantoms : cases that are computer-made.
    """

    name: str
    link: str
    file: str
    digest: str
    description: ModelDescription
    run: dict[str, Any] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)
    reported: frozenset[str] = frozenset()
    rows: list[CohortRow] = field(default_factory=list)
    vendors: Counter[str] = field(default_factory=Counter)
    phantoms: int = 0

    @property
    def config(self) -> dict[str, Any]:
        """The configuration of the training; empty where no source says it."""
        found = self.run.get("config") or self.description.provenance.get("config")
        return found if isinstance(found, dict) else {}

    @property
    def trained_ids(self) -> frozenset[str]:
        """Cases that the network was trained or chosen on, as run.json says."""
        cases = self.run.get("data", {}).get("cases", {})
        return frozenset(case_id for part, ids in cases.items() if part != "test" for case_id in ids)

    @property
    def tested_on_training(self) -> list[str] | None:
        """Reported cases that were trained on; None where run or report is missing."""
        if not self.trained_ids or not self.reported:
            return None
        return sorted(self.trained_ids & self.reported)

    @property
    def architecture(self) -> str:
        """The network in a few words; empty where no source says it."""
        provenance = self.description.provenance
        if isinstance(self.description.grid, MultitaskGrid):
            return f"Multitask study of Liu et al. 2022, network {provenance.get('model', 'not named')}"
        settings = self.config.get("model")
        if isinstance(settings, Mapping):
            kind = "Compact U-Net" if settings.get("name") == "compact" else "V-Net of Revailler et al. 2022"
            return f"{kind}; {', '.join(f'{key} {value}' for key, value in settings.items())}"
        return (
            f"Packaged network {provenance['name']} (docs/reference/model_card.md)"
            if "name" in provenance
            else ""
        )

    @property
    def hours(self) -> float | None:
        """Hours of training."""
        found = self.run.get(HOURS)
        return float(found) if isinstance(found, int | float) else None

    @property
    def splits(self) -> dict[str, list[CohortRow]]:
        """Rows of the cohort by split, empty splits left out."""
        found = {split: [row for row in self.rows if row["split"] == split] for split in SPLITS}
        return {split: members for split, members in found.items() if members}


def gather(
    model: Path,
    *,
    name: str | None = None,
    link: str = "",
    run: Path | None = None,
    report: Path | None = None,
    cases: Path | None = None,
) -> Facts:
    """Read every source that is given, and check that they are about one network.

    Raises
    ------
    ModelError
        `model` is no model file.
    CaseError
        A source is missing, or is about another network.
    """
    description, digest = read_description(model), sha256(model)
    found: dict[str, Any] = {}
    if run is not None:
        found["run"] = _run(run, description)
    if report is not None:
        found["report"], found["reported"] = _report(report, model, digest)
    if cases is not None:
        found["rows"] = read_cohort(cases) if (cases / COHORT_NAME).is_file() else []
        infos = [read_info(path.parent) for path in sorted(cases.glob(f"*/{INFO_NAME}"))]
        if not infos:
            raise CaseError(f"{cases}: no prepared case in this folder (expected <case_id>/{INFO_NAME}).")
        found["vendors"] = Counter(str(info.get("vendor") or "not stated") for info in infos)
        found["phantoms"] = sum(is_phantom(info, info["case_id"]) for info in infos)
    return Facts(name or model.stem, link, model.name, digest, description, **found)


def patients(rows: list[CohortRow]) -> int:
    """How many patients the rows are of."""
    return len({patient_of(row) for row in rows})


def _run(folder: Path, description: ModelDescription) -> dict[str, Any]:
    path = folder / "run.json"
    if not path.is_file():
        raise CaseError(f"{path}: no such file; expected the folder that training wrote (--out).")
    found = read_json(path)
    if not isinstance(found, dict) or not isinstance(found.get("data"), dict):
        raise CaseError(f"{path}: not the run.json of a training.")
    stated, here = description.provenance.get("data_sha256"), found["data"].get("sha256")
    if stated is not None and stated != here:
        raise CaseError(f"{path}: the model was trained on other data (SHA-256 {stated}, here {here}).")
    config = description.provenance.get("config")
    if config is not None and config != found.get("config"):
        raise CaseError(f"{path}: the model was trained with another configuration.")
    if stated is None and config is None:
        raise CaseError(f"{path}: the model does not say how it was trained, so this may be another's run.")
    return found


def _report(folder: Path, model: Path, digest: str) -> tuple[dict[str, Any], frozenset[str]]:
    path = folder / "evaluation.json"
    if not path.is_file():
        raise CaseError(f"{path}: no such file; expected the folder that tmtv evaluate wrote (--out).")
    found = read_json(path)
    said = found.get("model") if isinstance(found, dict) else None
    if not isinstance(said, dict) or not said.get("sha256"):
        raise CaseError(
            f"{path}: does not say which network made the results. Evaluate results of tmtv predict or tmtv run again; "
            "masks of another program have no card."
        )
    if said["sha256"] != digest:
        raise CaseError(
            f"{path}: about another network, {said.get('file')} (SHA-256 {said['sha256']}); {model.name} has {digest}."
        )
    with (folder / "cases.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    split = found.get("split")
    return found, frozenset(row["case_id"] for row in rows if split == "all" or row["split"] == split)
