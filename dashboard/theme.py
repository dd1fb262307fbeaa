"""Colours of the dashboard, for Streamlit's theme and for the page on which people sign in."""

COLORS = {
    "primary": "#7c9cff",
    "background": "#0f1218",
    "raised": "#181d27",
    "sidebar": "#12161e",
    "text": "#e6e9f0",
    "muted": "#a3abbd",
    "border": "#2a3140",
    "green": "#4cc38a",
    "red": "#f2665e",
    "orange": "#f0a35e",
}
