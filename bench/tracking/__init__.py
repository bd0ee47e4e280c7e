"""What asv measures at every commit; the cases stand in suites/asv.yaml."""
