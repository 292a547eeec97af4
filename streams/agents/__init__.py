"""The agents: one stage each."""
