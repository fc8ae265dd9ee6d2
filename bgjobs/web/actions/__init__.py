"""What users do at the page: forms that can be sent once, and the actions that they begin."""
