"""From a name, a file or a folder to verified data sets and model files."""
