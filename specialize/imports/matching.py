"""Which example a record of a dump answers: by the example's id, its question, or its prompt."""

from __future__ import annotations

from collections.abc import Sequence

from specialize.records import Example, question_key


class Examples:
    """Examples that are looked up by what a record says of itself; there may be none."""

    def __init__(self, examples: Sequence[Example]) -> None:
        self.all = examples
        self._by_id = {example.id: example for example in examples}
        self._by_question = {question_key(e.question): e for e in examples}

    def find(self, name: str, prompt: str) -> Example | None:
        """The example with the id ``name``, else that whose question ``prompt`` is or holds.

        A prompt that holds several questions (demonstrations are examples too) names none.
        """
        if name in self._by_id:
            return self._by_id[name]
        asked = question_key(prompt)
        if asked in self._by_question:
            return self._by_question[asked]
        inside = [e for question, e in self._by_question.items() if question in asked]
        return inside[0] if len(inside) == 1 else None

    def digest(self) -> str:
        """What decides how texts are named and graded, as text."""
        return repr([(e.id, e.question, e.answer) for e in self.all])
