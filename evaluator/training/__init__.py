"""Training one model by a competition's recipe, and computing what is stored of it."""
