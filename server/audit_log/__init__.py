"""The log of what hosts and operators did."""
