"""What a package offers is documented in numpydoc form, and its examples run."""

from __future__ import annotations

import doctest
import inspect
import sys

import pytest

import petct
import postprocess
import tmtv_tf

docscrape = pytest.importorskip("numpydoc.docscrape", reason="pip install 'tmtv-tf[docs]'")


def offered() -> list:
    """(name, object) of every function and class of the front doors."""
    doors = [
        (door, name)
        for door in (petct, postprocess, tmtv_tf, tmtv_tf.models)
        for name in getattr(door, "__all__", [])
    ]
    found = [(f"{door.__name__}.{name}", getattr(door, name)) for door, name in doors]
    return [pytest.param(name, item, id=name) for name, item in found if callable(item)]


@pytest.mark.parametrize(("name", "item"), offered())
def test_a_docstring_says_what_goes_in_and_what_comes_out(name, item):
    doc = docscrape.NumpyDocString(inspect.getdoc(item) or "")
    assert doc["Summary"], name
    if inspect.isfunction(item):
        takes = [p for p in inspect.signature(item).parameters if p != "self"]
        described = {part.strip().lstrip("*") for p in doc["Parameters"] for part in p.name.split(",")}
        assert set(takes) == described
        gives = inspect.signature(item).return_annotation not in (None, "None")
        assert bool(doc["Returns"]) == gives
        assert doc["Examples"], "an example that runs"


@pytest.mark.parametrize(("name", "item"), offered())
def test_the_examples_run(name, item):
    """Examples that need a file are marked +SKIP."""
    module = sys.modules[item.__module__]
    runner = doctest.DocTestRunner()
    for case in doctest.DocTestFinder(recurse=False).find(item, name, module, vars(module)):
        runner.run(case)
    assert runner.summarize(verbose=False).failed == 0


def test_an_example_that_is_wrong_is_found():
    def sum_of(a, b):
        """>>> 1 + 1
        3
        """

    runner = doctest.DocTestRunner(verbose=False)
    for case in doctest.DocTestFinder().find(sum_of, "sum_of"):
        runner.run(case, out=lambda text: None)
    assert runner.summarize(verbose=False).failed == 1
