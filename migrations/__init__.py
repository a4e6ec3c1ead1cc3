"""The schema's history, one file a revision. Additive: an old version of the code must be able to
work beside a new one for the length of a rolling restart."""
