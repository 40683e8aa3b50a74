"""The turns of a chat as the ids that a model reads: rendered by its template, then encoded.

    user "2 + 2?"  ->  <|im_start|> user \\n 2 + 2 ? <|im_end|> \\n <|im_start|> assistant \\n

Where no turn holds the written form of a control token these are the ids that
``apply_chat_template(tokenize=True)`` of transformers gives. Where one does, its text stays text:
what a user writes can neither end a turn nor begin one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from specialize.records import Message

_MASKS = 0xF0000  # the first of 65,534 characters for private use
_MASK = re.compile("[\U000f0000-\U000ffffd]")


@dataclass(frozen=True, slots=True)
class ChatEncoder:
    """A tokenizer that can write its control tokens, and one that cannot.

    Attributes:
        control: the ids of the control tokens, by how they are written.
        whole: the ids of a text in which control tokens are control tokens.
        plain: the ids of a text that holds none, whatever is written in it.
    """

    control: dict[str, int]
    whole: Callable[[str], list[int]]
    plain: Callable[[str], list[int]]

    def encode(
        self, messages: Sequence[Message], render: Callable[[Sequence[Message]], str]
    ) -> list[int]:
        """The ids of what ``render`` makes of ``messages``."""
        names = sorted(filter(None, self.control), key=len, reverse=True)
        pattern = re.compile("|".join(map(re.escape, names)) or r"(?!)")
        masked = [_masked(message, pattern, names) for message in messages]
        text = render(masked)
        return self.whole(text) if masked == list(messages) else self._parts(text, pattern, names)

    def _parts(self, text: str, pattern: re.Pattern[str], names: Sequence[str]) -> list[int]:
        """The ids of a text in which what turns hold of control tokens is masked."""
        ids, at = [], 0
        for found in [*pattern.finditer(text), None]:
            between = text[at : found.start() if found else len(text)]
            shown = _MASK.sub(lambda mask: names[ord(mask.group()) - _MASKS], between)
            ids += self.plain(shown) if shown else []
            if found:
                ids.append(self.control[found.group()])
                at = found.end()
        return ids


def _masked(message: Message, pattern: re.Pattern[str], names: Sequence[str]) -> Message:
    def mask(text: str) -> str:
        return pattern.sub(lambda found: chr(_MASKS + names.index(found.group())), text)

    return replace(message, content=mask(message.content), thinking=mask(message.thinking))
