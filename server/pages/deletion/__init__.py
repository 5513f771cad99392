"""The page on which a host takes the archive of a competition and deletes it."""
