"""Oracle banks: which bank belongs to which competition, and the parallel training that fills it."""
