"""TensorBoard's folder: pictures of one validation case after each epoch, and file names that name no computer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

# The PET is shown from SUV 0 (white) to this share of its window (black): 0.4 of 25 is SUV 10.
SHOWN_SHARE = 0.4


# TensorFlow names the computer in the name of every event file; its content does not.
EVENT_FILE = re.compile(r"(events\.out\.tfevents\.\d+)\..+\.(\d+\.\d+\.v2)")


@contextmanager
def without_host_names(folder: Path) -> Iterator[None]:
    """Take the computer's name out of the event files in `folder`: those of a killed run now, the others at the end.

    Not while they are written: TensorFlow would begin a new file. A finished or stopped run names no computer.
    """
    _rename_event_files(folder)
    try:
        yield
    finally:
        _rename_event_files(folder)


def _rename_event_files(folder: Path) -> None:
    for path in list(folder.rglob("events.out.tfevents.*")):
        if found := EVENT_FILE.fullmatch(path.name):
            with suppress(OSError):  # a log that cannot be renamed must not end a training
                path.rename(path.with_name(f"{found[1]}.training.{found[2]}"))


class MipPictures(keras.callbacks.Callback):
    """Coronal maximum-intensity projections, side by side: PET, truth, probability.

    Parameters
    ----------
    folder : TensorBoard folder.
    image : (Z, Y, X, C) model input of the case, PET first.
    target : (Z, Y, X, 1) its TMTVprob.
    case_id : says which case it is.
    """

    def __init__(
        self, folder: Path, image: npt.NDArray[np.float32], target: npt.NDArray[np.float32], case_id: str
    ):
        super().__init__()
        self.folder, self.image, self.target, self.case_id = folder, image, target, case_id
        self.writer = None

    def on_epoch_end(self, epoch, logs=None):
        if self.writer is None:
            self.writer = tf.summary.create_file_writer(str(self.folder / "pictures"))
        probability = np.asarray(self.model(self.image[None], training=False))[0]
        with self.writer.as_default():
            tf.summary.image(
                f"PET, truth, probability: {self.case_id}",
                self.picture(probability)[None, ..., None],
                step=epoch,
            )
        self.writer.flush()

    def picture(self, probability: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(Z, 3 X) in [0, 1]: black is hot, head up."""
        pet = np.clip(self.image[..., 0].max(axis=1) / SHOWN_SHARE, 0, 1)
        projections = [pet, self.target[..., 0].max(axis=1), probability[..., 0].max(axis=1)]
        return 1.0 - np.concatenate(projections, axis=1)[::-1]
