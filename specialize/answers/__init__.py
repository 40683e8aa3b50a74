"""Answers: found in what a model wrote, and compared with the gold answer by value.

One worked record::

    find_answer("She makes 9 * 2 = $18.\\nThe answer is $18.")       "18"
    is_correct("She makes 9 * 2 = $18.\\nThe answer is $18.", "18")  True

``own_text`` leaves out reasoning blocks and run-ons, ``phrases`` says where an answer is announced,
``finding`` what of it is the answer, ``grading`` compares, ``endings`` says where a response is
over; ``number_phrases``, ``quantities``, ``number_words``, ``latex``, ``dates``, ``equations``,
``options`` and ``forms`` read what an answer may be.
"""

from specialize.answers.endings import answer_end
from specialize.answers.equations import evaluate
from specialize.answers.finding import Kind, Mode, find_answer
from specialize.answers.grading import canonical, is_correct
from specialize.answers.own_text import REASONING
from specialize.answers.phrases import cut_after_answer
from specialize.answers.quantities import parse_number

__all__ = [
    "REASONING",
    "Kind",
    "Mode",
    "answer_end",
    "canonical",
    "cut_after_answer",
    "evaluate",
    "find_answer",
    "is_correct",
    "parse_number",
]
