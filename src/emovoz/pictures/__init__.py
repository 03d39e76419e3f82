"""Pictures for people: what was heard when, and why."""
