"""A prepared case: one folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from petct.errors import CaseError
from tmtv_tf.cases.case import load_case
from tmtv_tf.cases.cohort import read_cohort


@pytest.mark.parametrize(
    "case_id", ["/etc", "../x", "~", "a\0b", "a\nb", "аlpha", "", None, 7, {"a": 1}, "beta"]
)
def test_a_strangers_case_id_is_no_path(tmp_path: Path, case_id: object) -> None:
    folder = tmp_path / "alpha"
    folder.mkdir()
    (folder / "pet.nii.gz").touch()
    (folder / "case.json").write_text(json.dumps({"case_id": case_id}))
    with pytest.raises(CaseError, match="case.json: the case id"):
        load_case(folder)
    (tmp_path / "cohort.csv").write_text(f'case_id,split\n"{case_id}",train\n')
    if isinstance(case_id, str) and case_id not in ("beta", ""):
        with pytest.raises(CaseError):
            read_cohort(tmp_path)


def test_a_case_without_an_id_has_the_name_of_its_folder(tmp_path):
    from petct.files import write_json, write_text
    from tmtv_tf.cases.case import load_case

    write_json(tmp_path / "alpha" / "case.json", {"vendor": "TEST"})
    write_text(tmp_path / "alpha" / "pet.nii.gz", "not read here")
    assert load_case(tmp_path / "alpha").case_id == "alpha"
