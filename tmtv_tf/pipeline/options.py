"""What the user of `tmtv run` chooses."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from petct.errors import ParameterError
from postprocess.config import Config
from postprocess.methods import DEFAULT_METHODS, parse_method

SegKind = Literal["BINARY", "LABELMAP"]


@dataclass(frozen=True)
class RunOptions:
    """What is computed, and which files are written.

    Attributes
    ----------
    methods : of the post-processing
    export : the method whose lesions are exported and drawn; it is computed even if `methods` lacks it
    keep_images : also write pet.nii.gz, ct.nii.gz and probability.nii.gz
    seg_kind : BINARY opens everywhere
    probability_seg : also write the probability map as a FRACTIONAL SEG
    pdf_dicom : also write the page as encapsulated PDF (report.dcm)
    show_patient : name, id and birth date on the page
    backend : what runs the network: "openvino", "keras", or "auto", OpenVINO where it can
    overwrite : replace a result of another model, mask or series
    clear_edits : put the reader's earlier edits of the one study out of force
    """

    methods: tuple[str, ...] = DEFAULT_METHODS
    export: str = "41"
    keep_images: bool = True
    seg_kind: SegKind = "BINARY"
    probability_seg: bool = False
    pdf_dicom: bool = False
    show_patient: bool = False
    backend: str = "auto"
    overwrite: bool = False
    clear_edits: bool = False

    def __post_init__(self) -> None:
        for method in (*self.methods, self.export):
            parse_method(method, Config())
        if self.seg_kind not in ("BINARY", "LABELMAP"):
            raise ParameterError(f"--seg must be BINARY or LABELMAP. Received: {self.seg_kind!r}.")

    @property
    def all_methods(self) -> tuple[str, ...]:
        """Those asked for, and the exported one."""
        return tuple(dict.fromkeys([*self.methods, self.export]))

    def as_dict(self) -> dict[str, Any]:
        """What changes a file of the result, JSON-ready."""
        values = {**asdict(self), "methods": list(self.methods)}
        del values["overwrite"], values["clear_edits"]
        return values
