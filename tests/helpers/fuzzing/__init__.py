"""Files spoilt by the hundred, and what becomes of whoever reads them."""
