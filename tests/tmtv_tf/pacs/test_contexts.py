"""What is offered to an archive."""

from __future__ import annotations

import pytest

pytest.importorskip("pynetdicom")

from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, PositronEmissionTomographyImageStorage

from tmtv_tf.pacs.contexts import GET, MOST_CONTEXTS, SYNTAXES, get_contexts, store_contexts


def test_each_syntax_is_offered_by_itself_so_that_nothing_is_transcoded() -> None:
    first, *rest = get_contexts([CTImageStorage])
    assert first.abstract_syntax == GET
    assert [(one.abstract_syntax, one.transfer_syntax) for one in rest] == [
        (CTImageStorage, [s]) for s in SYNTAXES
    ]


@pytest.mark.parametrize("kinds", [[], [""], [f"1.2.{n}" for n in range(200)]])
def test_never_more_than_an_association_can_hold(kinds: list[str]) -> None:
    contexts = get_contexts(kinds)
    assert 1 < len(contexts) <= MOST_CONTEXTS
    if not any(kinds):  # where the archive does not say, a PET comes first
        assert contexts[1].abstract_syntax == PositronEmissionTomographyImageStorage


def test_a_kind_is_stored_as_its_files_are() -> None:
    (only,) = store_contexts([(CTImageStorage, ExplicitVRLittleEndian)] * 2)
    assert (only.abstract_syntax, only.transfer_syntax) == (CTImageStorage, [ExplicitVRLittleEndian])
