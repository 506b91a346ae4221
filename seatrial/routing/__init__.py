"""Who gets which variant: split, snapshot → Decision(variant, reason, propensity). Pure."""
