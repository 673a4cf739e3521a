"""pydicom is quiet within `quiet_pydicom` alone, whatever the threads that are in it do."""

import logging
import threading
import warnings

import pydicom

from petct.dicom.quiet import quiet_pydicom


def _state() -> tuple[int, int, list]:
    return (
        pydicom.config.settings.reading_validation_mode,
        logging.getLogger("pydicom").level,
        list(warnings.filters),
    )


def test_the_last_thread_to_leave_restores_what_the_first_found() -> None:
    before = _state()
    entered, leave = threading.Event(), threading.Event()

    def longer() -> None:
        with quiet_pydicom():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=longer)
    with quiet_pydicom():
        thread.start()
        entered.wait(10)
    assert pydicom.config.settings.reading_validation_mode == pydicom.config.IGNORE
    assert logging.getLogger("pydicom").level == logging.CRITICAL
    leave.set()
    thread.join()
    assert _state() == before


def test_an_error_within_restores_too() -> None:
    before = _state()
    try:
        with quiet_pydicom(), quiet_pydicom():
            raise ValueError
    except ValueError:
        pass
    assert _state() == before
