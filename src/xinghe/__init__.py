"""Xinghe: from notes on Xiaohongshu to orders on Taobao, attributed live and exactly once."""
