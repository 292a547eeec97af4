"""``python -m xinghe`` is the command ``xinghe``."""

from xinghe.cli import main

main(prog_name="xinghe")
