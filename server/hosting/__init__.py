"""What hosts and operators do: create, seed, finals, reveal, exports, backups."""
