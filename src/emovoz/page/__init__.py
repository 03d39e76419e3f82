"""What the HTML pages share; their style and their marks are the templates of emovoz/evaluation."""

from emovoz.page.axis import Axis, axis_of, finite
from emovoz.page.templates import templates_of

__all__ = ["Axis", "axis_of", "finite", "templates_of"]
