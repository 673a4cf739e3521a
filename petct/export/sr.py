"""Numbers as a structured report (TID 1500, DICOM PS3.16), tied lesion by lesion to the segments of a DICOM SEG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import highdicom.sr as sr
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import ComprehensiveSRStorage

from petct.dicom.quiet import quiet_pydicom
from petct.export.encoding import save
from petct.export.seg import tracking_uid
from petct.export.source import (
    MANUFACTURER,
    Provenance,
    SourceSeries,
    content_key,
    content_uid,
    item,
    new_object,
    reference,
    stamp,
)

ML = Code("ml", "UCUM", "milliliter")
MM = Code("mm", "UCUM", "millimeter")
SUV = Code("{SUVbw}g/ml", "UCUM", "Standardized Uptake Value body weight")
# The unit of SUVbw (g/mL) times mL.
GRAM = Code("g", "UCUM", "gram")
COUNT = Code("{lesions}", "UCUM", "lesions")
TOTAL = Code("255619001", "SCT", "Total")
# No published code says these; the scheme starts with 99, as PS3.16 section 8.2 asks of private ones.
LESION_COUNT = Code("LESION_COUNT", "99TMTV", "Number of lesions")
PATIENT_DISTANCES = {
    "dmax_mm": Code("DMAX", "99TMTV", "Largest distance between lesion centroids"),
    "dmax_voxel_mm": Code("DMAX_VOXEL", "99TMTV", "Largest distance between lesion voxels"),
    "dmax_bulk_mm": Code("DMAX_BULK", "99TMTV", "Largest distance from the largest lesion"),
}


class LesionNumbers(Protocol):
    """What is reported of one lesion; `postprocess.Lesion` has it."""

    @property
    def label(self) -> int: ...
    @property
    def volume_ml(self) -> float: ...
    @property
    def suv_max(self) -> float: ...
    @property
    def suv_mean(self) -> float: ...
    @property
    def suv_peak(self) -> float: ...
    @property
    def tlg(self) -> float: ...


@quiet_pydicom()
def write_sr(
    path: str | Path,
    lesions: Sequence[LesionNumbers],
    patient: Mapping[str, Any],
    source: SourceSeries,
    provenance: Provenance,
    seg: Dataset | None,
    *,
    replaces: Dataset | None = None,
) -> Dataset:
    """Write volume, SUVmax, SUVmean, SUVpeak and TLG of each lesion, and the patient's totals; returns the object.

    Parameters
    ----------
    path : of the file, written whole or not at all
    lesions : rows of a lesion table, in the order of the segments of `seg`; empty without lesion: TMTV 0
    patient : `tmtv_ml`, `tlg`, `suv_max`, `suv_peak`, `lesion_count`, `dmax_mm`, `dmax_voxel_mm`, `dmax_bulk_mm`;
        what is None is left out
    source : the PET series that the object belongs to
    provenance : method, network and version, as every object states them
    seg : the segmentation that holds the lesions; None without lesions
    replaces : an earlier report of the same study, named as the predecessor of this one

    Returns
    -------
    Dataset
        The object as written.

    Examples
    --------
    >>> seg = write_seg("seg.dcm", labels, source, provenance)  # doctest: +SKIP
    >>> numbers = postprocess.patient_measures(labels, exam.pet).as_dict()  # doctest: +SKIP
    >>> rows = postprocess.lesion_table(labels, exam.pet)  # doctest: +SKIP
    >>> write_sr("sr.dcm", rows, numbers, source, provenance, seg)  # doctest: +SKIP
    """
    algorithm = sr.AlgorithmIdentification(
        name=provenance.algorithm,
        version=provenance.version,
        parameters=[provenance.note] if provenance.note else None,
    )
    groups: list = [_patient_group(patient, source, provenance, algorithm)]
    if lesions and seg is not None:
        groups += [
            _lesion_group(number, lesion, source, provenance, seg, algorithm)
            for number, lesion in enumerate(lesions, start=1)
        ]
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=_observer(provenance)),
        procedure_reported=Code("44139-4", "LN", "PET whole body"),
        imaging_measurements=groups,
        title=codes.DCM.ImagingMeasurementReport,
    )
    before = [str(replaces.SOPInstanceUID)] if replaces is not None else []
    key = content_key(
        source, provenance, repr(_said(lesions, patient)), str(seg.SOPInstanceUID) if seg else "", *before
    )
    dataset = new_object(source, provenance, "SR", ComprehensiveSRStorage, key)
    dataset.update(report[0])  # the root of the content tree is the object itself (PS3.3 C.17.3)
    dataset.CompletionFlag, dataset.VerificationFlag = "COMPLETE", "UNVERIFIED"
    dataset.PreliminaryFlag = "PRELIMINARY"
    dataset.ReferencedPerformedProcedureStepSequence = []
    dataset.PerformedProcedureCodeSequence = []
    dataset.CurrentRequestedProcedureEvidenceSequence = [
        _evidence(source, source.headers if seg is None else [seg])
    ]
    if replaces is not None:
        dataset.PredecessorDocumentsSequence = [_evidence(source, [replaces])]
    stamp(dataset, provenance.created)
    save(path, dataset)
    return dataset


def _observer(provenance: Provenance) -> sr.ObserverContext:
    """This software, as the device that measured."""
    return sr.ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=sr.DeviceObserverIdentifyingAttributes(
            uid=content_uid("device", MANUFACTURER),
            name=provenance.algorithm,
            manufacturer_name=MANUFACTURER,
            model_name=MANUFACTURER,
        ),
    )


def _evidence(source: SourceSeries, objects: Sequence[Dataset]) -> Dataset:
    """A reference to objects of one series of the study."""
    series = item(
        SeriesInstanceUID=objects[0].SeriesInstanceUID,
        ReferencedSOPSequence=[reference(one) for one in objects],
    )
    return item(StudyInstanceUID=source.first.StudyInstanceUID, ReferencedSeriesSequence=[series])


def _said(lesions: Sequence[LesionNumbers], patient: Mapping[str, Any]) -> list:
    rows = [(n.label, n.volume_ml, n.suv_max, n.suv_mean, n.suv_peak, n.tlg) for n in lesions]
    return [rows, sorted(patient.items())]


def _lesion_group(
    number: int,
    lesion: LesionNumbers,
    source: SourceSeries,
    provenance: Provenance,
    seg: Dataset,
    algorithm: sr.AlgorithmIdentification,
) -> sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(
            uid=tracking_uid(source, provenance, lesion.label), identifier=f"Lesion {lesion.label}"
        ),
        referenced_segment=sr.ReferencedSegment(
            sop_class_uid=seg.SOPClassUID,
            sop_instance_uid=seg.SOPInstanceUID,
            segment_number=number,
            source_series=sr.SourceSeriesForSegmentation(source.first.SeriesInstanceUID),
        ),
        finding_type=codes.SCT.Lesion,
        method=_method(provenance),
        algorithm_id=algorithm,
        measurements=[
            _measurement(codes.DCM.MetabolicVolume, lesion.volume_ml, ML),
            *_suv(lesion.suv_max, lesion.suv_peak, lesion.suv_mean),
            _measurement(codes.DCM.TotalLesionGlycolysis, lesion.tlg, GRAM),
        ],
    )


def _patient_group(
    patient: Mapping[str, Any],
    source: SourceSeries,
    provenance: Provenance,
    algorithm: sr.AlgorithmIdentification,
) -> sr.MeasurementsAndQualitativeEvaluations:
    measurements = [
        _measurement(codes.DCM.MetabolicVolume, patient["tmtv_ml"], ML, TOTAL),
        _measurement(codes.DCM.TotalLesionGlycolysis, patient["tlg"], GRAM, TOTAL),
        _measurement(LESION_COUNT, patient["lesion_count"], COUNT),
    ]
    measurements += _suv(patient.get("suv_max"), patient.get("suv_peak"), None)
    for name, code in PATIENT_DISTANCES.items():
        if patient.get(name) is not None:
            measurements.append(_measurement(code, patient[name], MM))
    return sr.MeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(
            uid=content_uid("patient", source.first.SeriesInstanceUID, provenance.method),
            identifier="All lesions of the patient",
        ),
        finding_type=codes.SCT.Lesion,
        method=_method(provenance),
        algorithm_id=algorithm,
        measurements=measurements,
    )


def _method(provenance: Provenance) -> Code:
    return Code(f"METHOD_{provenance.method}"[:16], "99TMTV", f"TMTV method {provenance.method}"[:64])


def _suv(maximum: float | None, peak: float | None, mean: float | None) -> list[sr.Measurement]:
    suv = Code("126401", "DCM", "SUVbw")
    given = [
        (maximum, codes.SCT.Maximum),
        (peak, codes.DCM.PeakValueWithinROI),
        (mean, codes.SCT.Mean),
    ]
    return [_measurement(suv, value, SUV, how) for value, how in given if value is not None]


def _measurement(
    name: Code, value: float | int | None, unit: Code, derivation: Code | None = None
) -> sr.Measurement:
    # Six significant digits, as in the tables.
    return sr.Measurement(name=name, value=float(f"{value:.6g}"), unit=unit, derivation=derivation)
