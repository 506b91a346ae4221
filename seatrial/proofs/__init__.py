"""What can be proved of a set of rules, with z3 (the extra ``rules``); pure."""
