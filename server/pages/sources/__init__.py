"""Published sources: the list of a competition, and each of them."""
