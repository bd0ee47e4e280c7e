"""What is to be measured: suites read and checked, expanded into cases, wanted budgets solved."""
