"""What runs in the fresh processes: JSON lines in and out, torch and the standard library only."""
