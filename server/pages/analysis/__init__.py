"""The analysis of a competition."""
