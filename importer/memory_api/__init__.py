"""The only code that speaks HTTP: a client of the Memory API and of the bucket that import files go to."""
