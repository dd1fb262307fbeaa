"""The dashboard: Streamlit pages that talk to the farm's HTTP API, and to nothing else, through ``farm.client``."""
