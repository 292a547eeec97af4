"""The audit: the whole truth recomputed from the source topics, plainly, and compared with what is shown."""
