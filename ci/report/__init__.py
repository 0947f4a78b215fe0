"""Results become the HTML report, the totals and the complaints."""
