"""Settings that are chosen within the training clips."""

from collections.abc import Iterator
from itertools import product
from typing import Annotated, Any

from pydantic import Field

from emovoz.settings.base import Count, Section


class Selection(Section):
    """What is chosen on clips held out of the training clips, and how these are held out.

    Attributes:
        grid: values to try, by the name of their setting: `{training.regularisation: [0.01, 0.1], ...}`. Of all
            combinations the one with the best macro-F1 on the clips held out is taken, and of equally good ones the
            first, where the setting named last changes first: begin with the simplest.
        folds: parts of the training clips, with other groups (by default speakers) in each where these are known; each
            part is scored by heads fitted to the others. 1 holds out one part, training.dev_fraction. By default 5
            where every method is a closed form, else 1. Dev clips that are given take their place.
    """

    grid: dict[str, Annotated[list[Any], Field(min_length=1)]] = {}
    folds: Count | None = None

    def combinations(self) -> Iterator[dict[str, Any]]:
        """The values of each combination, by the names of their settings; nothing where there is no grid."""
        values = product(*self.grid.values()) if self.grid else ()
        return (dict(zip(self.grid, one, strict=True)) for one in values)
