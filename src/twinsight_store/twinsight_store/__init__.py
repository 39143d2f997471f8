"""How robot data lies in its stores: layout, writing, querying."""
