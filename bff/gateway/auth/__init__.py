"""Who calls: credentials read and checked before a function hears of the request."""
