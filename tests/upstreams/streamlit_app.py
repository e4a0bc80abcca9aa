"""The smallest app that needs its WebSocket: a button whose clicks run the script again."""

import streamlit

streamlit.title("Lagerbestand")
if streamlit.button("Zählen"):
    streamlit.write(f"Ergebnis: {6 * 7}")
