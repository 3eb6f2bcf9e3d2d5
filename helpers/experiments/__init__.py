"""Long measured comparisons, one module per chapter, resumable."""
