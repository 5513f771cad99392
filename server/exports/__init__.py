"""What leaves the server for other tools: tables, an archive for a paper's appendix, margins, tracked runs."""
