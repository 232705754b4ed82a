"""The two servers `zhibao up` brings along, as child processes on one data folder."""
