"""What is put around a question where a model is asked in a chat.

chat:
  system: You are a careful tutor.
  arguments: {enable_thinking: false}
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, JsonValue

from specialize.config.section import Strict
from specialize.formats import ChatStyle


class Chat(Strict):
    """Of the chat formats; the template itself is the one of the model's own tokenizer."""

    system: str = ""
    """A system prompt before every chat. Empty: none."""
    arguments: Mapping[str, JsonValue] = Field(default_factory=dict)
    """Further variables of the template, such as enable_thinking."""

    @property
    def style(self) -> ChatStyle:
        """The same for a format."""
        return ChatStyle(self.system, self.arguments)
