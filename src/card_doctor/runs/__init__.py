"""A training run's folder, its settings, its data files → Run, Data."""
