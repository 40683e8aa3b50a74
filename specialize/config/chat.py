"""What is put around a question where a model is asked in a chat.

chat:
  system: You are a careful tutor.
  arguments: {enable_thinking: true}
  thinking: train
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field, JsonValue

from specialize.config.section import Strict
from specialize.formats import ChatStyle


class Chat(Strict):
    """Of the chat formats; the template itself is the one of the model's own tokenizer."""

    system: str = ""
    """A system prompt before every chat. Empty: none."""
    arguments: Mapping[str, JsonValue] = Field(default_factory=dict)
    """Further variables of the template, such as enable_thinking."""
    thinking: Literal["drop", "keep", "train"] = "drop"
    """Of a student, what it is taught of a teacher's thinking: nothing; to read it before it
    speaks; to think so too. Of a teacher, train stores the rows of its thinking."""

    @property
    def style(self) -> ChatStyle:
        """The same for a format."""
        return ChatStyle(self.system, self.arguments)
