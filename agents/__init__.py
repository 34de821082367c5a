"""Who acts: policies that meet worlds by Gymnasium id only. Knows no model and no window."""
