"""The HTML report of the results, the totals and the complaints."""
