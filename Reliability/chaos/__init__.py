"""A bank under fault: clients move money, a nemesis breaks things, a checker counts."""
