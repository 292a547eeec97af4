"""The rules of Xinghe, pure: no I/O, no clock, no engine.

Money is integer fen, orders are millionths (``orders_micros``), time is integer milliseconds UTC.
"""
