"""How far an answer may be believed: intervals, the applicability domain, checks of physics."""
