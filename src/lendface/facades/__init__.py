"""One folder for each API: routes, schemas, translation, errors."""
