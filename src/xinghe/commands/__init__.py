"""The commands of ``xinghe``, one module each, exposing ``command``."""
