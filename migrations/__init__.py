"""The database's schema, one revision at a time; `lethe migrate` applies them."""
