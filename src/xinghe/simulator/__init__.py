"""Traffic for the source topics: a seeded model of people, notes and shops, and recorded data sets.

The model (``model.py``) is pure: records are a function of settings, seed and start time.

>>> from xinghe.simulator.model import generate
>>> from xinghe.simulator.settings import SimulatorSettings
>>> settings = SimulatorSettings(people=100, campaigns=2)
>>> records = list(generate(settings, seed=7, start_ms=1_760_000_000_000, span_ms=60_000, count=1_000))
>>> len(records), records == list(
...     generate(settings, seed=7, start_ms=1_760_000_000_000, span_ms=60_000, count=1_000)
... )
(1000, True)
"""
