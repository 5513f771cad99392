"""The one place that writes the states of submissions and of leased work, as the tables of transitions allow."""
