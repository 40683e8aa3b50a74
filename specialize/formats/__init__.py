"""Formats: how a question is put to a model, and what it should answer.

``prompts`` has the formats and the strings of the published ones, ``chats`` those of conversations,
``demonstrations`` the pool that in-context prompts draw from, ``published`` the reader of prompt
files, ``rationales`` the prompts that ask a teacher for a rationale.
"""

from specialize.formats.chats import ChatFormat, ChatStyle, is_chat
from specialize.formats.demonstrations import DemonstrationPool
from specialize.formats.prefixes import TaskPrefix
from specialize.formats.prompts import (
    BBH,
    BBH_ONE_LINE,
    FORMAT_NAMES,
    FU,
    TEACHER,
    TEACHER_WITH_PERIOD,
    Format,
    PromptFormat,
    Style,
    by_name,
    is_format_name,
)
from specialize.formats.published import PublishedPrompt, parse_prompt_file
from specialize.formats.rationales import RationaleTemplate, Reading, read_rationale, template_of

__all__ = [
    "BBH",
    "BBH_ONE_LINE",
    "FORMAT_NAMES",
    "FU",
    "TEACHER",
    "TEACHER_WITH_PERIOD",
    "ChatFormat",
    "ChatStyle",
    "DemonstrationPool",
    "Format",
    "PromptFormat",
    "PublishedPrompt",
    "RationaleTemplate",
    "Reading",
    "Style",
    "TaskPrefix",
    "by_name",
    "is_chat",
    "is_format_name",
    "parse_prompt_file",
    "read_rationale",
    "template_of",
]
