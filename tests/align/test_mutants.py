"""The faults of ``scripts/checks/check_mutants.py`` are faults of the code as it is."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "checks" / "check_mutants.py"


@pytest.fixture(scope="module")
def mutants():
    spec = importlib.util.spec_from_file_location("check_mutants", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def test_every_mutant_changes_something(mutants):
    for mutant in mutants.MUTANTS:
        mutants.check(mutant)


def test_a_mutant_of_code_that_has_changed_is_refused(mutants):
    gone = mutants.Mutant("gone", "spans.py", "no such line", "")
    with pytest.raises(ValueError, match=r"'no such line' once in spans\.py, found 0 times"):
        mutants.check(gone)
