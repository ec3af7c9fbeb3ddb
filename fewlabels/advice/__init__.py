"""Which methods to try for a data set: from what it looks like and what was measured on others."""
