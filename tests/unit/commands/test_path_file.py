"""Path counts from CSV."""

from __future__ import annotations

import pytest

from xinghe.commands.path_file import PathFileError, read_paths
from xinghe.domain.attribution.path_counts import PathCount


def test_columns_come_in_any_order_and_lines_of_one_path_add_up() -> None:
    lines = [
        " null , path,value,conversions\n",
        "1,a > b > a,2.5,3\n",
        "\n",
        '0,"b, c",0,0\n',
        "4,  a>b  >a ,1e1,2.0\n",
    ]
    assert read_paths(lines) == {
        ("a", "b", "a"): PathCount(5, 12.5, 5),
        ("b, c",): PathCount(0, 0.0, 0),
    }


def test_value_and_null_may_be_missing() -> None:
    assert read_paths(["path,conversions", "小红书 > 淘宝,7"]) == {("小红书", "淘宝"): PathCount(7)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1, column path: is missing"),
        ("conversions", "line 1, column path: is missing"),
        ("path,null", "line 1, column conversions: is missing"),
        ("path;conversions", "line 1, column 'path;conversions': is none of path, conversions, value, null"),
        ("path,conversions,nulls", "line 1, column 'nulls': is none of"),
        ("path,conversions,path", "line 1, column 'path': is there twice"),
        ("path,conversions", "line 2: there is no path"),
        ("path,conversions\na,1\nb", r"line 3: has 1 columns, not 2 \(path, conversions\)"),
        ("path,conversions\na,1,2", "line 2: has 3 columns, not 2"),
        ("path,conversions\n\na,x", "line 3, column conversions: 'x' is not a whole number from 0 to 2"),
        ("path,conversions\na,-1", "line 2, column conversions: '-1' is not"),
        ("path,conversions\na,1.5", "line 2, column conversions: '1.5' is not"),
        ("path,conversions\na,", "line 2, column conversions: '' is not"),
        ("path,conversions\na,9007199254740993", "line 2, column conversions: '9007199254740993' is not"),
        ("path,conversions,null\na,1,one", "line 2, column null: 'one' is not a whole number"),
        ("path,conversions,value\na,1,¥3", "line 2, column value: '¥3' is not a number from 0"),
        ("path,conversions,value\na,1,nan", "line 2, column value: 'nan' is not"),
        ("path,conversions,value\na,1,inf", "line 2, column value: 'inf' is not"),
        ("path,conversions,value\na,0,3", "line 2, column value: 3 without conversions"),
        ("path,conversions\n,1", "line 2, column path: a channel has no name in ''"),
        ("path,conversions\na > > b,1", "line 2, column path: a channel has no name in 'a > > b'"),
        ("path,conversions\na >,1", "line 2, column path: a channel has no name"),
        ('path,conversions\n"a"b,1', "line 2: ',' expected after '\"'"),
        ('path,conversions\na,1\n"b,1', "line 3: unexpected end of data"),
        (f"path,conversions\na,{'9' * 1000}", f"line 2, column conversions: '{'9' * 60}…' is not"),
    ],
)
def test_what_does_not_fit_is_named_by_line_and_column(text: str, message: str) -> None:
    with pytest.raises(PathFileError, match=message):
        read_paths(text.splitlines(keepends=True))
