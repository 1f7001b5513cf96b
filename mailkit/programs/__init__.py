"""One module per program: its command line, the control values it reads, and who does the work."""
