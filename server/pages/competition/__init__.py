"""The list of competitions, and the overview of one."""
