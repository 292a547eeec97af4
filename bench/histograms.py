"""Reading a worker's Prometheus metrics: counters, and quantiles of histograms."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from itertools import pairwise
from urllib.request import urlopen

from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


class Histogram(Struct, frozen=True):
    """Observations by upper bound of their bucket (not cumulative), their sum and their number."""

    counts: tuple[tuple[float, float], ...]
    sum: float
    count: float

    def mean(self) -> float | None:
        """The mean observation; ``None`` for none."""
        return self.sum / self.count if self.count else None

    def quantile(self, q: float) -> float | None:
        """The value below which the share ``q`` of the observations lies; ``None`` for none.

        Even within a bucket; the last finite bound for what lies above it, as Prometheus does.

        >>> Histogram(counts=((0.1, 50), (0.2, 50)), sum=10, count=100).quantile(0.75)
        0.15
        """
        wanted = q * self.count
        below = lower = 0.0
        for upper, count in self.counts:
            if count and below + count >= wanted:
                return (
                    lower
                    if math.isinf(upper)
                    else round(lower + (upper - lower) * (wanted - below) / count, 6)
                )
            below += count
            lower = upper if not math.isinf(upper) else lower
        return None


def scrape(url: str) -> Samples:
    """All samples of the endpoint; raises ``OSError`` when it does not answer."""
    if not url.startswith("http://127.0.0.1:"):
        message = f"{url} is not a metrics endpoint on this machine"
        raise ValueError(message)
    with urlopen(url, timeout=5) as answer:  # noqa: S310  # the scheme is checked above
        text = answer.read().decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(samples: Samples, name: str, **labels: str) -> float:
    """The sum of a metric over all its series that have ``labels``."""
    return sum(
        value for (found, pairs), value in samples.items() if found == name and labels.items() <= set(pairs)
    )


def by_label(samples: Samples, name: str, label: str) -> dict[str, list[float]]:
    """The values of a metric, grouped by one of its labels."""
    groups: defaultdict[str, list[float]] = defaultdict(list)
    for (found, pairs), value in samples.items():
        if found == name:
            groups[dict(pairs).get(label, "")].append(value)
    return dict(groups)


def histogram(samples: Samples, name: str, before: Samples | None = None, **labels: str) -> Histogram:
    """The histogram ``name`` over all series that have ``labels``, without what ``before`` held already."""
    earlier = _cumulative(before, name, labels) if before is not None else {}
    cumulative = {
        bound: count - earlier.get(bound, 0.0) for bound, count in _cumulative(samples, name, labels).items()
    }
    bounds = sorted(cumulative)
    counts = [cumulative[bound] for bound in bounds]
    own = [*counts[:1], *(upper - lower for lower, upper in pairwise(counts))]

    def difference(part: str) -> float:
        return total(samples, name + part, **labels) - (
            total(before, name + part, **labels) if before else 0.0
        )

    return Histogram(tuple(zip(bounds, own, strict=True)), difference("_sum"), difference("_count"))


def _cumulative(samples: Samples, name: str, labels: Mapping[str, str]) -> dict[float, float]:
    counts: defaultdict[float, float] = defaultdict(float)
    for (found, pairs), value in samples.items():
        if found == name + "_bucket" and labels.items() <= set(pairs):
            counts[float(dict(pairs)["le"])] += value
    return dict(counts)
