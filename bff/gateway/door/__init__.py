"""What stands at the door for browsers' sake: origins, cookies from elsewhere, fields of caution, rates, sizes."""
