"""The pages of a team's submissions to one competition: the list, and two of them side by side."""
