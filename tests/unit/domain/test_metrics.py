"""The metrics of windows and notes as they are shown."""

from __future__ import annotations

import pytest

from xinghe.domain.metrics import (
    COUNTED_INDEX,
    COUNTED_NAMES,
    MODEL_COUNTED_INDEX,
    MODEL_COUNTED_NAMES,
    MODEL_PEOPLE_INDEX,
    MODEL_PEOPLE_NAMES,
    MODELS,
    NOTELESS,
    PEOPLE_NAMES,
    SPENT_NAMES,
    shown_counts,
    shown_note_counts,
    shown_note_orders,
    shown_orders,
    shown_without_orders,
)

COUNTED = list(range(len(COUNTED_NAMES)))
PLAIN = list(range(100, 100 + len(MODEL_COUNTED_NAMES)))
BY_MODEL = list(range(1_000, 1_000 + len(MODELS) * len(MODEL_COUNTED_NAMES)))
PEOPLE_BY_MODEL = list(range(500, 500 + len(MODELS) * len(MODEL_PEOPLE_NAMES)))


class TestCounts:
    def test_each_metric_has_its_own_figure_and_engagements_their_sum(self) -> None:
        shown = shown_counts(COUNTED, [7, 8, 9], [11, 2, 30, 4, 1])
        assert [shown[name] for name in COUNTED_NAMES] == COUNTED
        assert [shown[name] for name in PEOPLE_NAMES] == [7, 8, 9]
        assert [shown[name] for name in SPENT_NAMES] == [11, 2, 30, 4, 1]
        names = ("likes", "comments", "collects", "shares", "follows")
        assert shown["engagements"] == sum(COUNTED_INDEX[name] for name in names)

    def test_what_is_not_known_has_no_field(self) -> None:
        assert set(shown_counts(COUNTED, None, None)) == {*COUNTED_NAMES, "engagements"}

    def test_spend_of_0_is_known(self) -> None:
        assert shown_counts(COUNTED, None, [0, 1, 0, 0, 0])["spend_fen"] == 0

    def test_without_an_hour_that_has_both_there_are_no_impressions_and_clicks(self) -> None:
        added = shown_counts(COUNTED, None, [5, 3, 0, 0, 0]).keys() - shown_counts(COUNTED, None, None).keys()
        assert added == {"spend_fen", "spend_hours"}
        assert shown_counts(COUNTED, None, [5, 3, 0, 0, 1])["clicks"] == 0

    def test_a_row_of_another_length_is_refused(self) -> None:
        with pytest.raises(ValueError, match="zip"):
            shown_counts(COUNTED[:-1], None, None)


class TestOrders:
    def test_without_people_there_are_the_plain_figures_only(self) -> None:
        shown = shown_orders(PLAIN, BY_MODEL, None, 3)
        net = shown.pop("net_gmv_fen")
        assert list(shown.items()) == list(zip(MODEL_COUNTED_NAMES, PLAIN, strict=True))
        assert net == shown["gmv_fen"] - shown["refund_fen"]

    def test_with_people_each_model_has_its_own_fields(self) -> None:
        shown = shown_orders(PLAIN, BY_MODEL, PEOPLE_BY_MODEL, 3)
        for number, model in enumerate(MODELS):
            for name, index in MODEL_COUNTED_INDEX[number].items():
                assert shown[f"{name}:{model}"] == BY_MODEL[index - len(COUNTED_NAMES)]
            for name, index in MODEL_PEOPLE_INDEX[number].items():
                assert shown[f"{name}:{model}"] == PEOPLE_BY_MODEL[index - len(PEOPLE_NAMES)]
            net_fen = shown[f"gmv_fen:{model}"] - shown[f"refund_fen:{model}"]
            assert shown[f"net_gmv_fen:{model}"] == net_fen
        assert [shown[name] for name in MODEL_COUNTED_NAMES] == PLAIN
        fields = 1 + len(MODELS)
        assert len(shown) == fields * (len(MODEL_COUNTED_NAMES) + 1 + len(MODEL_PEOPLE_NAMES))

    def test_people_under_plain_names_are_those_of_one_model(self) -> None:
        shown = shown_orders(PLAIN, BY_MODEL, PEOPLE_BY_MODEL, MODELS.index("time_decay"))
        for name in MODEL_PEOPLE_NAMES:
            assert shown[name] == shown[f"{name}:time_decay"]

    @pytest.mark.parametrize("has_people", [False, True])
    def test_where_there_are_none_all_plain_fields_are_0(self, has_people: bool) -> None:
        shown = shown_without_orders(has_people=has_people)
        people = PEOPLE_BY_MODEL if has_people else None
        plain = [name for name in shown_orders(PLAIN, BY_MODEL, people, 0) if ":" not in name]
        assert shown == dict.fromkeys(plain, 0)


class TestNotes:
    def test_a_note_has_what_belongs_to_notes(self) -> None:
        shown = shown_note_counts(COUNTED) | shown_note_orders(PLAIN)
        names = {*COUNTED_NAMES, *MODEL_COUNTED_NAMES, "engagements", "net_gmv_fen"}
        assert set(shown) == names - NOTELESS
        assert shown["cart_adds"] == COUNTED_INDEX["cart_adds"]
        assert shown["refund_fen"] == PLAIN[MODEL_COUNTED_NAMES.index("refund_fen")]

    def test_without_orders_their_fields_are_0(self) -> None:
        assert shown_note_orders(None) == dict.fromkeys(shown_note_orders(PLAIN), 0)
