"""`python -m jtgate.cli`: the command line where the console script is not installed."""

from jtgate.cli import main

main(prog_name="jtgate")
