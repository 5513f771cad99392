"""The boards: standings, ranks, rows and cached answers."""
