"""What other sites and programs read of a competition."""
