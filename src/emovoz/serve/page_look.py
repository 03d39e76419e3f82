"""How the page looks: Gradio's parts in the colours of our pictures and the fonts of the system."""

from importlib.resources import files

from gradio.themes import Base

from emovoz.pictures.palette import DARK, LIGHT, Look

_FONT = ("system-ui", "-apple-system", "Segoe UI", "Noto Sans", "sans-serif")
_MONO = ("ui-monospace", "Menlo", "Consolas", "monospace")
_MORE = {
    "light": {"sheet": "#ffffff", "wash": "#eef2f2", "bad": "#b92a14"},
    "dark": {"sheet": "#1a1e22", "wash": "#262c32", "bad": "#ff7a5c"},
}


def theme() -> Base:
    """Gradio's theme."""
    names = {
        "body_background_fill": "paper",
        "body_text_color": "ink",
        "body_text_color_subdued": "muted",
        "background_fill_primary": "sheet",
        "background_fill_secondary": "wash",
        "block_background_fill": "sheet",
        "block_border_color": "rule",
        "block_label_text_color": "muted",
        "block_title_text_color": "ink",
        "block_info_text_color": "muted",
        "border_color_primary": "rule",
        "border_color_accent": "accent",
        "color_accent_soft": "wash",
        "input_background_fill": "sheet",
        "input_border_color": "rule",
        "input_border_color_focus": "accent",
        "input_placeholder_color": "muted",
        "checkbox_background_color_selected": "accent",
        "checkbox_border_color_selected": "accent",
        "checkbox_border_color": "muted",
        "checkbox_label_text_color": "ink",
        "button_primary_background_fill": "accent",
        "button_primary_background_fill_hover": "accent",
        "button_primary_text_color": "paper",
        "button_secondary_background_fill": "wash",
        "button_secondary_background_fill_hover": "rule",
        "button_secondary_text_color": "ink",
    }
    light, dark = _colours(LIGHT), _colours(DARK)
    values = {name: light[colour] for name, colour in names.items()}
    values |= {f"{name}_dark": dark[colour] for name, colour in names.items()}
    plain = Base(font=_FONT, font_mono=_MONO, radius_size="md", spacing_size="md")
    return plain.set(
        **values, color_accent="var(--accent)", block_border_width="1px", block_shadow="none", block_radius="0.75rem"
    )


def style() -> str:
    """The page's own style sheet."""
    sheet = files("emovoz.serve").joinpath("page.css").read_text(encoding="utf-8")
    return f":root {{ {_variables(LIGHT)} }}\n.dark {{ {_variables(DARK)} }}\n{sheet}"


def _variables(look: Look) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in _colours(look).items())


def _colours(look: Look) -> dict[str, str]:
    own = {"paper": look.paper, "ink": look.ink, "muted": look.muted, "rule": look.rule, "accent": look.accent}
    return own | _MORE[look.name]
