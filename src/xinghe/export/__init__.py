"""The outputs as tables in files: the last state of each order and window, for analysis elsewhere."""
