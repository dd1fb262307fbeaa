"""Parts of a page that change without being drawn anew: the timeline, and the player of a video that grows."""

from typing import Any

import streamlit as st

TIMELINE_CSS = """
.timeline { display: grid; grid-template-columns: repeat(auto-fill, minmax(104px, 1fr)); gap: 6px; }
.timeline.many { grid-template-columns: repeat(auto-fill, minmax(72px, 1fr)); gap: 4px; max-height: 420px;
  overflow-y: auto; }
.cell { display: block; padding: 0; height: 146px; border: 2px solid transparent; border-radius: 8px; overflow: hidden;
  text-align: left; cursor: pointer; font: inherit; color: var(--st-text-color);
  background: var(--st-secondary-background-color); border-top: 4px solid var(--state); }
.many .cell { height: 96px; }
.cell:hover, .cell:focus-visible { border-color: var(--st-primary-color); outline: none; }
.cell.chosen { border-color: var(--st-primary-color); box-shadow: 0 0 0 1px var(--st-primary-color); }
.picture { position: relative; height: 84px; background: color-mix(in srgb, var(--st-text-color) 6%, transparent); }
.many .picture { height: 54px; }
.picture img { width: 100%; height: 100%; object-fit: contain; display: block; }
.fill { position: absolute; left: 0; bottom: 0; height: 4px; background: #7c9cff; }
.label { padding: 2px 6px; font-size: 12px; line-height: 1.35; }
.label div { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; height: 1.35em; }
.many .label div:nth-child(n + 3) { display: none; }
.label u { float: right; text-decoration: none; opacity: 0.6; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 12px; opacity: 0.8; margin-top: 8px; }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 6px; }
"""
TIMELINE_JS = """
const shown = new WeakMap();
function replace(old, fresh) {
  const had = old.querySelector('img'), has = fresh.querySelector('img');
  const waits = had && has && had.getAttribute('src') !== has.getAttribute('src') && has.getAttribute('src');
  if (had && has) has.replaceWith(had);              // what is seen stays until the next picture is there
  old.replaceWith(fresh);
  if (waits) { const next = new Image(); next.onload = () => { had.src = waits; }; next.src = waits; }
}
export default function ({ parentElement, data, setStateValue }) {
  const root = parentElement.querySelector('.root');
  if (shown.get(root) !== data.html) {
    const fresh = document.createElement('template');
    fresh.innerHTML = data.html;
    const old = [...root.querySelectorAll('.cell')], now = [...fresh.content.querySelectorAll('.cell')];
    if (old.length === now.length && old.length) {
      const before = document.createElement('template');
      before.innerHTML = shown.get(root) || '';
      const was = [...before.content.querySelectorAll('.cell')];
      now.forEach((cell, i) => { if (!was[i] || was[i].outerHTML !== cell.outerHTML) replace(old[i], cell); });
    } else root.replaceChildren(fresh.content);
    shown.set(root, data.html);
  }
  root.onclick = (event) => {
    const cell = event.target.closest('[data-section]');
    if (cell) setStateValue('section', Number(cell.dataset.section));
  };
}
"""
PLAYER_CSS = """
.box { height: 320px; border-radius: 10px; overflow: hidden; display: flex; align-items: center;
  justify-content: center; text-align: center; background: var(--st-secondary-background-color);
  color: var(--st-text-color); font-size: 14px; }
.box video { width: 100%; height: 100%; object-fit: contain; display: none; }
.box p { opacity: 0.7; padding: 0 24px; }
.note { height: 1.5em; font-size: 13px; opacity: 0.75; margin-top: 6px; white-space: nowrap; overflow: hidden;
  text-overflow: ellipsis; color: var(--st-text-color); }
"""
PLAYER_JS = """
export default function ({ parentElement, data }) {
  const video = parentElement.querySelector('video'), empty = parentElement.querySelector('p');
  const note = parentElement.querySelector('.note');
  note.textContent = note.title = data.note;
  video.style.display = data.src ? 'block' : 'none';
  empty.style.display = data.src ? 'none' : 'block';
  empty.textContent = data.empty;
  if (!data.src || video.getAttribute('src') === data.src) return;
  const at = video.currentTime || 0, plays = !video.paused || !video.getAttribute('src');
  video.src = data.src;                              // longer by what has become finished; it goes on where it was
  video.addEventListener('loadedmetadata', () => { video.currentTime = at < video.duration - 0.05 ? at : 0; },
    { once: true });
  if (plays) video.play().catch(() => {});
}
"""
PLAYER_HTML = '<div class="box"><video muted loop controls playsinline></video><p></p></div><div class="note"></div>'

_timeline = st.components.v2.component(
    "farm_timeline", html='<div class="root"></div>', css=TIMELINE_CSS, js=TIMELINE_JS
)
_player = st.components.v2.component("farm_player", html=PLAYER_HTML, css=PLAYER_CSS, js=PLAYER_JS)


def timeline(html: str, key: str) -> None:
    """Show cells; ``chosen`` gives which one was clicked last."""
    _timeline(data={"html": html}, key=key, on_section_change=lambda: None)


def chosen(key: str) -> int | None:
    """The section that was clicked last in the timeline of this key."""
    state: Any = st.session_state.get(key)
    found = state.get("section") if state else None
    return int(found) if isinstance(found, int | float) else None


def player(source: str, note: str, empty: str, key: str) -> None:
    """Play a video that grows: its address changes then, and it goes on where it was. ``note`` is below it, ``empty``
    stands there as long as there is none."""
    _player(data={"src": source, "note": note, "empty": empty}, key=key)
