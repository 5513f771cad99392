"""Competitions as everybody sees them: phases, rules, and what is disclosed to whom."""
