"""Several simulated readers: the first is the one of before, the others disagree with him as people do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from phantom_cohort import SEED, VOXEL_MM, scan_of

from petct.errors import ParameterError
from petct.image import read_image
from tmtv_tf.cases.case import load_case
from tmtv_tf.cases.prepare import Settings
from tmtv_tf.cases.prepare_cohort import Request, prepare_cohort
from tmtv_tf.phantom.cohort import make_cohort, make_scan
from tmtv_tf.phantom.reader import draw_habit

READERS = ("reader1", "reader2", "reader3")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One patient, three readers, prepared; its folder."""
    root = tmp_path_factory.mktemp("readers")
    outcomes = make_cohort(root / "phantom", 1, SEED, voxel_mm=VOXEL_MM, readers=3)
    assert [outcome.error for outcome in outcomes] == [None]
    request = Request(
        (root / "phantom" / "dicom",),
        root / "cases",
        rois=root / "phantom" / "readers",
        readers=True,
        clinical=root / "phantom" / "cohort.csv",
        key_file=root / "key",
        settings=Settings(grid=None),
    )
    (outcome,) = prepare_cohort(request).outcomes
    assert outcome.error is None
    return root / "cases" / outcome.case_id


def test_the_first_reader_is_the_one_of_before(phantoms: Path, case: Path) -> None:
    """The same patient of a cohort without further readers has the same bytes."""
    root = case.parents[1] / "phantom"
    old = sorted((phantoms / "dicom" / "PHANTOM-0001").rglob("*.dcm"))
    new = sorted((root / "dicom" / "PHANTOM-0001").rglob("*.dcm"))
    assert [path.read_bytes() for path in old] == [path.read_bytes() for path in new]
    first = root / "readers" / "reader1" / "PHANTOM-0001" / "rtstruct.dcm"
    assert first.read_bytes() == (root / "dicom" / "PHANTOM-0001" / "RTSTRUCT" / "rtstruct.dcm").read_bytes()
    assert not (phantoms / "readers").exists()


def test_readers_agree_as_people_do(case: Path) -> None:
    """Dice of outlines between 0.6 and 0.98, of TMTVprob > 0.5 higher: thresholds forgive a wide margin."""
    readers = load_case(case).readers
    assert tuple(readers) == READERS
    drawn = [read_image(readers[r] / "reference_outlines.nii.gz").array > 0 for r in READERS]
    inside = [read_image(readers[r] / "tmtvprob.nii.gz").array > 0.5 for r in READERS]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        outlines, thresholds = (2 * (m[i] & m[j]).sum() / (m[i].sum() + m[j].sum()) for m in (drawn, inside))
        assert 0.6 < outlines < 0.98
        assert outlines < thresholds <= 1
    consensus = read_image(case / "reference_outlines.nii.gz").array
    assert np.array_equal(consensus > 0, np.sum(drawn, axis=0) >= 2)


def test_a_reader_keeps_his_habits_and_may_overlook_small_lesions() -> None:
    a, b = (draw_habit(np.random.default_rng((SEED, 0, 7, k))) for k in (2, 3))
    assert a == draw_habit(np.random.default_rng((SEED, 0, 7, 2)))
    assert a != b
    scans = [make_scan(number, SEED, VOXEL_MM, readers=4) for number in (1, 2)]
    assert [scan.outlines for scan in scans][0][0].name == scan_of(1).outlines[0].name
    counts = [[len(o) for o in (scan.outlines, *scan.further_outlines)] for scan in scans]
    assert all(count > 0 for row in counts for count in row)
    assert any(count < row[0] for row in counts for count in row[1:])


def test_how_many_readers() -> None:
    with pytest.raises(ParameterError, match="--readers must be 1 to 20"):
        make_cohort(Path("nowhere"), 1, 1, readers=0)
