"""From records to tables and verdicts: pure functions on what was measured."""
