"""What travels and what is stored: pure data."""
