"""Routes of the platform's own, one file per noun."""
