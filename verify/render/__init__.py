"""Reports: pure functions of a results.json, which is never computed again for them."""
