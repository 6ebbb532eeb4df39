"""From what one sees in a prototype to a tested claim: cohorts, tests, agreement, reports."""
