"""Measures of speed, latency, recovery and memory on a real Kafka and Redis: ``make bench``."""
