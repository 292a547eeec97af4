"""Who may see what: tokens, and the shops that each may see (a TOML file).

.. code-block:: toml

    [[token]]
    name = "lily"
    sha256 = "9f86d0..."         # of the token; the token itself is nowhere
    shops = ["shop-1", "shop-2"] # or "*" for all
"""

from __future__ import annotations

import hashlib
import secrets
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec

TOKEN_BYTES: Final = 32
_KEY_LENGTH: Final = 16


class Viewer(msgspec.Struct, frozen=True):
    """Someone with a token; ``shops`` is ``None`` for all shops, and for what belongs to no shop."""

    key: str
    """Names the token in a session, without telling it."""
    name: str
    shops: frozenset[str] | None

    def may_see(self, shop_id: str | None) -> bool:
        """Whether what belongs to the shop may be seen; where the shop is not known only those with all shops may.

        >>> lily = Viewer("k", "lily", frozenset({"s1"}))
        >>> lily.may_see("s1"), lily.may_see("s2"), lily.may_see(None)
        (True, False, False)
        """
        return self.shops is None or shop_id in self.shops


class AccessError(ValueError):
    """The file of tokens is wrong; the message says where and what would be right."""


class _Token(msgspec.Struct, forbid_unknown_fields=True):
    name: Annotated[str, msgspec.Meta(min_length=1)]
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    shops: list[str] | Literal["*"]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    token: Annotated[list[_Token], msgspec.Meta(min_length=1)]


class Access:
    """The viewers by their tokens. A token is long and random, so that looking up its hash tells nothing by its time."""

    def __init__(self, viewers: Iterable[Viewer], hashes: Iterable[str]) -> None:
        self._by_hash: Mapping[str, Viewer] = dict(zip(hashes, viewers, strict=True))
        self._by_key = {viewer.key: viewer for viewer in self._by_hash.values()}

    def by_token(self, token: str) -> Viewer | None:
        """Who has the token; ``None`` for a token that nobody has."""
        return self._by_hash.get(token_hash(token))

    def by_key(self, key: Any) -> Viewer | None:
        """Who a session was opened by; ``None`` once that token is gone."""
        return self._by_key.get(key) if isinstance(key, str) else None


def new_token() -> str:
    """A token that nobody has guessed."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def token_hash(token: str) -> str:
    """What the file has of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def access_to_all(token: str) -> Access:
    """One token that may see everything."""
    hashed = token_hash(token)
    return Access([Viewer(hashed[:_KEY_LENGTH], "admin", None)], [hashed])


def read_access(path: Path) -> Access:
    """The tokens of a file; raises `AccessError` if it is not there or wrong."""
    try:
        found = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _File)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise AccessError(
            f"{path}: {error}. It needs at least one [[token]] with name, sha256 (64 hex digits) and shops "
            '(a list, or "*"); `xinghe dashboard --new-token NAME` writes one.'
        ) from error
    hashes = [token.sha256 for token in found.token]
    if len(set(hashes)) < len(hashes):
        raise AccessError(f"{path}: two tokens are the same; each needs its own")
    viewers = [
        Viewer(token.sha256[:_KEY_LENGTH], token.name, None if token.shops == "*" else frozenset(token.shops))
        for token in found.token
    ]
    return Access(viewers, hashes)
