"""Colours of the dashboard, dark and light, for Streamlit's themes; the page on which people sign in is dark."""

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

LIGHT = {
    "primary": "#3f5fd0",
    "background": "#ffffff",
    "raised": "#eef1f7",
    "sidebar": "#f5f7fb",
    "text": "#1b2130",
    "muted": "#5a6478",
    "border": "#d3d9e6",
    "green": "#1f8f5f",
    "red": "#cf3f37",
    "orange": "#b9691f",
}
