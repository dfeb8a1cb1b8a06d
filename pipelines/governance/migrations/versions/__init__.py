"""One file a step. What was released is never edited: a change of the schema is a new step."""
