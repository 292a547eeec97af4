"""How a model shares an order, step by step, for those who check it (ARCHITECTURE.md, R4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from xinghe.domain.attribution.split import split
from xinghe.domain.order import ORDER_MICROS


class ShareTold(Struct, frozen=True):
    """A share of an amount: ``amount * weight / weights_sum``, rounded down, and one more for a large remainder.

    ``remainder`` is in parts of ``weights_sum``.
    """

    rounded_down: int
    remainder: int
    extra: int
    got: int


class CreditTold(Struct, frozen=True):
    """What a model gives to a touch (``None``: the order is unattributed), and what refunds took back of it."""

    touch_event_id: str | None
    campaign_id: str
    note_id: str | None
    weight: int
    micros: ShareTold
    fen: ShareTold
    refund_fen: int


class ModelTold(Struct, frozen=True):
    """A model's weights and credits, in the order of the path."""

    model: str
    weights_sum: int
    credits: list[CreditTold]


class Weighed(NamedTuple):
    """A touch with the weight that a model gives it; of an unattributed order nobody's, with the id ``None``."""

    touch_event_id: str | None
    campaign_id: str
    note_id: str | None
    weight: int


def model_told(
    model: str, weighed: Sequence[Weighed], amount_fen: int, refund_fen: Mapping[str | None, int]
) -> ModelTold:
    """How a model shares an order of ``amount_fen``; ``refund_fen`` is what refunds took back, by the id of the touch."""
    weights = [each.weight for each in weighed]
    shares = zip(weighed, shares_told(ORDER_MICROS, weights), shares_told(amount_fen, weights), strict=True)
    return ModelTold(
        model,
        sum(weights),
        [
            CreditTold(*each, micros, fen, refund_fen.get(each.touch_event_id, 0))
            for each, micros, fen in shares
        ],
    )


def shares_told(total: int, weights: Sequence[int]) -> list[ShareTold]:
    """How `split` comes to its parts; raises ``ValueError`` as it does.

    >>> shares_told(10, [1, 1, 4])[2]
    ShareTold(rounded_down=6, remainder=4, extra=0, got=6)
    """
    weights_sum = sum(weights)
    told = []
    for weight, part in zip(weights, split(total, weights), strict=True):
        rounded_down, remainder = divmod(total * weight, weights_sum)
        told.append(ShareTold(rounded_down, remainder, part - rounded_down, part))
    return told
