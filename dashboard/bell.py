"""What a tab tells of a job while nobody looks at it: its title, and a bell at the end for those who want one."""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import looks
from farm.jobs.records import ENDED

MARKS = {"pending": "…", "running": "▶", "paused": "⏸", "completed": "✓", "failed": "✗", "cancelled": "⊘"}
RINGS = {"completed": "The video is ready.", "failed": "It has failed."}
"""States in which the bell rings, and what it says then; whoever cancels a job knows that it has ended."""

HTML = '<label><input type="checkbox"><span>Tell me when it is done</span></label>'
CSS = """
label { display: flex; justify-content: flex-end; align-items: center; gap: 8px; height: 24px; font-size: 14px;
  color: var(--st-text-color); cursor: pointer; white-space: nowrap; }
input { accent-color: var(--st-primary-color); }
"""
JS = """
const WANTED = 'farm-bell';                                  // of this browser, for all jobs
const seen = (window.farmBellSeen ??= {});                   // outlives this element, which is made anew at the end
const wanted = () => localStorage.getItem(WANTED) === 'on';

function sound() { return (window.farmBellSound ??= new AudioContext()); }

function play(tones) {
  const context = sound();
  context.resume();
  tones.forEach((hertz, place) => {
    const start = context.currentTime + 0.18 * place, stop = start + 0.3;
    const tone = context.createOscillator(), volume = context.createGain();
    tone.frequency.value = hertz;
    volume.gain.setValueAtTime(0.2, start);
    volume.gain.exponentialRampToValueAtTime(0.001, stop);
    tone.connect(volume).connect(context.destination);
    tone.start(start);
    tone.stop(stop);
  });
}

function tell(data) {
  play(data.good ? [660, 880] : [440, 330]);
  if (window.Notification?.permission !== 'granted') return;
  try {
    const told = new Notification(data.title, { body: data.says, tag: `farm-${data.job}` });
    told.onclick = () => { window.focus(); told.close(); };
  } catch (error) { console.info(`no notification: ${error}`); }   // phones have none for pages
}

export default function ({ parentElement, data }) {
  const label = parentElement.querySelector('label'), box = parentElement.querySelector('input');
  const before = seen[data.job];
  seen[data.job] = data.ended;
  if (before === false && data.ended && data.says && wanted()) tell(data);
  label.style.display = data.ended ? 'none' : 'flex';
  label.title = window.Notification ? 'A sound, and a notification if this browser may show them'
    : 'A sound; browsers show notifications only over https';
  box.checked = wanted();
  box.onchange = () => {
    localStorage.setItem(WANTED, box.checked ? 'on' : 'off');
    if (!box.checked) return;
    sound().resume();                                        // browsers let pages sound after a click alone
    window.Notification?.requestPermission();
  };
}
"""

_bell = st.components.v2.component("farm_bell", html=HTML, css=CSS, js=JS)


def show(job: Mapping[str, Any]) -> None:
    """Name the tab after a job of the API, and draw the switch of the bell; to be called whenever the job is drawn."""
    title, state = title_of(job), job["state"]
    st.set_page_config(page_title=title)
    says = (job["error"] if state == "failed" else "") or RINGS.get(state, "")
    told = {"job": job["id"], "ended": state in ENDED, "good": state == "completed", "title": title, "says": says}
    _bell(data=told, key=f"bell-{job['id']}")


def title_of(job: Mapping[str, Any]) -> str:
    """Such as ``▶ 42% · walk``, and of an ended job ``✓ walk``."""
    done = "" if job["state"] in ENDED else f"{job['progress']:.0%} · "
    return f"{MARKS.get(job['state'], '')} {done}{looks.title_of(job['request'], 60)}"
