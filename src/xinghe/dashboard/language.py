"""The words on the pages, in both languages, and what metrics mean: in English by the catalogue of the domain."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any, Final

from xinghe.dashboard.numbers import Language
from xinghe.domain.catalogue import PLAIN
from xinghe.domain.rates import RATES

LANGUAGES: Final[tuple[Language, ...]] = ("zh-CN", "en")


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _read(name: str) -> dict[str, str]:
    file = resources.files("xinghe.dashboard").joinpath("texts", f"{name}.toml")
    return _flat(tomllib.loads(file.read_text(encoding="utf-8")))


TEXTS: Final[Mapping[Language, Mapping[str, str]]] = {language: _read(language) for language in LANGUAGES}
"""By language, then key: ``overview.title``."""

MEANINGS: Final[Mapping[Language, Mapping[str, str]]] = {
    "en": {
        **{metric.name: metric.meaning for metric in PLAIN},
        **{name: rate.meaning for name, rate in RATES.items()},
    },
    "zh-CN": _read("meanings.zh-CN"),
}
"""What each metric and rate means."""


def preferred(accept_language: str) -> Language:
    """The language for a browser that has chosen none here.

    >>> preferred("zh-TW,en;q=0.8"), preferred("de"), preferred("")
    ('zh-CN', 'en', 'en')
    """
    return "zh-CN" if accept_language.strip().lower().startswith("zh") else "en"
