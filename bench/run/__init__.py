"""Measuring: rounds of fresh processes, what starts them, and the records they leave."""
