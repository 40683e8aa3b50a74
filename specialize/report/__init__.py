"""The report of a run: what was chosen, why, what it gained and what it cost.

``measures`` reads scores, metrics and stores, ``outcome`` compares before, after and teacher on
the test split, ``cases`` picks predictions to look at, ``readings`` grades them in every mode,
``cautions`` says what to doubt. ``gather`` brings them together, ``figures`` draws them on a
``canvas``, ``page`` and ``markdown`` write from templates, ``tables`` writes CSV and ``card`` the
model card. ``comparison`` puts several runs side by side.
"""

from specialize.report.card import push
from specialize.report.comparison_page import write_comparison
from specialize.report.stage import write_report

__all__ = ["push", "write_comparison", "write_report"]
