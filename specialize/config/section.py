"""What every section of a recipe is: a frozen value that refuses keys it does not know.

A key may have further names. Those of the transformers library are accepted beside ours, and those
of an earlier version with a note::

    optimization: {max_steps: 2000}          steps
    training: {label_share: 0.1}             hard_label_weight, with a note on standard error
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from specialize.errors import ConfigurationError

Positive = Annotated[int, Field(ge=1, lt=2**31)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
PositiveNumber = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=0, lt=2**31)]
Share = Annotated[float, Field(gt=0, le=1)]

_log = logging.getLogger(__name__)


class Strict(BaseModel):
    """A frozen model that refuses unknown keys, and numbers that are none.

    The docstring below a field is its description in the schema.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )
    transformers_names: ClassVar[Mapping[str, str]] = {}
    earlier_names: ClassVar[Mapping[str, str]] = {}

    @classmethod
    def current_name(cls, key: str) -> str:
        """The name of ``key`` here; a note where it has changed."""
        if key in cls.earlier_names:
            new = cls.earlier_names[key]
            _log.warning("note: the recipe key %s is now %s; both work in this version", key, new)
            return new
        return cls.transformers_names.get(key, key)

    @classmethod
    def known_keys(cls) -> list[str]:
        """Every name under which a key may be given."""
        return [*cls.model_fields, *cls.transformers_names, *cls.earlier_names]

    @classmethod
    def renamed(cls, values: Mapping[str, object]) -> dict[str, object]:
        """``values`` under the names that keys have here.

        Raises:
            ConfigurationError: a key is there under two names.
        """
        found: dict[str, object] = {}
        for key, value in values.items():
            name = cls.current_name(key)
            if name in found or (name != key and name in values):
                raise ConfigurationError(f"{key} is another name of {name}; give one of them")
            found[name] = value
        return found

    @model_validator(mode="before")
    @classmethod
    def _under_current_names(cls, values: object) -> object:
        return cls.renamed(values) if isinstance(values, Mapping) else values

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """The schema, with the further names of keys beside them."""
        made = handler(schema)
        keys = handler.resolve_ref_schema(made).get("properties", {})
        for other, name in cls.transformers_names.items():
            keys[other] = {**keys[name], "description": f"Same as {name}: transformers' name."}
        for other, name in cls.earlier_names.items():
            keys[other] = {
                **keys[name], "description": f"Earlier name of {name}.", "deprecated": True
            }  # fmt: skip
        return made
