"""What every request and every answer has to pass, before and after the pages."""
