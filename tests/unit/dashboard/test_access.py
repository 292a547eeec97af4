"""Tokens and the shops that they may see."""

from __future__ import annotations

from pathlib import Path

import pytest

from xinghe.dashboard.access import AccessError, access_to_all, new_token, read_access, token_hash


def file(folder: Path, text: str) -> Path:
    path = folder / "access.toml"
    path.write_text(text, encoding="utf-8")
    return path


def entry(name: str, token: str, shops: str) -> str:
    return f'[[token]]\nname = "{name}"\nsha256 = "{token_hash(token)}"\nshops = {shops}\n'


def test_a_token_sees_the_shops_that_the_file_gives_it(tmp_path: Path) -> None:
    access = read_access(file(tmp_path, entry("ops", "o", '"*"') + entry("lily", "l", '["s1"]')))
    ops, lily = access.by_token("o"), access.by_token("l")
    assert ops is not None
    assert lily is not None
    assert (ops.name, ops.shops) == ("ops", None)
    assert lily.shops == frozenset({"s1"})
    assert access.by_key(lily.key) == lily
    assert access.by_token("") is access.by_token(token_hash("l")) is access.by_key(None) is None


def test_a_token_without_shops_sees_nothing(tmp_path: Path) -> None:
    viewer = read_access(file(tmp_path, entry("new", "n", "[]"))).by_token("n")
    assert viewer is not None
    assert not viewer.may_see("s1")
    assert not viewer.may_see(None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "token = 1",
        "[[token]]\nname = 'x'",
        entry("x", "t", '"all"'),
        entry("x", "t", "[1]"),
        entry("x", "t", '"*"').replace('name = "x"', 'name = ""'),
        entry("x", "t", '"*"') + "expires = 1\n",
        entry("x", "t", '"*"') + entry("y", "t", "[]"),
        '[[token]]\nname = "x"\nsha256 = "short"\nshops = "*"',
    ],
)
def test_a_wrong_file_says_so_and_names_itself(tmp_path: Path, text: str) -> None:
    with pytest.raises(AccessError, match=r"access\.toml"):
        read_access(file(tmp_path, text))


def test_a_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(AccessError, match=r"nowhere\.toml"):
        read_access(tmp_path / "nowhere.toml")


def test_new_tokens_differ_and_open_everything() -> None:
    token = new_token()
    assert token != new_token()
    viewer = access_to_all(token).by_token(token)
    assert viewer is not None
    assert viewer.may_see(None)
