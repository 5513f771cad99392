"""The database: engine, sessions, migrations, counters and dumps."""
