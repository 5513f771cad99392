"""Lethe's server: REST API, pages, rules, leaderboard, database, control tasks and the command line."""
