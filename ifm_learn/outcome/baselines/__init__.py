"""What people use today: estimators of unseen regimes that need no identification, to compare with."""
