"""What is measured, one question per file; each answers a figure that the report prints."""
