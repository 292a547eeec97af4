"""Comparing the last record of each shop's models with those recomputed, and Redis with both (ARCHITECTURE.md, R16)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

import orjson
from aiokafka import ConsumerRecord
from redis import Redis

from xinghe.audit.fields import differing
from xinghe.audit.figures import Truth
from xinghe.audit.findings import Difference, Findings
from xinghe.audit.shop_models import MODEL_NAMES, ORDER_MICROS, ExpectedModels, expected_models
from xinghe.domain.events import ModelChannel

SHOPS: Final = "xinghe:shops"
MODELS_KEYS: Final = "xinghe:shop:*:models"
KIND: Final = "models"
SAME_UP_TO: Final = 1_000_000
"""A share is right if it differs by at most so small a part of the whole, and by what rounding takes."""

Found = tuple[str, Any, Any]
"""Field, expected, found."""


class FoundModels:
    """The records of ``xinghe.attribution.model.v1``: the last of each shop, kept as it came."""

    def __init__(self) -> None:
        self.last: dict[str, bytes] = {}

    def add(self, record: ConsumerRecord) -> None:
        """Take one record; those of one shop come in their order."""
        shop_id = (record.key or b"").decode()
        if record.value is None:
            self.last.pop(shop_id, None)
        else:
            self.last[shop_id] = record.value


class ModelsComparison:
    """What each shop's models must be, computed once, against what was found, as often as it takes."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._expected = {shop_id: expected_models(paths) for shop_id, paths in truth.paths.items()}

    def compare(self, found: FoundModels, in_redis: Mapping[str, bytes], findings: Findings) -> None:
        """Compare every shop's record with the truth, and Redis with the record."""
        for shop_id in sorted(self._expected.keys() | found.last.keys()):
            findings.compared["shop_models"] += 1
            record = found.last.get(shop_id)
            for difference in self._differences(shop_id, record):
                self._differs(findings, f"shop {shop_id}", shop_id, difference)
        for shop_id in sorted(found.last.keys() | in_redis.keys()):
            if found.last.get(shop_id) != in_redis.get(shop_id):
                key = f"xinghe:shop:{shop_id}:models"
                self._differs(
                    findings, key, shop_id, ("value", found.last.get(shop_id), in_redis.get(shop_id))
                )

    def _differs(self, findings: Findings, where: str, shop_id: str, found: Found) -> None:
        findings.add(Difference(KIND, where, *found), is_notice=shop_id in self._truth.apart_shops)

    def _differences(self, shop_id: str, record: bytes | None) -> Iterator[Found]:
        expected = self._expected.get(shop_id)
        if expected is None or record is None:
            if expected is not None:
                yield "record", "one", None
            elif record is not None:
                yield "record", "none: no touch reached an order", "one"
            return
        try:
            value = orjson.loads(record)
            found_ms, models = value.pop("watermark_ms"), value.pop("models")
            credits_ = {
                model: {credit["channel_id"]: credit for credit in models.pop(model)} for model in MODEL_NAMES
            }
        except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
            yield "value", "the models of a shop", "something else"
            return
        if type(found_ms) is not int or not 0 <= found_ms <= self._truth.watermark_ms:
            yield "watermark_ms", f"at most {self._truth.watermark_ms}", found_ms
        channel = self._truth.model_channel
        yield from differing({"channel": channel, **_whole(shop_id, expected)}, value | models)
        if value.get("channel") == channel and _is_as_of(expected, value):
            # Of a record that is not recomputed yet nothing else can be right.
            for model in MODEL_NAMES:
                yield from _credits(model, expected, credits_[model])
                yield from _campaigns(model, credits_[model], channel)


def _whole(shop_id: str, expected: ExpectedModels) -> dict[str, Any]:
    counts = expected._asdict()
    del counts["shares"]
    return {"shop_id": shop_id, **counts}


def _is_as_of(expected: ExpectedModels, value: Mapping[str, Any]) -> bool:
    """Whether a record counts the orders that it must; else it is one from before the last of them."""
    return (expected.orders, expected.gmv_fen, expected.paths) == (
        value.get("orders"),
        value.get("gmv_fen"),
        value.get("paths"),
    )


def _credits(model: str, expected: ExpectedModels, credits_: Mapping[str | None, Any]) -> Iterator[Found]:
    shares = expected.shares[model]
    if credits_.keys() != shares.keys():
        yield f"{model}.channels", _named(shares), _named(credits_)
        return
    for place, (unit, whole) in enumerate(
        (("orders_micros", expected.orders * ORDER_MICROS), ("gmv_fen", expected.gmv_fen))
    ):
        found = {channel: credit.get(unit) for channel, credit in credits_.items()}
        if not all(type(amount) is int for amount in found.values()):
            yield f"{model}.{unit}", "whole numbers", found
            continue
        if sum(found.values()) != whole:
            yield f"{model}.{unit}", f"{whole} in all", sum(found.values())
        for channel, amount in found.items():
            share = shares[channel][place]
            if abs(amount - share) > 1 + whole / SAME_UP_TO:
                yield f"{model}.{channel}.{unit}", float(share), amount


def _campaigns(model: str, credits_: Mapping[str | None, Any], channel: ModelChannel) -> Iterator[Found]:
    """Where the channel is the campaign, it stands under that name too; else no campaign does."""
    for channel_id, credit in credits_.items():
        campaign_id = channel_id if channel == "campaign" else None
        if credit.get("campaign_id", ...) != campaign_id:
            yield f"{model}.{channel_id}.campaign_id", campaign_id, credit.get("campaign_id")


def _named(channels: Mapping[str | None, Any]) -> list[str]:
    return sorted(str(channel) for channel in channels)


def models_in_redis(redis: Redis) -> dict[str, bytes]:
    """The value of every shop's key, and what is listed of shops without one; ``redis`` must decode responses."""
    shop_ids = {key.split(":")[2] for key in redis.scan_iter(match=MODELS_KEYS, count=1_000)}
    shop_ids |= cast("set[str]", redis.smembers(SHOPS))
    values = {shop_id: cast("str | None", redis.get(f"xinghe:shop:{shop_id}:models")) for shop_id in shop_ids}
    listed = cast("set[str]", redis.smembers(SHOPS))
    return {
        shop_id: (value or "").encode() if shop_id in listed else b"not in xinghe:shops"
        for shop_id, value in values.items()
    }
