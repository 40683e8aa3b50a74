"""What every section of a recipe is: a frozen value that refuses keys it does not know."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(ge=1, lt=2**31)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]
PositiveNumber = Annotated[float, Field(gt=0)]


class Strict(BaseModel):
    """A frozen model that refuses unknown keys, and numbers that are none."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
