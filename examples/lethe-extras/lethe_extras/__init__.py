"""Examples of a source, a measure and an architecture for Lethe."""
