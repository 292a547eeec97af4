"""What a receiver is sent, and what its answer means."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple

import msgspec

JSON: Final = "application/json; charset=utf-8"


class Request(NamedTuple):
    """A POST, ready to be sent; the URL is quoted already."""

    url: str
    headers: dict[str, str]
    body: bytes


class Refusal(NamedTuple):
    """Why an alert was not taken; ``again`` is whether it may be taken later, and ``pause_s`` when the receiver says so."""

    detail: str
    again: bool
    pause_s: float | None = None


def robot_refusal(answer: bytes, code_names: Sequence[str], busy: Collection[int]) -> Refusal | None:
    """Why a chat robot did not take a message that it answered with HTTP 200; ``None`` if it took it.

    The first field of ``code_names`` that the answer has is 0 where all is well; codes of ``busy`` pass by themselves.
    """
    try:
        fields = msgspec.json.decode(answer, type=dict[str, object])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Refusal("the answer is not a JSON object", again=False)
    code = next((fields[name] for name in code_names if name in fields), None)
    if code == 0:
        return None
    said = next((fields[name] for name in ("errmsg", "msg", "StatusMessage") if name in fields), "")
    return Refusal(f"code {code}: {said}"[:300], again=code in busy)
