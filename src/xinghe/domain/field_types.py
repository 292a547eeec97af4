"""Types of fields that several records share; their bounds are checked where a record is decoded."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

EventId = Annotated[str, Meta(min_length=1, max_length=64)]
PersonId = Annotated[str, Meta(min_length=1, max_length=64)]
Id = Annotated[str, Meta(min_length=1, max_length=64)]
Fen = Annotated[int, Meta(gt=0, le=10**14)]
"""An amount of money in fen, above zero; a hundred million million is beyond any order."""
TimeMs = Annotated[int, Meta(ge=0, le=2**53)]
Count = Annotated[int, Meta(ge=0, le=10**12)]
