"""The competitions that a visitor hosts, and everything there is to know about one of them."""
