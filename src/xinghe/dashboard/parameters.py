"""Parameters of a request's query, checked by what the API's document says of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

MS_MAX: Final = 2**53
_WHOLE: Final = re.compile("-?[0-9]{1,16}")


class ParameterError(ValueError):
    """A parameter is wrong; the message says what would be right."""


class Parameter(NamedTuple):
    """A parameter: text, one of ``choices``, or a whole number in ``bounds``."""

    name: str
    meaning: str
    default: str | int | None = None
    choices: tuple[str, ...] = ()
    bounds: tuple[int, int] | None = None

    def schema(self) -> dict[str, Any]:
        """Its JSON Schema."""
        if self.bounds is not None:
            schema: dict[str, Any] = {
                "type": "integer",
                "minimum": self.bounds[0],
                "maximum": self.bounds[1],
            }
        else:
            schema = {"type": "string", **({"enum": list(self.choices)} if self.choices else {})}
        return schema if self.default is None else {**schema, "default": self.default}

    def value(self, given: str | None) -> str | int | None:
        """What was given, or the default; raises `ParameterError`.

        >>> Parameter("limit", "How many.", 50, bounds=(1, 100)).value("7")
        7
        """
        if given is None:
            return self.default
        if self.bounds is not None:
            least, most = self.bounds
            if not _WHOLE.fullmatch(given) or not least <= int(given) <= most:
                raise ParameterError(f"{self.name} must be a whole number from {least} to {most}")
            return int(given)
        if self.choices and given not in self.choices:
            raise ParameterError(f"{self.name} must be one of {', '.join(self.choices)}")
        return given


def values(parameters: tuple[Parameter, ...], query: Mapping[str, str]) -> dict[str, Any]:
    """All parameters by name; raises `ParameterError`, also for a name that is none of them."""
    unknown = sorted(query.keys() - {parameter.name for parameter in parameters})
    if unknown:
        known = ", ".join(parameter.name for parameter in parameters) or "none"
        raise ParameterError(f"{unknown[0]} is no parameter of this; there are: {known}")
    return {parameter.name: parameter.value(query.get(parameter.name)) for parameter in parameters}
