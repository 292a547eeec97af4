"""The funnel on stock Faust, tuned: ``python -m bench.peers.stock_faust worker``; at-least-once.

The same two stages: journeys by person, then, through a topic of deltas, windows by campaign, and Redis written in
batches 5 times a second. What is tuned: decoding and state with msgspec instead of Faust's records, raw bytes on
topics, the memory store, lz4, linger, large fetches and polls, deep stream buffers, the monitor's per-event
work off, the garbage collector off.
"""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator
from typing import Any, Final

import faust
import msgspec
import orjson
from faust.sensors import Monitor, Sensor
from faust.serializers import codecs
from faust.transport.producer import ProducerBuffer
from prometheus_client import Counter, start_http_server
from redis.asyncio import Redis

from bench.peers.funnel import COUNTED, PEOPLE, Change, Delta, Journey, apply
from xinghe.domain.events import JOURNEY_EVENTS, AdSpent, CampaignConfigured
from xinghe.domain.metrics import ENGAGEMENT_NAMES
from xinghe.domain.windows import MINUTE_MS, start_ms

APPLICATION_ID: Final = os.environ["XINGHE_APPLICATION_ID"]
PREFIX: Final = "peer."
"""Before every topic, so that the peer can be given a part of the events."""
PARTITIONS: Final = 4
COMMIT_INTERVAL_S: Final = 1.0
REDIS_INTERVAL_S: Final = 0.2
TAKE_EVENTS: Final = int(os.environ["PEER_TAKE_EVENTS"])
"""1: an event at a time, as Faust's agents are written; more: in batches of up to so many with ``Stream.take``."""
TAKE_WITHIN_S: Final = 0.2
PEOPLE_AT: Final = len(COUNTED)
SPEND_AT: Final = PEOPLE_AT + len(PEOPLE)

DELTA_TOPIC: Final = f"{PREFIX}delta"
ATTRIBUTED_TOPIC: Final = f"{PREFIX}order.attributed"


# Waiting whenever 100 changelog records are unsent costs a pause per poll; memory is no concern here.
ProducerBuffer.max_messages = 10_000


class QuietMonitor(Monitor):  # type: ignore[misc]  # faust's classes are untyped
    """Faust's monitor without what it does for every event."""

    on_message_in = Sensor.on_message_in
    on_message_out = Sensor.on_message_out
    on_stream_event_in = Sensor.on_stream_event_in
    on_stream_event_out = Sensor.on_stream_event_out
    on_table_get = Sensor.on_table_get
    on_table_set = Sensor.on_table_set
    on_send_initiated = Sensor.on_send_initiated
    on_send_completed = Sensor.on_send_completed


class MsgpackCodec(codecs.Codec):  # type: ignore[misc]  # faust's classes are untyped
    """Table values as MessagePack of one type."""

    def __init__(self, value_type: Any) -> None:
        super().__init__()
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(value_type).decode

    def _dumps(self, obj: Any) -> bytes:
        return self._encode(obj)

    def _loads(self, s: bytes) -> Any:
        return self._decode(s)


EVENTS: Final = Counter("xinghe_events", "Source records processed.")

app = faust.App(
    APPLICATION_ID,
    broker=f"kafka://{os.environ['XINGHE_KAFKA_BOOTSTRAP_SERVERS']}",
    store="memory://",
    topic_partitions=PARTITIONS,
    topic_disable_leader=True,
    web_enabled=False,
    Monitor=QuietMonitor,
    broker_max_poll_records=4_000,
    broker_commit_interval=COMMIT_INTERVAL_S,
    broker_commit_every=100_000,
    consumer_max_fetch_size=4_000_000,
    consumer_auto_offset_reset="earliest",
    producer_linger=0.05,
    producer_max_batch_size=262_144,
    producer_compression_type="lz4",
    stream_buffer_maxsize=16_384,
    stream_wait_empty=False,
)


def _topic(*names: str) -> Any:
    return app.topic(*names, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")


def _table(name: str, value_type: Any) -> Any:
    codecs.register(f"{name}-msgpack", MsgpackCodec(value_type))
    table = app.Table(name, partitions=PARTITIONS, key_type=bytes, use_partitioner=True)
    table.key_serializer = "raw"
    table.value_serializer = f"{name}-msgpack"
    return table


source_topic = _topic(*(PREFIX + event.topic for event in JOURNEY_EVENTS))  # type: ignore[attr-defined]
delta_topic = _topic(DELTA_TOPIC)
attributed_topic = _topic(ATTRIBUTED_TOPIC)
spend_topic = _topic(PREFIX + AdSpent.topic)
settings_topic = _topic(PREFIX + CampaignConfigured.topic)

journeys = _table("journeys", Journey)
windows = _table("windows", list[int | None])
spends = _table("spends", tuple[int, str, int])
settings = _table("settings", CampaignConfigured)

DECODE: Final = {
    PREFIX + event.topic: msgspec.json.Decoder(event).decode  # type: ignore[attr-defined]
    for event in JOURNEY_EVENTS
}
decode_spend: Final = msgspec.json.Decoder(AdSpent).decode
decode_settings: Final = msgspec.json.Decoder(CampaignConfigured).decode
decode_delta: Final = msgspec.msgpack.Decoder(Delta).decode
encode: Final = msgspec.msgpack.Encoder().encode

changed: set[bytes] = set()
"""Windows to write to Redis."""


async def _batches(stream: Any) -> AsyncIterator[list[Any]]:
    """The stream's events one by one, or as Faust's ``take`` batches them."""
    if TAKE_EVENTS == 1:
        async for event in stream.events():
            yield [event]
    else:
        async for events in stream.take_events(TAKE_EVENTS, within=TAKE_WITHIN_S):
            yield events


@app.agent(source_topic)  # type: ignore[untyped-decorator]  # faust's decorators are untyped
async def on_person_event(stream: Any) -> None:
    """Stage 1: the journey of a person."""
    async for events in _batches(stream):
        EVENTS.inc(len(events))
        deltas: dict[tuple[str, int], Delta] = {}
        for event in events:
            journey = journeys.get(event.key)
            if journey is None:
                journey = Journey({}, {}, {}, {})
            changes = apply(journey, DECODE[event.message.topic](event.value))
            if changes:
                journeys[event.key] = journey
            for change in changes:
                _merge(deltas, change)
                if change.credited is not None:
                    await _send_attribution(journey, change)
        for (campaign_id, _), delta in deltas.items():
            await delta_topic.send(key=campaign_id.encode(), value=encode(delta))


def _merge(deltas: dict[tuple[str, int], Delta], change: Change) -> None:
    """Add a change to the delta of its campaign and minute."""
    key = (change.campaign_id, change.delta.time_ms // MINUTE_MS)
    merged = deltas.get(key)
    if merged is None:
        deltas[key] = change.delta
    else:
        merged.counted += change.delta.counted
        merged.people += change.delta.people


async def _send_attribution(journey: Journey, change: Change) -> None:
    order = change.credited
    assert order is not None
    touch = None if order.winner is None else journey.touches[order.winner]
    credit = {
        "campaign_id": change.campaign_id,
        "note_id": touch and touch.note_id,
        "touch_event_id": order.winner,
        "touch_time_ms": touch and touch.time_ms,
        "gmv_fen": order.amount_fen,
    }
    attribution = {
        "order_id": order.order_id,
        "amount_fen": order.amount_fen,
        "credits": {"last_touch": [credit]},
    }
    assert order.order_id is not None
    await attributed_topic.send(key=order.order_id.encode(), value=orjson.dumps(attribution))


@app.agent(delta_topic)  # type: ignore[untyped-decorator]  # as above
async def on_delta(stream: Any) -> None:
    """Stage 2: the windows of a campaign."""
    async for events in _batches(stream):
        added: dict[bytes, list[Any]] = {}
        for event in events:
            _add(event.key, decode_delta(event.value), added)
        for key, values in added.items():
            windows[key] = values
        changed.update(added)


def _add(campaign_id: bytes, delta: Delta, added: dict[bytes, list[Any]]) -> None:
    """Add a delta to the windows of its time; ``added`` holds those that changed."""
    for size in ("1m", "1h", "1d", "total"):
        key, values = _window(campaign_id, size, delta.time_ms)
        added[key] = values
        for index, amount in delta.counted:
            values[index] += amount
        if size == "1d":
            for index, day, _ in delta.people:
                values[PEOPLE_AT + index] += day
        elif size == "total":
            for index, _, to_date in delta.people:
                values[PEOPLE_AT + index] += to_date


@app.agent(spend_topic)  # type: ignore[untyped-decorator]  # as above
async def on_spend(stream: Any) -> None:
    """The spend of a campaign's hour; the largest revision counts."""
    async for event in stream.events():
        EVENTS.inc()
        spent = decode_spend(event.value)
        hour = event.key + b"|%d" % spent.hour_start_ms
        former = spends.get(hour)
        if former is not None and tuple(former[:2]) >= (spent.revision, spent.event_id):
            continue
        spends[hour] = (spent.revision, spent.event_id, spent.spend_fen)
        difference_fen = spent.spend_fen - (former[2] if former is not None else 0)
        for size in ("1h", "1d", "total"):
            key, values = _window(event.key, size, spent.hour_start_ms)
            values[SPEND_AT] = (values[SPEND_AT] or 0) + difference_fen
            windows[key] = values
            changed.add(key)


@app.agent(settings_topic)  # type: ignore[untyped-decorator]  # as above
async def on_settings(stream: Any) -> None:
    """The settings of a campaign, kept."""
    async for event in stream.events():
        EVENTS.inc()
        settings[event.key] = decode_settings(event.value)


def _window(campaign_id: bytes, size: str, time_ms: int) -> tuple[bytes, list[Any]]:
    key = b"%b|%b|%d" % (campaign_id, size.encode(), start_ms(size, time_ms))
    values = windows.get(key)
    if values is None:
        # The memory store holds the object itself, so a later event of the same batch finds it there.
        values = windows.data[key] = [0] * SPEND_AT + [None]
    return key, values


@app.task  # type: ignore[untyped-decorator]  # as above
async def write_redis_forever() -> None:
    """What changed, in one pipeline, 5 times a second."""
    redis = Redis.from_url(os.environ["XINGHE_REDIS_URL"])
    while not app.should_stop:
        await app.sleep(REDIS_INTERVAL_S)
        keys = sorted(changed)
        changed.clear()
        if keys:
            pipeline = redis.pipeline(transaction=False)
            for key in keys:
                _put_window(pipeline, key)
            await pipeline.execute()
    await redis.aclose()


def _put_window(pipeline: Any, key: bytes) -> None:
    campaign_id, size, window_start_ms = key.decode().rsplit("|", 2)
    values = windows[key]
    metrics = dict(zip(COUNTED, values, strict=False))
    metrics["engagements"] = sum(metrics[name] for name in ENGAGEMENT_NAMES)
    if size in {"1d", "total"}:
        metrics.update(zip(PEOPLE, values[PEOPLE_AT:SPEND_AT], strict=True))
    if values[SPEND_AT] is not None:
        metrics["spend_fen"] = values[SPEND_AT]
    name = f"xinghe:campaign:{campaign_id}:{size}"
    pipeline.hset(name if size == "total" else f"{name}:{window_start_ms}", mapping=metrics)
    if size == "total":
        pipeline.zadd("xinghe:campaigns", {campaign_id: 0})


if __name__ == "__main__":
    gc.disable()
    start_http_server(int(os.environ["XINGHE_METRICS_PORT"]), addr="127.0.0.1")
    app.main()
