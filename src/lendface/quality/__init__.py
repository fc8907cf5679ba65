"""How good a finished swap is, whatever tool made it: from photos, target and output alone."""
