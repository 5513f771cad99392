"""What lies in the artifact store on the server's behalf: packed outputs, what may go, and backups."""
