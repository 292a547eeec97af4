"""Webhooks: alerts as requests to the receivers that a file names, delivered with retries (ARCHITECTURE.md, R25)."""
