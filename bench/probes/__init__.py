"""What is measured in the fresh process. Imports torch and the standard library only."""
