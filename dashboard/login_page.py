"""The page on which people sign in to the dashboard. Plain HTML, so that nothing of the dashboard loads before."""

import re
from html import escape

from .theme import COLORS

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sign in · FramePack Farm</title>
<style>
 body {{ margin: 0; min-height: 100vh; display: grid; place-items: center; background: {background}; color: {text};
   font: 16px/1.5 "Source Sans", system-ui, sans-serif; }}
 main {{ width: min(24rem, calc(100vw - 3rem)); }}
 h1 {{ font-size: 1.5rem; margin: 0 0 .25rem; }}
 p {{ margin: .5rem 0; color: {muted}; }}
 code {{ color: {text}; background: {raised}; padding: .1em .35em; border-radius: 4px; }}
 [role=alert] {{ color: {red}; }}
 label {{ display: block; margin: 1.25rem 0 .25rem; font-size: .875rem; }}
 input, button {{ box-sizing: border-box; width: 100%; padding: .6rem .75rem; border-radius: 10px; font: inherit; }}
 input {{ border: 1px solid {border}; background: {raised}; color: {text}; }}
 button {{ margin-top: .75rem; border: 0; background: {primary}; color: {background}; font-weight: 600; }}
 a {{ color: {primary}; }}
 :focus-visible {{ outline: 2px solid {primary}; outline-offset: 2px; }}
</style>
</head>
<body><main>
<h1>FramePack Farm</h1>
{problem}
<form method="post" action="{action}">
 <label for="token">Token</label>
 <input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
 <button type="submit">Sign in</button>
</form>
{other}
<p>On the farm's machine, <code>farm token</code> prints it, and <code>farm open</code> signs you in without it.</p>
</main></body></html>
"""


def login_page(action: str, problem: str = "", other: str = "", provider: str = "") -> str:
    """The page; its form goes to ``action``, and ``problem`` says in one line what went wrong before.

    Args:
        other: where those go who sign in by a ``provider`` of identities; empty for no such way.
    """
    told = re.sub("`(.+?)`", r"<code>\1</code>", escape(problem))
    way = f'<p><a href="{escape(other)}">Sign in with {escape(provider)}</a></p>' if other else ""
    return _PAGE.format(
        action=escape(action), problem=f'<p role="alert">{told}</p>' if told else "", other=way, **COLORS
    )
