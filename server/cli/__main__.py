"""`python -m lethe.server.cli` is `lethe`."""

from lethe.server.cli import main

main()
