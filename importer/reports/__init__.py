"""Reports: the files of a run's folder, the summary for a terminal, progress, and explanations of issue codes."""
