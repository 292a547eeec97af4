"""The same funnel on other engines, to compare with."""
