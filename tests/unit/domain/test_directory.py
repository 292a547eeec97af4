"""Numbers for names: given in the order of first use, the same after a restart."""

from __future__ import annotations

import pytest

from xinghe.domain.directory import Directory, Names, Source, campaign_of

TOUCH: Names = ("s1", "c1", "n1", "i1")
ORGANIC: Names = ("s1", None, "n1", "i1")
TARGET: Names = ("s1", None, None, "i1")
OTHER_SHOP: Names = ("s0", "c1", "n9", None)


@pytest.fixture
def directory() -> Directory:
    directory = Directory()
    for names in (TOUCH, ORGANIC, TARGET, OTHER_SHOP):
        directory.add(names)
    return directory


def test_numbers_are_given_in_order_and_kept(directory: Directory) -> None:
    assert [directory.get(names) for names in (TOUCH, ORGANIC, TARGET, OTHER_SHOP)] == [0, 1, 2, 3]
    assert directory.number(ORGANIC) == 1
    assert directory.number(("s2", None, None, None)) == 4
    assert directory.get(("s9", None, None, None)) is None
    assert directory.sources[0] == Source(*TOUCH)


def test_shops_and_campaigns_have_numbers_of_their_own(directory: Directory) -> None:
    assert directory.shop_of == [0, 0, 0, 1]
    assert [directory.campaigns[number] for number in directory.campaign_of] == [
        "c1",
        "organic:s1",
        "unattributed:s1",
        "c1",
    ]


def test_a_campaigns_shop_is_the_smallest_seen(directory: Directory) -> None:
    assert directory.shop_of_campaign[directory.campaign_of[0]] == "s0"


def test_a_directory_comes_back_from_what_was_kept_in_any_order(directory: Directory) -> None:
    restored = Directory()
    restored.restore(reversed(list(enumerate(directory.sources))))
    assert restored.sources == directory.sources
    assert restored.shop_of == directory.shop_of
    assert restored.campaign_of == directory.campaign_of
    assert restored.campaigns == directory.campaigns
    assert restored.shop_of_campaign == directory.shop_of_campaign
    assert restored.get(OTHER_SHOP) == 3


def test_a_missing_number_is_refused(directory: Directory) -> None:
    entries = [entry for entry in enumerate(directory.sources) if entry[0] != 1]
    with pytest.raises(ValueError, match="source number 1 is missing"):
        Directory().restore(entries)


def test_a_source_without_campaign_and_note_is_unattributed() -> None:
    assert campaign_of(Source("s1", None, None, "i1")) == "unattributed:s1"


def test_a_source_without_campaign_is_organic_even_without_a_name_for_its_note() -> None:
    assert campaign_of(Source("s1", None, "", None)) == "organic:s1"
