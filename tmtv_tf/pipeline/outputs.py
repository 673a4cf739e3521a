"""The files of a result of `tmtv run`: images, DICOM objects, the page."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from petct.exam import Exam
from petct.export.source import Provenance, SourceSeries
from petct.image import Image, write_image
from petct.orientation import to_canonical
from petct.version import software
from postprocess.measures import Lesion, Measures, lesions_of_voxels
from postprocess.segmentation import Lesions
from tmtv_tf.pipeline.export import model_note
from tmtv_tf.pipeline.options import RunOptions
from tmtv_tf.pipeline.writer import DicomWriter, write_lesions
from tmtv_tf.report.content import StudyPage, suv_rows

if TYPE_CHECKING:
    from tmtv_tf.models.file import ModelDescription

IMAGES = ("pet.nii.gz", "ct.nii.gz", "probability.nii.gz")
# A map that is nowhere above this has no segment to write.
EMPTY_BELOW = 0.01


@dataclass(frozen=True)
class Made:
    """All that is known of a study when its files are written.

    Attributes
    ----------
    lesions : of the method of `options.export`, of the automatic result, on the canonical axes of the PET
    final, edits : measures by method after a reader's edits, and how many are in force
    """

    folder: Path
    case_id: str
    exam: Exam
    probability: Image | None
    lesions: Lesions
    methods: dict[str, Measures]
    warnings: tuple[str, ...]
    options: RunOptions
    model_name: str | None
    description: ModelDescription | None
    mask_name: str | None
    final: dict[str, Measures] = field(default_factory=dict)
    edits: int = 0

    @property
    def provenance(self) -> Provenance:
        """As the DICOM objects state it."""
        algorithm = (self.model_name or f"mask {self.mask_name}")[:64]
        return Provenance(
            self.options.export, algorithm, software()["version"], note=model_note(self.warnings)
        )


def write_outputs(made: Made, writer: DicomWriter | None = None) -> list[str]:
    """Write every file that the options ask for but PET and CT (`write_images`); their names.

    The page is drawn while DICOM is written: by the writer's process, if there is one.
    """
    labels, table = _lesions(made)
    probability = {"probability.nii.gz": made.probability if made.options.keep_images else None}
    with ThreadPoolExecutor(2) as executor:
        image = executor.submit(write_images, made.folder, probability)
        dicom = executor.submit(_write_dicom, made, table, writer)
        files = write_page(made, study_page(made, labels, table))
        files += dicom.result()
        files += image.result()
    return files


def write_page(made: Made, page: StudyPage | None = None) -> list[str]:
    """Write the page as HTML and PDF; the names of the files. page : of `study_page`, if it is drawn already."""
    from petct.export.pdf import write_pdf as write_pdf_object
    from tmtv_tf.report.html import write_html
    from tmtv_tf.report.pdf import write_pdf

    page = page or study_page(made, *_lesions(made))
    write_html(made.folder / "report.html", page)
    pdf = write_pdf(made.folder / "report.pdf", page)
    if not made.options.pdf_dicom:
        return ["report.html", "report.pdf"]
    source = SourceSeries(made.exam.headers, made.exam.pet.geometry)
    write_pdf_object(made.folder / "report.dcm", pdf, source, made.provenance)
    return ["report.html", "report.pdf", "report.dcm"]


def _lesions(made: Made) -> tuple[npt.NDArray[np.integer], list[Lesion]]:
    """The label image on canonical axes, and the table."""
    suv = to_canonical(made.exam.pet)
    return made.lesions.paint(), lesions_of_voxels(made.lesions, suv.array, suv.geometry)


def write_images(folder: Path, images: Mapping[str, Image | None]) -> list[str]:
    """Write the images that there are; their names."""
    there = {name: image for name, image in images.items() if image is not None}
    for name, image in there.items():
        write_image(folder / name, image)
    return list(there)


def _write_dicom(made: Made, table: list[Lesion], writer: DicomWriter | None) -> list[str]:
    source, folder, provenance = (
        SourceSeries(made.exam.headers, made.exam.pet.geometry),
        made.folder,
        made.provenance,
    )
    measures, options = made.methods[made.options.export], made.options
    write = writer.write if writer is not None else write_lesions
    written = write(source, folder, made.lesions, table, measures, provenance, options.seg_kind)
    if (
        options.probability_seg
        and made.probability is not None
        and made.probability.array.max() > EMPTY_BELOW
    ):
        from petct.export.seg import write_probability_seg

        write_probability_seg(folder / "probability.dcm", made.probability.array, source, provenance)
        written.append("probability.dcm")
    return written


def study_page(made: Made, labels: npt.NDArray[np.integer], table: list[Lesion]) -> StudyPage:
    """What the page of this study says. labels : (Z, Y, X) with axes along LPS z, y, x."""
    from tmtv_tf.report.pictures import cuts, projections

    pet = to_canonical(made.exam.pet)
    return StudyPage(
        case_id=made.case_id,
        method=made.options.export,
        methods=made.methods,
        lesions=table,
        projections=projections(pet, labels),
        cuts=cuts(pet, labels, made.exam.ct) if table else (),
        suv=suv_rows(made.exam),
        origin=_origin_rows(made),
        warnings=made.warnings,
        patient=_patient_rows(made.exam) if made.options.show_patient else (),
        final=made.final,
        edits=made.edits,
    )


def _origin_rows(made: Made) -> list[tuple[str, str]]:
    version = software()
    rows = [("Software", f"{version['name']} {version['version']}")]
    if made.mask_name is not None:
        rows.append(("Lesions from", f"mask {made.mask_name}"))
    if made.model_name is not None and made.description is not None:
        rows.append(("Model", made.model_name))
        trained = made.description.trained_on_text or made.description.trained_on or "the file does not say"
        rows.append(("Trained on", trained))
    rows.append(("PET series", made.exam.pet_series.series_uid))
    return rows


def _patient_rows(exam: Exam) -> list[tuple[str, str]]:
    header = exam.headers[0]
    names = {
        "PatientName": "Name",
        "PatientID": "Patient ID",
        "PatientBirthDate": "Born",
        "StudyDate": "Study date",
    }
    return [(text, str(header.get(keyword, ""))) for keyword, text in names.items() if header.get(keyword)]
