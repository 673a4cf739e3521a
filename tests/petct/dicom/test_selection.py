"""Which series is taken, and what is said of the others. Truth: the rules in the module's docstring."""

from __future__ import annotations

from pathlib import Path

import pytest
from dicom_files import add_pet_header, uid, write_series
from pydicom.uid import (
    EncapsulatedPDFStorage,
    EnhancedPETImageStorage,
    RTStructureSetStorage,
    SecondaryCaptureImageStorage,
)

from petct.dicom.headers import Series, find_series
from petct.dicom.selection import Selection, select_one_study, select_studies
from petct.errors import DicomError


def setting(**values):
    def edit(ds, k):
        for keyword, value in values.items():
            setattr(ds, keyword, value)

    return edit


def select(root: Path, **uids) -> Selection:
    return select_one_study(find_series(root)[0], root, **uids)


def reason(selection: Selection, series: str) -> str:
    return selection.passed_over[uid("P1", "S1", series)]


def number(series: Series | None) -> str | None:
    """The name under which a series was written."""
    for name in map(str, range(20)):
        if series is not None and series.series_uid == uid("P1", "S1", name):
            return name
    return None


def test_pet_and_ct_of_one_frame_of_reference(tmp_path: Path) -> None:
    write_series(tmp_path / "x", series="1")
    write_series(tmp_path / "x", "CT", series="2")
    selection = select(tmp_path)
    assert (number(selection.pet), number(selection.ct)) == ("1", "2")
    assert selection.passed_over == {}


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"CorrectedImage": ["DECY", "SCAT"]}, "no ATTN"),
        ({"CorrectedImage": None}, "CorrectedImage (0028,0051) is missing"),
        ({"CorrectedImage": None}, "choose the series by its UID"),
        ({"SeriesType": ["STATIC", "REPROJECTION"]}, "projection"),
        ({"ImageType": ["DERIVED", "SECONDARY", "MIP"]}, "projection"),
        ({"SeriesType": ["DYNAMIC", "IMAGE"]}, "SeriesType (0054,1000) is DYNAMIC"),
        ({"SeriesType": ["GATED", "IMAGE"]}, "SeriesType (0054,1000) is GATED"),
        ({"Units": "PROPCNTS"}, "Units (0054,1001) is PROPCNTS"),
        ({"SOPClassUID": SecondaryCaptureImageStorage}, "Secondary Capture"),
        ({"SOPClassUID": EncapsulatedPDFStorage}, "Encapsulated PDF"),
    ],
)
def test_pet_series_that_are_passed_over(tmp_path: Path, values: dict, words: str) -> None:
    write_series(tmp_path / "good", series="1", n=4)
    write_series(tmp_path / "bad", series="2", n=9, edit=setting(**values))
    selection = select(tmp_path)
    assert number(selection.pet) == "1"
    assert words in reason(selection, "2")


def test_study_with_nothing_but_uncorrected_pet_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path, edit=setting(CorrectedImage=["DECY"]))
    with pytest.raises(DicomError, match="no ATTN"):
        select(tmp_path)
    selection = select(tmp_path, pet_uid=uid("P1", "S1", "1"))  # the user may insist
    assert number(selection.pet) == "1"
    assert any("no ATTN" in note for note in selection.notes)


def test_whole_body_before_a_single_bed(tmp_path: Path) -> None:
    write_series(tmp_path / "bed", series="1", n=4, edit=setting(SeriesNumber=1))
    write_series(tmp_path / "body", series="2", n=12, edit=setting(SeriesNumber=9))
    selection = select(tmp_path)
    assert number(selection.pet) == "2"
    assert "covers less of the body" in reason(selection, "1")


def test_two_reconstructions_original_then_lowest_number(tmp_path: Path) -> None:
    write_series(tmp_path / "a", series="1", edit=setting(SeriesNumber=1, ImageType=["DERIVED", "SECONDARY"]))
    write_series(tmp_path / "b", series="2", edit=setting(SeriesNumber=7))
    write_series(tmp_path / "c", series="3", edit=setting(SeriesNumber=5))
    selection = select(tmp_path)
    assert number(selection.pet) == "3"
    assert "derived" in reason(selection, "1")
    assert "SeriesNumber" in reason(selection, "2")
    assert number(select(tmp_path, pet_uid=uid("P1", "S1", "2")).pet) == "2"


def test_a_choice_that_no_rule_makes_is_a_note(tmp_path: Path) -> None:
    for series in ("1", "2", "3"):
        write_series(tmp_path / series, series=series)
    lowest = min(("1", "2", "3"), key=lambda series: uid("P1", "S1", series))
    selection = select(tmp_path)
    assert number(selection.pet) == lowest
    assert any("3 PET series fit equally well" in note and "--pet-uid" in note for note in selection.notes)
    assert not any("equally" in note for note in select(tmp_path, pet_uid=uid("P1", "S1", "2")).notes)


def test_derived_pet_alone_is_fine(tmp_path: Path) -> None:
    write_series(tmp_path, edit=setting(ImageType=["DERIVED", "SECONDARY"]))
    assert number(select(tmp_path).pet) == "1"


def test_low_dose_ct_before_the_diagnostic_one(tmp_path: Path) -> None:
    write_series(tmp_path / "p", series="1", n=8)
    write_series(
        tmp_path / "c", "CT", series="2", n=8, edit=setting(ContrastBolusAgent="ULTRAVIST", SeriesNumber=1)
    )
    write_series(tmp_path / "d", "CT", series="3", n=8, edit=setting(SeriesNumber=2))
    write_series(tmp_path / "e", "CT", series="4", n=3, edit=setting(SeriesNumber=0))
    write_series(tmp_path / "f", "CT", series="5", n=8, edit=setting(FrameOfReferenceUID=uid("other")))
    write_series(
        tmp_path / "g", "CT", series="6", n=8, edit=setting(ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    )
    write_series(
        tmp_path / "h", "CT", series="7", n=8, edit=setting(PixelSpacing=[1.0, 1.25], SeriesNumber=0)
    )
    write_series(
        tmp_path / "i",
        "CT",
        series="8",
        n=3,
        edit=lambda ds, k: setattr(ds, "ImagePositionPatient", [0, 0, 500 + k]),
    )
    selection = select(tmp_path)
    assert number(selection.ct) == "3"
    assert "covers nothing of the PET" in reason(selection, "8")
    assert "contrast" in reason(selection, "2")
    assert "covers less of the PET" in reason(selection, "4")
    assert "FrameOfReferenceUID" in reason(selection, "5")
    assert "localizer" in reason(selection, "6")
    assert "field of view" in reason(selection, "7")
    assert number(select(tmp_path, ct_uid=uid("P1", "S1", "2")).ct) == "2"


def test_ct_of_another_frame_cannot_be_forced(tmp_path: Path) -> None:
    write_series(tmp_path / "p", series="1")
    write_series(tmp_path / "c", "CT", series="2", edit=setting(FrameOfReferenceUID=uid("other")))
    assert select(tmp_path).ct is None
    with pytest.raises(DicomError, match="FrameOfReferenceUID"):
        select(tmp_path, pet_uid=uid("P1", "S1", "1"), ct_uid=uid("P1", "S1", "2"))


def test_two_patients_and_two_studies_are_as_many_selections(tmp_path: Path) -> None:
    write_series(tmp_path / "a")
    write_series(tmp_path / "b", study="S2")
    write_series(tmp_path / "c", patient="P2")
    write_series(tmp_path / "d", "CT", patient="P2", series="2")
    selections = select_studies(find_series(tmp_path)[0])
    assert [(s.patient_id, s.ct is not None) for s in selections] == [
        ("P1", False),
        ("P1", False),
        ("P2", True),
    ]
    with pytest.raises(DicomError, match="3 PET studies of 2 patients") as caught:
        select(tmp_path)
    assert "P2" not in str(caught.value).replace(str(tmp_path), "")


def test_no_pet_at_all(tmp_path: Path) -> None:
    write_series(tmp_path, "CT")
    with pytest.raises(DicomError, match="no PET series in it .* found CT"):
        select(tmp_path)
    with pytest.raises(DicomError, match="no DICOM series"):
        select_one_study([], tmp_path)


def test_rois_and_everything_beside(tmp_path: Path) -> None:
    write_series(tmp_path / "p", series="1")

    def other(sop_class: str, modality: str):
        return setting(SOPClassUID=sop_class, Modality=modality)

    write_series(tmp_path / "r", series="2", n=1, edit=other(RTStructureSetStorage, "RTSTRUCT"))
    write_series(tmp_path / "d", series="3", n=1, edit=other(EncapsulatedPDFStorage, "DOC"))
    write_series(tmp_path / "e", series="4", n=3, study="S2", edit=other(RTStructureSetStorage, "RTSTRUCT"))
    selection = select(tmp_path)
    assert [number(s) for s in selection.rois] == ["2"]
    assert "not a PET or CT image" in reason(selection, "3")


@pytest.mark.parametrize("uid_kind", ["pet_uid", "ct_uid"])
def test_unknown_uid_is_refused(tmp_path: Path, uid_kind: str) -> None:
    write_series(tmp_path)
    with pytest.raises(DicomError, match=r"No series with SeriesInstanceUID \(0020,000E\) 1.2.3"):
        select(tmp_path, **{uid_kind: "1.2.3"})


def test_uid_of_the_wrong_modality_is_refused(tmp_path: Path) -> None:
    write_series(tmp_path / "c", "CT")
    with pytest.raises(DicomError, match="Modality"):
        select(tmp_path, pet_uid=uid("P1", "S1", "1"))


def test_enhanced_pet_is_refused_by_name(tmp_path: Path) -> None:
    write_series(
        tmp_path, edit=lambda ds, k: (add_pet_header(ds), setting(SOPClassUID=EnhancedPETImageStorage)(ds, k))
    )
    with pytest.raises(DicomError, match="Enhanced PET Image Storage"):
        select(tmp_path)


def test_a_ct_under_the_uid_of_the_pet_is_named(tmp_path: Path) -> None:
    """The first file of the series is a slice of the CT, so no PET is seen."""
    write_series(tmp_path / "a", "CT", 3)
    write_series(tmp_path / "b", "PT", 3)
    with pytest.raises(DicomError, match=r"found CT\. .*Modality"):
        select(tmp_path)
