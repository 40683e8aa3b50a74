"""The faults of ``scripts/checks/check_mutants.py`` are faults of the code as it is."""

from __future__ import annotations

import pytest

from scripts.checks import check_mutants as mutants


def test_every_mutant_changes_something() -> None:
    for mutant in mutants.MUTANTS:
        mutants.check(mutant)


def test_a_mutant_of_code_that_has_changed_is_refused() -> None:
    gone = mutants.Mutant("gone", "spans.py", "no such line", "")
    with pytest.raises(ValueError, match=r"'no such line' once in spans\.py, found 0 times"):
        mutants.check(gone)
