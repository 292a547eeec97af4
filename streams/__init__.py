"""The stream application: settings, topics, tables, agents and the engine that runs them."""
