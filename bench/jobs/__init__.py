"""Jobs that run on the engine only to be measured."""
