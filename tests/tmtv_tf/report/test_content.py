"""The page of one study: what it says, and that left is left and the head is up in its pictures."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from report_page import page

from petct.image import Image
from petct.suv.factor import SuvFactor
from tmtv_tf.evaluation.field_tables import MEASURES
from tmtv_tf.report.content import LESIONS_SHOWN, METHOD_COLUMNS, method_name, suv_rows
from tmtv_tf.report.html import write_html


def test_more_lesions_than_rows_are_counted(study: tuple[Image, np.ndarray], tmp_path: Path) -> None:
    many = page(study).lesions * LESIONS_SHOWN
    write_html(tmp_path / "report.html", page(study, lesions=many))
    assert f"{LESIONS_SHOWN} smaller lesions are in the CSV file" in (tmp_path / "report.html").read_text()


def test_a_method_is_called_what_the_table_of_methods_defines() -> None:
    # docs/how_to/postprocess.md: 50p is 50 % of SUVpeak; raw may be a reader's mask, so no network is named
    assert method_name("50p") == "50 % of each lesion's SUVpeak"
    assert method_name("41") == "41 % of each lesion's SUVmax"
    assert "network" not in method_name("raw")


def test_both_reports_give_a_measure_in_the_same_unit() -> None:
    pages = {key: name for key, name, _ in METHOD_COLUMNS}
    assert pages["tmtv_ml"] == MEASURES["tmtv"][0] == "TMTV, mL"
    assert pages["tlg"] == MEASURES["tlg"][0] == "TLG, g"  # mL x g/mL, as sr.dcm has it


@pytest.mark.parametrize(("units", "wanted"), [("BQML", "1 g/Bq"), ("GML", "1"), ("CNTS", "1")])
def test_only_a_factor_for_activity_has_the_unit_of_one(units: str, wanted: str) -> None:
    # an image in g/mL is SUV already: its factor has no unit
    exam = SimpleNamespace(suv=SuvFactor(1.0, "rule", values={"units": units}))
    assert dict(suv_rows(exam))["Factor"] == wanted
