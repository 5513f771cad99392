"""`python -m server.cli` is `lethe`."""

from server.cli import main

main()
