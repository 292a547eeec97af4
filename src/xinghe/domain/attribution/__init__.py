"""Attribution models, one per file."""
