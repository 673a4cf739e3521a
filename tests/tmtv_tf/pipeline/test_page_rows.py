"""The rows on SUV of the page of one study."""

from types import SimpleNamespace

import pytest

from petct.suv.factor import SuvFactor
from tmtv_tf.report.content import suv_rows


@pytest.mark.parametrize(("units", "wanted"), [("BQML", "1 g/Bq"), ("GML", "1"), ("CNTS", "1")])
def test_only_a_factor_for_activity_has_the_unit_of_one(units: str, wanted: str) -> None:
    # an image in g/mL is SUV already: its factor has no unit
    exam = SimpleNamespace(suv=SuvFactor(1.0, "rule", values={"units": units}))
    assert dict(suv_rows(exam))["Factor"] == wanted
