"""The page from which a host leads a competition."""
