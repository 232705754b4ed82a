"""The annual filing (年度统计填报) as a kind of case."""
