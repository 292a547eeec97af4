"""Parameters of a request's query, checked by what the API's document says of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from xinghe.domain.dates import date_of, day_of

MS_MAX: Final = 2**53
_WHOLE: Final = re.compile("-?[0-9]{1,16}")


class ParameterError(ValueError):
    """A parameter is wrong; the message says what would be right."""


class Parameter(NamedTuple):
    """A parameter: text, one of ``choices`` or several in order, a whole number in ``bounds``, or a date (left out where empty)."""

    name: str
    meaning: str
    default: str | int | tuple[str, ...] | None = None
    choices: tuple[str, ...] = ()
    bounds: tuple[int, int] | None = None
    is_date: bool = False
    is_list: bool = False

    def schema(self) -> dict[str, Any]:
        """Its JSON Schema."""
        if self.bounds is not None:
            schema: dict[str, Any] = {
                "type": "integer",
                "minimum": self.bounds[0],
                "maximum": self.bounds[1],
            }
        elif self.is_date:
            schema = {"type": "string", "format": "date"}
        else:
            schema = {"type": "string", **({"enum": list(self.choices)} if self.choices else {})}
        if self.is_list:
            schema = {"type": "array", "items": schema}
        return schema if self.default is None else {**schema, "default": self.default}

    def value(self, given: str | None) -> str | int | tuple[str, ...] | None:
        """What was given, or the default; raises `ParameterError`.

        >>> Parameter("limit", "How many.", 50, bounds=(1, 100)).value("7")
        7
        """
        if given is None or (self.is_date and not given):
            return self.default
        if self.bounds is not None:
            least, most = self.bounds
            if not _WHOLE.fullmatch(given) or not least <= int(given) <= most:
                raise ParameterError(f"{self.name} must be a whole number from {least} to {most}")
            return int(given)
        if self.is_date and not _is_date(given):
            raise ParameterError(f"{self.name} must be a date such as 2026-11-24")
        if self.is_list:
            return self._several(given)
        if self.choices and given not in self.choices:
            raise ParameterError(f"{self.name} must be one of {', '.join(self.choices)}")
        return given

    def _several(self, given: str) -> str | int | tuple[str, ...] | None:
        """What is named, each once in the order of the first time; the default where nothing is."""
        names = tuple(dict.fromkeys(name for name in given.split(",") if name))
        wrong = [name for name in names if name not in self.choices]
        if wrong:
            raise ParameterError(
                f"{wrong[0]} is none of what {self.name} may name: {', '.join(self.choices)}"
            )
        return names or self.default


def _is_date(given: str) -> bool:
    """Whether it is a date as the records write it.

    >>> _is_date("2026-11-24"), _is_date("2026-02-30"), _is_date("20261124")
    (True, False, False)
    """
    try:
        return date_of(day_of(given)) == given
    except ValueError:
        return False


def address(path: str, parameters: tuple[Parameter, ...], chosen: Mapping[str, Any]) -> str:
    """The address of a page with what is chosen; what is as by default is left out.

    >>> address("/x", (Parameter("limit", "How many.", 50), Parameter("rule", "Which.")), {"limit": 50, "rule": "a b"})
    '/x?rule=a+b'
    """
    defaults = {parameter.name: parameter.default for parameter in parameters}
    query = {
        name: ",".join(value) if isinstance(value, tuple) else value
        for name, value in chosen.items()
        if value is not None and value != defaults[name]
    }
    return f"{path}?{urlencode(query, safe=',')}" if query else path


def linker(path: str, parameters: tuple[Parameter, ...], given: Mapping[str, Any]) -> Callable[..., str]:
    """Makes addresses of a page, or with a suffix of what lies below it, with something else chosen than is given."""

    def link(suffix: str = "", **changes: Any) -> str:
        return address(path + suffix, parameters, {**given, **changes})

    return link


def values(parameters: tuple[Parameter, ...], query: QueryParams) -> dict[str, Any]:
    """All parameters by name; raises `ParameterError`, also for a name that is none of them."""
    unknown = sorted(query.keys() - {parameter.name for parameter in parameters})
    if unknown:
        known = ", ".join(parameter.name for parameter in parameters) or "none"
        raise ParameterError(f"{unknown[0]} is no parameter of this; there are: {known}")
    return {parameter.name: parameter.value(_given(parameter, query)) for parameter in parameters}


def _given(parameter: Parameter, query: QueryParams) -> str | None:
    """What the query says; a list may be told with commas, or as a form does, by its name several times."""
    if parameter.is_list and parameter.name in query:
        return ",".join(query.getlist(parameter.name))
    return query.get(parameter.name)
