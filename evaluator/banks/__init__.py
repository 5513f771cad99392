"""Oracle banks: the identity of a competition's bank, and the parallel training that fills it."""
